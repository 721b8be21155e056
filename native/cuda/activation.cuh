// The activation functions and their derivatives. The formulas are those of native/cpu/activation.h, which
// says where they come from; here on one element.
#ifndef ATTUNE_CUDA_ACTIVATION_CUH
#define ATTUNE_CUDA_ACTIVATION_CUH

#include "device.cuh"

namespace attune::cuda {

// act(x) and act'(x). NaN gives NaN in both.
template <int kActivation>
__device__ __forceinline__ void act_and_derivative(float x, float* value, float* derivative) {
  if constexpr (kActivation == ATTUNE_ACT_GELU) {
    const float e = expf(x * x * -0.5f);
    const float t = 1.0f / fmaf(fabsf(x), 0.3f, 1.0f);
    float p = 3.5674888640642166e-2f;
    p = fmaf(p, t, -1.5720349550247192e-1f);
    p = fmaf(p, t, 2.0635408163070679e-1f);
    p = fmaf(p, t, -5.3684104233980179e-2f);
    p = fmaf(p, t, 1.2856183946132660e-1f);
    p = fmaf(p, t, 9.9913440644741058e-2f);
    p = fmaf(p, t, 1.2075396627187729e-1f);
    p = fmaf(p, t, 1.1962930113077164e-1f);
    const float tail = p * t * e;
    const float cdf = x < 0.0f ? tail : 1.0f - tail;
    *value = x * cdf;
    *derivative = fmaf(x * 0.39894228040143268f, e, cdf);
  } else if constexpr (kActivation == ATTUNE_ACT_GELU_TANH) {
    constexpr float kScale = 1.5957691216057308f;
    const float c = x > 16.0f ? 16.0f : x < -16.0f ? -16.0f : x;  // keeps NaN
    const float s = c * c;
    const float du2 = fmaf(s, 3.0f * kScale * 0.044715f, kScale);
    const float e = expf(-fabsf(c * fmaf(s, kScale * 0.044715f, kScale)));
    const float upper = 1.0f / (1.0f + e);
    const float lower = e * upper;
    const float sigmoid = x < 0.0f ? lower : upper;
    *value = x * sigmoid;
    *derivative = fmaf(x, du2 * (lower * upper), sigmoid);
  } else if constexpr (kActivation == ATTUNE_ACT_TANH) {
    const float t = tanhf(x);
    *value = t;
    *derivative = fmaf(-t, t, 1.0f);
  } else if constexpr (kActivation == ATTUNE_ACT_RELU) {
    *value = x <= 0.0f ? 0.0f : x;
    *derivative = x <= 0.0f ? 0.0f : x != x ? x : 1.0f;
  } else if constexpr (kActivation == ATTUNE_ACT_SILU) {
    const float e = expf(-fabsf(x));
    const float upper = 1.0f / (1.0f + e);
    const float lower = e * upper;
    const float sigmoid = x < 0.0f ? lower : upper;
    *value = x * sigmoid;
    *derivative = fmaf(x, lower * upper, sigmoid);
  } else {
    static_assert(kActivation == ATTUNE_ACT_NONE, "unknown activation");
    *value = x;
    *derivative = 1.0f;
  }
}

template <int kActivation>
__device__ __forceinline__ float act(float x) {
  float value, derivative;
  act_and_derivative<kActivation>(x, &value, &derivative);
  return value;
}

// Calls body(std::integral_constant<int, activation>); an unknown activation is the caller's error.
template <class Body>
attune_status with_activation(const char* op, int32_t activation, Body&& body) {
  switch (activation) {
    case ATTUNE_ACT_NONE: return body(std::integral_constant<int, ATTUNE_ACT_NONE>{});
    case ATTUNE_ACT_GELU: return body(std::integral_constant<int, ATTUNE_ACT_GELU>{});
    case ATTUNE_ACT_GELU_TANH: return body(std::integral_constant<int, ATTUNE_ACT_GELU_TANH>{});
    case ATTUNE_ACT_TANH: return body(std::integral_constant<int, ATTUNE_ACT_TANH>{});
    case ATTUNE_ACT_RELU: return body(std::integral_constant<int, ATTUNE_ACT_RELU>{});
    case ATTUNE_ACT_SILU: return body(std::integral_constant<int, ATTUNE_ACT_SILU>{});
    default:
      return fail(ATTUNE_INVALID_ARGUMENT, "%s: activation is %d, must be %d..%d", op, activation, ATTUNE_ACT_NONE,
                  ATTUNE_ACT_SILU);
  }
}

}  // namespace attune::cuda

#endif
