// The products of a linear layer on matrix tiles (amx.h), with activations T: bf16, or f32 in parts (amx_parts.h).
//
// Forward and the gradient of the input: the loops of a task, from outside, are blocks of the depth, whose part of the
// weight is packed and stays in the L2; 32 rows of A; panels of 32 columns, which pass through the L1. Rows of bf16 are
// read where they lie and stay in the L1; those of f32 are packed beside the products of the 32 before. While a block
// of sums (amx_block.h) is multiplied, the vector units finish the one before.
//
// Every element of a product is one chain of steps in rising order, whatever tile, task or form it falls into; the sums
// of one block of the depth go on from those of the block before. (Only the gradient of the weight,
// linear_amx_weight.h, adds the sums of its blocks, which depend on the number of rows alone.) So neither the number of
// threads nor that of rows changes a bit.
#ifndef ATTUNE_LINEAR_AMX_H
#define ATTUNE_LINEAR_AMX_H

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "amx.h"
#include "amx_block.h"
#include "amx_pack.h"
#include "amx_parts.h"
#include "context.h"
#include "function_ref.h"
#include "quantized_weight.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kBlockCells = kPanel * kPanel;     // sums of a block
constexpr int64_t kDepthSteps = 32;                  // of a block of the depth, the most: A of 64 KiB in bf16
constexpr int64_t kGroupBytes = int64_t{768} << 10;  // of B in the L2
constexpr int64_t kTileChunkRows = 1024;             // of a task, the most
constexpr int64_t kTileLeastRows = 256;              // of a task, where the columns alone make too few tasks
// Panels of a task, at least, where a group may have so many: rows of A are loaded for them, and those of f32 split.
template <class T>
constexpr int64_t kLeastPanels = kParts<T> > 1 ? 12 : 3;
constexpr int64_t kRowsAhead = 2;      // rows that are split are fetched so many before
constexpr int64_t kTasksOfThread = 8;  // cores of one machine differ in speed, up to four times

// Where the sums of a block go on from those of the block before: the most steps, and bytes of B. Rows of f32, twice,
// and their sums are in the L2 too, and take more of it.
template <class T>
constexpr int64_t kRowSteps = kParts<T> > 1 ? 12 : kDepthSteps;
template <class T>
constexpr int64_t kRowGroupBytes = kParts<T> > 1 ? int64_t{432} << 10 : kGroupBytes;

// Of rows of A that do not stay in the L2 beside B, each task reads all from memory: there the tasks are few and wide.
constexpr int64_t kDeepTasksOfThread = 2;
constexpr int64_t kRowsInCache = int64_t{1} << 20;

// Steps that 32 rows of A are multiplied for with all panels before the next steps: in bf16 28 KiB, which stay in the
// L1. Every line that comes from the L2 instead takes 2.5 cycles, and a step of tiles of bf16 is 64 of both operands.
template <class T>
constexpr int64_t kTurnSteps = std::is_same_v<T, bf16> ? 14 : kDepthSteps;
template <class T>
static int64_t steps_of_turn(int64_t steps) {
  const int64_t turns = (steps + kTurnSteps<T> - 1) / kTurnSteps<T>;
  return (steps + turns - 1) / turns;
}

// The depth in equal blocks of steps. A function of the depth alone.
template <class T>
struct DepthSteps {
  int64_t depth, steps, block;
  DepthSteps(int64_t elements, int64_t most_steps)
      : depth(elements), steps((elements + tmm::kDepth - 1) / tmm::kDepth) {
    const int64_t blocks = (steps + most_steps - 1) / most_steps;
    block = (steps + blocks - 1) / blocks;
  }
  int64_t columns_of(int64_t bytes) const { return bytes / (block * kPartsBytes<T>)*kPanel; }
};

// With more blocks than one a block has at least half of the steps, so that a group has no more columns than this.
template <class T>
constexpr int64_t kPartialColumns = kRowGroupBytes<T> / (kRowSteps<T> / 2 * kPartsBytes<T>)*kPanel;

template <class T>
struct TileScratch {
  char packed[kGroupBytes];
  char rows[2][kRowSteps<T> * kPartsBytes<T>];  // those that are multiplied, and the next ones
  float ring[2][kBlockCells];                   // the block that is summed, and the one before
  T unpacked[tmm::kRows * kDepthSteps * tmm::kDepth];
  float partial[kTileChunkRows * kPartialColumns<T>];
};
// The upper half of worker 0's workspace holds what all workers read.
constexpr size_t kSharedBytes = kWorkspaceBytes / 2;
static_assert(sizeof(TileScratch<bf16>) <= kWorkspaceBytes - kSharedBytes, "scratch of products on tiles");
static_assert(sizeof(TileScratch<float>) <= kWorkspaceBytes - kSharedBytes, "scratch of products in parts");

