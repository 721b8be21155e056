// Graphs: the work of a training step, recorded once and launched as one.
#include "device.cuh"
#include "step.h"

#if defined(ATTUNE_CUDA_EMULATION)

struct attune_cuda_graph {
  std::vector<attune::emulation::Work> work;
};

namespace attune::cuda {

attune_status graph_begin(attune_context* ctx) {
  ATTUNE_REQUIRE(!emulation::capturing(), "%s: the stream is being captured already", ctx->op);
  emulation::begin_capture();
  return ATTUNE_OK;
}

attune_status graph_end(attune_context* ctx, attune_cuda_graph** out) {
  *out = nullptr;
  ATTUNE_REQUIRE(emulation::capturing(), "%s: the stream is not being captured", ctx->op);
  *out = new attune_cuda_graph{emulation::end_capture()};
  return ATTUNE_OK;
}

attune_status graph_launch(attune_context* ctx, attune_cuda_graph* graph) {
  for (const emulation::Work& work : graph->work) {
    if (const char* failure = emulation::submit(work)) return fail(ATTUNE_INTERNAL, "%s: %s", ctx->op, failure);
  }
  return ATTUNE_OK;
}

attune_status graph_destroy(attune_context*, attune_cuda_graph* graph) {
  delete graph;
  return ATTUNE_OK;
}

}  // namespace attune::cuda

#else

struct attune_cuda_graph {
  cudaGraphExec_t executable;
};

namespace attune::cuda {

namespace {

cudaStream_t stream_of(attune_context* ctx) { return static_cast<cudaStream_t>(ctx->stream); }

// A step that cannot be captured is a mistake of ours, no fault of the device: the context goes on.
attune_status check(attune_context* ctx, const char* call, cudaError_t error) {
  if (error == cudaSuccess) return ATTUNE_OK;
  return fail(status_of(error), "%s: %s: %s", ctx->op, call, cudaGetErrorString(error));
}

}  // namespace

attune_status graph_begin(attune_context* ctx) {
  // Thread-local: what other threads of the process do with the device is not ours to forbid.
  return check(ctx, "cudaStreamBeginCapture", cudaStreamBeginCapture(stream_of(ctx), cudaStreamCaptureModeThreadLocal));
}

attune_status graph_end(attune_context* ctx, attune_cuda_graph** out) {
  *out = nullptr;
  cudaGraph_t graph = nullptr;
  ATTUNE_CHECK(check(ctx, "cudaStreamEndCapture", cudaStreamEndCapture(stream_of(ctx), &graph)));
  cudaGraphExec_t executable = nullptr;
  attune_status status = check(ctx, "cudaGraphInstantiate", cudaGraphInstantiate(&executable, graph, 0));
  cudaGraphDestroy(graph);
  if (status == ATTUNE_OK) *out = new attune_cuda_graph{executable};
  return status;
}

attune_status graph_launch(attune_context* ctx, attune_cuda_graph* graph) {
  cudaError_t error = cudaGraphLaunch(graph->executable, stream_of(ctx));
  if (error == cudaSuccess) return ATTUNE_OK;
  return fail(ATTUNE_DEVICE_LOST, "%s: cudaGraphLaunch: %s", ctx->op, cudaGetErrorString(error));
}

attune_status graph_destroy(attune_context* ctx, attune_cuda_graph* graph) {
  const cudaGraphExec_t executable = graph->executable;
  delete graph;
  return check(ctx, "cudaGraphExecDestroy", cudaGraphExecDestroy(executable));
}

}  // namespace attune::cuda

#endif
