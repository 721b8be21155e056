// From token rows to one row per sequence, and back. Gathering and its backward move each element once on
// each side. Mean pooling reads (writes) every token row once: a block takes one sequence and 32 * V of its
// columns, its eight warps every eighth row, and the partial sums of the warps are added in order.
#include "rows.cuh"

namespace attune::cuda {

namespace {

template <class T>
struct Gather {
  T* out;
  const T* inp;
  const int32_t* rows;
  int64_t C;
  ErrorWord* error;

  template <int V>
  __device__ void row(int64_t m, int lane) const {
    const int32_t from = rows[m];
    if (from < 0) {
      if (lane == 0) record_bad_index(error, Op::gather_rows_fwd, Index::rows, m, from, int64_t{1} << 31);
      zero_row<V>(out + m * C, C, lane);
    } else {
      copy_row<V>(out + m * C, inp + from * C, C, lane);
    }
  }
};

// Rows are distinct, so no two warps write one row.
template <class T>
struct Scatter {
  T* dinp;
  const T* dout;
  const int32_t* rows;
  int64_t N, C;
  bool accumulate;
  ErrorWord* error;

  template <int V>
  __device__ void row(int64_t m, int lane) const {
    const int32_t to = rows[m];
    if (to < 0 || to >= N) {
      if (lane == 0) record_bad_index(error, Op::gather_rows_bwd, Index::rows, m, to, N);
      return;
    }
    T* to_row = dinp + to * C;
    const T* from_row = dout + m * C;
    for (int64_t c = lane * V; c < C; c += kWarp * V) {
      float d[V], old[V] = {};
      load(d, from_row + c);
      if (accumulate) load(old, to_row + c);
#pragma unroll
      for (int k = 0; k < V; ++k) d[k] += old[k];
      store(to_row + c, d);
    }
  }
};

constexpr int kPoolWarps = 8;

template <int V, class T>
__global__ void __launch_bounds__(kPoolWarps* kWarp)
    mean_fwd_block_per_columns(T* out, const T* inp, const int32_t* cu_seqlens, int64_t B, int64_t C,
                               ErrorWord* error) {
  float* sums = shared_memory<float>();  // (kPoolWarps, V, 32): neighbouring lanes in neighbouring banks
  const int lane = lane_id(), warp = warp_id();
  const int64_t c = (static_cast<int64_t>(blockIdx.x) * kWarp + lane) * V;
  for (int64_t b = blockIdx.y; b < B; b += gridDim.y) {
    const Range range = range_of(cu_seqlens, b, B, Op::mean_pool_fwd, error, threadIdx.x == 0 && blockIdx.x == 0);
    float total[V] = {};
    if (c < C) {
      for (int64_t n = range.first + warp; n < range.last; n += kPoolWarps) {
        float x[V];
        load(x, inp + n * C + c);
#pragma unroll
        for (int k = 0; k < V; ++k) total[k] += x[k];
      }
    }
#pragma unroll
    for (int k = 0; k < V; ++k) sums[(warp * V + k) * kWarp + lane] = total[k];
    __syncthreads();
    if (warp == 0 && c < C) {
      const float inverse = range.last > range.first ? 1.0f / static_cast<float>(range.last - range.first) : 0.0f;
#pragma unroll
      for (int k = 0; k < V; ++k) {
        for (int w = 1; w < kPoolWarps; ++w) total[k] += sums[(w * V + k) * kWarp + lane];
        total[k] *= inverse;
      }
      store(out + b * C + c, total);
    }
    __syncthreads();
  }
}

template <int V, class T>
__global__ void __launch_bounds__(kPoolWarps* kWarp)
    mean_bwd_block_per_columns(T* dinp, const T* dout, const int32_t* cu_seqlens, int64_t B, int64_t C, bool accumulate,
                               ErrorWord* error) {
  const int64_t c = (static_cast<int64_t>(blockIdx.x) * kWarp + lane_id()) * V;
  if (c >= C) return;
  for (int64_t b = blockIdx.y; b < B; b += gridDim.y) {
    const Range range = range_of(cu_seqlens, b, B, Op::mean_pool_bwd, error, threadIdx.x == 0 && blockIdx.x == 0);
    const float inverse = range.last > range.first ? 1.0f / static_cast<float>(range.last - range.first) : 0.0f;
    float d[V];
    load(d, dout + b * C + c);
#pragma unroll
    for (int k = 0; k < V; ++k) d[k] = mul_rounded(d[k], inverse);
    for (int64_t n = range.first + warp_id(); n < range.last; n += kPoolWarps) {
      float value[V];
#pragma unroll
      for (int k = 0; k < V; ++k) value[k] = 0;
      if (accumulate) load(value, dinp + n * C + c);
#pragma unroll
      for (int k = 0; k < V; ++k) value[k] += d[k];
      store(dinp + n * C + c, value);
    }
  }
}

dim3 pool_grid(int64_t B, int64_t C, int V) {
  return dim3(static_cast<unsigned>(ceil_div(C, kWarp * V)), static_cast<unsigned>(min_of(B, 65535)));
}

}  // namespace

attune_status gather_rows_fwd(attune_context* ctx, void* out, const void* inp, const int32_t* rows, int64_t M,
                              int64_t C, int32_t dtype) {
  if (M == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    Gather<T> body{static_cast<T*>(out), static_cast<const T*>(inp), rows, C, &ctx->front()->error};
    return launch_rows<kVector<T>>(ctx, body, M, aligned16(out, inp) && C % kVector<T> == 0);
  });
}

