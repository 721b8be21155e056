// Copies of operands in the layout that the register tile (gemm.h) streams: panel[step][column], one
// 32-bit step per entry, columns padded with zeros to whole vectors. Conversions happen here, so that
// the tile never sees them.
#ifndef ATTUNE_PACK_H
#define ATTUNE_PACK_H

#include <cstdint>
#include <type_traits>
#include <utility>

#include "gemm.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// n lanes from p as f32, rounded to bf16 first where the product's operands are bf16.
template <class T, bool kRound>
static inline vf load_rounded(const T* p, int n) {
  vf value = n == W ? load(p) : load_n(p, n);
  if constexpr (kRound && std::is_same_v<T, float>) {
    vh half = round_to_bf16(value);
    bf16 bits[W];
    std::memcpy(bits, &half, sizeof(bits));
    return load(bits);
  }
  return value;
}

// n elements as f32.
template <class T>
static inline void convert_row(float* to, const T* from, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(to + i, load(from + i));
  if (i < n) store_n(to + i, load_n(from + i, static_cast<int>(n - i)), static_cast<int>(n - i));
}

// One stage of a W x W transpose of 32-bit entries: exchanges the off-diagonal blocks of size S.
template <int S, size_t... L>
static inline void exchange(vu* a, vu* b, std::index_sequence<L...>) {
  constexpr int s = S;
  vu low = __builtin_shufflevector(*a, *b, ((int(L) & s) ? W + int(L) - s : int(L))...);
  vu high = __builtin_shufflevector(*a, *b, ((int(L) & s) ? W + int(L) : int(L) + s)...);
  *a = low;
  *b = high;
}
template <int S = W / 2>
static inline void transpose(vu (&rows)[W]) {
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) {
    if ((i & S) == 0) exchange<S>(&rows[i], &rows[i + S], std::make_index_sequence<W>{});
  }
  if constexpr (S > 1) transpose<S / 2>(rows);
}

// Up to W steps of one row, `n` elements (zeros beyond).
template <class Product, class T, bool kRound>
static inline vu row_steps(const T* p, int n) {
#if defined(__AVX512BF16__)
  if constexpr (Product::kDepth == 2) {
    uint32_t mask = n >= 32 ? ~0u : (1u << n) - 1u;
    if constexpr (std::is_same_v<T, bf16>) {
      return (vu)_mm512_maskz_loadu_epi16(mask, p);
    } else {
      __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
      __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), p + 16);
      return (vu)_mm512_cvtne2ps_pbh(high, low);
    }
  }
#endif
  if constexpr (Product::kDepth == 1) return (vu)load_rounded<T, kRound>(p, n < W ? n : W);
}

// panel[step][j] from row-major columns: entry (step, j) is inp[j * stride + step * depth ...], j <
// columns, `depth` elements deep. The panel is a transpose of inp.
template <class Product, class T, bool kRound>
static void pack_transposed(uint32_t* panel, const T* inp, int64_t stride, int columns, int64_t depth) {
  constexpr int64_t kChunk = W * Product::kDepth;
  const int width = (columns + W - 1) / W * W;
  const int64_t steps = (depth + Product::kDepth - 1) / Product::kDepth;
  for (int j = 0; j < columns; j += W) {
    const int valid = columns - j < W ? columns - j : W;
    for (int64_t s = 0; s < steps; s += W) {
      const T* source = inp + j * stride + s * Product::kDepth;
      const int64_t left = depth - s * Product::kDepth;
      const int n = static_cast<int>(left < kChunk ? left : kChunk);
      vu rows[W];
      if (valid == W && n == kChunk) {
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) rows[i] = row_steps<Product, T, kRound>(source + i * stride, kChunk);
      } else {
        for (int i = 0; i < W; ++i) rows[i] = i < valid ? row_steps<Product, T, kRound>(source + i * stride, n) : vu{};
      }
      transpose(rows);
      uint32_t* target = panel + s * width + j;
      if (steps - s >= W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) std::memcpy(target + i * width, &rows[i], sizeof(vu));
      } else {
        for (int i = 0; i < steps - s; ++i) std::memcpy(target + i * width, &rows[i], sizeof(vu));
      }
    }
  }
}

// W steps: row k (`first`) below row k + 1 (`second`; null: zero) of n columns.
template <class Product, class T, bool kRound>
static inline vu interleave(const T* first, const T* second, int n) {
#if defined(__AVX512BF16__)
  if constexpr (Product::kDepth == 2) {
    const __mmask16 mask = static_cast<__mmask16>((1u << n) - 1u);
    const __mmask16 mask2 = second == nullptr ? __mmask16{0} : mask;
    __m256i low, high;
    if constexpr (std::is_same_v<T, bf16>) {
      low = _mm256_maskz_loadu_epi16(mask, first);
      high = _mm256_maskz_loadu_epi16(mask2, second);
    } else {
      low = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, first));
      high = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask2, second));
    }
    return (vu)_mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
  }
#endif
  (void)second;
  if constexpr (Product::kDepth == 1) return (vu)load_rounded<T, kRound>(first, n);
}

// panels[j / kWidth][step][j % kWidth] from rows of the depth: entry (step, j) is
// inp[(step * depth) * stride + j] (and the row below it), j < columns, `depth` rows; panels are
// `panel_steps` entries apart and the last one is as narrow as its columns need (in whole vectors).
// The panels keep the order of inp; rows are read whole, since they may lie pages apart.
template <class Product, class T, bool kRound, int kWidth>
static void pack_interleaved(uint32_t* panels, int64_t panel_steps, const T* inp, int64_t stride, int columns,
                             int64_t depth) {
  constexpr int64_t kAhead = 8 * Product::kDepth;  // rows; neither the caches nor the pages of a row follow the last's
  constexpr int kLine = 64 / static_cast<int>(sizeof(T));
  for (int64_t k = 0; k < depth; k += Product::kDepth) {
    const T* first = inp + k * stride;
    const T* second = k + 1 < depth ? first + stride : nullptr;
    if (k + kAhead < depth) {
      for (int row = 0; row < Product::kDepth; ++row) {
        const T* next = first + (kAhead + row) * stride;
        for (int j = 0; j < columns; j += kLine) __builtin_prefetch(next + j);
      }
    }
    uint32_t* panel = panels;
    for (int p = 0; p < columns; p += kWidth) {
      const int width = columns - p < kWidth ? columns - p : kWidth;
      if (width == kWidth && second != nullptr) {
        uint32_t* target = panel + k / Product::kDepth * kWidth;
#pragma GCC unroll 8
        for (int j = 0; j < kWidth; j += W) {
          vu steps = interleave<Product, T, kRound>(first + p + j, second + p + j, W);
          std::memcpy(target + j, &steps, sizeof(vu));
        }
      } else {
        uint32_t* target = panel + k / Product::kDepth * ((width + W - 1) / W * W);
        for (int j = 0; j < width; j += W) {
          const int n = width - j < W ? width - j : W;
          vu steps = interleave<Product, T, kRound>(first + p + j, second == nullptr ? nullptr : second + p + j, n);
          std::memcpy(target + j, &steps, sizeof(vu));
        }
      }
      panel += panel_steps;
    }
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
