// The second product of a low-rank adapter, and its gradients, of bf16 on matrix tiles (amx.h). `up` is f32 and counts
// as the sum of two bf16 (amx_parts.h), which have 16 of its bits at least; what multiplies it is bf16 as it lies.
//
// Every sum is one chain of steps in rising order: of `out` and, within a chunk of columns, of `dlow` whatever rows
// there are beside it, of `dup` over the rows.
#ifndef ATTUNE_LORA_AMX_H
#define ATTUNE_LORA_AMX_H

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "amx.h"
#include "amx_block.h"
#include "amx_pack.h"
#include "amx_parts.h"
#include "context.h"
#include "lanes.h"
#include "linear_amx.h"
#include "lora.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kRankStep = 16;  // of the rank in a step of the depth, each twice, and in a panel of columns
constexpr int64_t kRankSteps = kMaxRank / kRankStep;

static inline int64_t parts_of(int64_t count, int64_t size) { return TileTasks::parts_of(count, size); }
static inline int64_t rank_steps(int64_t R) { return parts_of(R, kRankStep); }

// ---- forward ----------------------------------------------------------------------------------------

constexpr int64_t kLoraGroupBytes = int64_t{256} << 10;  // of `up` in the L2
constexpr int64_t kLoraGroupColumns = 1024;              // of a task, the most
constexpr int64_t kLoraLeastColumns = 192;               // of a task, where rows alone make too few
constexpr int64_t kLoraTaskRows = 256;                   // for which a task packs its part of `up`
constexpr int64_t kLoraTasksOfThread = 2;

struct LoraScratch {
  char up[kLoraGroupBytes];
  char low[kRankSteps * kStepBytes];
  float ring[2][kBlockCells];  // the block that is summed, and the one before
};
static_assert(sizeof(LoraScratch) <= kWorkspaceBytes, "scratch of lora_fwd on tiles");

// Pairs of an element's two parts.
static inline __attribute__((always_inline)) pairs split_cells(wide value) {
  const pairs bits = (pairs)value + 0x8000u;
  return upper_halves(bits, (pairs)(value - (wide)(bits & 0xFFFF0000u)));
}

// B of 16 columns, which are rows of `up`, and a step of the rank.
static inline void pack_split(char* to, const float* up, int64_t R, int rows, int n) {
  pairs cells[16];
  if (rows >= 16 && n >= 16) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) cells[i] = split_cells(load_wide(up + i * R, 16));
  } else {
    for (int i = 0; i < 16; ++i) cells[i] = i < rows ? split_cells(load_wide(up + i * R, n)) : pairs{};
  }
  transpose_pairs(cells);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) store_row(to + 64 * i, cells[i]);
}

// A of up to 32 rows and a step of the rank: pairs of the same element.
static inline void pack_twice(char* to, const bf16* low, int64_t stride, int rows, int n) {
  for (int m = 0; m < kPanel; ++m) {
    const pairs upper = m < rows ? (pairs)load_wide(low + m * stride, n) : pairs{};
    store_row(to + 64 * m, upper | upper >> 16);
  }
}

