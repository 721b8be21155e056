// Operands of products on tiles, in parts of bf16. A bf16 is its own part. An f32 is the sum of three: the first is
// rounded, each other one is cut off what those before it leave, exactly, so that together they have all 24 bits. Of
// the nine products of parts six are summed; the others are below 2^-22 of a product and have either sign. The sums are
// more exact than a chain of f32 multiply-adds: 32 of the depth cost six roundings in place of 32.
//
// A step of an operand (amx_block.h) is its parts one after the other, kStepBytes each. The six products of a step come
// one after the other, so that most of their tiles are loaded once, and are one link of an element's chain. The pairs
// of a step of f32 are elements i and i + 16 of the depth, not neighbours, in both operands: so no element has to
// change its lane when rows are split.
//
// Values: an infinity, NaN, or what rounds to an infinity in bf16 (from 3.396e38) makes NaN, since its second part is
// what an infinity leaves of it. Tiles count subnormals as zero: from 2^-103 down values lose some of their last part,
// from 2^-109 all of it, from 2^-118 two, and subnormal ones are zero.
#ifndef ATTUNE_AMX_PARTS_H
#define ATTUNE_AMX_PARTS_H

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "amx.h"
#include "amx_block.h"
#include "amx_pack.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Parts of an operand of this type, and how many of their products are summed.
template <class T>
constexpr int kParts = std::is_same_v<T, float> ? 3 : 1;
template <class T>
constexpr int kPartProducts = std::is_same_v<T, float> ? 6 : 1;
// Of a step of an operand.
template <class T>
constexpr int64_t kPartsBytes = kParts<T>* kStepBytes;

// ---- products -------------------------------------------------------------------------------------

// A product of a part of A and one of B, and which of them are not in their registers yet.
struct PartProduct {
  int a, b;
  bool takes_a, takes_b;
};
constexpr PartProduct kPartOrder[kPartProducts<float>] = {{2, 0, true, true},  {1, 0, true, false},
                                                          {1, 1, false, true}, {0, 1, true, false},
                                                          {0, 2, false, true}, {0, 0, false, true}};

// tile_steps of f32; beside(): after each product of parts.
template <bool kSecond, class Beside>
static inline __attribute__((always_inline)) void part_steps(const char* a, const char* b, int64_t steps,
                                                             Beside& beside) {
  for (int64_t k = 0; k < steps; ++k) {
    // One copy of the work beside: it would not fit the cache of instructions six times.
#pragma GCC unroll 1
    for (const PartProduct& parts : kPartOrder) {
      if (parts.takes_b) {
        tmm::load_passing<6>(b + parts.b * kStepBytes, 64);
        tmm::load_passing<7>(b + parts.b * kStepBytes + tmm::kBytes, 64);
      }
      if (parts.takes_a) {
        tmm::load<4>(a + parts.a * kStepBytes, 64);
        if constexpr (kSecond) tmm::load<5>(a + parts.a * kStepBytes + tmm::kBytes, 64);
      }
      tmm::product<0, 4, 6>();
      tmm::product<1, 4, 7>();
      if constexpr (kSecond) {
        tmm::product<2, 5, 6>();
        tmm::product<3, 5, 7>();
      }
      beside();
    }
    a += kPartsBytes<float>;
    b += kPartsBytes<float>;
  }
}

// tile_block of operands of type T; those of f32 are packed. beside() is called kPartProducts times a step.
template <class T, class Beside>
static inline __attribute__((always_inline)) void parts_block(const TileRows& a, int rows, const char* b, int64_t steps,
                                                              const float* from, float* to, int64_t stride,
                                                              Beside&& beside) {
  if constexpr (std::is_same_v<T, bf16>) {
    tile_block(a, rows, b, steps, from, to, stride, beside);
  } else {
    begin_sums(from, stride);
    if (rows > tmm::kRows) {
      part_steps<true>(a.first, b, steps, beside);
    } else {
      part_steps<false>(a.first, b, steps, beside);
    }
    end_sums(to, stride);
  }
}

// A step of B whose columns are ones: only the first part has any.
struct OnesTile {
  alignas(64) bf16 pairs[tmm::kRows * tmm::kDepth];
  OnesTile() { std::fill_n(pairs, tmm::kRows * tmm::kDepth, to_bf16(1.0f)); }
};

// The sums over the depth of 32 rows of A, packed: that of row m at to[16 * m].
template <class T>
static inline void parts_sums(const char* a, int64_t steps, const OnesTile& ones, float* to) {
  tmm::zero<0>();
  tmm::zero<2>();
  tmm::load<6>(ones.pairs, 64);
  for (int64_t k = 0; k < steps; ++k) {
    for (int part = kParts<T> - 1; part >= 0; --part) {
      const char* tiles = a + k * kPartsBytes<T> + part * kStepBytes;
      tmm::load<4>(tiles, 64);
      tmm::product<0, 4, 6>();
      tmm::load<5>(tiles + tmm::kBytes, 64);
      tmm::product<2, 5, 6>();
    }
  }
  tmm::store<0>(to, 64);
  tmm::store<2>(to + 16 * tmm::kRows, 64);
}

// ---- packing --------------------------------------------------------------------------------------

typedef float wide __attribute__((vector_size(64)));

// The first n of 16 elements; the others are zero.
template <class V>
static inline __attribute__((always_inline)) wide load_wide(const V* from, int n) {
#if defined(__AVX512F__)
  return n >= 16 ? load(from) : load_n(from, tile_part(n, 16));
#else
  wide out{};
  for (int i = 0; i < n && i < 16; ++i) out[i] = to_float(from[i]);
  return out;
#endif
}

