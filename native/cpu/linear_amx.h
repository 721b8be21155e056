// The three products of a linear layer with bf16 activations on matrix tiles (amx.h).
//
// Forward and the gradient of the input: the loops of a task, from outside, are blocks of the depth, whose part of the
// weight is packed and stays in the L2; 32 rows of A, read where they lie, which stay in the L1; panels of 32 columns,
// which pass through it. While a block of sums (amx_block.h) is multiplied, the vector units finish the one before.
//
// Few rows: the weight is A, which needs no packing, and the activations are B.
//
// The gradient of the weight contracts over rows, so both operands are packed: the input once, for all tasks; the
// gradient of the output 32 columns at a time, beside the products of the 32 before.
//
// Every element of a product is one chain of steps in rising order, whatever tile, task or form it falls into; the sums
// of one block of the depth go on from those of the block before. (Only the gradient of the weight adds the sums of its
// blocks, which depend on the number of rows alone.) So neither the number of threads nor that of rows changes a bit.
#ifndef ATTUNE_LINEAR_AMX_H
#define ATTUNE_LINEAR_AMX_H

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "amx.h"
#include "amx_block.h"
#include "amx_pack.h"
#include "context.h"
#include "function_ref.h"
#include "linear_dot.h"
#include "quantized_weight.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kBlockCells = kPanel * kPanel;     // sums of a block
constexpr int64_t kDepthSteps = 32;                  // of a block of the depth: A of 64 KiB
constexpr int64_t kGroupBytes = int64_t{768} << 10;  // of B in the L2
constexpr int64_t kTileChunkRows = 1024;             // of a task, the most
constexpr int64_t kTileLeastRows = 256;              // of a task, where the columns alone make too few tasks
constexpr int64_t kLeastPanels = 3;                  // of a task: rows of A are loaded for that many
constexpr int64_t kTasksOfThread = 8;                // cores of one machine differ in speed, up to four times

// The depth in equal blocks of steps. A function of the depth alone.
struct DepthSteps {
  int64_t depth, steps, block;
  explicit DepthSteps(int64_t elements) : depth(elements), steps((elements + tmm::kDepth - 1) / tmm::kDepth) {
    const int64_t blocks = (steps + kDepthSteps - 1) / kDepthSteps;
    block = (steps + blocks - 1) / blocks;
  }
  int64_t group_columns() const { return kGroupBytes / (block * kStepBytes) * kPanel; }
};

// With more blocks than one a block has at least half of the steps, so that a group has no more columns than this.
constexpr int64_t kPartialColumns = kGroupBytes / (kDepthSteps / 2 * kStepBytes) * kPanel;

struct TileScratch {
  char packed[kGroupBytes];
  char rows[2][kDepthSteps * kStepBytes];
  float ring[2][kBlockCells];  // the block that is summed, and the one before
  bf16 unpacked[tmm::kRows * kDepthSteps * tmm::kDepth];
  float partial[kTileChunkRows * kPartialColumns];
};
// The upper half of worker 0's workspace holds what all workers read.
constexpr size_t kSharedBytes = kWorkspaceBytes / 2;
static_assert(sizeof(TileScratch) <= kWorkspaceBytes - kSharedBytes, "scratch of products on tiles");

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

  TileTasks(attune_context* ctx, const DepthSteps& depth, int64_t N, int64_t columns) {
    const int64_t wanted = kTasksOfThread * ctx->pool.threads();
    const int64_t panels = parts_of(columns, kPanel);
    const int64_t least = parts_of(columns, depth.group_columns());
    groups = std::max(least, std::min(wanted, parts_of(panels, kLeastPanels)));
    group_columns = parts_of(panels, groups) * kPanel;
    groups = parts_of(columns, group_columns);
    chunks = std::max(parts_of(N, kTileChunkRows), std::min(parts_of(wanted, groups), N / kTileLeastRows));
    chunk_rows = parts_of(parts_of(N, std::max<int64_t>(chunks, 1)), kPanel) * kPanel;
    chunks = parts_of(N, chunk_rows);
  }
  static int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }
};

// pack(scratch, column, columns, first, steps): steps first.. of the depth of these columns into scratch.packed, panel
// after panel. Once for a group.
using TilePack = FunctionRef<void(TileScratch& s, int64_t column, int64_t columns, int64_t first, int64_t steps)>;

