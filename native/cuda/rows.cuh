// Kernels that move whole rows: one warp per row.
#ifndef ATTUNE_CUDA_ROWS_CUH
#define ATTUNE_CUDA_ROWS_CUH

#include "vectors.cuh"

namespace attune::cuda {

// body.row<V>(n, lane) for each row; its lanes stride over the columns.
template <int V, class Body>
__global__ void __launch_bounds__(kFlatThreads, 4) warp_per_row(Body body, int64_t rows) {
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kFlatThreads / kWarp);
  const int64_t self = static_cast<int64_t>(blockIdx.x) * (kFlatThreads / kWarp) + warp_id();
  for (int64_t n = self; n < rows; n += warps) body.template row<V>(n, lane_id());
}

template <int V, class Body>
attune_status launch_rows(attune_context* ctx, const Body& body, int64_t rows, bool vectors) {
  const dim3 grid = flat_grid(ctx, rows * kWarp);
  return vectors ? launch(ctx, warp_per_row<V, Body>, grid, kFlatThreads, 0, body, rows)
                 : launch(ctx, warp_per_row<1, Body>, grid, kFlatThreads, 0, body, rows);
}

// Rows first..last-1 of sequence b of B; none where the boundaries are wrong, which the thread that `reports` records.
// A sequence that reaches past the end of all is left out too: then boundaries fall later on, which is reported there.
struct Range {
  int64_t first, last;
};

__device__ __forceinline__ Range range_of(const int32_t* cu_seqlens, int64_t b, int64_t B, Op op, ErrorWord* error,
                                          bool reports) {
  const int32_t first = cu_seqlens[b], last = cu_seqlens[b + 1];
  if (first >= 0 && last >= first) return last <= cu_seqlens[B] ? Range{first, last} : Range{0, 0};
  if (reports) {
    record_bad_index(error, op, Index::cu_seqlens, first < 0 ? b : b + 1, first < 0 ? first : last, int64_t{1} << 31);
  }
  return {0, 0};
}

template <int V, class T>
__device__ __forceinline__ void copy_row(T* out, const T* inp, int64_t columns, int lane) {
  for (int64_t c = lane * V; c < columns; c += kWarp * V) {
    *reinterpret_cast<Pack<T, V>*>(out + c) = *reinterpret_cast<const Pack<T, V>*>(inp + c);
  }
}

template <int V, class T>
__device__ __forceinline__ void zero_row(T* out, int64_t columns, int lane) {
  const float zeros[V] = {};
  for (int64_t c = lane * V; c < columns; c += kWarp * V) store(out + c, zeros);
}

}  // namespace attune::cuda

#endif
