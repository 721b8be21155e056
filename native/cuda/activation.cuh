// The activation functions and their derivatives. The formulas are those of native/cpu/activation.h, which
// says where they come from; here on one element.
#ifndef ATTUNE_CUDA_ACTIVATION_CUH
#define ATTUNE_CUDA_ACTIVATION_CUH

#include "device.cuh"

namespace attune::cuda {

// The normal distribution up to x; e = exp(-x^2 / 2).
__device__ __forceinline__ float normal_distribution(float x, float* e) {
  *e = expf(x * x * -0.5f);
  const float t = 1.0f / fmaf(fabsf(x), 0.3f, 1.0f);
  float p = 3.5674888640642166e-2f;
  p = fmaf(p, t, -1.5720349550247192e-1f);
  p = fmaf(p, t, 2.0635408163070679e-1f);
  p = fmaf(p, t, -5.3684104233980179e-2f);
  p = fmaf(p, t, 1.2856183946132660e-1f);
  p = fmaf(p, t, 9.9913440644741058e-2f);
  p = fmaf(p, t, 1.2075396627187729e-1f);
  p = fmaf(p, t, 1.1962930113077164e-1f);
  const float tail = p * t * *e;
  return x < 0.0f ? tail : 1.0f - tail;
}

// sigmoid(x) and its slope.
__device__ __forceinline__ float sigmoid(float x, float* slope) {
  const float e = expf(-fabsf(x));
  const float upper = 1.0f / (1.0f + e);
  const float lower = e * upper;
  *slope = lower * upper;
  return x < 0.0f ? lower : upper;
}

template <int kActivation>
__device__ __forceinline__ float act(float x);

// act(x) and act'(x). NaN gives NaN in both.
template <int kActivation>
__device__ __forceinline__ void act_and_derivative(float x, float* value, float* derivative) {
  if constexpr (kActivation == ATTUNE_ACT_GELU) {
    float e;
    const float cdf = normal_distribution(x, &e);
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
    const float cdf = x < 0.0f ? lower : upper;
    *value = x * cdf;
    *derivative = fmaf(x, du2 * (lower * upper), cdf);
  } else if constexpr (kActivation == ATTUNE_ACT_TANH) {
    const float t = tanhf(x);
    *value = t;
    *derivative = fmaf(-t, t, 1.0f);
  } else if constexpr (kActivation == ATTUNE_ACT_RELU) {
    *value = x <= 0.0f ? 0.0f : x;
    *derivative = x <= 0.0f ? 0.0f : x != x ? x : 1.0f;
  } else if constexpr (kActivation == ATTUNE_ACT_SILU) {
    float slope;
    const float gate = sigmoid(x, &slope);
    *value = x * gate;
    *derivative = fmaf(x, slope, gate);
  } else if constexpr (kActivation == ATTUNE_ACT_QUICK_GELU) {
    float slope;
    const float gate = sigmoid(1.702f * x, &slope);
    *value = x * gate;
    *derivative = fmaf(x, slope * 1.702f, gate);
  } else if constexpr (kActivation == ATTUNE_ACT_GELU_10) {
    // Above 10 GELU is x itself.
    act_and_derivative<ATTUNE_ACT_GELU>(x, value, derivative);
    *derivative = x > 10.0f ? 0.0f : *derivative;
    *value = x > 10.0f ? 10.0f : *value;
  } else if constexpr (kActivation == ATTUNE_ACT_SIGMOID) {
    // In few registers: gates of f32 have none to spare.
    *value = 1.0f / (1.0f + expf(-x));
    *derivative = *value / (1.0f + expf(x));
  } else if constexpr (kActivation == ATTUNE_ACT_MISH) {
    const float e = expf(-fabsf(x));
    const bool below = x < 0.0f;
    const float a = below ? e * (e + 2.0f) : fmaf(e, 2.0f, 1.0f);
    const float b = below ? 2.0f : e * e * 2.0f;
    const float inverse = 1.0f / (a + b);
    const float t = a * inverse;
    const float slope = (below ? e : 1.0f) / (1.0f + e);
    *value = x * t;
    *derivative = fmaf(x, b * inverse * (1.0f + t) * slope, t);
  } else if constexpr (kActivation == ATTUNE_ACT_LAPLACE) {
    constexpr float kMean = 0.707107f, kDeviation = 0.282095f;
    float e;
    *value = normal_distribution((x - kMean) * (1.0f / kDeviation), &e);
    *derivative = e * (0.39894228040143268f / kDeviation);
  } else if constexpr (kActivation == ATTUNE_ACT_LEAKY_RELU) {
    *value = x > 0.0f ? x : x * 0.01f;
    *derivative = x > 0.0f ? 1.0f : x != x ? x : 0.01f;
  } else if constexpr (kActivation == ATTUNE_ACT_RELU6) {
    act_and_derivative<ATTUNE_ACT_RELU>(x, value, derivative);
    *value = x >= 6.0f ? 6.0f : *value;
    *derivative = x >= 6.0f ? 0.0f : *derivative;
  } else if constexpr (kActivation == ATTUNE_ACT_RELU_SQUARED) {
    const float r = act<ATTUNE_ACT_RELU>(x);
    *value = r * r;
    *derivative = r * 2.0f;
  } else if constexpr (kActivation == ATTUNE_ACT_HARD_SWISH) {
    *value = x * (act<ATTUNE_ACT_RELU6>(x + 3.0f) * (1.0f / 6.0f));
    *derivative = x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : fmaf(x, 1.0f / 3.0f, 0.5f);
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
    case ATTUNE_ACT_QUICK_GELU: return body(std::integral_constant<int, ATTUNE_ACT_QUICK_GELU>{});
    case ATTUNE_ACT_GELU_10: return body(std::integral_constant<int, ATTUNE_ACT_GELU_10>{});
    case ATTUNE_ACT_SIGMOID: return body(std::integral_constant<int, ATTUNE_ACT_SIGMOID>{});
    case ATTUNE_ACT_MISH: return body(std::integral_constant<int, ATTUNE_ACT_MISH>{});
    case ATTUNE_ACT_LAPLACE: return body(std::integral_constant<int, ATTUNE_ACT_LAPLACE>{});
    case ATTUNE_ACT_LEAKY_RELU: return body(std::integral_constant<int, ATTUNE_ACT_LEAKY_RELU>{});
    case ATTUNE_ACT_RELU6: return body(std::integral_constant<int, ATTUNE_ACT_RELU6>{});
    case ATTUNE_ACT_RELU_SQUARED: return body(std::integral_constant<int, ATTUNE_ACT_RELU_SQUARED>{});
    case ATTUNE_ACT_HARD_SWISH: return body(std::integral_constant<int, ATTUNE_ACT_HARD_SWISH>{});
    default:
      return fail(ATTUNE_INVALID_ARGUMENT, "%s: activation is %d, must be %d..%d", op, activation, ATTUNE_ACT_NONE,
                  ATTUNE_ACT_HARD_SWISH);
  }
}

}  // namespace attune::cuda

#endif