// out = epilogue(a (N, depth) * B (depth, columns)). epilogue(row, 1, column, columns, sums) takes a row of up to 32
// sums, between two steps of the tiles. touched: the (N, columns) arrays that it reads or writes, null where there is
// none.
template <class RowEpilogue>
static void tile_row_product(attune_context* ctx, const bf16* a, int64_t N, int64_t depth, int64_t columns,
                             TilePack pack, std::initializer_list<const bf16*> touched, const RowEpilogue& epilogue) {
  const DepthSteps blocks(depth);
  const TileTasks tasks(ctx, blocks, N, columns);
  const int64_t pitch = depth * 2;
  // Rows a multiple of a page apart meet in few sets of the L1.
  const bool in_place = depth % tmm::kDepth == 0 && pitch % kPageBytes != 0;
  const bool straddles = columns % kPanel != 0;  // whether 32 columns may lie in two lines

  parallel(ctx, tasks.groups * tasks.chunks, [&](int64_t task, int32_t worker) {
    const int64_t first_row = task / tasks.groups * tasks.chunk_rows;
    const int64_t end_row = std::min(first_row + tasks.chunk_rows, N);
    const int64_t first_column = task % tasks.groups * tasks.group_columns;
    const int64_t width = std::min(tasks.group_columns, columns - first_column);
    const int64_t panels = (width + kPanel - 1) / kPanel;
    auto& s = *reinterpret_cast<TileScratch*>(ctx->workspace(worker));
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
      pack(s, first_column, width, first, steps);
      for (int64_t n = first_row; n < end_row; n += kPanel) {
        const int count = tile_part(end_row - n, kPanel);
        const bf16* from = a + n * depth + first * tmm::kDepth;
        TileRows operand{reinterpret_cast<const char*>(from), reinterpret_cast<const char*>(from + 16 * depth), pitch,
                         64};
        if (!in_place || count < kPanel) {
          for (int64_t k = 0; k < steps; ++k) {
            const int elements = tile_part(depth - (first + k) * tmm::kDepth, tmm::kDepth);
            for (int half = 0; half < 2; ++half) {
              tile_of_rows(s.rows[0] + k * kStepBytes + half * tmm::kBytes, from + half * 16 * depth + k * tmm::kDepth,
                           depth, tile_part(count - 16 * half, 16), elements);
            }
          }
          operand = packed_rows(s.rows[0]);
        }
        for (int64_t p = 0; p < panels; ++p) {
          const int64_t c = first_column + p * kPanel;
          const int there = tile_part(first_column + width - c, kPanel);
          float* partial = s.partial + ((n - first_row) / kPanel * panels + p) * kBlockCells;
          float* sums = last ? s.ring[slot] : partial;
          Evenly finishing(rows, steps), fetching(last ? count : 0, steps);
          int64_t fetched = n;
          tile_block(
              operand, count, s.packed + p * steps * kStepBytes, steps, first > 0 ? partial : nullptr, sums,
              kPanel, [&]() __attribute__((always_inline)) {
                finishing.step(finish_row);
                fetching.step([&]() __attribute__((always_inline)) {
                  for (const bf16* array : touched) {
                    if (array == nullptr) continue;
                    __builtin_prefetch(array + fetched * columns + c, 1);
                    if (straddles) __builtin_prefetch(array + fetched * columns + c + there - 1, 1);
                  }
                  ++fetched;
                });
              });
          rows = 0;
          if (last) {
            row = n, column = c, rows = count, columns_there = there, waiting = sums, done = 0;
            slot ^= 1;
          }
        }
      }
    }
    while (done < rows) finish_row();
    end_streaming();
  });
}

