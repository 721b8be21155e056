// The step block, at the front of the workspace. Its values travel as kernel arguments, so that no host memory has to
// outlive the call.
#include "step.h"

#include "vectors.cuh"

namespace attune::cuda {

namespace {

__global__ void reset_front_kernel(Front* front) {
  if (threadIdx.x != 0) return;
  front->error.taken = 0;
}

__global__ void reset_step_kernel(StepBlock* step) {
  if (threadIdx.x != 0) return;
  *step = kFreshStep;
}

__global__ void set_stream_base_kernel(StepBlock* step, int64_t stream_base) {
  if (threadIdx.x != 0) return;
  step->stream_base = stream_base;
}

__global__ void set_update_kernel(StepBlock* step, float lr, float bias_correction1, float bias_correction2,
                                  int64_t targets, float mean_weight) {
  if (threadIdx.x != 0) return;
  update_values(step, lr, bias_correction1, bias_correction2, targets, mean_weight);
}

// Losses that are not finite; every thread that meets one writes the same.
struct Watch {
  StepBlock* step;
  const float* losses;

  template <int V>
  __device__ void run(int64_t i) const {
    float loss[V];
    load(loss, losses + i);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      if (not_finite(loss[k])) step->stopped = 1;
    }
  }
};

__global__ void clip_kernel(StepBlock* step, const double* sums, int64_t count, float max_norm, double* out_norm) {
  if (threadIdx.x != 0) return;
  const double norm = clip_values(step, sums, count, max_norm);
  if (out_norm != nullptr) *out_norm = norm;
}

}  // namespace

attune_status reset_front(attune_context* ctx) {
  ATTUNE_CHECK(launch(ctx, reset_front_kernel, 1, kWarp, 0, ctx->front()));
  return reset_step(ctx);
}

attune_status reset_step(attune_context* ctx) { return launch(ctx, reset_step_kernel, 1, kWarp, 0, ctx->step()); }

attune_status forget_error(attune_context* ctx) { return set_bytes(ctx, &ctx->front()->error, 0, sizeof(ErrorWord)); }

attune_status set_stream_base(attune_context* ctx, int64_t stream_base) {
  return launch(ctx, set_stream_base_kernel, 1, kWarp, 0, ctx->step(), stream_base);
}

attune_status set_update(attune_context* ctx, float lr, float bias_correction1, float bias_correction2, int64_t targets,
                         float mean_weight) {
  return launch(ctx, set_update_kernel, 1, kWarp, 0, ctx->step(), lr, bias_correction1, bias_correction2, targets,
                mean_weight);
}

attune_status watch_losses(attune_context* ctx, const float* losses, int64_t count) {
  if (count == 0) return ATTUNE_OK;
  return launch_flat<4>(ctx, Watch{ctx->step(), losses}, count, aligned16(losses));
}

attune_status clip(attune_context* ctx, double* out_norm, const double* sums_of_squares, int64_t count,
                   float max_norm) {
  return launch(ctx, clip_kernel, 1, kWarp, 0, ctx->step(), sums_of_squares, count, max_norm, out_norm);
}

}  // namespace attune::cuda