// The upper halves of the words of both, those of `high` above.
static inline __attribute__((always_inline)) pairs upper_halves(pairs low, pairs high) {
#if defined(__AVX512BW__)
  return (pairs)_mm512_mask_blend_epi16(0xAAAAAAAA, (__m512i)(low >> 16), (__m512i)high);
#else
  return (low >> 16) | (high & 0xFFFF0000u);
#endif
}

// The first kCount parts of pairs (low[i], high[i]), which are a row of a tile: those of each part at to + part *
// part_bytes. The first is rounded, so that the others have either sign; they are cut off.
template <int kCount = kParts<float>>
static inline __attribute__((always_inline)) void split_pairs(char* to, wide low, wide high,
                                                              int64_t part_bytes = kStepBytes) {
#pragma GCC unroll 3
  for (int part = 0; part < kCount; ++part) {
    const uint32_t half = part == 0 ? 0x8000u : 0u;
    const pairs low_bits = (pairs)low + half, high_bits = (pairs)high + half;
    store_row(to + part * part_bytes, upper_halves(low_bits, high_bits));
    low = low - (wide)(low_bits & 0xFFFF0000u);
    high = high - (wide)(high_bits & 0xFFFF0000u);
  }
}

// A row of A: the first n of 32 elements of the depth.
template <class V>
static inline __attribute__((always_inline)) void split_row(char* to, const V* from, int n) {
  split_pairs(to, load_wide(from, n), load_wide(from + 16, n - 16));
}

// 16 columns of up to 16 rows, transposed.
template <class V>
static inline __attribute__((always_inline)) void transpose_wide(pairs (&out)[16], const V* from, int64_t stride,
                                                                 int rows, int n) {
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) out[i] = i < rows ? (pairs)load_wide(from + i * stride, n) : pairs{};
  transpose_pairs(out);
}

// What amx_pack.h packs, as a step of an operand of type T: A of up to 32 rows.
template <class T, class V>
static inline __attribute__((always_inline)) void parts_of_rows(char* to, const V* from, int64_t stride, int rows,
                                                                int n) {
  if constexpr (std::is_same_v<T, bf16>) {
    for (int half = 0; half < 2; ++half) {
      tile_of_rows(to + half * tmm::kBytes, from + half * 16 * stride, stride, tile_part(rows - 16 * half, 16), n);
    }
  } else {
    for (int m = 0; m < 32; ++m) split_row(to + 64 * m, from + m * stride, m < rows ? n : 0);
  }
}

// One of two tiles of B.
template <class T, class V>
static inline void parts_transposed(char* to, const V* from, int64_t stride, int rows, int n) {
  if constexpr (std::is_same_v<T, bf16>) {
    tile_transposed(to, from, stride, rows, n);
  } else {
    pairs low[16], high[16];
    transpose_wide(low, from, stride, rows, n);
    transpose_wide(high, from + 16, stride, rows, n - 16);
    for (int i = 0; i < 16; ++i) split_pairs(to + 64 * i, (wide)low[i], (wide)high[i]);
  }
}

// Tiles of B of up to 16 rows of f32, one for each part, part_bytes apart, whose pairs are neighbours of the depth.
static inline void neighbours_transposed(char* to, int64_t part_bytes, const float* from, int64_t stride, int rows,
                                         int n) {
  for (int i = 0; i < 16; ++i) {
    const float* row = from + i * stride;
    const wide low = load_wide(row, i < rows ? n : 0), high = load_wide(row + 16, i < rows ? n - 16 : 0);
    split_pairs(
        to + 64 * i, __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
        __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), part_bytes);
  }
  for (int part = 0; part < kParts<float>; ++part) {
    pairs tile[16];
    std::memcpy(tile, to + part * part_bytes, sizeof(tile));
    transpose_pairs(tile);
    std::memcpy(to + part * part_bytes, tile, sizeof(tile));
  }
}

template <class T, class V>
static inline void parts_interleaved(char* to, const V* from, int64_t stride, int depth, int n) {
  if constexpr (std::is_same_v<T, bf16>) {
    tiles_interleaved(to, from, stride, depth, n);
  } else {
    for (int i = 0; i < 16; ++i) {
      for (int half = 0; half < 2; ++half) {
        const V* at = from + i * stride + 16 * half;
        const int there = n - 16 * half;
        split_pairs(to + half * tmm::kBytes + 64 * i, load_wide(at, i < depth ? there : 0),
                    load_wide(at + 16 * stride, i + 16 < depth ? there : 0));
      }
    }
  }
}

// Tiles of columns are packed in pieces, between which there are products: a whole step of f32 would keep the tiles
// waiting. For 16 columns at a time, two pieces transpose them and the others split what these leave.
template <class T>
constexpr int kColumnPieces = std::is_same_v<T, float> ? 8 : 1;
struct TransposedColumns {
  alignas(64) float rows[2][16][16];  // of either half of the depth
};

template <class T>
static inline __attribute__((always_inline)) void piece_of_columns(char* to, TransposedColumns& columns, const T* from,
                                                                   int64_t stride, int depth, int n, int piece) {
  if constexpr (std::is_same_v<T, bf16>) {
    tiles_of_columns(to, from, stride, depth, n);
  } else {
    const int half = piece / 4, phase = piece % 4;
    if (phase < 2) {
      pairs rows[16];
      transpose_wide(rows, from + 16 * phase * stride + 16 * half, stride, depth - 16 * phase, n - 16 * half);
#pragma GCC unroll 16
      for (int m = 0; m < 16; ++m) std::memcpy(columns.rows[phase][m], &rows[m], sizeof(rows[m]));
    } else {
      const int first = 8 * (phase - 2);
      for (int m = first; m < first + 8; ++m) {
        split_pairs(to + half * tmm::kBytes + 64 * m, load_wide(columns.rows[0][m], 16),
                    load_wide(columns.rows[1][m], 16));
      }
    }
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
