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

// Every array begins at a multiple of 16 bytes.
int64_t attune_cuda_offsets_stride(int64_t padded) { return (padded + 1 + 3) / 4 * 4; }

void attune_cuda_context_close(attune_context* ctx) { delete ctx; }

attune_status attune_cuda_check(attune_context* ctx) {
  return attune::cuda::enter("check", ctx, nullptr, [&] { return attune::cuda::check(ctx); });
}

#define ATTUNE_CUDA_ENTRY(name, parameters, arguments)                                             \
  attune_status attune_cuda_##name parameters {                                                    \
    return attune::cuda::enter(#name, ctx, nullptr, [&] { return attune::cuda::name arguments; }); \
  }

ATTUNE_CUDA_ENTRY(reset_step, (attune_context * ctx), (ctx))
ATTUNE_CUDA_ENTRY(set_step,
                  (attune_context * ctx, int64_t stream_base, float lr, float bias_correction1, float bias_correction2,
                   float loss_scale),
                  (ctx, stream_base, lr, bias_correction1, bias_correction2, loss_scale))
ATTUNE_CUDA_ENTRY(watch_losses, (attune_context * ctx, const float* losses, int64_t count), (ctx, losses, count))
ATTUNE_CUDA_ENTRY(clip,
                  (attune_context * ctx, const double* sums_of_squares, int64_t count, float max_norm,
                   double* out_norm),
                  (ctx, sums_of_squares, count, max_norm, out_norm))
ATTUNE_CUDA_ENTRY(adamw_captured,
                  (attune_context * ctx, float* weight, float* m, float* v, void* shadow, const float* grad,
                   int64_t count, float beta1, float beta2, float eps, float weight_decay),
                  (ctx, weight, m, v, shadow, grad, count, beta1, beta2, eps, weight_decay))
ATTUNE_CUDA_ENTRY(adamw_rows_captured,
                  (attune_context * ctx, float* weight, float* m, float* v, const float* grad, const uint8_t* row_state,
                   int64_t V, int64_t C, float beta1, float beta2, float eps, float weight_decay),
                  (ctx, weight, m, v, grad, row_state, V, C, beta1, beta2, eps, weight_decay))
ATTUNE_CUDA_ENTRY(sgd_captured,
                  (attune_context * ctx, float* weight, float* momentum_buffer, void* shadow, const float* grad,
                   int64_t count, float momentum, float weight_decay, int32_t nesterov),
                  (ctx, weight, momentum_buffer, shadow, grad, count, momentum, weight_decay, nesterov))
ATTUNE_CUDA_ENTRY(sequence_offsets,
                  (attune_context * ctx, int32_t* out, const int32_t* cu_seqlens, int64_t B, int64_t padded,
                   int64_t width, int64_t out_width, int64_t heads),
                  (ctx, out, cu_seqlens, B, padded, width, out_width, heads))
ATTUNE_CUDA_ENTRY(transpose_stats,
                  (attune_context * ctx, float* out, const float* inp, const int32_t* cu_seqlens, int64_t B,
                   int64_t heads, int32_t by_head),
                  (ctx, out, inp, cu_seqlens, B, heads, by_head))
ATTUNE_CUDA_ENTRY(graph_begin, (attune_context * ctx), (ctx))
ATTUNE_CUDA_ENTRY(graph_end, (attune_context * ctx, attune_cuda_graph** out), (ctx, out))
ATTUNE_CUDA_ENTRY(graph_launch, (attune_context * ctx, attune_cuda_graph* graph), (ctx, graph))
ATTUNE_CUDA_ENTRY(graph_destroy, (attune_context * ctx, attune_cuda_graph* graph), (ctx, graph))

}  // extern "C"
