// Conversion between f32 and bf16, overwriting or adding. Bytes per element: one access of each side, and
// one more of out where it accumulates.
#include "vectors.cuh"

namespace attune::cuda {

namespace {

template <class Out, class Inp>
struct Convert {
  Out* out;
  const Inp* inp;
  bool accumulate;

  template <int V>
  __device__ void run(int64_t i) const {
    float x[V];
    load(x, inp + i);
    if (accumulate) {
      float old[V];
      load(old, out + i);
#pragma unroll
      for (int k = 0; k < V; ++k) x[k] += old[k];
    }
    store(out + i, x);
  }
};

}  // namespace

attune_status cast(attune_context* ctx, void* out, const void* inp, int64_t count, int32_t accumulate,
                   int32_t out_dtype, int32_t inp_dtype) {
  if (count == 0) return ATTUNE_OK;
  return with_type(out_dtype, [&](auto out_element) {
    return with_type(inp_dtype, [&](auto inp_element) {
      Convert<decltype(out_element), decltype(inp_element)> body{
          static_cast<decltype(out_element)*>(out), static_cast<const decltype(inp_element)*>(inp), accumulate != 0};
      return launch_flat<8>(ctx, body, count, aligned16(out, inp));
    });
  });
}

}  // namespace attune::cuda
