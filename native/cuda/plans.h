// How kernels cut their work so that partial results fit into the scratch of the workspace: functions of the
// arguments alone, so that results do not depend on the device. Tested by native/test/plans_test.cpp.
#ifndef ATTUNE_CUDA_PLANS_H
#define ATTUNE_CUDA_PLANS_H

#include <cstdint>

#include "context.h"

namespace attune::cuda {

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

constexpr int64_t kMaxNormWidth = 65536;

// Gradients of norm weights: blocks that each leave `arrays` rows of C partial sums.
static inline int64_t norm_partials(int64_t blocks, int64_t arrays, int64_t C) {
  constexpr int64_t kMost = 256;
  return min_of(min_of(blocks, kMost), kScratchBytes / (4 * arrays * C));
}

// Backward of an embedding: rows of dout that are sorted and summed at a time; 0 where one run does not fit.
struct ScatterPlan {
  static constexpr int64_t kRun = 32;  // places in the sorted order that a block sums
  int64_t rows;

  explicit ScatterPlan(int64_t C) {
    const int64_t per_run =
        kRun * 2 * static_cast<int64_t>(sizeof(int32_t)) + 2 * C * static_cast<int64_t>(sizeof(float));
    rows = (kScratchBytes - 64) / per_run * kRun;
  }

  // Where the partial sums begin, in floats: behind order and keys, at a multiple of 64 bytes.
  static int64_t partials_at(int64_t rows) { return ceil_div(2 * rows, 16) * 16; }
};

// Gradient of a LoRA adapter's second factor (F, R): rows of a piece of N, whose sums are added in order.
static inline int64_t lora_piece_rows(int64_t N, int64_t F, int64_t R) {
  constexpr int64_t kRows = 512, kMostPieces = 65535;  // the z dimension of a grid
  return max_of(kRows, ceil_div(N, min_of(kScratchBytes / 4 / (F * R), kMostPieces)));
}

// Gradient of a DoRA adapter's magnitude (F): rows of a piece of N, whose sums are added in order.
static inline int64_t dora_piece_rows(int64_t N, int64_t F) {
  constexpr int64_t kRows = 64, kMostPieces = 256;
  return max_of(kRows, ceil_div(N, min_of(kScratchBytes / 4 / F, kMostPieces)));
}

}  // namespace attune::cuda

#endif
