// The operands of the products of integers, quantized row by row: weights in strips, as linear_int8_pack lays them out,
// and activations in cells, as the level multiplies them.
//
// AVX-512 with dot products of bytes (VNNI) multiplies unsigned by signed bytes: a cell is a code + 128, and 128 times
// the sum of a column's codes is taken off at the end. Matrix tiles multiply codes as they are. Others multiply pairs
// of 16 bits: a cell is a code, and of the four of a step the two middle ones change places, so that the even and the
// odd bytes of a strip, each widened by shifts, meet the pair that is theirs.
#ifndef ATTUNE_LINEAR_INT8_ROWS_H
#define ATTUNE_LINEAR_INT8_ROWS_H

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "amx.h"
#include "lanes.h"
#include "simd.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace attune {
namespace ATTUNE_ISA {

// Every level that has bf16 has VNNI (context.cpp asks for both); the compiler's flags do not say so.
#if defined(__AVX512BF16__) && !defined(ATTUNE_TILES)
#define ATTUNE_BYTE_DOTS 1
#endif

constexpr int kStripRows = 16;              // of the weight
constexpr int kFourBytes = 4 * kStripRows;  // of a strip's step

// kCellGroup: a row of activations is padded with zeros to so many.
#if defined(ATTUNE_TILES)
using Cell = int8_t;
constexpr int kOffset = 0;
constexpr int64_t kCellGroup = tmm::kByteDepth;
#elif defined(ATTUNE_BYTE_DOTS)
using Cell = uint8_t;
constexpr int kOffset = 128;
constexpr int64_t kCellGroup = 16;
#else
using Cell = int16_t;
constexpr int kOffset = 0;
constexpr int64_t kCellGroup = 16;
#endif

// ---- weights --------------------------------------------------------------------------------------------

// A weight as linear_int8_pack lays it out.
struct Strips {
  char* base;
  int64_t steps;
  int64_t strip_bytes;

  Strips(void* weight, int64_t C)
      : base(static_cast<char*>(weight)), steps((C + 3) / 4), strip_bytes(steps * kFourBytes + 8 * kStripRows) {}
  char* strip(int64_t row) const { return base + row / kStripRows * strip_bytes; }
  // Where the scale of a row is; its sum of codes is 4 kStripRows bytes behind.
  char* scales(int64_t row) const { return strip(row) + steps * kFourBytes + 4 * (row % kStripRows); }
};

static inline vi load_i32(const char* p) {
  vi out;
  std::memcpy(&out, p, sizeof(out));
  return out;
}

// ---- codes ----------------------------------------------------------------------------------------------

// Rounds to the nearest integer, ties to even; |x| < 2^22.
static inline vi nearest_integer(vf x) {
#if defined(__AVX512F__)
  return (vi)_mm512_maskz_cvtps_epi32(0xFFFF, (__m512)x);
#elif defined(__AVX2__)
  return (vi)_mm256_cvtps_epi32((__m256)x);
#else
  return (vi)(rounded(x) + splat(12582912.0f)) - 0x4B400000;  // 1.5 * 2^23
#endif
}

constexpr int32_t kInfinity = 0x7F800000;
constexpr float kLeastMagnitude = 0x1p-100f;  // far from where 127 / absmax would overflow

// The bits of the largest magnitude of a row; kInfinity or more where it holds an infinity or a NaN.
static inline int32_t largest_bits(const float* row, int64_t C) {
  vi top{};
  for_vectors(0, C, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
    const vi bits = (vi)vabs(load(row + i, lanes));
    top = bits > top ? bits : top;
  });
  int32_t largest = 0;
  for (int lane = 0; lane < W; ++lane) largest = std::max(largest, top[lane]);
  return largest;
}

// Calls store_codes(i, codes of elements i .. i + W) for a row; codes past the last element are 0. Returns the scale.
template <class StoreCodes>
static inline float quantize_row(const float* row, int64_t C, StoreCodes&& store_codes) {
  const int32_t bits = largest_bits(row, C);
  float absmax;
  std::memcpy(&absmax, &bits, sizeof(absmax));
  const bool is_strange = bits >= kInfinity;
  if (is_strange || absmax < kLeastMagnitude) {
    for (int64_t i = 0; i < C; i += W) store_codes(i, vi{});
    return is_strange ? __builtin_nanf("") : 0.0f;
  }
  const vf factor = splat(127.0f / absmax);
  for_vectors(0, C, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
    store_codes(i, nearest_integer(load(row + i, lanes) * factor));
  });
  return absmax / 127.0f;
}

// ---- activations ----------------------------------------------------------------------------------------

// W codes as cells.
static inline void put(Cell* to, vi codes) {
#if defined(ATTUNE_BYTE_DOTS) || (defined(ATTUNE_TILES) && defined(__AVX512F__))
  const __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xFFFF, (__m512i)(codes + kOffset));
  std::memcpy(to, &bytes, sizeof(bytes));
#elif defined(ATTUNE_TILES)
  for (int i = 0; i < W; ++i) to[i] = static_cast<Cell>(codes[i]);
#elif defined(__AVX2__)
  const __m128i lane = _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
#if defined(__AVX512F__)
  const __m256i halves = _mm512_maskz_cvtepi32_epi16(0xFFFF, (__m512i)codes);
  const __m256i cells = _mm256_shuffle_epi8(halves, _mm256_broadcastsi128_si256(lane));
#else
  const __m256i halves = _mm256_packs_epi32((__m256i)codes, (__m256i)codes);
  const __m128i cells = _mm_shuffle_epi8(_mm256_castsi256_si128(_mm256_permute4x64_epi64(halves, 0x08)), lane);
#endif
  std::memcpy(to, &cells, sizeof(cells));
#else
  for (int i = 0; i < W; i += 4) {
    const Cell cells[4] = {static_cast<Cell>(codes[i]), static_cast<Cell>(codes[i + 2]),
                           static_cast<Cell>(codes[i + 1]), static_cast<Cell>(codes[i + 3])};
    std::memcpy(to + i, cells, sizeof(cells));
  }
#endif
}

// Rows of quantized activations: cells, then the scale. Rows are an odd number of cache lines apart, so that those of a
// tile do not meet in few sets of the first-level cache.
struct Int8Rows {
  static constexpr int64_t kGroupBytes = kCellGroup * static_cast<int64_t>(sizeof(Cell));
  int64_t scale_offset;
  int64_t row_bytes;
  char* base;

  Int8Rows(void* scratch, int64_t C) : base(static_cast<char*>(scratch)) {
    scale_offset = (C + kCellGroup - 1) / kCellGroup * kGroupBytes;
    row_bytes = ((scale_offset + 4 + 63) / 64 | 1) * 64;
  }
  char* row(int64_t n) const { return base + n * row_bytes; }
  float scale(int64_t n) const {
    float value;
    std::memcpy(&value, row(n) + scale_offset, sizeof(value));
    return value;
  }
  void quantize(int64_t n, const float* from, int64_t C) const {
    auto* cells = reinterpret_cast<Cell*>(row(n));
    // Codes come in whole vectors, which may leave cells of the last group.
    std::memset(row(n) + scale_offset - kGroupBytes, 0, kGroupBytes);
    const float scale = quantize_row(from, C, [&](int64_t i, vi codes) ATTUNE_INLINE_BODY { put(cells + i, codes); });
    std::memcpy(row(n) + scale_offset, &scale, sizeof(scale));
  }
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
