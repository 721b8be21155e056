// The gradient of a linear layer's weight on matrix tiles, of activations as in linear_amx.h. It contracts over rows,
// so both operands are packed: the input before there are products, the gradient of the output a band of columns
// at a time, beside the products of the band before. The sums of the gradient's columns are products with ones, and its
// squares are summed as it is written, so that nobody has to fetch it from memory for its norm.
#ifndef ATTUNE_LINEAR_AMX_WEIGHT_H
#define ATTUNE_LINEAR_AMX_WEIGHT_H

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "amx.h"
#include "amx_block.h"
#include "amx_parts.h"
#include "context.h"
#include "lanes.h"
#include "linear_amx.h"
#include "simd.h"
#include "squares.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kWeightGroupBytes = int64_t{1400} << 10;  // of the input in the L2
constexpr int64_t kWeightTasksOfThread = 2;                 // each packs its first strips before it multiplies
constexpr int64_t kSquareBlocks = int64_t{1} << 16;  // of sums, whose squares are kept at the end of what is shared

// Panels, or strips, that are packed together: 256 bytes of each row, since every row lies in a page of its own.
template <class T>
constexpr int64_t kBand = 256 / (kPanel * static_cast<int64_t>(sizeof(T)));

// A band of columns of a matrix (rows, columns), packed as A: step after step, the strips of a step together. next()
// packs a piece of a strip's step, and fetches the first line of each row that the next step will read.
template <class T>
class BandPacking {
 public:
  // to: strip after strip, `steps` steps each. first: column.
  BandPacking(char* to, const T* from, int64_t columns, int64_t first, int64_t strips, int64_t rows)
      : to_(to),
        from_(from),
        columns_(columns),
        first_(first),
        strips_(strips),
        rows_(rows),
        steps_((rows + tmm::kDepth - 1) / tmm::kDepth) {}

  int64_t pieces() const { return steps_ * strips_ * kColumnPieces<T>; }

  inline __attribute__((always_inline)) void next() {
    const int64_t column = first_ + strip_ * kPanel;
    const T* from = from_ + step_ * tmm::kDepth * columns_ + column;
    if (piece_ == 0 && (step_ + 2) * tmm::kDepth <= rows_) {
      for (int64_t i = tmm::kDepth; i < 2 * tmm::kDepth; ++i) __builtin_prefetch(from + i * columns_);
    }
    piece_of_columns<T>(to_ + (strip_ * steps_ + step_) * kPartsBytes<T>, transposed_, from, columns_,
                        tile_part(rows_ - step_ * tmm::kDepth, tmm::kDepth), tile_part(columns_ - column, kPanel),
                        piece_);
    if (++piece_ < kColumnPieces<T>) return;
    piece_ = 0;
    if (++strip_ < strips_) return;
    strip_ = 0, ++step_;
  }

 private:
  char* to_;
  const T* from_;
  int64_t columns_, first_, strips_, rows_, steps_, step_ = 0, strip_ = 0;
  int piece_ = 0;
  TransposedColumns transposed_;
};

template <class T>
struct WeightScratch {
  char strips[2][kBand<T> * kDepthSteps * kPartsBytes<T>];  // those that are multiplied, and the next ones
  char panels[kWeightGroupBytes];                           // where a task packs its own
  float ring[2][kBlockCells];                               // the block that is summed, and the one before
  float partial[kWeightGroupBytes / (kTurnSteps<T> * kPartsBytes<T>)*kBlockCells];
};
static_assert(sizeof(WeightScratch<bf16>) <= kWorkspaceBytes - kSharedBytes, "scratch of a gradient on tiles");
static_assert(sizeof(WeightScratch<float>) <= kWorkspaceBytes - kSharedBytes, "scratch of a gradient in parts");

// How the gradient of a weight (F, columns) is cut into tasks: groups of columns, and strips of rows where those are
// too few. The input is packed once for all of them, or by each task for itself: a line that another core has written
// costs about three times as much as one that is read for the first time, but each group packs the gradient again.
struct WeightTasks {
  int64_t group_columns, groups, strips;
  bool packs_alone;

