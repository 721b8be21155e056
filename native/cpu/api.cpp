// The entry of the library: the guard, the jump to the kernel of the context's instruction-set level.
#include "calls.h"
#include "context.h"
#include "guard.h"
#include "kernels.h"
#include "quantized_layout.h"

namespace {

struct Entry {
  bool (*exists)(const attune_context* ctx);
  attune_status (*run)(attune_context* ctx, const int64_t* frame);
};

constexpr Entry kEntries[] = {
#define ATTUNE_ENTRY(op)                                                                  \
  {[](const attune_context* ctx) { return ctx->kernels->op != nullptr; },                 \
   [](attune_context* ctx, const int64_t* frame) {                                        \
     return attune::Signature<decltype(attune_##op)>::call(ctx->kernels->op, ctx, frame); \
   }},
#include "entries.inc"
};

}  // namespace

extern "C" {

attune_status attune_call(attune_context* ctx, int32_t op, const int64_t* frame) {
  const char* name = attune_op_name(op);
  if (name == nullptr) return attune::fail(ATTUNE_INVALID_ARGUMENT, "there is no op %d", op);
  return attune::guard(name, ctx, [&]() -> attune_status {
    if (!kEntries[op].exists(ctx)) return attune::fail(ATTUNE_UNSUPPORTED, "%s has no kernel for the CPU", name);
    return kEntries[op].run(ctx, frame);
  });
}

double attune_context_peak(attune_context* ctx, int64_t steps, int32_t dtype) {
  double flops = 0;
  attune::guard("peak", ctx, [&] {
    flops = ctx->kernels->peak(ctx, steps, dtype);
    return ATTUNE_OK;
  });
  return flops;
}

int64_t attune_quantized_bytes(int64_t F, int64_t C, int32_t dtype) {
  return attune::QuantizedLayout(F, C, dtype).bytes;
}

}  // extern "C"