static void tile_lora_forward(attune_context* ctx, bf16* out, const bf16* low, const float* up, int64_t N, int64_t F,
                              int64_t R, int64_t out_stride, int64_t low_stride, float scale) {
  const int64_t steps = rank_steps(R), chunks = parts_of(N, kLoraTaskRows);
  const int64_t most = std::min(kLoraGroupColumns, kLoraGroupBytes / (steps * kStepBytes) * kPanel);
  const int64_t wanted = parts_of(kLoraTasksOfThread * ctx->pool.threads(), chunks);
  const int64_t cut = std::max(parts_of(F, most), std::min(wanted, parts_of(F, kLoraLeastColumns)));
  const int64_t group = parts_of(parts_of(F, kPanel), cut) * kPanel, groups = parts_of(F, group);
  parallel(ctx, groups * chunks, [&](int64_t task, int32_t worker) {
    auto& s = *reinterpret_cast<LoraScratch*>(ctx->workspace(worker));
    const tmm::Session session;
    const int64_t first = task % groups * group, width = std::min(group, F - first);
    const int64_t first_row = task / groups * kLoraTaskRows, end_row = std::min(first_row + kLoraTaskRows, N);
    for (int64_t j = 0; j < width; j += 16) {
      char* panel = s.up + j / kPanel * steps * kStepBytes + j % kPanel / 16 * tmm::kBytes;
      for (int64_t k = 0; k < steps; ++k) {
        pack_split(panel + k * kStepBytes, up + (first + j) * R + k * kRankStep, R, tile_part(width - j, 16),
                   tile_part(R - k * kRankStep, kRankStep));
      }
    }

    // The block whose sums wait, row by row.
    bf16* to = nullptr;
    int64_t rows = 0;
    int columns = 0, slot = 0;
    const float* waiting = nullptr;
    const auto finish = [&]() __attribute__((always_inline)) {
      for (; rows > 0; --rows, to += out_stride, waiting += kPanel) {
        for_vectors(0, columns, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
          store(to + c, fma(load(waiting + c, lanes), splat(scale), load(to + c, lanes)), lanes);
        });
      }
    };
    for (int64_t n = first_row; n < end_row; n += kPanel) {
      const int count = tile_part(end_row - n, kPanel);
      for (int64_t k = 0; k < steps; ++k) {
        pack_twice(s.low + k * kStepBytes, low + n * low_stride + k * kRankStep, low_stride, count,
                   tile_part(R - k * kRankStep, kRankStep));
      }
      for (int64_t j = 0; j < width; j += kPanel) {
        float* sums = s.ring[slot];
        bf16* here = out + n * out_stride + first + j;
        for (int i = 0; i < count; ++i) __builtin_prefetch(here + i * out_stride, 1);
        tile_block(packed_rows(s.low), count, s.up + j / kPanel * steps * kStepBytes, steps, nullptr, sums, kPanel,
                   []() {});
        finish();
        to = here, rows = count, columns = tile_part(width - j, kPanel), waiting = sums;
        slot ^= 1;
      }
    }
    finish();
  });
}

// ---- backward ---------------------------------------------------------------------------------------

// A chunk of columns: dlow's partial sums are products of rows of dout, where they lie, and `up`, its parts beside each
// other as columns. dup is summed as its transpose, of low^T and rows of dout in pairs.
struct TileGradients {
  static constexpr int64_t kWidth = 384;  // columns of dout per task, the most
  static constexpr int64_t kBlockRows = 128;
  static constexpr int64_t kRankWidth = kRankStep;  // what rows of partial sums are rounded up to
  // Longer pieces of rows pass faster; narrow tensors are to be several tasks.
  static int64_t width(int64_t F) { return F < 4 * kWidth ? kWidth / 2 : kWidth; }
  static constexpr int64_t kSteps = kWidth / tmm::kDepth;
  static constexpr int64_t kBlockSteps = kBlockRows / tmm::kDepth;

  struct Scratch {
    char up[kRankSteps * kSteps * kStepBytes];                      // panels, a step for 32 columns of dout
    char low[kMaxRank / kPanel * kBlockSteps * kStepBytes];         // strips, a step for 32 rows
    char dout[kSteps * kBlockSteps * kStepBytes];                   // panels, a step for 32 rows
    char rows[kSteps * kStepBytes];                                 // of dout, where tiles cannot be read in place
    float sums[kMaxRank / kPanel * kWidth / kPanel * kBlockCells];  // of dup's transpose, blocks
    float ring[kBlockCells];
  };

  static void run(Scratch& s, const LoraGradients<bf16>& g, const LoraPart& part, float* partials) {
    const tmm::Session session;
    const int64_t steps = parts_of(part.columns, tmm::kDepth);
    pack_up(s, g, part, steps);
    for (int64_t row = part.first_row; row < part.end_row; row += kBlockRows) {
      const int64_t rows = std::min(kBlockRows, part.end_row - row);
      const bf16* dout = g.dout + row * g.out_stride + part.f;
      for (int64_t m = 0; m < rows; m += kPanel) {
        const int count = tile_part(rows - m, kPanel);
        const bf16* from = dout + m * g.out_stride;
        char* to = s.dout + m / kPanel * kStepBytes;
        for (int64_t k = 0; k < steps; ++k) {
          tiles_interleaved<true>(to + k * kBlockSteps * kStepBytes, from + k * kPanel, g.out_stride, count,
                                  tile_part(part.columns - k * kPanel, kPanel));
        }
        const int64_t width = rank_steps(g.R) * kRankStep;
        add_rows(s, g, from, count, part.columns, partials + (row - part.first_row + m) * width);
      }
      add_columns(s, g, g.low + row * g.low_stride, rows, steps, row > part.first_row);
    }
    finish(s, g, part);
  }

