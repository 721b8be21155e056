// Activations as ops of their own, where no product could take them into its epilogue.
#include "activation.h"

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int64_t kGrain = 8192;

}  // namespace

attune_status activation_fwd(attune_context* ctx, void* out, const void* inp, int64_t count, int32_t activation,
                             int32_t dtype) {
  if (count == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    T* to = static_cast<T*>(out);
    const T* from = static_cast<const T*>(inp);
    with_activation(activation, [&](auto kind) {
      parallel_range(ctx, count, kGrain, [&](int64_t begin, int64_t end, int32_t) {
        for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
          store(to + i, act<decltype(kind)::value>(load(from + i, lanes)), lanes);
        });
      });
    });
  });
  return ATTUNE_OK;
}

attune_status activation_bwd(attune_context* ctx, void* dinp, const void* dout, const void* inp, int64_t count,
                             int32_t activation, int32_t accumulate, int32_t dtype) {
  if (count == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    T* to = static_cast<T*>(dinp);
    const T* gradient = static_cast<const T*>(dout);
    const T* from = static_cast<const T*>(inp);
    with_activation(activation, [&](auto kind) {
      parallel_range(ctx, count, kGrain, [&](int64_t begin, int64_t end, int32_t) {
        for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
          vf value, derivative;
          act_and_derivative<decltype(kind)::value>(load(from + i, lanes), &value, &derivative);
          vf d = load(gradient + i, lanes) * derivative;
          store(to + i, accumulate != 0 ? load(to + i, lanes) + d : d, lanes);
        });
      });
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
