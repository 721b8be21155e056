// The entries of the CUDA library: the guard, the device of the context, the jump to the kernel.
#include "context.h"
#include "guard.h"
#include "kernels.h"
#include "quantized_layout.h"
#include "step.h"

namespace attune::cuda {

attune_status use_device(attune_context* ctx);
attune_status device_limits(attune_context* ctx);
attune_status synchronize(attune_context* ctx);
attune_status read_back(attune_context* ctx, void* host, const void* device, int64_t bytes);

namespace {

template <class Body>
attune_status enter(const char* op, attune_context* ctx, const char* missing, Body&& body) {
  return guard(op, ctx, missing, [&] {
    ctx->op = op;
    ATTUNE_CHECK(use_device(ctx));
    return body();
  });
}

const char* const kOpNames[] = {
#define ATTUNE_ENTRY(op, parameters, arguments) #op,
#include "entries.inc"
};

// In the order of Index.
const char* const kIndexNames[] = {"ids",  "positions", "type_ids", "rows",    "labels",    "cu_seqlens",
                                   "cu_q", "cu_k",      "k_start",  "k_count", "row_state", "inp"};

attune_status check(attune_context* ctx) {
  ATTUNE_CHECK(synchronize(ctx));
  ErrorWord error;
  ATTUNE_CHECK(read_back(ctx, &error, &ctx->front()->error, sizeof(error)));
  if (error.taken == 0) return ATTUNE_OK;
  ATTUNE_CHECK(forget_error(ctx));
  if (error.limit == kNotFinite) {
    return fail(ATTUNE_INVALID_ARGUMENT, "%s: %s[%lld] is a NaN or an infinity, must be finite", kOpNames[error.op],
                kIndexNames[error.argument], static_cast<long long>(error.position));
  }
  return fail(ATTUNE_INVALID_ARGUMENT, "%s: %s[%lld] is %d, must be 0..%lld", kOpNames[error.op],
              kIndexNames[error.argument], static_cast<long long>(error.position), error.value,
              static_cast<long long>(error.limit - 1));
}

}  // namespace
}  // namespace attune::cuda

#define ATTUNE_ENTRY(op, parameters, arguments)                                               \
  attune_status attune_##op parameters {                                                      \
    return attune::cuda::enter(#op, ctx, &attune::cuda::op == nullptr ? "for CUDA" : nullptr, \
                               [&] { return attune::cuda::op arguments; });                   \
  }

extern "C" {

#include "entries.inc"

int64_t attune_quantized_bytes(int64_t F, int64_t C, int32_t dtype) {
  return attune::QuantizedLayout(F, C, dtype).bytes;
}

int64_t attune_cuda_workspace_bytes(void) { return attune::cuda::kWorkspaceBytes; }

attune_context* attune_cuda_context_open(int32_t device, void* stream, void* workspace, int64_t workspace_bytes) {
  if (workspace_bytes < attune::cuda::kWorkspaceBytes || workspace == nullptr ||
      reinterpret_cast<uintptr_t>(workspace) % 256 != 0) {
    attune::fail(ATTUNE_INVALID_ARGUMENT, "the workspace has %lld bytes at %p, must have %lld at a multiple of 256",
                 static_cast<long long>(workspace_bytes), workspace,
                 static_cast<long long>(attune::cuda::kWorkspaceBytes));
    return nullptr;
  }
  auto* ctx = new (std::nothrow) attune_context{};
  if (ctx == nullptr) {
    attune::fail(ATTUNE_OUT_OF_MEMORY, "context_open: out of memory");
    return nullptr;
  }
  ctx->device = device;
  ctx->stream = stream;
  ctx->workspace = static_cast<char*>(workspace);
  attune_status status = attune::cuda::enter("context_open", ctx, nullptr, [&] {
    ATTUNE_CHECK(attune::cuda::device_limits(ctx));
    ATTUNE_CHECK(attune::cuda::reset_front(ctx));
    return attune::cuda::synchronize(ctx);
  });
  if (status == ATTUNE_OK) return ctx;
  delete ctx;
  return nullptr;
}

void attune_cuda_context_close(attune_context* ctx) { delete ctx; }

attune_status attune_cuda_check(attune_context* ctx) {
  return attune::cuda::enter("check", ctx, nullptr, [&] { return attune::cuda::check(ctx); });
}

attune_status attune_cuda_set_step(attune_context* ctx, int64_t stream_base, float lr, float bias_correction1,
                                   float bias_correction2) {
  return attune::cuda::enter("set_step", ctx, nullptr, [&] {
    return attune::cuda::set_step(ctx, stream_base, lr, bias_correction1, bias_correction2);
  });
}

attune_status attune_cuda_clip(attune_context* ctx, const double* sums_of_squares, int64_t count, float grad_scale,
                               float max_norm, double* out_norm) {
  return attune::cuda::enter("clip", ctx, nullptr, [&] {
    return attune::cuda::clip(ctx, sums_of_squares, count, grad_scale, max_norm, out_norm);
  });
}

attune_status attune_cuda_adamw_captured(attune_context* ctx, float* weight, float* m, float* v, void* shadow,
                                         const float* grad, int64_t count, float beta1, float beta2, float eps,
                                         float weight_decay) {
  return attune::cuda::enter("adamw_captured", ctx, nullptr, [&] {
    return attune::cuda::adamw_captured(ctx, weight, m, v, shadow, grad, count, beta1, beta2, eps, weight_decay);
  });
}

}  // extern "C"
