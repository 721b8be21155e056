// Index of the largest element of each row: one block per row, one access per element.
#include "reduce.cuh"
#include "vectors.cuh"

namespace attune::cuda {

namespace {

constexpr int kWarps = 8;
using Group = RowGroup<kWarps>;

// A candidate as one number that orders like (value, -index): NaN above everything, equal values by the
// lower index. -0 counts as 0.
__device__ __forceinline__ uint64_t rank_of(float value, int64_t index) {
  const uint32_t bits = as_bits(value + 0.0f);
  const uint32_t ordered = value != value ? 0xFFFFFFFFu : (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(ordered) << 32 | (0xFFFFFFFFu - static_cast<uint32_t>(index));
}

struct Greater {
  __device__ __forceinline__ uint64_t operator()(uint64_t a, uint64_t b) const { return a > b ? a : b; }
};

template <class T>
__global__ void __launch_bounds__(Group::kBlockThreads)
    argmax_block_per_row(int32_t* out, const T* inp, int64_t N, int64_t K) {
  const Group group(shared_memory());
  for (int64_t n = group.group(); n < N; n += group.groups()) {
    uint64_t best = 0;
    const T* row = inp + n * K;
    for_row_pieces<kVector<T>>(row, K, group.thread(), Group::kThreads, [&](auto width, int64_t k) {
      constexpr int kWidth = decltype(width)::value;
      float x[kWidth];
      load(x, row + k);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) best = Greater{}(best, rank_of(x[i], k + i));
    });
    best = group.reduce(best, Greater{});
    if (group.thread() == 0) {
      const bool nan = static_cast<uint32_t>(best >> 32) == 0xFFFFFFFFu;
      out[n] = nan ? -1 : static_cast<int32_t>(0xFFFFFFFFu - static_cast<uint32_t>(best));
    }
  }
}

}  // namespace

attune_status argmax(attune_context* ctx, int32_t* out, const void* inp, int64_t N, int64_t K, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    return launch(ctx, argmax_block_per_row<T>, row_grid<Group>(N, int64_t{1} << 20), Group::kBlockThreads,
                  Group::kSharedBytes, out, static_cast<const T*>(inp), N, K);
  });
}

}  // namespace attune::cuda
