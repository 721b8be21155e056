// Tiled attention, forward (see attention.cpp): over packed sequences, or over many new rows of a cache.
#ifndef ATTUNE_ATTENTION_FORWARD_H
#define ATTUNE_ATTENTION_FORWARD_H

#include <cstdint>
#include <type_traits>

#include "amx.h"
#include "attention_bias.h"
#include "attention_gemm.h"
#include "attention_math.h"
#include "attention_pack.h"
#include "attention_schedule.h"
#include "attention_tiles.h"
#include "context.h"
#include "simd.h"
#if defined(ATTUNE_TILES)
#include "attention_amx.h"
#endif

namespace attune {
namespace ATTUNE_ISA {

struct ForwardScratch {
  float k[kKeys * kRowCells];
  float v[kKeys * kRowCells];
  float q[kMaxD * kBlock];
  float scores[kTile * kBlock];
  float rescale[kBlock];
  float maximum[kChunkBlocks * kBlock];
  float sum[kChunkBlocks * kBlock];
  float out[kChunkBlocks * kBlock * kMaxD];
};

// One tile of scores into unnormalised probabilities, in place; updates the running maximum (in units
// of log2) and sum, and leaves the factor for what was accumulated before.
template <class Cell, bool kDropout>
static inline void softmax_tile(const AttentionProblem& a, float* scores, int64_t keys, int64_t vectors, float* maximum,
                                float* sum, float* rescale, int64_t row, int64_t head, int64_t j0) {
  constexpr bool rounded = Cell::kWidth == 2;
  const vf c = splat(a.log2_scale());
  for (int64_t v = 0; v < vectors; ++v) {
    float* column = scores + v * W;
    vf before = load(maximum + v * W);
    vf top[4] = {before, before, before, before};
    int64_t j = 0;
    for (; j + 4 <= keys; j += 4) {
      for (int i = 0; i < 4; ++i) top[i] = larger(top[i], load(column + (j + i) * kBlock) * c);
    }
    for (; j < keys; ++j) top[0] = larger(top[0], load(column + j * kBlock) * c);
    vf after = larger(larger(top[0], top[1]), larger(top[2], top[3]));
    store(maximum + v * W, after);
    // Nothing visible yet: any finite base keeps -inf - base from being NaN.
    vf base = after == -kInfinity ? vf{} : after;
    vf factor = exp2_of<false>(before - base);
    store(rescale + v * W, factor);
    vf total = load(sum + v * W) * factor;

    ProbabilityDropout dropout(a, row + v * W, head);
    auto probability = [&](int64_t key) {
      vf p = exp2_of<rounded>(fma(load(column + key * kBlock), c, -base));
      total += p;
      return p;
    };
    for (j = 0; j + 8 <= keys; j += 8) {
      if constexpr (kDropout) dropout.generate((j0 + j) / 8);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) {
        vf even = probability(j + i);
        vf odd = probability(j + i + 1);
        if constexpr (kDropout) {
          even *= dropout.multiplier(i);
          odd *= dropout.multiplier(i + 1);
        }
        store_over_keys(Cell(), column, j + i, even, odd);
      }
    }
    if (kDropout && j < keys) dropout.generate((j0 + j) / 8);
    for (int i = 0; j < keys; j += 2, i += 2) {
      vf even = probability(j);
      if constexpr (kDropout) even *= dropout.multiplier(i);
      if (j + 1 == keys) {
        store_over_keys(Cell(), column, j, even);
        break;
      }
      vf odd = probability(j + 1);
      if constexpr (kDropout) odd *= dropout.multiplier(i + 1);
      store_over_keys(Cell(), column, j, even, odd);
    }
    store(sum + v * W, total);
  }
}

template <class Cell, class T>
struct AttentionForward {
  using Scratch = ForwardScratch;
  static constexpr int64_t kChunkBlocks = attune::ATTUNE_ISA::kChunkBlocks;
  static int64_t blocks(int64_t queries) { return QueryBlocks(queries).count; }

  AttentionProblem a;
  T* out;
  float* lse;  // null: not wanted
  const T* q;
  const T* k;
  const T* v;
  int64_t least_queries = 1;  // sequences with fewer are someone else's

  // Query blocks first..last-1 of sequence b, for the queries of key/value heads hk0..hk1-1.
  void run(ForwardScratch& s, int64_t b, int64_t hk0, int64_t hk1, int64_t first, int64_t last) const {
    const QueryBlocks blocks(a.queries(b));
    const KeyRange seen = visible_keys(a, b, blocks.begin(first), blocks.begin(last));
    const int64_t start = seen.begin / kTile * kTile;
    for (int64_t hk = hk0; hk < hk1; ++hk) {
      int64_t packed = -1;
      for (int64_t head = hk * a.group(); head < (hk + 1) * a.group(); ++head) {
        int64_t begin = start;
        do {
          const int64_t end = begin + kKeys < seen.end ? begin + kKeys : seen.end;
          if (packed != begin) pack(s, b, hk, begin, end - begin);
          packed = begin;
          for (int64_t block = first; block < last; ++block) {
            attend(s, b, head, block, begin, end, static_cast<int>(block - first), begin == start, end == seen.end);
          }
          begin += kKeys;
        } while (begin < seen.end);
      }
    }
  }

 private:
  void pack(ForwardScratch& s, int64_t b, int64_t hk, int64_t begin, int64_t count) const {
    int64_t at = (a.first_key[b] + begin) * a.kv_stride + hk * a.D;
    pack_rows<Cell>(s.k, k + at, a.kv_stride, count, a.D);
    pack_summed(Cell(), s.v, v + at, a.kv_stride, count, a.D);
  }

