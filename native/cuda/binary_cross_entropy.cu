// Binary cross-entropy of independent labels from logits, loss and gradient together, in one pass. A row belongs to one
// warp (K <= 1024) or one block. Accesses per element: 1 of logits and 1 of dlogits, 4 bytes of targets; the weights
// are the same for all rows.
#include "reduce.cuh"
#include "vectors.cuh"

namespace attune::cuda {

namespace {

template <class T>
struct BinaryCrossEntropy {
  float* losses;
  T* dlogits;  // null in evaluation; may be logits
  const T* logits;
  const float* targets;
  const float* pos_weight;  // null: 1
  int64_t N, K;
  float factor;
};

// fmaxf would lose a NaN.
__device__ __forceinline__ float above_zero(float x) { return x < 0.0f ? 0.0f : x; }

template <int V, int kWarps, class T>
__global__ void __launch_bounds__(RowGroup<kWarps>::kBlockThreads) binary_cross_entropy_rows(BinaryCrossEntropy<T> a) {
  using Group = RowGroup<kWarps>;
  const Group group(shared_memory());
  const int thread = group.thread();
  for (int64_t n = group.group(); n < a.N; n += group.groups()) {
    const T* row = a.logits + n * a.K;
    const float* targets = a.targets + n * a.K;
    T* to = a.dlogits != nullptr ? a.dlogits + n * a.K : nullptr;
    double loss = 0;
    for_row_pieces<V>(row, a.K, thread, Group::kThreads, [&](auto width, int64_t k) {
      constexpr int kWidth = decltype(width)::value;
      float x[kWidth], here = 0.0f;
      load(x, row + k);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float t = targets[k + i], negative = 1.0f - t;
        const float positive = a.pos_weight != nullptr ? t * a.pos_weight[k + i] : t;
        const float e = expf(-fabsf(x[i])), tail = log1pf(e);
        here += negative * (above_zero(x[i]) + tail) + positive * (above_zero(-x[i]) + tail);
        const float one = 1.0f / (1.0f + e), other = e * one;
        x[i] = (x[i] >= 0.0f ? negative * one - positive * other : negative * other - positive * one) * a.factor;
      }
      loss += static_cast<double>(here);
      if (to != nullptr) store(to + k, x);
    });
    loss = group.reduce(loss, Add{});
    if (thread == 0) a.losses[n] = static_cast<float>(loss / static_cast<double>(a.K));
  }
}

}  // namespace

attune_status binary_cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                                   const float* targets, const float* pos_weight, int64_t N, int64_t K, float scale,
                                   int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  const float factor = static_cast<float>(static_cast<double>(scale) / static_cast<double>(K));
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const BinaryCrossEntropy<T> body{
        losses, static_cast<T*>(dlogits), static_cast<const T*>(logits), targets, pos_weight, N, K, factor};
    auto run = [&](auto width, auto warps) {
      constexpr int V = decltype(width)::value, kWarps = decltype(warps)::value;
      using Group = RowGroup<kWarps>;
      return launch(ctx, binary_cross_entropy_rows<V, kWarps, T>, row_grid<Group>(N, int64_t{1} << 20),
                    Group::kBlockThreads, Group::kSharedBytes, body);
    };
    auto run_width = [&](auto width) {
      return K <= 1024 ? run(width, std::integral_constant<int, 1>{}) : run(width, std::integral_constant<int, 16>{});
    };
    // The two must lie alike: rows of an odd K begin anywhere.
    const bool vectors =
        dlogits == nullptr || ((reinterpret_cast<uintptr_t>(dlogits) ^ reinterpret_cast<uintptr_t>(logits)) & 15) == 0;
    return vectors ? run_width(std::integral_constant<int, kVector<T>>{}) : run_width(std::integral_constant<int, 1>{});
  });
}

}  // namespace attune::cuda
