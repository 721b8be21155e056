// Unit vectors of the first columns of rows, and back: a warp for each row, which is read twice.
#include "reduce.cuh"
#include "rows.cuh"

namespace attune::cuda {

namespace {

struct Normalize {
  float* out;
  float* rnorm;
  const float* inp;
  int64_t D, stride;
  float scale;

  template <int V>
  __device__ void row(int64_t n, int lane) const {
    const float* from = inp + n * stride;
    float squares = 0.0f;
    for (int64_t c = lane * V; c < D; c += kWarp * V) {
      float x[V];
      load(x, from + c);
#pragma unroll
      for (int k = 0; k < V; ++k) squares = fmaf(x[k], x[k], squares);
    }
    const float norm = sqrtf(warp_reduce(squares, Add{}));
    const float inverse = 1.0f / (norm < 1e-12f ? 1e-12f : norm);  // NaN passes
    if (lane == 0) rnorm[n] = inverse;
    for (int64_t c = lane * V; c < D; c += kWarp * V) {
      float x[V];
      load(x, from + c);
#pragma unroll
      for (int k = 0; k < V; ++k) x[k] *= inverse * scale;
      store(out + n * D + c, x);
    }
  }
};

struct Backward {
  float* dinp;
  const float* dout;
  const float* inp;
  const float* rnorm;
  int64_t D, stride;
  float scale;

  template <int V>
  __device__ void row(int64_t n, int lane) const {
    const float* from = inp + n * stride;
    float products = 0.0f;
    for (int64_t c = lane * V; c < D; c += kWarp * V) {
      float x[V], d[V];
      load(x, from + c);
      load(d, dout + n * D + c);
#pragma unroll
      for (int k = 0; k < V; ++k) products = fmaf(x[k], d[k], products);
    }
    // What of dout runs along the vector cannot change its direction.
    const float inverse = rnorm[n], along = warp_reduce(products, Add{}) * inverse * inverse;
    for (int64_t c = lane * V; c < D; c += kWarp * V) {
      float x[V], d[V], old[V];
      load(x, from + c);
      load(d, dout + n * D + c);
      load(old, dinp + n * stride + c);
#pragma unroll
      for (int k = 0; k < V; ++k) old[k] = fmaf(d[k] - x[k] * along, inverse * scale, old[k]);
      store(dinp + n * stride + c, old);
    }
  }
};

}  // namespace

attune_status l2_normalize_fwd(attune_context* ctx, float* out, float* rnorm, const float* inp, int64_t N, int64_t D,
                               int64_t stride, float scale) {
  if (N == 0) return ATTUNE_OK;
  return launch_rows<4>(ctx, Normalize{out, rnorm, inp, D, stride, scale}, N,
                        aligned16(out, inp) && D % 4 == 0 && stride % 4 == 0);
}

attune_status l2_normalize_bwd(attune_context* ctx, float* dinp, const float* dout, const float* inp,
                               const float* rnorm, int64_t N, int64_t D, int64_t stride, float scale) {
  if (N == 0) return ATTUNE_OK;
  return launch_rows<4>(ctx, Backward{dinp, dout, inp, rnorm, D, stride, scale}, N,
                        aligned16(dinp, dout, inp) && D % 4 == 0 && stride % 4 == 0);
}

}  // namespace attune::cuda
