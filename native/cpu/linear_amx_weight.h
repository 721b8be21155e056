// The gradient of a linear layer's weight on matrix tiles, of activations as in linear_amx.h. It contracts over rows,
// so both operands are packed: the input once, for all tasks; the gradient of the output 32 columns at a time, beside
// the products of the 32 before.
#ifndef ATTUNE_LINEAR_AMX_WEIGHT_H
#define ATTUNE_LINEAR_AMX_WEIGHT_H

#include <algorithm>
#include <cstdint>

#include "amx.h"
#include "amx_block.h"
#include "amx_parts.h"
#include "context.h"
#include "lanes.h"
#include "linear_amx.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Fewer for f32, whose packed columns are three times as many bytes to fetch at the start of a task.
template <class T>
constexpr int64_t kStripTasksOfThread = kParts<T> > 1 ? 3 : kTasksOfThread;

// dweight (F, C) (+)= dout (N, F)^T inp (N, C). column_sums(f, n, rows, columns, add): the sums of these columns and
// rows of dout, for the bias.
template <class T, class ColumnSums>
static void tile_backward_weight(attune_context* ctx, float* dweight, const T* dout, const T* inp, int64_t N, int64_t C,
                                 int64_t F, bool accumulate, const ColumnSums& column_sums) {
  constexpr int64_t kBytes = kPartsBytes<T>;
  constexpr int kPieces = kColumnPieces<T>;
  const DepthSteps<T> blocks(N, kDepthSteps);
  char* const shared = ctx->workspace(0) + kSharedBytes;
  const int64_t span = static_cast<int64_t>(kSharedBytes) / (blocks.block * kBytes) * kPanel;
  const bool aligned = C % W == 0 && reinterpret_cast<uintptr_t>(dweight) % sizeof(vf) == 0;
  const int64_t strips = (F + kPanel - 1) / kPanel;

  for (int64_t n0 = 0; n0 < N; n0 += blocks.block * tmm::kDepth) {
    const int64_t rows = std::min(blocks.block * tmm::kDepth, N - n0);
    const int64_t steps = (rows + tmm::kDepth - 1) / tmm::kDepth;
    const bool add = accumulate || n0 > 0;
    for (int64_t c0 = 0; c0 < C; c0 += span) {
      const int64_t width = std::min(span, C - c0);
      parallel(ctx, steps, [&](int64_t k, int32_t) {
        const T* from = inp + (n0 + k * tmm::kDepth) * C + c0;
        for (int64_t j = 0; j < width; j += kPanel) {
          parts_interleaved<T>(shared + (j / kPanel * steps + k) * kBytes, from + j, C,
                               tile_part(rows - k * tmm::kDepth, tmm::kDepth), tile_part(width - j, kPanel));
        }
      });

      const int64_t group_columns = std::min(blocks.columns_of(kGroupBytes), width);
      const int64_t groups = (width + group_columns - 1) / group_columns;
      // The first strip of a task is packed before there are products to pack it beside.
      const int64_t task_strips =
          std::max<int64_t>(2, groups * strips / (kStripTasksOfThread<T> * ctx->pool.threads()));
      parallel(ctx, groups * ((strips + task_strips - 1) / task_strips), [&](int64_t task, int32_t worker) {
        auto& s = *reinterpret_cast<TileScratch<T>*>(ctx->workspace(worker));
        const tmm::Session session;
        const int64_t first = task / groups * task_strips, end = std::min(first + task_strips, strips);
        const int64_t g = task % groups * group_columns, columns = std::min(group_columns, width - g);
        const int64_t panels = (columns + kPanel - 1) / kPanel;
        TransposedColumns transposed;
        const auto pack_piece = [&](char* to, int64_t strip, int64_t k, int piece) __attribute__((always_inline)) {
          piece_of_columns<T>(to + k * kBytes, transposed, dout + (n0 + k * tmm::kDepth) * F + strip * kPanel, F,
                              tile_part(rows - k * tmm::kDepth, tmm::kDepth), tile_part(F - strip * kPanel, kPanel),
                              piece);
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

        for (int64_t k = 0; k < steps; ++k) {
          for (int piece = 0; piece < kPieces; ++piece) pack_piece(s.rows[0], first, k, piece);
        }
        for (int64_t strip = first; strip < end; ++strip) {
          const int64_t f = strip * kPanel;
          const int height = tile_part(F - f, kPanel);
          if (c0 + g == 0) column_sums(f, n0, rows, height, add);
          const char* a = s.rows[(strip - first) % 2];
          char* next = s.rows[(strip - first + 1) % 2];
          Evenly packing(strip + 1 < end ? steps * kPieces : 0, panels * steps * kPartProducts<T>);
          int64_t packed = 0;
          int piece = 0;
          for (int64_t p = 0; p < panels; ++p) {
            Evenly finishing(left, steps * kPartProducts<T>);
            float* sums = s.ring[slot];
            parts_block<T>(
                packed_rows(a), height, shared + (g / kPanel + p) * steps * kBytes, steps, nullptr, sums,
                kPanel, [&]() __attribute__((always_inline)) {
                  finishing.step(finish_row);
                  packing.step([&]() __attribute__((always_inline)) {
                    pack_piece(next, strip + 1, packed, piece);
                    if (++piece == kPieces) piece = 0, ++packed;
                  });
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
