// Calls of the CUDA runtime, and what they are on the emulated device.
#include "device.cuh"

namespace attune::cuda {

#if defined(ATTUNE_CUDA_EMULATION)

attune_status use_device(attune_context*) { return ATTUNE_OK; }

attune_status device_limits(attune_context* ctx) {
  if (ctx->device != 0) {
    return fail(ATTUNE_INVALID_ARGUMENT, "context_open: device is %d, must be 0 (emulated)", ctx->device);
  }
  ctx->multiprocessors = 3;  // small and odd: persistent kernels then loop, unevenly
  ctx->max_shared_bytes = 232448;
  return ATTUNE_OK;
}

attune_status synchronize(attune_context* ctx) {
  if (emulation::capturing()) return fail(ATTUNE_INTERNAL, "%s: waits for a stream that is being captured", ctx->op);
  return ATTUNE_OK;
}

attune_status set_bytes(attune_context*, void* out, int value, int64_t bytes) {
  emulation::submit([=]() -> const char* {
    std::memset(out, value, static_cast<size_t>(bytes));
    return nullptr;
  });
  return ATTUNE_OK;
}

attune_status copy_bytes(attune_context*, void* out, const void* inp, int64_t bytes) {
  emulation::submit([=]() -> const char* {
    std::memcpy(out, inp, static_cast<size_t>(bytes));
    return nullptr;
  });
  return ATTUNE_OK;
}

attune_status read_back(attune_context* ctx, void* host, const void* device, int64_t bytes) {
  ATTUNE_CHECK(synchronize(ctx));
  return copy_bytes(ctx, host, device, bytes);
}

#else

namespace {

attune_status check(attune_context* ctx, const char* call, cudaError_t error) {
  if (error == cudaSuccess) return ATTUNE_OK;
  return fail(ATTUNE_DEVICE_LOST, "%s: %s on device %d: %s", ctx->op, call, ctx->device, cudaGetErrorString(error));
}

cudaStream_t stream_of(attune_context* ctx) { return static_cast<cudaStream_t>(ctx->stream); }

}  // namespace

// The current device belongs to the thread, and any thread may hold the context now.
attune_status use_device(attune_context* ctx) { return check(ctx, "cudaSetDevice", cudaSetDevice(ctx->device)); }

attune_status device_limits(attune_context* ctx) {
  int processors = 0, shared = 0, major = 0;
  ATTUNE_CHECK(check(ctx, "cudaDeviceGetAttribute",
                     cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ctx->device)));
  if (major < 8) {
    return fail(ATTUNE_UNSUPPORTED, "device %d has compute capability %d.x; the kernels need 8.0 or later", ctx->device,
                major);
  }
  ATTUNE_CHECK(check(ctx, "cudaDeviceGetAttribute",
                     cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, ctx->device)));
  ATTUNE_CHECK(check(ctx, "cudaDeviceGetAttribute",
                     cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, ctx->device)));
  ctx->multiprocessors = processors;
  ctx->max_shared_bytes = shared;
  return ATTUNE_OK;
}

attune_status synchronize(attune_context* ctx) {
  return check(ctx, "cudaStreamSynchronize", cudaStreamSynchronize(stream_of(ctx)));
}

attune_status set_bytes(attune_context* ctx, void* out, int value, int64_t bytes) {
  return check(ctx, "cudaMemsetAsync", cudaMemsetAsync(out, value, static_cast<size_t>(bytes), stream_of(ctx)));
}

attune_status copy_bytes(attune_context* ctx, void* out, const void* inp, int64_t bytes) {
  return check(ctx, "cudaMemcpyAsync",
               cudaMemcpyAsync(out, inp, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, stream_of(ctx)));
}

attune_status read_back(attune_context* ctx, void* host, const void* device, int64_t bytes) {
  ATTUNE_CHECK(
      check(ctx, "cudaMemcpyAsync",
            cudaMemcpyAsync(host, device, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, stream_of(ctx))));
  return synchronize(ctx);
}

#endif

}  // namespace attune::cuda