// Work done beside the steps of a block, spread over them: all of `total` by the last one.
class Evenly {
 public:
  Evenly(int64_t total, int64_t steps) : total_(total), steps_(steps) {}
  template <class Work>
  inline __attribute__((always_inline)) void step(Work&& work) {
    for (due_ += total_; due_ >= steps_; due_ -= steps_) work();
  }

 private:
  const int64_t total_, steps_;
  int64_t due_ = 0;
};

// W values to memory, past the caches where nobody will read them soon: `to` is then aligned to whole vectors.
static inline void store_streaming(float* to, vf value) {
#if defined(__AVX512F__)
  _mm512_stream_ps(to, (__m512)value);
#else
  store(to, value);
#endif
}
// Before another thread reads what was streamed.
static inline void end_streaming() {
#if defined(__AVX512F__)
  _mm_sfence();
#endif
}

// ---- rows of activations times a weight -----------------------------------------------------------

// How the product is cut into tasks: groups of columns, and chunks of rows where those are too few.
struct TileTasks {
  int64_t group_columns, groups, chunk_rows, chunks;

  // Of a group: the most columns, and the least panels. row_bytes: of A.
  TileTasks(attune_context* ctx, int64_t most_columns, int64_t least_panels, int64_t N, int64_t columns,
            int64_t row_bytes) {
    const bool is_deep = std::min(N, kTileChunkRows) * row_bytes > kRowsInCache;
    const int64_t wanted = (is_deep ? kDeepTasksOfThread : kTasksOfThread) * ctx->pool.threads();
    const int64_t panels = parts_of(columns, kPanel);
    const int64_t least = parts_of(columns, most_columns);
    groups = std::max(least, std::min(wanted, parts_of(panels, least_panels)));
    groups = parts_of(panels, parts_of(panels, groups));
    chunks = std::max(parts_of(N, kTileChunkRows), std::min(parts_of(wanted, groups), N / kTileLeastRows));
    // Narrow tasks rather than threads that have none.
    groups = std::max(groups, std::min<int64_t>(panels, parts_of(ctx->pool.threads(), chunks)));
    group_columns = parts_of(panels, groups) * kPanel;
    groups = parts_of(columns, group_columns);
    chunk_rows = parts_of(parts_of(N, chunks), kPanel) * kPanel;
    chunks = parts_of(N, chunk_rows);
  }
  static int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }
};

// pack(scratch, column, columns, first, steps): steps first.. of the depth of these columns into scratch.packed, panel
// after panel. Once for a group.
template <class T>
using TilePack = FunctionRef<void(TileScratch<T>& s, int64_t column, int64_t columns, int64_t first, int64_t steps)>;

