// The entries of the library: null checks that Java cannot make, the guard, the jump to the kernel of
// the context's instruction-set level.
#include "context.h"
#include "guard.h"
#include "kernels.h"
#include "quantized_layout.h"

#define ATTUNE_ENTRY(op, parameters, arguments)                                          \
  attune_status attune_##op parameters {                                                 \
    return attune::guard(#op, ctx, nullptr, [&] { return ctx->kernels->op arguments; }); \
  }

extern "C" {

#include "entries.inc"

int64_t attune_quantized_bytes(int64_t F, int64_t C, int32_t dtype) {
  return attune::QuantizedLayout(F, C, dtype).bytes;
}

}  // extern "C"
