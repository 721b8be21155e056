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
    // The lower tail is exp(-x^2 / 2) t p(t), t = 1 / (1 + 0.3 |x|), p a minimax fit with relative error
    // 1.5e-7: unlike 1 + erf it does not cancel, and the derivative needs the same exponential.
    vf e = vexp2_negative(x * x * splat(-0.5f * 1.44269504088896341f));
    vf t = 1.0f / fma(vabs(x), splat(0.3f), splat(1.0f));
    vf p = splat(3.5674888640642166e-2f);
    p = fma(p, t, splat(-1.5720349550247192e-1f));
    p = fma(p, t, splat(2.0635408163070679e-1f));
    p = fma(p, t, splat(-5.3684104233980179e-2f));
    p = fma(p, t, splat(1.2856183946132660e-1f));
    p = fma(p, t, splat(9.9913440644741058e-2f));
    p = fma(p, t, splat(1.2075396627187729e-1f));
    p = fma(p, t, splat(1.1962930113077164e-1f));
    vf tail = p * t * e;
    vf cdf = select(x < splat(0.0f), tail, 1.0f - tail);
    *value = x * cdf;
    *derivative = fma(x * splat(0.39894228040143268f), e, cdf);
  } else if constexpr (kActivation == ATTUNE_ACT_GELU_TANH) {
    // 0.5 (1 + tanh u) = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3). Through exp(-|2u|) neither
    // the sigmoid nor its derivative cancels; beyond +-16 they are 0 or 1 and x^3 must not overflow.
    constexpr float kScale = 1.5957691216057308f;
    constexpr float kLog2e = 1.44269504088896341f;
    vf c = vmin(splat(16.0f), vmax(splat(-16.0f), x));
    vf s = c * c;
    vf du2 = fma(s, splat(3.0f * kScale * 0.044715f), splat(kScale));
    vf e = vexp2_negative(-vabs(c * fma(s, splat(kScale * 0.044715f * kLog2e), splat(kScale * kLog2e))));
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
  } else if constexpr (kActivation == ATTUNE_ACT_SILU) {
    // Through exp(-|x|), as above.
    vf e = vexp2_negative(-vabs(x) * splat(1.44269504088896341f));
    vf upper = 1.0f / (1.0f + e);
    vf lower = e * upper;
    vf sigmoid = select(x < splat(0.0f), lower, upper);
    *value = x * sigmoid;
    *derivative = fma(x, lower * upper, sigmoid);
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
    case ATTUNE_ACT_SILU: body(std::integral_constant<int, ATTUNE_ACT_SILU>{}); return true;
    default: return false;
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
