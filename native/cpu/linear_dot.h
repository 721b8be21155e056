// Products of few rows with a weight of plain elements, as in decoding. The weight lies in rows of the depth, and
// so do the activations: lanes are elements of the depth, loaded where they lie, and nothing is packed or
// transposed. Every element of out is one chain of sums in rising order and one tree over its lanes, whatever
// tile it falls into: a row of out has the same bits whichever few rows are beside it.
#ifndef ATTUNE_LINEAR_DOT_H
#define ATTUNE_LINEAR_DOT_H

#include <algorithm>
#include <cstdint>

#include "context.h"
#include "gemm.h"
#include "lane_sums.h"
#include "lanes.h"
#include "linear_few.h"
#include "pack.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Accumulators of weight rows x rows of activations: 24 of 32 registers, or 12 of 16.
#if defined(__AVX512F__)
constexpr int kDotRows = 6;
#else
constexpr int kDotRows = 3;
#endif
constexpr int kDotColumns = 4;
// More rows of the weight where there are few of activations: their chains of sums hide each other's latency.
constexpr int kWideDotRows = kDotRows / 2;
constexpr int kWideDotColumns = W < 8 ? 4 : 8;
static_assert(kColumns % kWideDotColumns == 0, "tiles fill a panel");

// The products of `columns` rows of the weight (rows past the last are the last one again) with R rows of
// activations, both `depth` long and dense: sums[m * kColumns + j]. `lines` cache lines from `next` on are asked
// for at each step.
template <class Product, bool kRound, int R, int Columns, class T, class V>
static __attribute__((noinline)) void dot_tile(const V* weight, int columns, const T* inp, int64_t depth, float* sums,
                                               const char* next, int lines) {
  constexpr int kStep = W * Product::kDepth;
  vf acc[R][Columns];
  const V* column[Columns];
#pragma GCC unroll 8
  for (int j = 0; j < Columns; ++j) column[j] = weight + std::min(j, columns - 1) * depth;
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
#pragma GCC unroll 8
    for (int j = 0; j < Columns; ++j) acc[m][j] = vf{};
  }
  const auto step = [&](int64_t k, int n) __attribute__((always_inline)) {
    vu b[Columns];
#pragma GCC unroll 8
    for (int j = 0; j < Columns; ++j) b[j] = row_steps<Product, V, kRound>(column[j] + k, n);
#pragma GCC unroll 8
    for (int m = 0; m < R; ++m) {
      const vu a = row_steps<Product, T, false>(inp + m * depth + k, n);
#pragma GCC unroll 8
      for (int j = 0; j < Columns; ++j) acc[m][j] = Product::multiply_add(acc[m][j], a, b[j]);
    }
  };
  int64_t k = 0;
  for (; k + kStep <= depth; k += kStep) {
    for (int i = 0; i < lines; ++i) __builtin_prefetch(next + 64 * i, 0, 2);
    next += 64 * lines;
    step(k, kStep);
  }
  if (k < depth) step(k, static_cast<int>(depth - k));
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
    const vf total = sum_across<Columns>(acc[m]);
    std::memcpy(sums + m * kColumns, &total, Columns * sizeof(float));
  }
}

// The tile for `rows` of at most R rows.
template <class Product, bool kRound, int R, int Columns, class... Arguments>
static inline void run_dot_tile(int rows, Arguments... arguments) {
  if constexpr (R > 1) {
    if (rows < R) return run_dot_tile<Product, kRound, R - 1, Columns>(rows, arguments...);
  }
  dot_tile<Product, kRound, R, Columns>(arguments...);
}

// out = epilogue(inp (N, depth) * weight (columns, depth)^T) for N up to kFewRows. The epilogue is that of the
// packed products.
template <class Product, bool kRound, class T, class V, class Epilogue>
static void dot_product(attune_context* ctx, const T* inp, int64_t N, int64_t depth, int64_t columns, const V* weight,
                        const Epilogue& epilogue) {
  constexpr bool kNarrow = sizeof(V) > sizeof(typename Product::Element);
  constexpr int64_t kNarrowDepth = 65536;
  static_assert(4 * kFewRows * kColumns + 2 * kDotColumns * kNarrowDepth <= kWorkspaceBytes, "scratch of few rows");
  const int rows = static_cast<int>(N);
  const bool wide = rows <= kWideDotRows;
  const int tile_columns = wide ? kWideDotColumns : kDotColumns;
  const int passes = (rows + kDotRows - 1) / kDotRows;
  // While a tile is multiplied, over all passes, the rows of the tile after the next are fetched: a tile alone is
  // too short to hide the memory's latency.
  constexpr int kStepBytes = W * Product::kDepth * static_cast<int>(sizeof(V));
  const int lines = (tile_columns * kStepBytes + 64 * passes - 1) / (64 * passes);
  const int64_t pass_bytes = tile_columns * depth * static_cast<int64_t>(sizeof(V)) / passes;
  const int64_t task_columns = few_task_columns(ctx, columns);

  parallel(ctx, (columns + task_columns - 1) / task_columns, [&](int64_t task, int32_t worker) {
    const int64_t first = task * task_columns, end = std::min(first + task_columns, columns);
    auto* sums = reinterpret_cast<float*>(ctx->workspace(worker));
    [[maybe_unused]] auto* narrow = reinterpret_cast<typename Product::Element*>(sums + kFewRows * kColumns);
    for (int64_t panel = first; panel < end; panel += kColumns) {
      const int width = static_cast<int>(std::min<int64_t>(kColumns, end - panel));
      for (int j = 0; j < width; j += tile_columns) {
        const V* from = weight + (panel + j) * depth;
        const char* next = reinterpret_cast<const char*>(from + 2 * tile_columns * depth);
        const auto multiply = [&](const auto* tile_weight) {
          for (int pass = 0; pass < passes; ++pass) {
            const int row = rows * pass / passes, count = rows * (pass + 1) / passes - row;
            const T* a = inp + row * depth;
            float* to = sums + row * kColumns + j;
            const char* ahead = next + pass * pass_bytes;
            if (wide) {
              run_dot_tile<Product, kRound, kWideDotRows, kWideDotColumns>(count, tile_weight, width - j, a, depth, to,
                                                                           ahead, lines);
            } else {
              run_dot_tile<Product, kRound, kDotRows, kDotColumns>(count, tile_weight, width - j, a, depth, to, ahead,
                                                                   lines);
            }
          }
        };
        if constexpr (kNarrow) {
          // Rounded once for all passes, which leaves the first-level cache to the activations.
          if (passes > 1 && depth <= kNarrowDepth) {
            for (int i = 0; i < std::min(tile_columns, width - j); ++i) {
              for_vectors(0, depth, [&](int64_t k, auto lanes) ATTUNE_INLINE_BODY {
                store(narrow + i * depth + k, load(from + i * depth + k, lanes), lanes);
              });
            }
            multiply(narrow);
            continue;
          }
        }
        multiply(from);
      }
      epilogue(0, rows, panel, width, sums);
    }
  });
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
