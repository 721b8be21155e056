// Unit vectors of the first columns of rows, and back.
#include <cmath>

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

int64_t rows_per_task(int64_t D) { return 8192 / D + 1; }

}  // namespace

attune_status l2_normalize_fwd(attune_context* ctx, float* out, float* rnorm, const float* inp, int64_t N, int64_t D,
                               int64_t stride, float scale) {
  parallel_range(ctx, N, grain_or_alone(N, D, rows_per_task(D)), [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t n = begin; n < end; ++n) {
      const float* from = inp + n * stride;
      float* to = out + n * D;
      vf squares = splat(0.0f);
      for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
        const vf x = load(from + c, lanes);
        squares = fma(x, x, squares);
      });
      const float norm = std::sqrt(sum(squares));
      // NaN passes.
      rnorm[n] = 1.0f / (norm < 1e-12f ? 1e-12f : norm);
      const float factor = rnorm[n] * scale;
      for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
        store(to + c, load(from + c, lanes) * factor, lanes);
      });
    }
  });
  return ATTUNE_OK;
}

attune_status l2_normalize_bwd(attune_context* ctx, float* dinp, const float* dout, const float* inp,
                               const float* rnorm, int64_t N, int64_t D, int64_t stride, float scale) {
  parallel_range(ctx, N, grain_or_alone(N, D, rows_per_task(D)), [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t n = begin; n < end; ++n) {
      const float* x = inp + n * stride;
      const float* d = dout + n * D;
      float* to = dinp + n * stride;
      vf products = splat(0.0f);
      for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
        products = fma(load(x + c, lanes), load(d + c, lanes), products);
      });
      // What of dout runs along the vector cannot change its direction.
      const float along = sum(products) * rnorm[n] * rnorm[n], factor = rnorm[n] * scale;
      for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
        const vf across = load(d + c, lanes) - load(x + c, lanes) * along;
        store(to + c, fma(across, splat(factor), load(to + c, lanes)), lanes);
      });
    }
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
