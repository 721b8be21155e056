// The entries of the CUDA library: the guard, the device of the context, the jump to the kernel.
#include "calls.h"
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
attune_status enter(const char* op, attune_context* ctx, Body&& body) {
  return guard(op, ctx, [&] {
    ctx->op = op;
    ATTUNE_CHECK(use_device(ctx));
    return body();
  });
}

// In the order of Index.
const char* const kIndexNames[] = {"ids",  "positions", "type_ids", "rows",      "labels", "cu_seqlens", "cu_q",
                                   "cu_k", "k_start",   "k_count",  "row_state", "inp",    "buckets",    "places"};

attune_status check(attune_context* ctx) {
  ATTUNE_CHECK(synchronize(ctx));
  ErrorWord error;
  ATTUNE_CHECK(read_back(ctx, &error, &ctx->front()->error, sizeof(error)));
  if (error.taken == 0) return ATTUNE_OK;
  ATTUNE_CHECK(forget_error(ctx));
  if (error.limit == kNotFinite) {
    return fail(ATTUNE_INVALID_ARGUMENT, "%s: %s[%lld] is a NaN or an infinity, must be finite",
                attune_op_name(error.op), kIndexNames[error.argument], static_cast<long long>(error.position));
  }
  return fail(ATTUNE_INVALID_ARGUMENT, "%s: %s[%lld] is %d, must be 0..%lld", attune_op_name(error.op),
              kIndexNames[error.argument], static_cast<long long>(error.position), error.value,
              static_cast<long long>(error.limit - 1));
}

}  // namespace
}  // namespace attune::cuda

namespace {

struct Entry {
  bool exists;
  attune_status (*run)(attune_context* ctx, const int64_t* frame);
};

// Not constexpr: whether a weak symbol exists is known when the library is linked.
const Entry kEntries[] = {
#define ATTUNE_ENTRY(op)                                                                   \
  {&attune::cuda::op != nullptr, [](attune_context* ctx, const int64_t* frame) {           \
     return attune::Signature<decltype(attune_##op)>::call(&attune::cuda::op, ctx, frame); \
   }},
#include "entries.inc"
};

}  // namespace

extern "C" {

attune_status attune_call(attune_context* ctx, int32_t op, const int64_t* frame) {
  const char* name = attune_op_name(op);
  if (name == nullptr) return attune::fail(ATTUNE_INVALID_ARGUMENT, "there is no op %d", op);
  return attune::cuda::enter(name, ctx, [&]() -> attune_status {
    if (!kEntries[op].exists) return attune::fail(ATTUNE_UNSUPPORTED, "%s has no kernel for CUDA", name);
    return kEntries[op].run(ctx, frame);
  });
}

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
  attune_status status = attune::cuda::enter("context_open", ctx, [&] {
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
  return attune::cuda::enter("check", ctx, [&] { return attune::cuda::check(ctx); });
}

attune_status attune_cuda_graph_begin(attune_context* ctx) {
  return attune::cuda::enter("graph_begin", ctx, [&] { return attune::cuda::graph_begin(ctx); });
}

attune_status attune_cuda_graph_end(attune_context* ctx, attune_cuda_graph** out) {
  return attune::cuda::enter("graph_end", ctx, [&] { return attune::cuda::graph_end(ctx, out); });
}

attune_status attune_cuda_graph_launch(attune_context* ctx, attune_cuda_graph* graph) {
  return attune::cuda::enter("graph_launch", ctx, [&] { return attune::cuda::graph_launch(ctx, graph); });
}

attune_status attune_cuda_graph_destroy(attune_context* ctx, attune_cuda_graph* graph) {
  return attune::cuda::enter("graph_destroy", ctx, [&] { return attune::cuda::graph_destroy(ctx, graph); });
}

}  // extern "C"
