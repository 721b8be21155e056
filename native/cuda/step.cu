// The step block: values of a training step that a captured graph reads from device memory. They travel as
// kernel arguments, so that no host memory has to outlive the call.
#include "step.h"

#include "vectors.cuh"

namespace attune::cuda {

namespace {

__global__ void reset_front_kernel(Front* front) {
  if (threadIdx.x != 0) return;
  front->error.taken = 0;
}

__global__ void reset_step_kernel(attune_cuda_step* step) {
  if (threadIdx.x != 0) return;
  *step = {0, 0.0f, 1.0f, 1.0f, 1.0f, 1.0f, 0};
}

__global__ void set_step_kernel(attune_cuda_step* step, int64_t stream_base, float lr, float bias_correction1,
                                float bias_correction2, float loss_scale) {
  if (threadIdx.x != 0) return;
  step->stream_base = stream_base;
  step->lr = lr;
  step->bias_correction1 = bias_correction1;
  step->bias_correction2 = bias_correction2;
  step->loss_scale = loss_scale;
}

// Losses that are not finite; every thread that meets one writes the same.
struct Watch {
  attune_cuda_step* step;
  const float* losses;

  template <int V>
  __device__ void run(int64_t i) const {
    float loss[V];
    load(loss, losses + i);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      if (loss[k] - loss[k] != 0.0f) step->stopped = 1;
    }
  }
};

// One thread: there are a handful of sums, and their order is the order of the array.
__global__ void clip_kernel(attune_cuda_step* step, const double* sums, int64_t count, float max_norm,
                            double* out_norm) {
  if (threadIdx.x != 0) return;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += sums[i];
  const double scale = static_cast<double>(step->loss_scale);
  const double norm = sqrt(sum) * fabs(scale);
  if (norm - norm != 0) step->stopped = 1;  // infinity or NaN
  double factor = 1;
  if (max_norm > 0.0f) factor = fmin(1.0, static_cast<double>(max_norm) / (norm + 1e-6));
  step->grad_scale = static_cast<float>(scale * factor);
  if (out_norm != nullptr) *out_norm = norm;
}

}  // namespace

attune_status reset_front(attune_context* ctx) {
  ATTUNE_CHECK(launch(ctx, reset_front_kernel, 1, kWarp, 0, ctx->front()));
  return reset_step(ctx);
}

attune_status reset_step(attune_context* ctx) { return launch(ctx, reset_step_kernel, 1, kWarp, 0, ctx->step()); }

attune_status forget_error(attune_context* ctx) { return set_bytes(ctx, &ctx->front()->error, 0, sizeof(ErrorWord)); }

attune_status set_step(attune_context* ctx, int64_t stream_base, float lr, float bias_correction1,
                       float bias_correction2, float loss_scale) {
  return launch(ctx, set_step_kernel, 1, kWarp, 0, ctx->step(), stream_base, lr, bias_correction1, bias_correction2,
                loss_scale);
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
