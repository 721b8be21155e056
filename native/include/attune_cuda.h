// What the CUDA library has besides the ops of attune_ops.h: its context and its graphs. The ops have the
// contracts of attune_ops.h, with these differences:
//   - The linear products return ATTUNE_UNSUPPORTED: Java runs them through cuBLASLt.
//   - All pointers are device pointers, and entries return when the work is enqueued on the context's stream.
//   - Values that lie in device memory (ids, labels, cu_seqlens ...) are checked by the kernels: a bad one is
//     treated as absent, recorded, and reported by attune_cuda_check.
//   - embedding_bwd adds in an order that the arguments alone decide, which is not the order of the rows.
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

// What attune_sequence_offsets leaves between its arrays.
ATTUNE_API int64_t attune_cuda_offsets_stride(int64_t padded);

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