// Steps of the depth of columns f.. of W^T: rows of the weight (F, C), transposed.
template <class V>
static void pack_weight_rows(TileScratch& s, const V& weight, int64_t C, int64_t F, int64_t f, int64_t columns,
                             int64_t first, int64_t steps) {
  const int64_t begin = first * tmm::kDepth;
  for (int64_t j = 0; j < columns; j += 16) {
    const int rows = tile_part(F - f - j, 16);
    char* to = s.packed + j / kPanel * steps * kStepBytes + j % kPanel / 16 * tmm::kBytes;
    const auto pack = [&](const auto* from, int64_t stride) {
      for (int64_t k = 0; k < steps; ++k) {
        tile_transposed(to + k * kStepBytes, from + k * tmm::kDepth, stride, rows,
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
    char* to = s.packed + columns / kPanel * steps * kStepBytes + tmm::kBytes;
    for (int64_t k = 0; k < steps; ++k) std::memset(to + k * kStepBytes, 0, tmm::kBytes);
  }
}

// Steps of the depth, which are rows of the weight (F, C), of its columns c...
template <class V>
static void pack_weight_columns(TileScratch& s, const V& weight, int64_t C, int64_t F, int64_t c, int64_t columns,
                                int64_t first, int64_t steps) {
  constexpr int64_t kUnpackedColumns = 256;
  static_assert(sizeof(s.unpacked) >= 2 * kUnpackedColumns * tmm::kDepth);
  for (int64_t k = 0; k < steps; ++k) {
    const int64_t f = (first + k) * tmm::kDepth;
    const int depth = tile_part(F - f, tmm::kDepth);
    const auto pack = [&](const auto* from, int64_t stride, int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; j += kPanel) {
        tiles_interleaved(s.packed + (j / kPanel * steps + k) * kStepBytes, from + j - begin, stride, depth,
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

// ---- few rows -------------------------------------------------------------------------------------

constexpr int64_t kFewTileRows = 64;      // four tiles of B
constexpr int64_t kFewTileDepth = 32768;  // of activations in tile order: 4 MiB for 64 rows
constexpr int64_t kFewPanel = 64;         // columns of out that the epilogue takes at a time
constexpr int64_t kFewSteps = 8;          // of a weight that is copied: 32 KiB

struct FewTileScratch {
  char inp[kFewTileRows * kFewTileDepth * 2];
  char weight[kFewPanel / 16][kFewSteps * tmm::kBytes];
  float sums[kFewTileRows * kFewPanel];
  bf16 unpacked[tmm::kRows * kFewSteps * tmm::kDepth];
};
static_assert(sizeof(FewTileScratch) <= kWorkspaceBytes, "scratch of few rows on tiles");

// inp (rows, depth) times rows of the weight (columns, depth). Sums are those of the product transposed: kA tiles of
// the weight times kB of activations.
template <class V>
class FewTileProduct {
 public:
  FewTileProduct(const bf16* inp, int64_t rows, int64_t depth, int64_t columns, const V& weight)
      : inp_(inp), weight_(weight), rows_(rows), depth_(depth), columns_(columns), steps_(DepthSteps(depth).steps) {}

  // The activations in tile order, for the panels that follow in this scratch.
  void stage(FewTileScratch& s) const {
    for (int64_t m = 0; m < rows_; m += 16) {
      for (int64_t k = 0; k < steps_; ++k) {
        tile_transposed(s.inp + (m / 16 * steps_ + k) * tmm::kBytes, inp_ + m * depth_ + k * tmm::kDepth, depth_,
                        tile_part(rows_ - m, 16), tile_part(depth_ - k * tmm::kDepth, tmm::kDepth));
      }
    }
  }

  // The sums of columns f.. of out, kFewPanel of them.
  void panel(FewTileScratch& s, int64_t f) const {
    const int64_t bytes = kFewPanel * row_bytes(), next = std::min(f + kFewPanel, columns_);
    const int64_t fetches = steps_ * (rows_ <= 16 ? 1 : rows_ <= 32 ? 2 : 4), lines = (bytes + 63) / 64;
    const int64_t at_once = (lines + fetches - 1) / fetches;
    const int interval = static_cast<int>(std::max<int64_t>(1, fetches / lines));
    DotAhead ahead{row(next), row(std::min(next + kFewPanel, columns_)), static_cast<int>(at_once), interval, interval};
    switch ((rows_ + 15) / 16) {
      case 1: return tiles<4, 1>(s, f, ahead);
      case 2: return tiles<2, 2>(s, f, ahead);
      case 3: return tiles<1, 3>(s, f, ahead);
      default: return tiles<1, 4>(s, f, ahead);
    }
  }

 private:
  int64_t row_bytes() const {
    if constexpr (kCoded<V>) {
      return weight_.row_bytes();
    } else {
      return depth_ * static_cast<int64_t>(sizeof(*weight_));
    }
  }
  const char* row(int64_t f) const {
    if constexpr (kCoded<V>) {
      return weight_.words(f * depth_);
    } else {
      return reinterpret_cast<const char*>(weight_ + f * depth_);
    }
  }

  template <int kA, int kB>
  void tiles(FewTileScratch& s, int64_t f, DotAhead& ahead) const {
    const int64_t width = std::min(kFewPanel, columns_ - f);
    for (int64_t j = 0; j < width; j += 16 * kA) {
      multiply<kA, kB>(s, f + j, ahead);
      keep<0, kA, kB>(s, j);
    }
  }

  // Whether rows of the weight serve as tiles where they lie.
  bool in_place() const {
    return std::is_same_v<V, const bf16*> && depth_ % tmm::kDepth == 0 && row_bytes() % kPageBytes != 0;
  }

  template <int kA, int kB>
  void multiply(FewTileScratch& s, int64_t f, DotAhead& ahead) const {
    tmm::zero<0>();
    tmm::zero<1>();
    tmm::zero<2>();
    tmm::zero<3>();
    const bool whole = columns_ - f >= 16 * kA && in_place();
    const int64_t most = whole ? steps_ : kFewSteps;
    for (int64_t k = 0; k < steps_; k += most) {
      const int64_t steps = std::min(most, steps_ - k);
      const char* a[kA];
      for (int i = 0; i < kA; ++i) {
        a[i] = whole ? row(f + 16 * i) + k * 64 : s.weight[i];
        if (!whole) copy(s, s.weight[i], f + 16 * i, k, steps);
      }
      const char* b = s.inp + k * tmm::kBytes;
      for (int64_t step = 0; step < steps; ++step, b += tmm::kBytes) {
        multiply_step<kA, kB>(a, whole ? row_bytes() : 64, b);
        for (int i = 0; i < kA; ++i) a[i] += whole ? 64 : tmm::kBytes;
        ahead.fetch();
      }
    }
  }

  // Sums i * kB + j of tile i of the weight, in register 4 or 5, and tile j of activations, in 6 or 7.
  template <int kA, int kB>
  inline __attribute__((always_inline)) void multiply_step(const char* const (&a)[kA], int64_t pitch,
                                                           const char* b) const {
    const int64_t next = steps_ * tmm::kBytes;
    tmm::load<6>(b, 64);
    tmm::load_passing<4>(a[0], pitch);
    tmm::product<0, 4, 6>();
    if constexpr (kB > 1) {
      tmm::load<7>(b + next, 64);
      tmm::product<1, 4, 7>();
    }
    if constexpr (kB > 2) {
      tmm::load<6>(b + 2 * next, 64);
      tmm::product<2, 4, 6>();
    }
    if constexpr (kB > 3) {
      tmm::load<7>(b + 3 * next, 64);
      tmm::product<3, 4, 7>();
    }
    if constexpr (kA > 1) {
      tmm::load_passing<5>(a[1], pitch);
      tmm::product<kB, 5, 6>();
      if constexpr (kB > 1) tmm::product<kB + 1, 5, 7>();
    }
    if constexpr (kA > 2) {
      tmm::load_passing<4>(a[2], pitch);
      tmm::product<2, 4, 6>();
      tmm::load_passing<5>(a[3], pitch);
      tmm::product<3, 5, 6>();
    }
  }

  // Steps k.. of 16 rows of the weight as tiles; rows past the last are zero.
  void copy(FewTileScratch& s, char* to, int64_t f, int64_t k, int64_t steps) const {
    const int rows = tile_part(columns_ - f, 16);
    const int64_t begin = k * tmm::kDepth;
    const auto copy_from = [&](const auto* from, int64_t stride) {
      for (int64_t i = 0; i < steps; ++i) {
        tile_of_rows(to + i * tmm::kBytes, from + i * tmm::kDepth, stride, rows,
                     tile_part(depth_ - begin - i * tmm::kDepth, tmm::kDepth));
      }
    };
    if constexpr (kCoded<V>) {
      constexpr int64_t kStride = kFewSteps * tmm::kDepth;
      for (int i = 0; i < rows; ++i) {
        dequantize_range(s.unpacked + i * kStride, weight_, (f + i) * depth_ + begin,
                         std::min(steps * tmm::kDepth, depth_ - begin));
      }
      copy_from(s.unpacked, kStride);
    } else {
      copy_from(weight_ + f * depth_ + begin, depth_);
    }
  }

  // The sums in registers T.. into rows of out.
  template <int T, int kA, int kB>
  static void keep(FewTileScratch& s, int64_t j) {
    pairs sums[16];
    tmm::store<T>(sums, 64);
    transpose_pairs(sums);
    float* to = s.sums + T % kB * 16 * kFewPanel + j + T / kB * 16;
    for (int m = 0; m < 16; ++m) store_row(reinterpret_cast<char*>(to + m * kFewPanel), sums[m]);
    if constexpr (T + 1 < kA * kB) keep<T + 1, kA, kB>(s, j);
  }

  const bf16* const inp_;
  const V weight_;
  const int64_t rows_, depth_, columns_, steps_;
};

template <class V>
static void tile_few_product(attune_context* ctx, const bf16* inp, int64_t N, int64_t depth, int64_t columns,
                             const V& weight, Epilogue epilogue) {
  const FewTileProduct<V> product(inp, N, depth, columns, weight);
  const DotTasks tasks{(columns + kFewPanel - 1) / kFewPanel, ctx->pool.threads()};
  constexpr int32_t kMaxThreads = 4096;  // of a context
  bool is_staged[kMaxThreads];
  std::fill_n(is_staged, ctx->pool.threads(), false);
  parallel(ctx, tasks.count(), [&](int64_t task, int32_t worker) {
    auto& s = *reinterpret_cast<FewTileScratch*>(ctx->workspace(worker));
    const tmm::Session session;
    if (!is_staged[worker]) product.stage(s);
    is_staged[worker] = true;
    tasks.each([&](int64_t number, int64_t first, int64_t end) {
      if (number < task) return true;
      for (int64_t f = first * kFewPanel; f < std::min(end * kFewPanel, columns); f += kFewPanel) {
        product.panel(s, f);
        for (int64_t m = 0; m < N; ++m) {
          epilogue(m, 1, f, tile_part(columns - f, kFewPanel), s.sums + m * kFewPanel);
        }
      }
      return false;
    });
    end_streaming();
  });
}

// ---- forward and the gradient of the input --------------------------------------------------------

// out = epilogue(inp (N, C) * weight (F, C)^T); epilogue and touched as above, but the epilogue may get 64 columns.
template <class V, class RowEpilogue>
static void tile_forward(attune_context* ctx, const bf16* inp, const V& weight, int64_t N, int64_t C, int64_t F,
                         std::initializer_list<const bf16*> touched, const RowEpilogue& epilogue) {
  if (N <= kFewTileRows && C <= kFewTileDepth) return tile_few_product(ctx, inp, N, C, F, weight, epilogue);
  tile_row_product(
      ctx, inp, N, C, F,
      [&](TileScratch& s, int64_t f, int64_t columns, int64_t first, int64_t steps) {
        pack_weight_rows(s, weight, C, F, f, columns, first, steps);
      },
      touched, epilogue);
}

// dinp = epilogue(dout (N, F) * weight (F, C)).
template <class V, class RowEpilogue>
static void tile_backward_input(attune_context* ctx, const bf16* dout, const V& weight, int64_t N, int64_t C, int64_t F,
                                std::initializer_list<const bf16*> touched, const RowEpilogue& epilogue) {
  tile_row_product(
      ctx, dout, N, F, C,
      [&](TileScratch& s, int64_t c, int64_t columns, int64_t first, int64_t steps) {
        pack_weight_columns(s, weight, C, F, c, columns, first, steps);
      },
      touched, epilogue);
}

// ---- gradient of the weight -----------------------------------------------------------------------

// dweight (F, C) (+)= dout (N, F)^T inp (N, C). column_sums(f, n, rows, columns, add): the sums of these columns and
// rows of dout, for the bias.
template <class ColumnSums>
static void tile_backward_weight(attune_context* ctx, float* dweight, const bf16* dout, const bf16* inp, int64_t N,
                                 int64_t C, int64_t F, bool accumulate, const ColumnSums& column_sums) {
  const DepthSteps blocks(N);
  char* const shared = ctx->workspace(0) + kSharedBytes;
  const int64_t span = static_cast<int64_t>(kSharedBytes) / (blocks.block * kStepBytes) * kPanel;
  const bool aligned = C % W == 0 && reinterpret_cast<uintptr_t>(dweight) % sizeof(vf) == 0;
  const int64_t strips = (F + kPanel - 1) / kPanel;

  for (int64_t n0 = 0; n0 < N; n0 += blocks.block * tmm::kDepth) {
    const int64_t rows = std::min(blocks.block * tmm::kDepth, N - n0);
    const int64_t steps = (rows + tmm::kDepth - 1) / tmm::kDepth;
    const bool add = accumulate || n0 > 0;
    for (int64_t c0 = 0; c0 < C; c0 += span) {
      const int64_t width = std::min(span, C - c0);
      parallel(ctx, steps, [&](int64_t k, int32_t) {
        const bf16* from = inp + (n0 + k * tmm::kDepth) * C + c0;
        for (int64_t j = 0; j < width; j += kPanel) {
          tiles_interleaved(shared + (j / kPanel * steps + k) * kStepBytes, from + j, C,
                            tile_part(rows - k * tmm::kDepth, tmm::kDepth), tile_part(width - j, kPanel));
        }
      });

      const int64_t group_columns = std::min(blocks.group_columns(), width);
      const int64_t groups = (width + group_columns - 1) / group_columns;
      // The first strip of a task is packed before there are products to pack it beside.
      const int64_t task_strips = std::max<int64_t>(2, groups * strips / (kTasksOfThread * ctx->pool.threads()));
      parallel(ctx, groups * ((strips + task_strips - 1) / task_strips), [&](int64_t task, int32_t worker) {
        auto& s = *reinterpret_cast<TileScratch*>(ctx->workspace(worker));
        const tmm::Session session;
        const int64_t first = task / groups * task_strips, end = std::min(first + task_strips, strips);
        const int64_t g = task % groups * group_columns, columns = std::min(group_columns, width - g);
        const int64_t panels = (columns + kPanel - 1) / kPanel;
        const auto pack_step = [&](char* to, int64_t strip, int64_t k) __attribute__((always_inline)) {
          tiles_of_columns(to + k * kStepBytes, dout + (n0 + k * tmm::kDepth) * F + strip * kPanel, F,
                           tile_part(rows - k * tmm::kDepth, tmm::kDepth), tile_part(F - strip * kPanel, kPanel));
        };

        float* to = nullptr;
        int64_t left = 0;
        int columns_there = 0, slot = 0;
        const float* waiting = nullptr;
        const auto finish_row = [&]() __attribute__((always_inline)) {
          for_vectors(0, columns_there, [&](int64_t j, auto lanes) ATTUNE_INLINE_BODY {
            const vf sums = load(waiting + j, lanes);
            if (add) {
              store(to + j, load(to + j, lanes) + sums, lanes);
            } else if (decltype(lanes)::full && aligned) {
              store_streaming(to + j, sums);
            } else {
              store(to + j, sums, lanes);
            }
          });
          to += C;
          waiting += kPanel;
          --left;
        };

        for (int64_t k = 0; k < steps; ++k) pack_step(s.rows[0], first, k);
        for (int64_t strip = first; strip < end; ++strip) {
          const int64_t f = strip * kPanel;
          const int height = tile_part(F - f, kPanel);
          if (c0 + g == 0) column_sums(f, n0, rows, height, add);
          const char* a = s.rows[(strip - first) % 2];
          char* next = s.rows[(strip - first + 1) % 2];
          Evenly packing(strip + 1 < end ? steps : 0, panels * steps);
          int64_t packed = 0;
          for (int64_t p = 0; p < panels; ++p) {
            Evenly finishing(left, steps);
            float* sums = s.ring[slot];
            tile_block(
                packed_rows(a), height, shared + (g / kPanel + p) * steps * kStepBytes, steps, nullptr, sums,
                kPanel, [&]() __attribute__((always_inline)) {
                  finishing.step(finish_row);
                  packing.step([&]() __attribute__((always_inline)) { pack_step(next, strip + 1, packed++); });
                });
            to = dweight + f * C + c0 + g + p * kPanel;
            left = height, columns_there = tile_part(columns - p * kPanel, kPanel), waiting = sums;
            slot ^= 1;
          }
        }
        while (left > 0) finish_row();
        end_streaming();
      });
    }
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
