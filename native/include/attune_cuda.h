// What the CUDA library has besides the ops of attune_ops.h: its context, and the values that a captured
// graph of a training step reads from device memory. Every op of attune_ops.h is exported under its own
// name and with its own contract, with these differences:
//   - The linear products return ATTUNE_UNSUPPORTED: Java runs them through cuBLASLt.
//   - All pointers are device pointers, and entries return when the work is enqueued on the context's stream.
//   - Values that lie in device memory (ids, labels, cu_seqlens ...) are checked by the kernels: a bad one is
//     treated as absent, recorded, and reported by attune_cuda_check.
//   - embedding_bwd adds in an order that the arguments alone decide, which is not the order of the rows.
//   - Ops that take (seed, stream) for dropout add the step block's stream_base to stream.
#ifndef ATTUNE_CUDA_H
#define ATTUNE_CUDA_H

#include "attune_ops.h"

#ifdef __cplusplus
extern "C" {
#endif

// Bytes of workspace that every context needs, whatever it computes.
ATTUNE_API int64_t attune_cuda_workspace_bytes(void);

// A context is a device, a stream (a cudaStream_t; null: the default stream) and a workspace in device
// memory, 256-byte aligned, that stays the caller's. One Java thread uses it at a time. Returns null on
// failure.
ATTUNE_API attune_context* attune_cuda_context_open(int32_t device, void* stream, void* workspace,
                                                    int64_t workspace_bytes);
ATTUNE_API void attune_cuda_context_close(attune_context* ctx);

// Waits for the stream. ATTUNE_DEVICE_LOST where CUDA reports a failure of earlier work;
// ATTUNE_INVALID_ARGUMENT that names op, argument, position and value where a kernel met a bad index
// since the last call (the first one seen; it is then forgotten).
ATTUNE_API attune_status attune_cuda_check(attune_context* ctx);

// The step block, at the front of the workspace. A context opens with {0, 0, 1, 1, 1}.
typedef struct attune_cuda_step {
  int64_t stream_base;
  float lr;
  float bias_correction1;
  float bias_correction2;
  float grad_scale;
} attune_cuda_step;

// Enqueues new values of all but grad_scale.
ATTUNE_API attune_status attune_cuda_set_step(attune_context* ctx, int64_t stream_base, float lr,
                                              float bias_correction1, float bias_correction2);

// From the f64 results of `count` sums of squares: out_norm (1) f64 = |grad_scale| * sqrt(their sum); the
// step block's grad_scale = grad_scale * min(1, max_norm / (out_norm + 1e-6)), or grad_scale where
// max_norm is 0. out_norm may be null. A norm that is not finite leaves a grad_scale of NaN, which the
// captured optimizer takes as: no update.
ATTUNE_API attune_status attune_cuda_clip(attune_context* ctx, const double* sums_of_squares, int64_t count,
                                          float grad_scale, float max_norm, double* out_norm);

// attune_adamw with lr, bias corrections and grad_scale from the step block, so that one captured graph
// serves all steps. Equal to attune_adamw with the same values, bit for bit. Does nothing where grad_scale
// is NaN: training stops at the host's next look, with weights that are still good.
ATTUNE_API attune_status attune_cuda_adamw_captured(attune_context* ctx, float* weight, float* m, float* v,
                                                    void* shadow, const float* grad, int64_t count, float beta1,
                                                    float beta2, float eps, float weight_decay);

#ifdef __cplusplus
}
#endif

#endif
