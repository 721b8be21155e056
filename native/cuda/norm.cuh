// What layer norm and RMS norm share: how a row lies over a group of threads, and the gradients of weights.
//
// A row of C elements lies in the registers of one warp (C <= 1024), of 4 (C <= 4096) or 8 warps (C <= 8192),
// kPacks pieces of V elements in each thread: memory is read once. Rows that are longer or not made of whole
// aligned vectors are read again for each pass (kPacks = 0), from L1 or L2 for the most part.
//
// Gradients of weights: at most 256 blocks walk the rows, each sums its rows' contributions, and a
// second kernel adds the blocks' sums in order. The number depends on N alone, so the result does not
// depend on the device.
#ifndef ATTUNE_CUDA_NORM_CUH
#define ATTUNE_CUDA_NORM_CUH

#include "reduce.cuh"
#include "vectors.cuh"

namespace attune::cuda {

template <int V_, int kPacks_, int kWarps_>
struct NormShape {
  static constexpr int V = V_;
  static constexpr int kPacks = kPacks_;
  static constexpr int kWarps = kWarps_;
  using Group = RowGroup<kWarps_>;
};

// Calls run(NormShape) with the shape for rows of C elements.
template <class Run>
attune_status with_norm_shape(int64_t C, bool vectors, Run&& run) {
  if (!vectors) return run(NormShape<1, 0, 8>{});
  if (C <= 1024) return run(NormShape<8, 4, 1>{});
  if (C <= 4096) return run(NormShape<8, 4, 4>{});
  if (C <= 8192) return run(NormShape<8, 4, 8>{});
  return run(NormShape<8, 0, 8>{});
}

// Columns begin..begin+V-1 of this thread, for its pieces p = 0, 1, ... : body(p, c).
template <class Shape, class Body>
__device__ __forceinline__ void for_pieces(int thread, int64_t C, Body&& body) {
  constexpr int kStep = Shape::Group::kThreads * Shape::V;
  if constexpr (Shape::kPacks > 0) {
#pragma unroll
    for (int p = 0; p < Shape::kPacks; ++p) {
      const int64_t c = static_cast<int64_t>(p) * kStep + thread * Shape::V;
      if (c < C) body(p, c);
    }
  } else {
    for (int64_t c = thread * Shape::V; c < C; c += kStep) body(0, c);
  }
}

constexpr int kAddColumns = 32;
constexpr int kAddRows = 8;

// Column c of `first` (c < C) or `second` (+)= the sum of that column of the partials, (count, stride).
static __global__ void __launch_bounds__(kAddColumns* kAddRows)
    add_norm_partials(float* first, float* second, const float* partials, int64_t count, int64_t stride,
                      int64_t columns, int64_t C, bool accumulate) {
  float* sums = shared_memory<float>();
  const int lane = lane_id(), warp = warp_id();
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kAddColumns + lane;
  float total = 0;
  if (c < columns) {
    for (int64_t i = warp; i < count; i += kAddRows) total += partials[i * stride + c];
  }
  sums[warp * kAddColumns + lane] = total;
  __syncthreads();
  if (warp != 0 || c >= columns) return;
  for (int w = 1; w < kAddRows; ++w) total += sums[w * kAddColumns + lane];
  float* to = c < C ? first + c : second + (c - C);
  *to = accumulate ? *to + total : total;
}

// `second` may be null: not wanted. `arrays` of C partial sums each come from each of `count` blocks.
static inline attune_status combine_norm_partials(attune_context* ctx, float* first, float* second,
                                                  const float* partials, int64_t count, int64_t arrays, int64_t C,
                                                  bool accumulate) {
  const int64_t columns = second != nullptr ? 2 * C : C;
  return launch(ctx, add_norm_partials, dim3(static_cast<unsigned>(ceil_div(columns, kAddColumns))),
                kAddColumns * kAddRows, kAddColumns * kAddRows * sizeof(float), first, second, partials, count,
                arrays * C, columns, C, accumulate);
}

}  // namespace attune::cuda

#endif
