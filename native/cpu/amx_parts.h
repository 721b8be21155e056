// Operands of products on tiles, in parts of bf16. A bf16 is its own part. An f32 is the sum of three: each rounds what
// those before it leave, exactly, so that together they have all 24 bits. Of the nine products of parts six are summed;
// the others are below 2^-25 of a product. The sums are more exact than a chain of f32 multiply-adds: 32 of the depth
// cost six roundings in place of 32.
//
// A step of an operand (amx_block.h) is its parts one after the other, kStepBytes each. The six products of a step come
// one after the other, so that most of their tiles are loaded once, and are one link of an element's chain.
//
// Values: an infinity, NaN, or what rounds to an infinity in bf16 (from 3.396e38) makes NaN, since its second part is
// what an infinity leaves of it. Tiles count subnormals as zero: values below 2^-109 lose their last part, below 2^-118
// two, and subnormal ones are zero.
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

// 32 rows of the parts of 32 elements.
template <class T>
struct SplitStep {
  alignas(64) bf16 part[kParts<T>][32 * 32];
};

// The parts of the first n of 32 elements, `stride` apart; the others count as zero.
template <class V>
static inline __attribute__((always_inline)) void split_row(bf16* to, int64_t stride, const V* from, int n) {
  const auto keep = [&](int part, pairs bits) __attribute__((always_inline)) {
    store_row(reinterpret_cast<char*>(to + part * stride), bits);
  };
#if defined(__AVX512BF16__)
  vf low, high;
  if (n >= 32) {
    low = load(from), high = load(from + 16);
  } else {
    low = load_n(from, tile_part(n, 16)), high = load_n(from + 16, tile_part(n - 16, 16));
  }
  const auto widened = [](__m256i half) __attribute__((always_inline)) {
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
  };
#pragma GCC unroll 3
  for (int part = 0; part < kParts<float>; ++part) {
    const auto bits = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
    keep(part, (pairs)bits);
    low = low - widened(_mm512_castsi512_si256(bits));
    high = high - widened(_mm512_extracti64x4_epi64(bits, 1));
  }
#else
  float rest[32] = {};
  for (int i = 0; i < n && i < 32; ++i) rest[i] = to_float(from[i]);
  for (int part = 0; part < kParts<float>; ++part) {
    const pairs bits = pairs_of(rest);
    bf16 rounded[32];
    std::memcpy(rounded, &bits, sizeof(rounded));
    keep(part, bits);
    for (int i = 0; i < 32; ++i) rest[i] -= to_float(rounded[i]);
  }
#endif
}

// The same of kCount rows, of which `rows` are given: row m of a part is at to + m * 32.
template <int kCount, class V>
static inline __attribute__((always_inline)) void split_rows(bf16* to, int64_t part_stride, const V* from,
                                                             int64_t stride, int rows, int n) {
  for (int m = 0; m < rows; ++m) split_row(to + m * 32, part_stride, from + m * stride, n);
  for (int m = rows; m < kCount; ++m) {
    for (int part = 0; part < kParts<float>; ++part) {
      store_row(reinterpret_cast<char*>(to + part * part_stride + m * 32), pairs{});
    }
  }
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
    split_rows<32>(reinterpret_cast<bf16*>(to), kStepBytes / 2, from, stride, rows, n);
  }
}

// The first of two tiles of B.
template <class T, class V>
static inline void parts_transposed(char* to, const V* from, int64_t stride, int rows, int n) {
  if constexpr (std::is_same_v<T, bf16>) {
    tile_transposed(to, from, stride, rows, n);
  } else {
    alignas(64) bf16 split[kParts<T>][16 * 32];
    split_rows<16>(split[0], 16 * 32, from, stride, rows, n);
    for (int part = 0; part < kParts<T>; ++part) tile_transposed(to + part * kStepBytes, split[part], 32, 16, 32);
  }
}

template <class T, class V>
static inline void parts_interleaved(char* to, const V* from, int64_t stride, int depth, int n) {
  if constexpr (std::is_same_v<T, bf16>) {
    tiles_interleaved(to, from, stride, depth, n);
  } else {
    SplitStep<T> split;
    split_rows<32>(split.part[0], 32 * 32, from, stride, depth, n);
    for (int part = 0; part < kParts<T>; ++part) {
      tiles_interleaved(to + part * kStepBytes, split.part[part], 32, 32, 32);
    }
  }
}

// Tiles of columns are packed in pieces, between which there are products: a whole step of f32 would keep the tiles
// waiting. First rows are split, some at a time, into `split`; then tiles are made of them.
constexpr int kPieceRows = 4;
constexpr int kSplitPieces = 32 / kPieceRows;
template <class T>
constexpr int kColumnPieces = std::is_same_v<T, float> ? kSplitPieces + 2 * kParts<float> :
#ifdef PIECES
                                                       2;
#else
                                                       1;
#endif

template <class T>
static inline __attribute__((always_inline)) void piece_of_columns(char* to, SplitStep<T>& split, const T* from,
                                                                   int64_t stride, int depth, int n, int piece) {
  if constexpr (std::is_same_v<T, bf16>) {
#ifdef PIECES
    if (depth >= 32 && n >= 32) {
      tile_of_columns(to + piece * tmm::kBytes, from + piece * 16, stride);
    } else if (piece == 0)
#endif
      tiles_of_columns(to, from, stride, depth, n);
  } else if (piece < kSplitPieces) {
    const int m = piece * kPieceRows;
    split_rows<kPieceRows>(split.part[0] + m * 32, 32 * 32, from + m * stride, stride, tile_part(depth - m, kPieceRows),
                           n);
  } else {
    const int tile = piece - kSplitPieces;  // [part][half]
    tile_of_columns(to + tile * tmm::kBytes, split.part[tile / 2] + tile % 2 * 16, 32);
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
