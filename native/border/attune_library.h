// The border that Java calls: one set of functions for all libraries of kernels, each of which is held as the
// addresses of its own. The CPU library carries the border; the others know nothing of Java.
#ifndef ATTUNE_LIBRARY_H
#define ATTUNE_LIBRARY_H

#include "attune_cuda.h"

struct attune_library {
  decltype(&attune_call) call;
  decltype(&attune_op_count) op_count;
  decltype(&attune_op_name) op_name;
  decltype(&attune_op_kinds) op_kinds;
  decltype(&attune_last_error) last_error;
  // Of a CUDA library; null in the CPU library.
  decltype(&attune_cuda_workspace_bytes) cuda_workspace_bytes;
  decltype(&attune_cuda_context_open) cuda_context_open;
  decltype(&attune_cuda_context_close) cuda_context_close;
  decltype(&attune_cuda_check) cuda_check;
  decltype(&attune_cuda_offsets_stride) cuda_offsets_stride;
  decltype(&attune_cuda_graph_begin) cuda_graph_begin;
  decltype(&attune_cuda_graph_end) cuda_graph_end;
  decltype(&attune_cuda_graph_launch) cuda_graph_launch;
  decltype(&attune_cuda_graph_destroy) cuda_graph_destroy;
};

extern "C" {

// The library that this code is part of.
const attune_library* attune_library_cpu(void);
// Loads a CUDA library, which stays loaded. Null on failure: attune_last_error then says why.
const attune_library* attune_library_open_cuda(const char* path);

}  // extern "C"

// Plain functions, since JavaCPP calls no function by its address.

static inline attune_status attune_library_call(const attune_library* l, attune_context* ctx, int32_t op,
                                                const int64_t* frame) {
  return l->call(ctx, op, frame);
}

static inline int32_t attune_library_op_count(const attune_library* l) { return l->op_count(); }
static inline const char* attune_library_op_name(const attune_library* l, int32_t op) { return l->op_name(op); }
static inline const char* attune_library_op_kinds(const attune_library* l, int32_t op) { return l->op_kinds(op); }
static inline const char* attune_library_last_error(const attune_library* l) { return l->last_error(); }

static inline int64_t attune_library_workspace_bytes(const attune_library* l) { return l->cuda_workspace_bytes(); }

static inline attune_context* attune_library_context_open(const attune_library* l, int32_t device, void* stream,
                                                          void* workspace, int64_t workspace_bytes) {
  return l->cuda_context_open(device, stream, workspace, workspace_bytes);
}

static inline void attune_library_context_close(const attune_library* l, attune_context* ctx) {
  l->cuda_context_close(ctx);
}

static inline attune_status attune_library_check(const attune_library* l, attune_context* ctx) {
  return l->cuda_check(ctx);
}

static inline int64_t attune_library_offsets_stride(const attune_library* l, int64_t padded) {
  return l->cuda_offsets_stride(padded);
}

static inline attune_status attune_library_graph_begin(const attune_library* l, attune_context* ctx) {
  return l->cuda_graph_begin(ctx);
}

static inline attune_status attune_library_graph_end(const attune_library* l, attune_context* ctx,
                                                     attune_cuda_graph** out) {
  return l->cuda_graph_end(ctx, out);
}

static inline attune_status attune_library_graph_launch(const attune_library* l, attune_context* ctx,
                                                        attune_cuda_graph* graph) {
  return l->cuda_graph_launch(ctx, graph);
}

static inline attune_status attune_library_graph_destroy(const attune_library* l, attune_context* ctx,
                                                         attune_cuda_graph* graph) {
  return l->cuda_graph_destroy(ctx, graph);
}

#endif