// out = epilogue(a (N, depth) * B (depth, columns)). epilogue(row, 1, column, columns, sums) takes a row of up to 32
// sums, between two steps of the tiles. touched: the (N, columns) arrays that it reads or writes, null where there is
// none.
template <class T, class RowEpilogue>
static void tile_row_product(attune_context* ctx, const T* a, int64_t N, int64_t depth, int64_t columns,
                             TilePack<T> pack, std::initializer_list<const T*> touched, const RowEpilogue& epilogue) {
  constexpr bool kSplits = kParts < T >> 1;
  constexpr int64_t kLine = 64 / sizeof(T);  // elements
  const DepthSteps<T> blocks(depth, kRowSteps<T>);
  const int64_t pitch = depth * static_cast<int64_t>(sizeof(T));
  const TileTasks tasks(ctx, blocks.columns_of(kRowGroupBytes<T>), kLeastPanels<T>, N, columns, pitch);
  // Rows a multiple of a page apart meet in few sets of the L1.
  const bool in_place = !kSplits && depth % tmm::kDepth == 0 && pitch % kPageBytes != 0;
  const bool straddles = columns % kLine != 0;  // whether a line's length may lie in two lines

  parallel(ctx, tasks.groups * tasks.chunks, [&](int64_t task, int32_t worker) {
    const int64_t first_row = task / tasks.groups * tasks.chunk_rows;
    const int64_t end_row = std::min(first_row + tasks.chunk_rows, N);
    const int64_t first_column = task % tasks.groups * tasks.group_columns;
    const int64_t width = std::min(tasks.group_columns, columns - first_column);
    const int64_t panels = (width + kPanel - 1) / kPanel;
    auto& s = *reinterpret_cast<TileScratch<T>*>(ctx->workspace(worker));
    const tmm::Session session;

    // The block whose sums wait for the epilogue.
    int64_t row = 0, column = 0, rows = 0, done = 0;
    int columns_there = 0, slot = 0;
    const float* waiting = nullptr;
    const auto finish_row = [&]() __attribute__((always_inline)) {
      epilogue(row + done, 1, column, columns_there, waiting + done * kPanel);
      ++done;
    };

    for (int64_t first = 0; first < blocks.steps; first += blocks.block) {
      const int64_t steps = std::min(blocks.block, blocks.steps - first);
      const bool last = first + steps == blocks.steps;
      const int64_t turn = steps_of_turn<T>(steps);
      pack(s, first_column, width, first, steps);
      // Step k of the rows n.. in tile order.
      const auto stage = [&](char* to, int64_t n, int64_t k) __attribute__((always_inline)) {
        const int64_t element = (first + k) * tmm::kDepth;
        parts_of_rows<T>(to + k * kPartsBytes<T>, a + n * depth + element, depth, tile_part(end_row - n, kPanel),
                         tile_part(depth - element, tmm::kDepth));
      };
      int64_t staged = 0;  // steps of the rows at hand that are there already
      for (int64_t n = first_row; n < end_row; n += kPanel) {
        const int count = tile_part(end_row - n, kPanel);
        const char* from = reinterpret_cast<const char*>(a + n * depth + first * tmm::kDepth);
        TileRows operand{from, from + 16 * pitch, pitch, 64};
        if (!in_place || count < kPanel) {
          char* rows_here = s.rows[n / kPanel % 2];
          for (; staged < steps; ++staged) stage(rows_here, n, staged);
          operand = {rows_here, rows_here + tmm::kBytes, 64, kPartsBytes<T>};
        }
        // Rows of f32 are split one after the other, as the memory serves them best.
        const int64_t below = n + kPanel;
        char* rows_below = s.rows[below / kPanel % 2];
        const bool splits = kSplits && below + kPanel <= end_row;
        Evenly splitting(splits ? kPanel * steps : 0, panels * steps * kPartProducts<T>);
        int64_t split = 0;
        const T* next = a + below * depth + first * tmm::kDepth;
        staged = splits ? steps : 0;
        const int64_t kept = blocks.steps > blocks.block ? (n - first_row) / kPanel * panels : 0;
        for (int64_t k0 = 0; k0 < steps; k0 += turn) {
          const int64_t here = std::min(turn, steps - k0);
          const bool ends = last && k0 + here == steps;
          const TileRows part{operand.first + k0 * operand.step, operand.second + k0 * operand.step, operand.pitch,
                              operand.step};
          for (int64_t p = 0; p < panels; ++p) {
            const int64_t c = first_column + p * kPanel;
            const int there = tile_part(first_column + width - c, kPanel);
            float* partial = s.partial + (kept + p) * kBlockCells;
            float* sums = ends ? s.ring[slot] : partial;
            Evenly finishing(rows, here * kPartProducts<T>), fetching(ends ? count : 0, here * kPartProducts<T>);
            int64_t fetched = n;
            parts_block<T>(
                part, count, s.packed + (p * steps + k0) * kPartsBytes<T>, here, first + k0 > 0 ? partial : nullptr,
                sums, kPanel, [&]() __attribute__((always_inline)) {
                  finishing.step(finish_row);
                  fetching.step([&]() __attribute__((always_inline)) {
                    for (const T* array : touched) {
                      if (array == nullptr) continue;
                      const T* there_first = array + fetched * columns + c;
                      for (int64_t j = 0; j < there; j += kLine) __builtin_prefetch(there_first + j, 1);
                      if (straddles) __builtin_prefetch(there_first + there - 1, 1);
                    }
                    ++fetched;
                  });
                  if constexpr (kSplits) {
                    splitting.step([&]() __attribute__((always_inline)) {
                      const T* at = next + split * tmm::kDepth;
                      __builtin_prefetch(at + kRowsAhead * depth);
                      __builtin_prefetch(at + kRowsAhead * depth + kLine);
                      const int elements = tile_part(depth - (first + split) * tmm::kDepth, tmm::kDepth);
                      split_row(rows_below + split * kPartsBytes<T>, at, elements);
                      if (++split == steps) split = 0, next += depth, rows_below += 64;
                    });
                  }
                });
            rows = 0;
            if (ends) {
              row = n, column = c, rows = count, columns_there = there, waiting = sums, done = 0;
              slot ^= 1;
            }
          }
        }
      }
    }
    while (done < rows) finish_row();
    end_streaming();
  });
}