 private:
  static void pack_up(Scratch& s, const LoraGradients<bf16>& g, const LoraPart& part, int64_t steps) {
    for (int64_t r = 0; r < g.R; r += kRankStep) {
      char* to = s.up + r / kRankStep * kSteps * kStepBytes;
      const int n = tile_part(g.R - r, kRankStep);
      for (int64_t i = 0; i < steps * tmm::kRows; ++i) {
        const float* pair = g.up + (part.f + 2 * i) * g.R + r;
        const wide low = load_wide(pair, 2 * i < part.columns ? n : 0);
        const wide high = load_wide(pair + g.R, 2 * i + 1 < part.columns ? n : 0);
        split_pairs<2>(to + i / tmm::kRows * kStepBytes + i % tmm::kRows * 64, low, high, tmm::kBytes);
      }
    }
  }

  // The partial sums of up to 32 rows of dlow.
  static void add_rows(Scratch& s, const LoraGradients<bf16>& g, const bf16* dout, int count, int64_t columns,
                       float* to) {
    const int64_t pitch = g.out_stride * static_cast<int64_t>(sizeof(bf16)), width = rank_steps(g.R) * kRankStep;
    const int64_t steps = parts_of(columns, tmm::kDepth);
    const char* from = reinterpret_cast<const char*>(dout);
    TileRows a{from, from + tmm::kRows * pitch, pitch, 64};
    // Rows a multiple of a page apart meet in few sets of the L1.
    if (count < kPanel || columns % tmm::kDepth != 0 || pitch % kPageBytes == 0) {
      for (int64_t k = 0; k < steps; ++k) {
        parts_of_rows<bf16>(s.rows + k * kStepBytes, dout + k * tmm::kDepth, g.out_stride, count,
                            tile_part(columns - k * tmm::kDepth, tmm::kDepth));
      }
      a = packed_rows(s.rows);
    }
    for (int64_t r = 0; r < g.R; r += kRankStep) {
      tile_block(a, count, s.up + r / kRankStep * kSteps * kStepBytes, steps, nullptr, s.ring, kPanel, []() {});
      for (int m = 0; m < count; ++m) {
        const float* sums = s.ring + m * kPanel;
        for_vectors(0, kRankStep, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
          store(to + m * width + r + i, load(sums + i, lanes) + load(sums + kRankStep + i, lanes), lanes);
        });
      }
    }
  }

  // A block of rows of dup's sums, whose dout is packed.
  static void add_columns(Scratch& s, const LoraGradients<bf16>& g, const bf16* low, int64_t rows, int64_t steps,
                          bool add) {
    const int64_t depth = parts_of(rows, tmm::kDepth);
    for (int64_t r = 0; r < g.R; r += kPanel) {
      char* strip = s.low + r / kPanel * kBlockSteps * kStepBytes;
      const int ranks = tile_part(g.R - r, kPanel);
      for (int64_t k = 0; k < depth; ++k) {
        tiles_of_columns(strip + k * kStepBytes, low + k * tmm::kDepth * g.low_stride + r, g.low_stride,
                         tile_part(rows - k * tmm::kDepth, tmm::kDepth), ranks);
      }
      for (int64_t j = 0; j < steps; ++j) {
        float* sums = s.sums + (r / kPanel * kSteps + j) * kBlockCells;
        tile_block(packed_rows(strip), ranks, s.dout + j * kBlockSteps * kStepBytes, depth, add ? sums : nullptr, sums,
                   kPanel, []() {});
      }
    }
  }

  static void finish(Scratch& s, const LoraGradients<bf16>& g, const LoraPart& part) {
    const bool add = g.accumulate || part.first_row > 0;
    for (int64_t r = 0; r < g.R; r += 16) {
      const int n = tile_part(g.R - r, 16);
      for (int64_t j = 0; j < part.columns; j += kPanel) {
        const int there = tile_part(part.columns - j, kPanel);
        for (int tile = 0; tile < 2; ++tile) {
          const float* sums =
              s.sums + (r / kPanel * kSteps + j / kPanel) * kBlockCells + r % kPanel * kPanel + tile * 16;
          pairs cells[16];
          for (int i = 0; i < 16; ++i) std::memcpy(&cells[i], sums + i * kPanel, sizeof(cells[i]));
          transpose_pairs(cells);
          for (int i = 0; i < 16; ++i) {
            const int column = column_by_lanes(i) + 4 * tile;
            if (column >= there) continue;
            float row[16];
            std::memcpy(row, &cells[i], sizeof(row));
            float* to = g.dup + (part.f + j + column) * g.R + r;
            for_vectors(0, n, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
              const vf sum = load(row + c, lanes) * g.scale;
              store(to + c, add ? load(to + c, lanes) + sum : sum, lanes);
            });
          }
        }
      }
    }
  }
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
