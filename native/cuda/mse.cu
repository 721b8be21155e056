// Mean squared error, loss and gradient together. Bytes per element: 8, and 2 accesses of pred's type.
#include "vectors.cuh"

namespace attune::cuda {

namespace {

template <class T>
struct Loss {
  float* losses;
  T* dpred;  // null in evaluation
  const T* pred;
  const float* targets;
  float twice_scale;

  template <int V>
  __device__ void run(int64_t i) const {
    float x[V], target[V], square[V];
    load(x, pred + i);
    load(target, targets + i);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      x[k] -= target[k];
      square[k] = x[k] * x[k];
      x[k] *= twice_scale;
    }
    store(losses + i, square);
    if (dpred != nullptr) store(dpred + i, x);
  }
};

}  // namespace

attune_status mse(attune_context* ctx, float* losses, void* dpred, const void* pred, const float* targets, int64_t N,
                  float scale, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    Loss<T> body{losses, static_cast<T*>(dpred), static_cast<const T*>(pred), targets, 2.0f * scale};
    return launch_flat<4>(ctx, body, N, aligned16(losses, dpred, pred, targets));
  });
}

}  // namespace attune::cuda