attune_status gather_rows_bwd(attune_context* ctx, void* dinp, const void* dout, const int32_t* rows, int64_t N,
                              int64_t M, int64_t C, int32_t accumulate, int32_t dtype) {
  if (accumulate == 0 && N > 0) ATTUNE_CHECK(set_bytes(ctx, dinp, 0, N * C * element_bytes(dtype)));
  if (M == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    Scatter<T> body{static_cast<T*>(dinp), static_cast<const T*>(dout), rows, N, C,
                    accumulate != 0,       &ctx->front()->error};
    return launch_rows<kVector<T>>(ctx, body, M, aligned16(dinp, dout) && C % kVector<T> == 0);
  });
}

attune_status mean_pool_fwd(attune_context* ctx, void* out, const void* inp, const int32_t* cu_seqlens, int64_t B,
                            int64_t C, int32_t dtype) {
  if (B == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    auto run = [&](auto width) {
      constexpr int V = decltype(width)::value;
      return launch(ctx, mean_fwd_block_per_columns<V, T>, pool_grid(B, C, V), kPoolWarps * kWarp,
                    kPoolWarps * V * kWarp * sizeof(float), static_cast<T*>(out), static_cast<const T*>(inp),
                    cu_seqlens, B, C, &ctx->front()->error);
    };
    const bool vectors = aligned16(out, inp) && C % kVector<T> == 0;
    return vectors ? run(std::integral_constant<int, kVector<T>>{}) : run(std::integral_constant<int, 1>{});
  });
}

attune_status mean_pool_bwd(attune_context* ctx, void* dinp, const void* dout, const int32_t* cu_seqlens, int64_t B,
                            int64_t C, int32_t accumulate, int32_t dtype) {
  if (B == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    auto run = [&](auto width) {
      constexpr int V = decltype(width)::value;
      return launch(ctx, mean_bwd_block_per_columns<V, T>, pool_grid(B, C, V), kPoolWarps * kWarp, 0,
                    static_cast<T*>(dinp), static_cast<const T*>(dout), cu_seqlens, B, C, accumulate != 0,
                    &ctx->front()->error);
    };
    const bool vectors = aligned16(dinp, dout) && C % kVector<T> == 0;
    return vectors ? run(std::integral_constant<int, kVector<T>>{}) : run(std::integral_constant<int, 1>{});
  });
}

}  // namespace attune::cuda
