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

// The step block, at the front of the workspace: the values of a training step that a captured graph reads from
// device memory, since its kernels' arguments are those of the capture.
typedef struct attune_cuda_step {
  int64_t stream_base;
  float lr;
  float bias_correction1;
  float bias_correction2;
  float loss_scale;  // what gradients are multiplied by: one over the number of targets
  float grad_scale;  // that, times the clip factor
  int32_t stopped;   // a loss or a gradient was not finite: nothing is updated any more
} attune_cuda_step;

// Enqueues the values of a context that was just opened: {0, 0, 1, 1, 1, 1, 0}.
ATTUNE_API attune_status attune_cuda_reset_step(attune_context* ctx);

// Enqueues new values of all but grad_scale and stopped.
ATTUNE_API attune_status attune_cuda_set_step(attune_context* ctx, int64_t stream_base, float lr,
                                              float bias_correction1, float bias_correction2, float loss_scale);

// A loss (f32, `count` of them) that is not finite stops the captured optimizers, as a norm does that is not: where a
// square overflows, its gradient may well be finite.
ATTUNE_API attune_status attune_cuda_watch_losses(attune_context* ctx, const float* losses, int64_t count);

// From the f64 results of `count` sums of squares: out_norm (1) f64 = |loss_scale| * sqrt(their sum); the
// step block's grad_scale = loss_scale * min(1, max_norm / (out_norm + 1e-6)), or loss_scale where
// max_norm is 0. out_norm may be null. A norm that is not finite stops the captured optimizers: from then on they
// update nothing, however many steps the host has enqueued until it looks, and the weights are still good.
ATTUNE_API attune_status attune_cuda_clip(attune_context* ctx, const double* sums_of_squares, int64_t count,
                                          float max_norm, double* out_norm);

// The optimizers with lr, bias corrections and grad_scale from the step block, so that one captured graph
// serves all steps. Equal to attune_adamw, attune_adamw_rows and attune_sgd with the same values, bit for bit (the
// momentum of the first step must be zero). They do nothing once the step block says `stopped`.
ATTUNE_API attune_status attune_cuda_adamw_captured(attune_context* ctx, float* weight, float* m, float* v,
                                                    void* shadow, const float* grad, int64_t count, float beta1,
                                                    float beta2, float eps, float weight_decay);
ATTUNE_API attune_status attune_cuda_adamw_rows_captured(attune_context* ctx, float* weight, float* m, float* v,
                                                         const float* grad, const uint8_t* row_state, int64_t V,
                                                         int64_t C, float beta1, float beta2, float eps,
                                                         float weight_decay);
ATTUNE_API attune_status attune_cuda_sgd_captured(attune_context* ctx, float* weight, float* momentum_buffer,
                                                  void* shadow, const float* grad, int64_t count, float momentum,
                                                  float weight_decay, int32_t nesterov);

// Packed sequences as cuDNN's attention takes them. From cu_seqlens (B+1), for `padded` sequences of which those from
// B on have no rows: lengths (padded) i32, then, each attune_cuda_offsets_stride(padded) i32 behind the one before,
// where each sequence begins and the last one ends (padded+1) in arrays of `width`, of `out_width` and of `heads`
// elements a row. The largest offset must fit 31 bits.
ATTUNE_API int64_t attune_cuda_offsets_stride(int64_t padded);
ATTUNE_API attune_status attune_cuda_sequence_offsets(attune_context* ctx, int32_t* out, const int32_t* cu_seqlens,
                                                      int64_t B, int64_t padded, int64_t width, int64_t out_width,
                                                      int64_t heads);

// Its statistics: by_head: out (heads,N) f32 = inp (N,heads)^T; else out (N,heads) = inp (heads,N)^T. N is
// cu_seqlens[B].
ATTUNE_API attune_status attune_cuda_transpose_stats(attune_context* ctx, float* out, const float* inp,
                                                     const int32_t* cu_seqlens, int64_t B, int64_t heads,
                                                     int32_t by_head);

// Graphs. Between begin and end, work that is enqueued on the context's stream (by this library and by others) is
// recorded and does not run; nothing may wait for the stream or allocate. A launch enqueues all of it at once, with
// the arguments that it was recorded with. A begun capture must be ended, which may fail: *out is then null.
typedef struct attune_cuda_graph attune_cuda_graph;
ATTUNE_API attune_status attune_cuda_graph_begin(attune_context* ctx);
ATTUNE_API attune_status attune_cuda_graph_end(attune_context* ctx, attune_cuda_graph** out);
ATTUNE_API attune_status attune_cuda_graph_launch(attune_context* ctx, attune_cuda_graph* graph);
ATTUNE_API attune_status attune_cuda_graph_destroy(attune_context* ctx, attune_cuda_graph* graph);

#ifdef __cplusplus
}
#endif

#endif
