// The register tile of the products of integers: rows of activations x strips of 16 rows of the weight, sums in
// registers for the whole depth, which is counted in steps of four elements. The sums are exact, so neither the tile
// nor the instruction shows in a result.
//   activations  cells row-major, a step broadcast at a time
//   weight       strips: 64 bytes a step, lanes are columns of out
//
// A task owns a chunk of rows of activations, which stays in the second-level cache, and a group of panels of the
// weight, each read from memory once.
#ifndef ATTUNE_LINEAR_INT8_H
#define ATTUNE_LINEAR_INT8_H

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "context.h"
#include "linear_int8_rows.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

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
  constexpr int kParts = kFourBytes / static_cast<int>(sizeof(vi));  // vectors of a strip
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
    b += kFourBytes;
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
  for (int64_t step = 0; step < steps; ++step, b += kFourBytes) {
    int8_t bytes[kFourBytes];
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

// ---- the product ---------------------------------------------------------------------------------------

static inline int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

constexpr int64_t kChunkBytes = 512 << 10;  // of quantized rows: half of a second-level cache
constexpr int64_t kLeastRows = 48;          // of a chunk: fewer do not pay for reading the panels again

// finish(row, rows, column, columns, sums) takes sums that are kPanelColumns apart.
template <class Finish>
static void int8_product(attune_context* ctx, const Int8Rows& inp, const Strips& weight, int64_t N, int64_t F,
                         const Finish& finish) {
  const int64_t panels = parts_of(F, kPanelColumns);
  const int64_t most_rows = std::max(kLeastRows, kChunkBytes / inp.row_bytes);
  const int64_t chunk_rows = parts_of(parts_of(N, parts_of(N, most_rows)), kTileRows) * kTileRows;
  const int64_t chunks = parts_of(N, chunk_rows);
  // Long groups stream the weight in long runs; enough tasks keep every thread busy to the end.
  const int64_t group = std::max<int64_t>(1, panels * chunks / (4 * ctx->pool.threads()));
  const int64_t group_panels = std::min(group, panels);
  const int64_t groups = parts_of(panels, group_panels);
  parallel(ctx, groups * chunks, [&](int64_t task, int32_t) {
    const int64_t first_row = task / groups * chunk_rows, end_row = std::min(N, first_row + chunk_rows);
    const int64_t first_panel = task % groups * group_panels, end_panel = std::min(panels, first_panel + group_panels);
    const int64_t passes = parts_of(end_row - first_row, kTileRows);
    alignas(64) int32_t sums[kTileRows * kPanelColumns];
    for (int64_t panel = first_panel; panel < end_panel; ++panel) {
      const int64_t column = panel * kPanelColumns, columns = std::min<int64_t>(kPanelColumns, F - column);
      const int strips = static_cast<int>(parts_of(columns, kStripRows));
      for (int64_t pass = 0; pass < passes; ++pass) {
        // Passes of an equal number of rows, but for one.
        const int64_t row = first_row + (end_row - first_row) * pass / passes;
        const int rows = static_cast<int>(first_row + (end_row - first_row) * (pass + 1) / passes - row);
        // The first pass over a panel fetches the next one.
        const int64_t ahead = pass == 0 && panel + 1 < end_panel ? strips * weight.strip_bytes : 0;
        run_tile(rows, strips, inp.row(row), inp.row_bytes, weight.strip(column), weight.strip_bytes, weight.steps,
                 ahead, sums);
        finish(row, rows, column, columns, sums);
      }
    }
  });
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
