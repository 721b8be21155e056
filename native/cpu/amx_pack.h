// Operands in the order of tiles (amx.h): 16 rows of 64 bytes, each 16 pairs of bf16 that are neighbours of the depth.
//
//   tile_of_rows         A of rows of the depth: they are copied
//   tile_transposed      B of rows of the depth, columns of the product: 32-bit transposes
//   tiles_interleaved    B of rows that are the depth: two rows make pairs, in the order of columns or of lanes
//   tiles_of_columns     A of rows that are the depth: pairs of two rows, transposed
//
// f32 is rounded to bf16 on the way. What lies past the given rows and elements counts as zero.
#ifndef ATTUNE_AMX_PACK_H
#define ATTUNE_AMX_PACK_H

#include <cstdint>
#include <cstring>
#include <utility>

#include "amx.h"
#include "pack.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// A row of a tile.
typedef uint32_t pairs __attribute__((vector_size(64)));

static inline void store_row(char* to, pairs row) { std::memcpy(to, &row, sizeof(row)); }

#if defined(__AVX512BF16__)
static inline uint32_t first_of_32(int n) { return n >= 32 ? ~0u : n <= 0 ? 0u : (1u << n) - 1u; }

// 32 elements.
static inline pairs pairs_of(const bf16* p) { return (pairs)_mm512_loadu_si512(p); }
static inline pairs pairs_of(const float* p) {
  return (pairs)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(p + 16), _mm512_loadu_ps(p));
}
// The first n of them.
static inline pairs pairs_of(const bf16* p, int n) { return (pairs)_mm512_maskz_loadu_epi16(first_of_32(n), p); }
static inline pairs pairs_of(const float* p, int n) {
  const uint32_t mask = first_of_32(n);
  const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
  const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), p + 16);
  return (pairs)_mm512_cvtne2ps_pbh(high, low);
}
static inline __attribute__((always_inline)) void transpose_pairs(pairs (&rows)[16]) { transpose(rows); }
#else
static inline pairs pairs_of(const bf16* p) {
  pairs out;
  std::memcpy(&out, p, sizeof(out));
  return out;
}
static inline pairs pairs_of(const bf16* p, int n) {
  pairs out{};
  if (n > 0) std::memcpy(&out, p, 2 * static_cast<size_t>(n < 32 ? n : 32));
  return out;
}
static inline pairs pairs_of(const float* p, int n) {
  bf16 rounded[32] = {};
  // As the conversion of the processors that have tiles does it: subnormals are zero.
  for (int i = 0; i < n && i < 32; ++i) rounded[i] = to_bf16(std::fabs(p[i]) < 1.17549435e-38f ? 0.0f : p[i]);
  return pairs_of(rounded);
}
static inline pairs pairs_of(const float* p) { return pairs_of(p, 32); }
static inline void transpose_pairs(pairs (&rows)[16]) {
  pairs out[16];
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) out[j][i] = rows[i][j];
  }
  std::memcpy(rows, out, sizeof(out));
}
#endif

// The pairs (first[i], second[i]): those of i < 16, and the others.
static inline void interleave(pairs first, pairs second, pairs* low, pairs* high) {
  typedef uint16_t halves __attribute__((vector_size(64)));
  const auto a = (halves)first, b = (halves)second;
  *low = (pairs)__builtin_shufflevector(a, b, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10,
                                        42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47);
  *high = (pairs)__builtin_shufflevector(a, b, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56,
                                         25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
}

// The same 32 pairs in the order that costs the least, lane by lane of 16 bytes: pair i of `low` is that of element
// column_by_lanes(i), of `high` of the fourth one after it.
static inline void interleave_by_lanes(pairs first, pairs second, pairs* low, pairs* high) {
  typedef uint16_t halves __attribute__((vector_size(64)));
  const auto a = (halves)first, b = (halves)second;
  *low = (pairs)__builtin_shufflevector(a, b, 0, 32, 1, 33, 2, 34, 3, 35, 8, 40, 9, 41, 10, 42, 11, 43, 16, 48, 17, 49,
                                        18, 50, 19, 51, 24, 56, 25, 57, 26, 58, 27, 59);
  *high = (pairs)__builtin_shufflevector(a, b, 4, 36, 5, 37, 6, 38, 7, 39, 12, 44, 13, 45, 14, 46, 15, 47, 20, 52, 21,
                                         53, 22, 54, 23, 55, 28, 60, 29, 61, 30, 62, 31, 63);
}
constexpr int column_by_lanes(int i) { return i / 4 * 8 + i % 4; }

// Rows 2 i and 2 i + 1 of `depth` rows of n elements, interleaved.
template <bool kByLanes = false, class T>
static inline __attribute__((always_inline)) void interleave_rows(const T* from, int64_t stride, int i, int depth,
                                                                  int n, pairs* low, pairs* high) {
  const auto weave = [&](pairs a, pairs b) __attribute__((always_inline)) {
    if constexpr (kByLanes) {
      interleave_by_lanes(a, b, low, high);
    } else {
      interleave(a, b, low, high);
    }
  };
  const T* first = from + 2 * i * stride;
  if (depth >= 32 && n >= 32) return weave(pairs_of(first), pairs_of(first + stride));
  weave(2 * i < depth ? pairs_of(first, n) : pairs{}, 2 * i + 1 < depth ? pairs_of(first + stride, n) : pairs{});
}

// Element n of row m is from[m * stride + n].
template <class T>
static inline void tile_of_rows(char* to, const T* from, int64_t stride, int rows, int n) {
  for (int i = 0; i < tmm::kRows; ++i) store_row(to + 64 * i, i < rows ? pairs_of(from + i * stride, n) : pairs{});
}

// Column j of the tile is row j of `from`.
template <class T>
static inline __attribute__((always_inline)) void tile_transposed(char* to, const T* from, int64_t stride, int rows,
                                                                  int n) {
  pairs r[16];
  if (rows >= 16 && n >= 32) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = pairs_of(from + i * stride);
  } else {
    for (int i = 0; i < 16; ++i) r[i] = i < rows ? pairs_of(from + i * stride, n) : pairs{};
  }
  transpose_pairs(r);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) store_row(to + 64 * i, r[i]);
}

// Two tiles: columns 0..15 and 16..31 of up to 32 rows, or those of interleave_by_lanes.
template <bool kByLanes = false, class T>
static inline __attribute__((always_inline)) void tiles_interleaved(char* to, const T* from, int64_t stride, int depth,
                                                                    int n) {
  for (int i = 0; i < 16; ++i) {
    pairs low, high;
    interleave_rows<kByLanes>(from, stride, i, depth, n, &low, &high);
    store_row(to + 64 * i, low);
    store_row(to + tmm::kBytes + 64 * i, high);
  }
}

// Two tiles: their rows are columns 0..15 and 16..31 of up to 32 rows.
template <class T>
static inline __attribute__((always_inline)) void tiles_of_columns(char* to, const T* from, int64_t stride, int depth,
                                                                   int n) {
  pairs low[16], high[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) interleave_rows(from, stride, i, depth, n, &low[i], &high[i]);
  transpose_pairs(low);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) store_row(to + 64 * i, low[i]);
  transpose_pairs(high);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) store_row(to + tmm::kBytes + 64 * i, high[i]);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
