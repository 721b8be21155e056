// The step block of attune_ops.h and the arithmetic on it. Shared by the kernels of all devices.
#ifndef ATTUNE_COMMON_STEP_BLOCK_H
#define ATTUNE_COMMON_STEP_BLOCK_H

#include <cmath>
#include <cstdint>

#include "any_device.h"

namespace attune {

struct StepBlock {
  int64_t stream_base;
  double divisor;  // of gradients and their norm
  float lr;
  float bias_correction1;
  float bias_correction2;
  float grad_scale;  // the clip factor, over the divisor
  int32_t stopped;   // a loss or a gradient was not finite: nothing is updated any more
};

// Of a context that was just opened.
constexpr StepBlock kFreshStep = {0, 1.0, 0.0f, 1.0f, 1.0f, 1.0f, 0};

ATTUNE_ANY_DEVICE static inline void update_values(StepBlock* step, float lr, float bias_correction1,
                                                   float bias_correction2, int64_t targets, float mean_weight) {
  step->divisor = static_cast<double>(targets) * static_cast<double>(mean_weight);
  step->lr = lr;
  step->bias_correction1 = bias_correction1;
  step->bias_correction2 = bias_correction2;
  step->grad_scale = static_cast<float>(1.0 / step->divisor);
}

// Infinity or NaN: written so that no compiler flag changes it.
template <class Real>
ATTUNE_ANY_DEVICE static inline bool not_finite(Real value) {
  return value - value != Real{0};
}

// There are a handful of sums, and their order is the order of the array.
ATTUNE_ANY_DEVICE static inline double clip_values(StepBlock* step, const double* sums, int64_t count, float max_norm) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += sums[i];
  const double norm = sqrt(sum) / step->divisor;
  if (not_finite(norm)) step->stopped = 1;
  double factor = 1;
  if (max_norm > 0.0f) factor = fmin(1.0, static_cast<double>(max_norm) / (norm + 1e-6));
  step->grad_scale = static_cast<float>(factor / step->divisor);
  return norm;
}

}  // namespace attune

#endif
