// Mean squared error, loss and gradient together.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

attune_status mse(attune_context* ctx, float* losses, void* dpred, const void* pred, const float* targets, int64_t N,
                  float scale, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const T* from = static_cast<const T*>(pred);
    T* to = static_cast<T*>(dpred);  // null in evaluation
    parallel_range(ctx, N, 16384, [&](int64_t begin, int64_t end, int32_t) {
      for_vectors(begin, end, [&](int64_t n, auto lanes) ATTUNE_INLINE_BODY {
        vf difference = load(from + n, lanes) - load(targets + n, lanes);
        store(losses + n, difference * difference, lanes);
        if (to != nullptr) store(to + n, difference * (2.0f * scale), lanes);
      });
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
