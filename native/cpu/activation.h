// The activation functions and their derivatives on one vector, shared by the element-wise kernels and
// the epilogues of the products: what backward recomputes equals what forward stored, bit for bit.
#ifndef ATTUNE_ACTIVATION_H
#define ATTUNE_ACTIVATION_H

#include <type_traits>
#include <utility>

#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// value = act(x), derivative = act'(x). NaN gives NaN in both.
template <int kActivation>
static inline void act_and_derivative(vf x, vf* value, vf* derivative) {
  if constexpr (kActivation == ATTUNE_ACT_GELU) {
    vf cdf = fma(verf(x * splat(0.70710678118654752f)), splat(0.5f), splat(0.5f));
    vf density = vexp(x * x * splat(-0.5f)) * splat(0.39894228040143268f);
    *value = x * cdf;
    *derivative = fma(x, density, cdf);
  } else if constexpr (kActivation == ATTUNE_ACT_GELU_TANH) {
    // 0.5 (1 + tanh u) = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3). Through exp(-|2u|) neither
    // the sigmoid nor its derivative cancels; beyond +-16 they are 0 or 1 and x^3 must not overflow.
    constexpr float kScale = 1.5957691216057308f;
    vf c = vmin(vmax(x, splat(-16.0f)), splat(16.0f));
    vf s = c * c;
    vf u2 = c * fma(s, splat(kScale * 0.044715f), splat(kScale));
    vf du2 = fma(s, splat(3.0f * kScale * 0.044715f), splat(kScale));
    vf e = vexp(-vabs(u2));
    vf upper = 1.0f / (1.0f + e);
    vf lower = e * upper;
    vf sigmoid = select(x < splat(0.0f), lower, upper);
    *value = x * sigmoid;
    *derivative = fma(x, du2 * (lower * upper), sigmoid);
  } else if constexpr (kActivation == ATTUNE_ACT_TANH) {
    vf t = vtanh(x);
    *value = t;
    *derivative = fma(-t, t, splat(1.0f));
  } else if constexpr (kActivation == ATTUNE_ACT_RELU) {
    *value = select(x <= splat(0.0f), splat(0.0f), x);
    *derivative = select(x <= splat(0.0f), splat(0.0f), select(x != x, x, splat(1.0f)));
  } else {
    static_assert(kActivation == ATTUNE_ACT_NONE, "unknown activation");
    *value = x;
    *derivative = splat(1.0f);
  }
}

// The same value; the derivative's arithmetic is dead code here and disappears.
template <int kActivation>
static inline vf act(vf x) {
  vf value, derivative;
  act_and_derivative<kActivation>(x, &value, &derivative);
  return value;
}

// Calls body(std::integral_constant<int, activation>) for a known activation; false for an unknown one.
template <class Body>
static inline bool with_activation(int32_t activation, Body&& body) {
  switch (activation) {
    case ATTUNE_ACT_NONE: body(std::integral_constant<int, ATTUNE_ACT_NONE>{}); return true;
    case ATTUNE_ACT_GELU: body(std::integral_constant<int, ATTUNE_ACT_GELU>{}); return true;
    case ATTUNE_ACT_GELU_TANH: body(std::integral_constant<int, ATTUNE_ACT_GELU_TANH>{}); return true;
    case ATTUNE_ACT_TANH: body(std::integral_constant<int, ATTUNE_ACT_TANH>{}); return true;
    case ATTUNE_ACT_RELU: body(std::integral_constant<int, ATTUNE_ACT_RELU>{}); return true;
    default: return false;
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
