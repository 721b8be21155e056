// Sums and maxima over the lanes of a warp or the warps of a block, in a fixed order; every thread receives
// the result.
#ifndef ATTUNE_CUDA_REDUCE_CUH
#define ATTUNE_CUDA_REDUCE_CUH

#include "device.cuh"

namespace attune::cuda {

struct Add {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

// NaN is passed over, as by fmaxf.
struct Max {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

template <class T, class Op>
__device__ __forceinline__ T warp_reduce(T value, Op op) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value = op(value, shuffle_xor(value, mask));
  return value;
}

// The threads that share a row: one warp of several in the block, or a block of kWarps warps. A block of
// one-warp groups never meets at a barrier; a block that is one group takes its rows together.
template <int kWarps>
struct RowGroup {
  static constexpr int kThreads = kWarps * kWarp;
  // Warps of a block of one-warp groups.
  static constexpr int kBlockThreads = kWarps == 1 ? 128 : kThreads;
  static constexpr int kGroups = kBlockThreads / kThreads;
  static constexpr size_t kSharedBytes = kWarps == 1 ? 0 : kWarps * sizeof(double);

  // `shared`: kSharedBytes of shared memory.
  __device__ __forceinline__ explicit RowGroup(unsigned char* shared) : shared_(shared) {}

  // Of the group within the grid, and of the thread within the group.
  __device__ __forceinline__ int64_t group() const {
    return kWarps == 1 ? static_cast<int64_t>(blockIdx.x) * kGroups + warp_id() : blockIdx.x;
  }
  __device__ __forceinline__ int64_t groups() const { return static_cast<int64_t>(gridDim.x) * kGroups; }
  __device__ __forceinline__ int thread() const { return kWarps == 1 ? lane_id() : static_cast<int>(threadIdx.x); }

  template <class T, class Op>
  __device__ __forceinline__ T reduce(T value, Op op) const {
    value = warp_reduce(value, op);
    if constexpr (kWarps > 1) {
      T* slots = reinterpret_cast<T*>(shared_);
      // The slots may still be read from the call before.
      __syncthreads();
      if (lane_id() == 0) slots[warp_id()] = value;
      __syncthreads();
      value = slots[0];
#pragma unroll
      for (int w = 1; w < kWarps; ++w) value = op(value, slots[w]);
    }
    return value;
  }

 private:
  unsigned char* shared_;
};

// Blocks for N rows, one group each, at most `most` groups.
template <class Group>
static inline dim3 row_grid(int64_t N, int64_t most) {
  int64_t groups = N < most ? N : most;
  return dim3(static_cast<unsigned>((groups + Group::kGroups - 1) / Group::kGroups));
}

}  // namespace attune::cuda

#endif