// Steps of the depth of columns f.. of W^T: rows of the weight (F, C), transposed.
template <class T, class V>
static void pack_weight_rows(TileScratch<T>& s, const V& weight, int64_t C, int64_t F, int64_t f, int64_t columns,
                             int64_t first, int64_t steps) {
  const int64_t begin = first * tmm::kDepth;
  for (int64_t j = 0; j < columns; j += 16) {
    const int rows = tile_part(F - f - j, 16);
    char* to = s.packed + j / kPanel * steps * kPartsBytes<T> + j % kPanel / 16 * tmm::kBytes;
    const auto pack = [&](const auto* from, int64_t stride) {
      for (int64_t k = 0; k < steps; ++k) {
        parts_transposed<T>(to + k * kPartsBytes<T>, from + k * tmm::kDepth, stride, rows,
                            tile_part(C - begin - k * tmm::kDepth, tmm::kDepth));
      }
    };
    if constexpr (kCoded<V>) {
      constexpr int64_t kStride = kDepthSteps * tmm::kDepth;
      for (int i = 0; i < rows; ++i) {
        dequantize_range(s.unpacked + i * kStride, weight, (f + j + i) * C + begin,
                         std::min(steps * tmm::kDepth, C - begin));
      }
      pack(s.unpacked, kStride);
    } else {
      pack(weight + (f + j) * C + begin, C);
    }
  }
  // The last panel's second half.
  if (columns % kPanel != 0 && columns % kPanel <= 16) {
    char* to = s.packed + columns / kPanel * steps * kPartsBytes<T> + tmm::kBytes;
    for (int64_t k = 0; k < steps * kParts<T>; ++k) std::memset(to + k * kStepBytes, 0, tmm::kBytes);
  }
}

// Steps of the depth, which are rows of the weight (F, C), of its columns c...
template <class T, class V>
static void pack_weight_columns(TileScratch<T>& s, const V& weight, int64_t C, int64_t F, int64_t c, int64_t columns,
                                int64_t first, int64_t steps) {
  constexpr int64_t kUnpackedColumns = 256;
  static_assert(sizeof(s.unpacked) >= sizeof(T) * kUnpackedColumns * tmm::kDepth);
  for (int64_t k = 0; k < steps; ++k) {
    const int64_t f = (first + k) * tmm::kDepth;
    const int depth = tile_part(F - f, tmm::kDepth);
    const auto pack = [&](const auto* from, int64_t stride, int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; j += kPanel) {
        parts_interleaved<T>(s.packed + (j / kPanel * steps + k) * kPartsBytes<T>, from + j - begin, stride, depth,
                             tile_part(end - j, kPanel));
      }
    };
    if constexpr (kCoded<V>) {
      for (int64_t j = 0; j < columns; j += kUnpackedColumns) {
        const int64_t end = std::min(j + kUnpackedColumns, columns);
        for (int i = 0; i < depth; ++i) {
          dequantize_range(s.unpacked + i * kUnpackedColumns, weight, (f + i) * C + c + j, end - j);
        }
        pack(s.unpacked, kUnpackedColumns, j, end);
      }
    } else {
      pack(weight + f * C + c, C, 0, columns);
    }
  }
}

// ---- forward and the gradient of the input --------------------------------------------------------

// out = epilogue(inp (N, C) * weight (F, C)^T); epilogue and touched as above.
template <class T, class V, class RowEpilogue>
static void tile_forward(attune_context* ctx, const T* inp, const V& weight, int64_t N, int64_t C, int64_t F,
                         std::initializer_list<const T*> touched, const RowEpilogue& epilogue) {
  tile_row_product<T>(
      ctx, inp, N, C, F,
      [&](TileScratch<T>& s, int64_t f, int64_t columns, int64_t first, int64_t steps) {
        pack_weight_rows(s, weight, C, F, f, columns, first, steps);
      },
      touched, epilogue);
}

// dinp = epilogue(dout (N, F) * weight (F, C)).
template <class T, class V, class RowEpilogue>
static void tile_backward_input(attune_context* ctx, const T* dout, const V& weight, int64_t N, int64_t C, int64_t F,
                                std::initializer_list<const T*> touched, const RowEpilogue& epilogue) {
  tile_row_product<T>(
      ctx, dout, N, F, C,
      [&](TileScratch<T>& s, int64_t c, int64_t columns, int64_t first, int64_t steps) {
        pack_weight_columns(s, weight, C, F, c, columns, first, steps);
      },
      touched, epilogue);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
