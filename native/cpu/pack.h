// Copies of operands in the layout that the register tile (gemm.h) streams: panel[step][column], one
// 32-bit step per entry, columns padded with zeros to whole vectors. Conversions happen here, so that
// the tile never sees them.
#ifndef ATTUNE_PACK_H
#define ATTUNE_PACK_H

#include <algorithm>
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

#if defined(__AVX512F__)
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
#else
// out[i] = entries of a and b in turn, in pieces of S within each 128-bit lane: those of the lower half of the lane, or
// of the upper one.
template <int S, bool kUpper, size_t... L>
static inline vu interleave_lanes(vu a, vu b, std::index_sequence<L...>) {
  constexpr int kFrom = kUpper ? 2 : 0;
  return __builtin_shufflevector(
      a, b, ((int(L) / S % 2) * W + int(L) / 4 * 4 + kFrom + int(L) % 4 / (2 * S) * S + int(L) % S)...);
}
// W x W transpose of 32-bit entries: within lanes, then of lanes.
static inline __attribute__((always_inline)) void transpose(vu (&rows)[W]) {
  constexpr auto lanes = std::make_index_sequence<W>{};
#pragma GCC unroll 2
  for (int i = 0; i < W; i += 4) {
    const vu low01 = interleave_lanes<1, false>(rows[i], rows[i + 1], lanes);
    const vu high01 = interleave_lanes<1, true>(rows[i], rows[i + 1], lanes);
    const vu low23 = interleave_lanes<1, false>(rows[i + 2], rows[i + 3], lanes);
    const vu high23 = interleave_lanes<1, true>(rows[i + 2], rows[i + 3], lanes);
    rows[i] = interleave_lanes<2, false>(low01, low23, lanes);
    rows[i + 1] = interleave_lanes<2, true>(low01, low23, lanes);
    rows[i + 2] = interleave_lanes<2, false>(high01, high23, lanes);
    rows[i + 3] = interleave_lanes<2, true>(high01, high23, lanes);
  }
#if defined(__AVX2__)
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const vu low = rows[i], high = rows[i + 4];
    rows[i] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 8, 9, 10, 11);
    rows[i + 4] = __builtin_shufflevector(low, high, 4, 5, 6, 7, 12, 13, 14, 15);
  }
#endif
}
#endif

// Up to W steps of one row, `n` elements (zeros beyond).
template <class Product, class T, bool kRound>
static inline vu row_steps(const T* p, int n) {
#if defined(ATTUNE_BF16_DOTS)
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
#if !defined(__AVX512F__)
      // Rows are too short for the processor's own prefetcher to catch up with.
      if (s * static_cast<int64_t>(sizeof(T)) % 64 == 0) {
#pragma GCC unroll 8
        for (int i = 0; i < W; ++i) __builtin_prefetch(source + (i + W) * stride);
      }
#endif
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
#if defined(ATTUNE_BF16_DOTS)
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

#if !defined(__AVX512F__)
// strips[i / kStrip][step][i % kStrip] from rows of the depth: entry (step, i) is inp[i * stride + step], i < rows;
// strips are `strip_cells` apart, at least W more than the depth fills.
template <class T>
static void pack_strips(uint32_t* strips, int64_t strip_cells, const T* inp, int64_t stride, int64_t rows,
                        int64_t depth) {
  constexpr int kParts = (kStrip + W - 1) / W;
  for (int64_t i = 0; i < rows; i += kStrip) {
    const int valid = static_cast<int>(rows - i < kStrip ? rows - i : kStrip);
    const T* source = inp + i * stride;
    uint32_t* target = strips + i / kStrip * strip_cells;
    for (int64_t s = 0; s < depth; s += W) {
      vu cells[kParts][W];
      if (valid == kStrip && depth - s >= W) {
#pragma GCC unroll 8
        for (int r = 0; r < kParts * W; ++r)
          cells[r / W][r % W] = r < kStrip ? (vu)load(source + r * stride + s) : vu{};
      } else {
        const int n = static_cast<int>(depth - s < W ? depth - s : W);
        for (int r = 0; r < kParts * W; ++r) {
          cells[r / W][r % W] = r < valid ? row_steps<F32Product, T, false>(source + r * stride + s, n) : vu{};
        }
      }
#pragma GCC unroll 2
      for (int part = 0; part < kParts; ++part) transpose(cells[part]);
      // A step's cells past kStrip are overwritten by the next step's.
      const auto write = [&](int step) __attribute__((always_inline)) {
        for (int part = 0; part < kParts; ++part) {
          std::memcpy(target + (s + step) * kStrip + part * W, &cells[part][step], sizeof(vu));
        }
      };
      if (depth - s >= W) {
#pragma GCC unroll 8
        for (int step = 0; step < W; ++step) write(step);
      } else {
        for (int step = 0; step < depth - s; ++step) write(step);
      }
    }
  }
}
#endif

// panels[j / kWidth][step][j % kWidth] from rows of the depth: entry (step, j) is
// inp[(step * depth) * stride + j] (and the row below it), j < columns, `depth` rows; panels are
// `panel_steps` entries apart and the last one is as narrow as its columns need (in whole vectors).
// The panels keep the order of inp; rows are read whole, since they may lie pages apart.
// Where kWidth is no whole number of vectors, all panels are that wide and lie at least W entries more apart than
// the depth fills.
template <class Product, class T, bool kRound, int kWidth>
static void pack_interleaved(uint32_t* panels, int64_t panel_steps, const T* inp, int64_t stride, int columns,
                             int64_t depth) {
  constexpr int kLine = 64 / static_cast<int>(sizeof(T));
#if defined(__AVX512F__)
  constexpr int64_t kAhead = 8 * Product::kDepth;  // rows; neither the caches nor the pages of a row follow the last's
#else
  // The same, but no more lines on their way than the L1 can await.
  const int64_t kAhead = std::clamp<int64_t>(24 * kLine / columns, 1, 8);
#endif
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
    if constexpr (kWidth % W != 0) {
      // Entries past kWidth are overwritten by the next step's.
      for (int p = 0; p < columns; p += kWidth, panel += panel_steps) {
        uint32_t* target = panel + k / Product::kDepth * kWidth;
#pragma GCC unroll 2
        for (int j = 0; j < kWidth; j += W) {
          const int left = columns - p - j;
          vu steps = left >= W  ? interleave<Product, T, kRound>(first + p + j, nullptr, W)
                     : left > 0 ? interleave<Product, T, kRound>(first + p + j, nullptr, left)
                                : vu{};
          std::memcpy(target + j, &steps, sizeof(vu));
        }
      }
      continue;
    }
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