  // One query block against keys begin..end-1, which are packed. Starts its state on the first keys and
  // writes the result on the last.
  void attend(ForwardScratch& s, int64_t b, int64_t head, int64_t block, int64_t begin, int64_t end, int slot,
              bool first_keys, bool last_keys) const {
    const QueryBlocks blocks(a.queries(b));
    const int64_t i0 = blocks.begin(block), i1 = blocks.begin(block + 1), rows = i1 - i0;
    const int64_t vectors = (rows + W - 1) / W, width = a.vectors() * W;
    float* maximum = s.maximum + slot * kBlock;
    float* sum = s.sum + slot * kBlock;
    float* acc = s.out + slot * kBlock * kMaxD;
    const int64_t row = a.cu_q[b] + i0;
    if (first_keys) {
      for (int64_t i = 0; i < vectors * W; i += W) {
        store(maximum + i, splat(-kInfinity));
        store(sum + i, vf{});
      }
    }
    KeyRange range = visible_keys(a, b, i0, i1);
    int64_t from = range.begin > begin ? range.begin : begin;
    int64_t to = range.end < end ? range.end : end;
    if (from < to) pack_transposed<Cell>(s.q, q + row * a.q_stride + head * a.D, a.q_stride, rows, vectors, a.D);
    for (int64_t j0 = from; j0 < to;) {
      int64_t j1 = (j0 / kTile + 1) * kTile < to ? (j0 / kTile + 1) * kTile : to;
      const bool biased = a.bias != nullptr;
      if (biased) start_scores(a, b, head, s.scores, i0, vectors, j0, j1 - j0);
      product<Cell, kRowCells, 1>(s.scores, kBlock, s.k + (j0 - begin) * kRowCells, s.q, kBlock, j1 - j0, vectors,
                                  a.D / Cell::kWidth, biased);
      hide(a, b, s.scores, i0, vectors, j0, j1 - j0);
      if (a.dropout.on()) {
        softmax_tile<Cell, true>(a, s.scores, j1 - j0, vectors, maximum, sum, s.rescale, row, head, j0);
      } else {
        softmax_tile<Cell, false>(a, s.scores, j1 - j0, vectors, maximum, sum, s.rescale, row, head, j0);
      }
      bool started = j0 > range.begin;
      if (started) {
        for (int64_t r = 0; r < rows; ++r) {
          vf factor = splat(s.rescale[r]);
          for (int64_t d = 0; d < width; d += W) store(acc + r * width + d, load(acc + r * width + d) * factor);
        }
      }
      product<Cell, 1, kBlock>(acc, width, s.scores, s.v + (j0 - begin) / Cell::kWidth * kRowCells, kRowCells, rows,
                               a.vectors(), (j1 - j0 + Cell::kWidth - 1) / Cell::kWidth, started);
      j0 = j1;
    }
    if (!last_keys) return;

    const int64_t queries = a.cu_q[a.B] - a.cu_q[0];
    for (int64_t v = 0; v < vectors; ++v) {
      vf total = load(sum + v * W);
      vf top = load(maximum + v * W);
      if (lse != nullptr) {
        vf value = top == -kInfinity ? top : fma(top, splat(kLn2), log_of(total));
        store_some(lse + head * queries + row - a.cu_q[0] + v * W, value, rows - v * W);
      }
      store(sum + v * W, total == 0.0f ? vf{} : 1.0f / total);
    }
    for (int64_t r = 0; r < rows; ++r) {
      T* to_row = out + ((row + r) * a.H + head) * a.D;
      vf factor = splat(sum[r]);
      for (int64_t d = 0; d < a.D; d += W) {
        // A block without a visible key has an accumulator that nothing has written.
        vf value = range.begin < range.end ? load(acc + r * width + d) * factor : vf{};
        store_some(to_row + d, value, a.D - d);
      }
    }
  }
};
static_assert(sizeof(ForwardScratch) + kScheduleBytes <= kWorkspaceBytes, "forward scratch");

// The forward pass of tensors of this type, on vectors or on matrix tiles.
#if defined(ATTUNE_TILES)
template <class Cell, class T>
using ForwardOf = std::conditional_t<kOnTiles<T>, TileForward, AttentionForward<Cell, T>>;
#else
template <class Cell, class T>
using ForwardOf = AttentionForward<Cell, T>;
#endif

template <class Op>
static void run_forward(attune_context* ctx, const Op& op) {
  const AttentionProblem& a = op.a;
  for (int64_t begin = 0; begin < a.B; begin += kScheduled) {
    Schedule schedule(ctx, a, begin, begin + kScheduled < a.B ? begin + kScheduled : a.B);
    int64_t tasks = schedule.number([&](const Entry& entry) {
      if (a.queries(entry.sequence) < op.least_queries) return int64_t{0};
      return parts(a.Hkv, entry.heads) * parts(Op::blocks(a.queries(entry.sequence)), Op::kChunkBlocks);
    });
    parallel(ctx, tasks, [&](int64_t task, int32_t worker) {
      const Entry& entry = schedule.find(task);
      const int64_t blocks = Op::blocks(a.queries(entry.sequence));
      int64_t chunks = parts(blocks, Op::kChunkBlocks);
      int64_t heads = (task - entry.first) / chunks * entry.heads, chunk = (task - entry.first) % chunks;
      op.run(*reinterpret_cast<typename Op::Scratch*>(ctx->workspace(worker)), entry.sequence, heads,
             heads + entry.heads < a.Hkv ? heads + entry.heads : a.Hkv, blocks * chunk / chunks,
             blocks * (chunk + 1) / chunks);
    });
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
