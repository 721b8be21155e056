// The register tile of the products of integers: rows of activations x strips of 16 rows of the weight, sums in
// registers for the whole depth, which is counted in steps of four elements. The sums are exact, so neither the tile
// nor the instruction shows in a result.
//   activations  cells row-major, a step broadcast at a time
//   weight       strips as linear_int8_pack lays them out: 64 bytes a step, lanes are columns of out
//
// AVX-512 with dot products of bytes (VNNI) multiplies unsigned by signed bytes: a cell is a code + 128, and 128 times
// the sum of a column's codes is taken off at the end. Others multiply pairs of 16 bits: a cell is a code, and of the
// four of a step the two middle ones change places, so that the even and the odd bytes of a strip, each widened by
// shifts, meet the pair that is theirs.
#ifndef ATTUNE_LINEAR_INT8_H
#define ATTUNE_LINEAR_INT8_H

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lanes.h"
#include "simd.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace attune {
namespace ATTUNE_ISA {

// Every level that has bf16 has VNNI (context.cpp asks for both); the compiler's flags do not say so.
#if defined(__AVX512BF16__)
#define ATTUNE_BYTE_DOTS 1
#endif

constexpr int kStripRows = 16;  // of the weight
constexpr int kStepBytes = 4 * kStripRows;

#if defined(ATTUNE_BYTE_DOTS)
using Cell = uint8_t;
constexpr int kOffset = 128;
#else
using Cell = int16_t;
constexpr int kOffset = 0;
#endif

// 24 sums of 32 registers, or 12 of 16, as in gemm.h, or 8 where a strip is four vectors; a few rows of plain integers
// where there are no vectors to speak of.
#if defined(__AVX512F__)
constexpr int kTileRows = 8, kTileStrips = 3;
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileStrips = 1;
#elif defined(__SSE2__)
constexpr int kTileRows = 2, kTileStrips = 1;
#else
constexpr int kTileRows = 4, kTileStrips = 1;
#endif
constexpr int kPanelColumns = kTileStrips * kStripRows;

// A weight as linear_int8_pack lays it out.
struct Strips {
  char* base;
  int64_t steps;
  int64_t strip_bytes;

  Strips(void* weight, int64_t C)
      : base(static_cast<char*>(weight)), steps((C + 3) / 4), strip_bytes(steps * kStepBytes + 8 * kStripRows) {}
  char* strip(int64_t row) const { return base + row / kStripRows * strip_bytes; }
  // Where the scale of a row is; its sum of codes is 4 kStripRows bytes behind.
  char* scales(int64_t row) const { return strip(row) + steps * kStepBytes + 4 * (row % kStripRows); }
};

static inline vi load_i32(const char* p) {
  vi out;
  std::memcpy(&out, p, sizeof(out));
  return out;
}

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

// W codes as cells.
static inline void put(Cell* to, vi codes) {
#if defined(ATTUNE_BYTE_DOTS)
  const __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xFFFF, (__m512i)(codes + kOffset));
  std::memcpy(to, &bytes, sizeof(bytes));
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

#if defined(__SSE2__)

static inline vi broadcast(const char* p) {
  int32_t bits;
  std::memcpy(&bits, p, sizeof(bits));
  return vi{} + bits;
}

#if defined(ATTUNE_BYTE_DOTS)
// sum += four products of unsigned bytes of a with signed ones of b, in each lane.
static inline vi dot(vi sum, vi a, vi b) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
#else
// sum += two products of 16 bits, in each lane.
static inline vi dot(vi sum, vi a, vi b) {
#if defined(__AVX512F__)
  return sum + (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return sum + (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
  return sum + (vi)_mm_madd_epi16((__m128i)a, (__m128i)b);
#endif
}

// The even (0) or the odd (1) bytes, widened.
typedef int16_t vs __attribute__((vector_size(W * 4)));
template <int kOdd>
static inline vi widened(vi bytes) {
  const vs halves = (vs)bytes;
  return (vi)((kOdd ? halves : halves << 8) >> 8);
}
#endif

// sums (R, kPanelColumns) = the products of R rows with S strips. Fetches as many bytes of the weight `ahead` of those
// that it multiplies.
template <int R, int S>
static __attribute__((noinline)) void tile(const char* a, int64_t row_bytes, const char* b, int64_t strip_bytes,
                                           int64_t steps, int64_t ahead, int32_t* sums) {
  constexpr int kParts = kStepBytes / static_cast<int>(sizeof(vi));  // vectors of a strip
  constexpr int V = S * kParts;
  vi acc[R][V];
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[m][v] = vi{};
  }
  const char* row[R];
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) row[m] = a + m * row_bytes;
  for (int64_t step = 0; step < steps; ++step) {
    vi bytes[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const char* from = b + v / kParts * strip_bytes + v % kParts * static_cast<int>(sizeof(vi));
      bytes[v] = load_i32(from);
      if (v % kParts == 0) __builtin_prefetch(from + ahead, 0, 2);
    }
    b += kStepBytes;
#if defined(ATTUNE_BYTE_DOTS)
#pragma GCC unroll 8
    for (int m = 0; m < R; ++m) {
      const vi cells = broadcast(row[m] + 4 * step);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[m][v] = dot(acc[m][v], cells, bytes[v]);
    }
#else
    const auto multiply_half = [&](auto odd) __attribute__((always_inline)) {
      vi half[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) half[v] = widened<odd.value>(bytes[v]);
#pragma GCC unroll 8
      for (int m = 0; m < R; ++m) {
        const vi cells = broadcast(row[m] + 8 * step + 4 * odd.value);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[m][v] = dot(acc[m][v], cells, half[v]);
      }
    };
    multiply_half(std::integral_constant<int, 0>{});
    multiply_half(std::integral_constant<int, 1>{});
#endif
  }
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) std::memcpy(sums + m * kPanelColumns + v * W, &acc[m][v], sizeof(vi));
  }
}

#else

template <int R, int S>
static __attribute__((noinline)) void tile(const char* a, int64_t row_bytes, const char* b, int64_t, int64_t steps,
                                           int64_t, int32_t* sums) {
  static_assert(S == 1, "panels of one strip");
  int32_t acc[R][kStripRows] = {};
  for (int64_t step = 0; step < steps; ++step, b += kStepBytes) {
    int8_t bytes[kStepBytes];
    std::memcpy(bytes, b, sizeof(bytes));
    for (int m = 0; m < R; ++m) {
      Cell cells[4];
      std::memcpy(cells, a + m * row_bytes + step * static_cast<int64_t>(sizeof(cells)), sizeof(cells));
      for (int j = 0; j < kStripRows; ++j) {
        const int8_t* column = bytes + 4 * j;
        acc[m][j] += cells[0] * column[0] + cells[1] * column[2] + cells[2] * column[1] + cells[3] * column[3];
      }
    }
  }
  std::memcpy(sums, acc, sizeof(acc));
}

#endif

// The tile of the given size (1..kTileRows, 1..kTileStrips).
template <int R = kTileRows, int S = kTileStrips, class... Arguments>
static inline void run_tile(int rows, int strips, Arguments... arguments) {
  if constexpr (R > 1) {
    if (rows < R) return run_tile<R - 1, S>(rows, strips, arguments...);
  }
  if constexpr (S > 1) {
    if (strips < S) return run_tile<R, S - 1>(rows, strips, arguments...);
  }
  tile<R, S>(arguments...);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
