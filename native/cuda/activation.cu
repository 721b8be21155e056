// Activations as ops of their own. Bytes per element: forward 2 accesses, backward 3 (4 with accumulate).
#include "activation.cuh"

#include "vectors.cuh"

namespace attune::cuda {

namespace {

template <int kActivation, class T>
struct Forward {
  T* out;
  const T* inp;

  template <int V>
  __device__ void run(int64_t i) const {
    float x[V];
    load(x, inp + i);
#pragma unroll
    for (int k = 0; k < V; ++k) x[k] = act<kActivation>(x[k]);
    store(out + i, x);
  }
};

template <int kActivation, class T>
struct Backward {
  T* dinp;
  const T* dout;
  const T* inp;
  bool accumulate;

  template <int V>
  __device__ void run(int64_t i) const {
    float x[V], d[V], old[V];
    load(x, inp + i);
    load(d, dout + i);
    if (accumulate) load(old, dinp + i);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      float value, derivative;
      act_and_derivative<kActivation>(x[k], &value, &derivative);
      d[k] = mul_rounded(d[k], derivative);
      if (accumulate) d[k] += old[k];
    }
    store(dinp + i, d);
  }
};

}  // namespace

attune_status activation_fwd(attune_context* ctx, void* out, const void* inp, int64_t count, int32_t activation,
                             int32_t dtype) {
  const char* op = "activation_fwd";
  return with_activation(op, activation, [&](auto kind) -> attune_status {
    if (count == 0) return ATTUNE_OK;
    return with_type(dtype, [&](auto element) {
      using T = decltype(element);
      Forward<decltype(kind)::value, T> body{static_cast<T*>(out), static_cast<const T*>(inp)};
      return launch_flat<kVector<T>>(ctx, body, count, aligned16(body.out, body.inp));
    });
  });
}

attune_status activation_bwd(attune_context* ctx, void* dinp, const void* dout, const void* inp, int64_t count,
                             int32_t activation, int32_t accumulate, int32_t dtype) {
  const char* op = "activation_bwd";
  return with_activation(op, activation, [&](auto kind) -> attune_status {
    if (count == 0) return ATTUNE_OK;
    return with_type(dtype, [&](auto element) {
      using T = decltype(element);
      Backward<decltype(kind)::value, T> body{static_cast<T*>(dinp), static_cast<const T*>(dout),
                                              static_cast<const T*>(inp), accumulate != 0};
      return launch_flat<kVector<T>>(ctx, body, count, aligned16(body.dinp, body.dout, body.inp));
    });
  });
}

}  // namespace attune::cuda
