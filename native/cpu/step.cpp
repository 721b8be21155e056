// The step block of a context.
#include "../common/step_block.h"

#include "context.h"
#include "kernels.h"

namespace attune {
namespace ATTUNE_ISA {

attune_status reset_step(attune_context* ctx) {
  ctx->step = kFreshStep;
  return ATTUNE_OK;
}

attune_status set_stream_base(attune_context* ctx, int64_t stream_base) {
  ctx->step.stream_base = stream_base;
  return ATTUNE_OK;
}

attune_status set_update(attune_context* ctx, float lr, float bias_correction1, float bias_correction2, int64_t targets,
                         float mean_weight) {
  update_values(&ctx->step, lr, bias_correction1, bias_correction2, targets, mean_weight);
  return ATTUNE_OK;
}

attune_status watch_losses(attune_context* ctx, const float* losses, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (not_finite(losses[i])) ctx->step.stopped = 1;
  }
  return ATTUNE_OK;
}

attune_status clip(attune_context* ctx, double* out_norm, const double* sums_of_squares, int64_t count,
                   float max_norm) {
  const double norm = clip_values(&ctx->step, sums_of_squares, count, max_norm);
  if (out_norm != nullptr) *out_norm = norm;
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
