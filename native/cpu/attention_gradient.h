// Softmax in the backward pass of the tiled attention kernels: a tile at a time, scores with a row per key.
#ifndef ATTUNE_ATTENTION_GRADIENT_H
#define ATTUNE_ATTENTION_GRADIENT_H

#include <cstdint>

#include "attention_gemm.h"
#include "attention_math.h"
#include "attention_pack.h"
#include "attention_tiles.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Takes no gradients.
struct NoSums {
  void add(int64_t, int64_t, vf) const {}
};

// scores -> probabilities (with dropout), dscores (holding dP^T) -> gradients of the scaled scores, which `sums` also
// takes, by key and vector of queries.
template <class Cell, bool kDropout, class Sums>
static inline void softmax_tile_bwd(const AttentionProblem& a, float* scores, float* dscores, float* dscores_pairs,
                                    Sums& sums, int64_t keys, int64_t vectors, const float* lse, const float* dots,
                                    int64_t row, int64_t head, int64_t j0) {
  constexpr bool rounded = Cell::kWidth == 2;
  const vf c = splat(a.log2_scale());
  for (int64_t v = 0; v < vectors; ++v) {
    const vf base = load(lse + v * W);
    const vf dot = load(dots + v * W);
    ProbabilityDropout dropout(a, row + v * W, head);
    auto gradient = [&](int64_t key, int lane) {
      float* score = scores + key * kBlock;
      float* dscore = dscores + key * kBlock;
      vf p = exp2_of<rounded>(fma(load(score + v * W), c, -base));
      vf dp = load(dscore + v * W);
      vf kept = p;
      if constexpr (kDropout) {
        vf multiplier = dropout.multiplier(lane);
        kept *= multiplier;
        dp *= multiplier;
      }
      vf ds = p * (dp - dot);
      sums.add(key, v, ds);
      store_over_queries(Cell(), score, v * W, kept);
      store_over_queries(Cell(), dscore, v * W, ds);
      return ds;
    };
    int64_t j = 0;
    for (; j + 8 <= keys; j += 8) {
      if constexpr (kDropout) dropout.generate((j0 + j) / 8);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) {
        vf even = gradient(j + i, i);
        vf odd = gradient(j + i + 1, i + 1);
        if constexpr (rounded) store_over_keys(Cell(), dscores_pairs + v * W, j + i, even, odd);
      }
    }
    if (kDropout && j < keys) dropout.generate((j0 + j) / 8);
    for (int i = 0; j < keys; j += 2, i += 2) {
      vf even = gradient(j, i);
      vf odd = j + 1 < keys ? gradient(j + 1, i + 1) : vf{};
      if constexpr (rounded) store_over_keys(Cell(), dscores_pairs + v * W, j, even, odd);
    }
  }
}

// The same, with dropout or without.
template <class Cell, class Sums>
static inline void softmax_bwd(const AttentionProblem& a, float* scores, float* dscores, float* dscores_pairs,
                               Sums& sums, int64_t keys, int64_t vectors, const float* lse, const float* dots,
                               int64_t row, int64_t head, int64_t j0) {
  if (a.dropout.on()) {
    softmax_tile_bwd<Cell, true>(a, scores, dscores, dscores_pairs, sums, keys, vectors, lse, dots, row, head, j0);
  } else {
    softmax_tile_bwd<Cell, false>(a, scores, dscores, dscores_pairs, sums, keys, vectors, lse, dots, row, head, j0);
  }
}

// The log-sum-exps of `rows` queries in units of log2. Lanes without a query, and queries that see no key, get what
// makes their probabilities exp2(-inf) = 0.
static inline void load_lse(float* lanes, const float* lse, int64_t rows, int64_t vectors) {
  for (int64_t v = 0; v < vectors; ++v) {
    vf value = load_some(lse + v * W, rows - v * W) * kLog2e;
    vi used;
    for (int i = 0; i < W; ++i) used[i] = v * W + i < rows ? -1 : 0;
    used &= value != -kInfinity;
    store(lanes + v * W, select(used, value, splat(kInfinity)));
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