  // most_columns: of a group.
  WeightTasks(attune_context* ctx, int64_t most_columns, int64_t columns, int64_t F) {
    const int64_t threads = ctx->pool.threads(), panels = TileTasks::parts_of(columns, kPanel);
    const int64_t least = TileTasks::parts_of(columns, most_columns);
    const int64_t alone = std::min(panels, TileTasks::parts_of(least, threads) * threads);
    const int64_t all = TileTasks::parts_of(F, kPanel);
    // Only where that is work for as many threads as the other way.
    packs_alone = alone >= std::min(threads, least * TileTasks::parts_of(all, 2)) &&
                  alone * F + columns < least * F + 3 * columns;
    group_columns = TileTasks::parts_of(panels, packs_alone ? alone : least) * kPanel;
    groups = TileTasks::parts_of(columns, group_columns);
    strips = packs_alone ? all : std::max<int64_t>(2, groups * all / (kWeightTasksOfThread * threads));
  }
};

// dweight (F, C) (+)= dout (N, F)^T inp (N, C), dbias (F) (+)= the sums of dout's columns, squares (1) = the sum of
// those of dweight; dbias and squares are null where they are not asked for. False: dweight has too many blocks for
// squares.
template <class T>
static bool tile_backward_weight(attune_context* ctx, float* dweight, float* dbias, double* squares, const T* dout,
                                 const T* inp, int64_t N, int64_t C, int64_t F, bool accumulate) {
  constexpr int64_t kBytes = kPartsBytes<T>;
  const DepthSteps<T> blocks(N, kDepthSteps);
  char* const shared = ctx->workspace(0) + kSharedBytes;
  const int64_t most_columns = blocks.columns_of(kWeightGroupBytes);
  // Equal spans of columns, whose input has room in what is shared; all where nothing is.
  const int64_t all_panels = TileTasks::parts_of(C, kPanel);
  const int64_t room = (static_cast<int64_t>(kSharedBytes) - kSquareBlocks * 8) / (blocks.block * kBytes);
  const int64_t spans = WeightTasks(ctx, most_columns, C, F).packs_alone ? 1 : TileTasks::parts_of(all_panels, room);
  const int64_t span = TileTasks::parts_of(all_panels, spans) * kPanel;
  const bool aligned = C % W == 0 && reinterpret_cast<uintptr_t>(dweight) % sizeof(vf) == 0;
  const int64_t strips = (F + kPanel - 1) / kPanel;
  double* const block_squares = reinterpret_cast<double*>(ctx->workspace(0) + kWorkspaceBytes) - kSquareBlocks;
  const bool has_room = strips * all_panels <= kSquareBlocks;

  for (int64_t n0 = 0; n0 < N; n0 += blocks.block * tmm::kDepth) {
    const int64_t rows = std::min(blocks.block * tmm::kDepth, N - n0);
    const int64_t steps = (rows + tmm::kDepth - 1) / tmm::kDepth;
    const bool add = accumulate || n0 > 0;
    const bool sums_squares = squares != nullptr && has_room && n0 + rows == N;
    for (int64_t c0 = 0; c0 < C; c0 += span) {
      const int64_t width = std::min(span, C - c0);
      const WeightTasks tasks(ctx, most_columns, width, F);
      // Columns begin.. of the input, as B.
      const auto pack_panels = [&](char* to, int64_t begin, int64_t end) {
        for (int64_t k = 0; k < steps; ++k) {
          const T* from = inp + (n0 + k * tmm::kDepth) * C + c0;
          for (int64_t j = begin; j < end; j += kPanel) {
            if ((k + 2) * tmm::kDepth <= rows) {
              for (int64_t i = tmm::kDepth; i < 2 * tmm::kDepth; ++i) __builtin_prefetch(from + i * C + j);
            }
            parts_interleaved<T>(to + ((j - begin) / kPanel * steps + k) * kBytes, from + j, C,
                                 tile_part(rows - k * tmm::kDepth, tmm::kDepth), tile_part(width - j, kPanel));
          }
        }
      };
      if (!tasks.packs_alone) {
        const int64_t band = kBand<T> * kPanel;
        parallel(ctx, (width + band - 1) / band, [&](int64_t task, int32_t) {
          const int64_t j = task * band;
          pack_panels(shared + j / kPanel * steps * kBytes, j, std::min(j + band, width));
        });
      }

      parallel(ctx, tasks.groups * ((strips + tasks.strips - 1) / tasks.strips), [&](int64_t task, int32_t worker) {
        auto& s = *reinterpret_cast<WeightScratch<T>*>(ctx->workspace(worker));
        const tmm::Session session;
        const OnesTile ones;
        const int64_t first = task / tasks.groups * tasks.strips, end = std::min(first + tasks.strips, strips);
        const int64_t g = task % tasks.groups * tasks.group_columns;
        const int64_t columns = std::min(tasks.group_columns, width - g);
        const int64_t panels = (columns + kPanel - 1) / kPanel;
        const char* b = shared + g / kPanel * steps * kBytes;
        if (tasks.packs_alone) {
          pack_panels(s.panels, g, g + columns);
          b = s.panels;
        }

        float* to = nullptr;
        int64_t left = 0;
        int columns_there = 0, slot = 0;
        const float* waiting = nullptr;
        Squares sum_of_block;
        double* block_sum = nullptr;
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
          if (sums_squares) sum_of_block.add(add ? to : waiting, columns_there);
          to += C;
          waiting += kPanel;
          if (--left == 0 && sums_squares) *block_sum = sum_of_block.total(), sum_of_block = {};
        };

        // While strips are multiplied, those of the next band are packed into the other half.
        const auto packing_of = [&](int64_t strip) {
          return BandPacking<T>(s.strips[(strip - first) / kBand<T> % 2], dout + n0 * F, F, strip * kPanel,
                                std::max<int64_t>(0, std::min(kBand<T>, end - strip)), rows);
        };
        BandPacking<T> packing = packing_of(first);
        for (int64_t i = packing.pieces(); i > 0; --i) packing.next();
        for (int64_t at = first; at < end; at += kBand<T>) {
          const int64_t there = std::min(kBand<T>, end - at);
          packing = packing_of(at + kBand<T>);
          Evenly pieces(packing.pieces(), there * panels * steps * kPartProducts<T>);
          for (int64_t strip = at; strip < at + there; ++strip) {
            const int64_t f = strip * kPanel;
            const int height = tile_part(F - f, kPanel);
            const char* a = s.strips[(at - first) / kBand<T> % 2] + (strip - at) * steps * kBytes;
            if (dbias != nullptr && c0 + g == 0) {
              float* sums = s.ring[slot];
              parts_sums<T>(a, steps, ones, sums);
              for (int m = 0; m < height; ++m) dbias[f + m] = (add ? dbias[f + m] : 0.0f) + sums[16 * m];
            }
            const int64_t turn = steps_of_turn<T>(steps);
            for (int64_t k0 = 0; k0 < steps; k0 += turn) {
              const int64_t here = std::min(turn, steps - k0);
              const bool last = k0 + here == steps;
              for (int64_t p = 0; p < panels; ++p) {
                Evenly finishing(left, here * kPartProducts<T>);
                float* partial = s.partial + p * kBlockCells;
                float* sums = last ? s.ring[slot] : partial;
                parts_block<T>(
                    packed_rows(a + k0 * kBytes), height, b + (p * steps + k0) * kBytes, here,
                    k0 > 0 ? partial : nullptr, sums, kPanel, [&]() __attribute__((always_inline)) {
                      finishing.step(finish_row);
                      pieces.step([&]() __attribute__((always_inline)) { packing.next(); });
                    });
                if (last) {
                  to = dweight + f * C + c0 + g + p * kPanel;
                  left = height, columns_there = tile_part(columns - p * kPanel, kPanel), waiting = sums;
                  if (sums_squares) block_sum = block_squares + strip * all_panels + (c0 + g) / kPanel + p;
                  slot ^= 1;
                }
              }
            }
          }
        }
        while (left > 0) finish_row();
        end_streaming();
      });
    }
  }
  if (squares != nullptr && has_room)
    *squares = std::accumulate(block_squares, block_squares + strips * all_panels, 0.0);
  return has_room;
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
