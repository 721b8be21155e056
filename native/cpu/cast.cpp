// Conversion between f32 and bf16, overwriting or adding.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

attune_status cast(attune_context* ctx, void* out, const void* inp, int64_t count, int32_t accumulate,
                   int32_t out_dtype, int32_t inp_dtype) {
  if (count == 0) return ATTUNE_OK;
  with_type(out_dtype, [&](auto out_element) {
    with_type(inp_dtype, [&](auto inp_element) {
      auto* to = static_cast<decltype(out_element)*>(out);
      const auto* from = static_cast<const decltype(inp_element)*>(inp);
      parallel_range(ctx, count, 32768, [&](int64_t begin, int64_t end, int32_t) {
        for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
          vf x = load(from + i, lanes);
          store(to + i, accumulate != 0 ? load(to + i, lanes) + x : x, lanes);
        });
      });
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
