// The activation functions and their derivatives on one vector, shared by the element-wise kernels and
// the epilogues of the products: what backward recomputes equals what forward stored, bit for bit.
#ifndef ATTUNE_ACTIVATION_H
#define ATTUNE_ACTIVATION_H

#include <type_traits>
#include <utility>

#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// The normal distribution up to x; e = exp(-x^2 / 2). The lower tail is e t p(t), t = 1 / (1 + 0.3 |x|), p a minimax
// fit with relative error 1.5e-7: unlike 1 + erf it does not cancel, and derivatives need the same exponential.
static inline vf normal_distribution(vf x, vf* e) {
  *e = vexp2_negative(x * x * splat(-0.5f * 1.44269504088896341f));
  vf t = 1.0f / fma(vabs(x), splat(0.3f), splat(1.0f));
  vf p = splat(3.5674888640642166e-2f);
  p = fma(p, t, splat(-1.5720349550247192e-1f));
  p = fma(p, t, splat(2.0635408163070679e-1f));
  p = fma(p, t, splat(-5.3684104233980179e-2f));
  p = fma(p, t, splat(1.2856183946132660e-1f));
  p = fma(p, t, splat(9.9913440644741058e-2f));
  p = fma(p, t, splat(1.2075396627187729e-1f));
  p = fma(p, t, splat(1.1962930113077164e-1f));
  vf tail = p * t * *e;
  return select(x < splat(0.0f), tail, 1.0f - tail);
}

// sigmoid(x) = 1 / (1 + exp(-x)); slope = sigmoid'(x). Through exp(-|x|) neither cancels. log2e_x is x log2(e).
static inline vf sigmoid(vf x, vf log2e_x, vf* slope) {
  vf e = vexp2_negative(-vabs(log2e_x));
  vf upper = 1.0f / (1.0f + e);
  vf lower = e * upper;
  *slope = lower * upper;
  return select(x < splat(0.0f), lower, upper);
}

template <int kActivation>
static inline vf act(vf x);

// value = act(x), derivative = act'(x). NaN gives NaN in both.
template <int kActivation>
static inline void act_and_derivative(vf x, vf* value, vf* derivative) {
  constexpr float kLog2e = 1.44269504088896341f;
  const vf zero = splat(0.0f), one = splat(1.0f);
  if constexpr (kActivation == ATTUNE_ACT_GELU) {
    vf e;
    vf cdf = normal_distribution(x, &e);
    *value = x * cdf;
    *derivative = fma(x * splat(0.39894228040143268f), e, cdf);
  } else if constexpr (kActivation == ATTUNE_ACT_GELU_TANH) {
    // 0.5 (1 + tanh u) = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3). Beyond +-16 that is 0 or 1, and x^3 must
    // not overflow.
    constexpr float kScale = 1.5957691216057308f;
    vf c = vmin(splat(16.0f), vmax(splat(-16.0f), x));
    vf s = c * c;
    vf du2 = fma(s, splat(3.0f * kScale * 0.044715f), splat(kScale));
    vf slope;
    vf cdf = sigmoid(x, c * fma(s, splat(kScale * 0.044715f * kLog2e), splat(kScale * kLog2e)), &slope);
    *value = x * cdf;
    *derivative = fma(x, du2 * slope, cdf);
  } else if constexpr (kActivation == ATTUNE_ACT_TANH) {
    vf t = vtanh(x);
    *value = t;
    *derivative = fma(-t, t, one);
  } else if constexpr (kActivation == ATTUNE_ACT_RELU) {
    *value = select(x <= zero, zero, x);
    *derivative = select(x <= zero, zero, select(x != x, x, one));
  } else if constexpr (kActivation == ATTUNE_ACT_SILU) {
    vf slope;
    vf gate = sigmoid(x, x * splat(kLog2e), &slope);
    *value = x * gate;
    *derivative = fma(x, slope, gate);
  } else if constexpr (kActivation == ATTUNE_ACT_QUICK_GELU) {
    vf slope;
    vf gate = sigmoid(x, x * splat(1.702f * kLog2e), &slope);
    *value = x * gate;
    *derivative = fma(x, slope * splat(1.702f), gate);
  } else if constexpr (kActivation == ATTUNE_ACT_GELU_10) {
    act_and_derivative<ATTUNE_ACT_GELU>(x, value, derivative);
    *derivative = select(*value > splat(10.0f), zero, *derivative);
    *value = select(*value > splat(10.0f), splat(10.0f), *value);
  } else if constexpr (kActivation == ATTUNE_ACT_SIGMOID) {
    *value = sigmoid(x, x * splat(kLog2e), derivative);
  } else if constexpr (kActivation == ATTUNE_ACT_MISH) {
    // tanh(log(1 + e^x)) = a / (a + b) with a = (1 + e^x)^2 - 1, b = 2; above 0 both are times e^-2x.
    vf e = vexp2_negative(-vabs(x) * splat(kLog2e));
    vi below = x < zero;
    vf a = select(below, e * (e + 2.0f), fma(e, splat(2.0f), one));
    vf b = select(below, splat(2.0f), e * e * 2.0f);
    vf inverse = 1.0f / (a + b);
    vf t = a * inverse;
    vf slope = select(below, e, one) / (1.0f + e);
    *value = x * t;
    *derivative = fma(x, b * inverse * (1.0f + t) * slope, t);
  } else if constexpr (kActivation == ATTUNE_ACT_LAPLACE) {
    constexpr float kMean = 0.707107f, kDeviation = 0.282095f;
    vf e;
    *value = normal_distribution((x - kMean) * splat(1.0f / kDeviation), &e);
    *derivative = e * splat(0.39894228040143268f / kDeviation);
  } else if constexpr (kActivation == ATTUNE_ACT_LEAKY_RELU) {
    *value = select(x > zero, x, x * 0.01f);
    *derivative = select(x > zero, one, select(x != x, x, splat(0.01f)));
  } else if constexpr (kActivation == ATTUNE_ACT_RELU6) {
    act_and_derivative<ATTUNE_ACT_RELU>(x, value, derivative);
    *value = select(x >= splat(6.0f), splat(6.0f), *value);
    *derivative = select(x >= splat(6.0f), zero, *derivative);
  } else if constexpr (kActivation == ATTUNE_ACT_RELU_SQUARED) {
    vf r = act<ATTUNE_ACT_RELU>(x);
    *value = r * r;
    *derivative = r * 2.0f;
  } else if constexpr (kActivation == ATTUNE_ACT_HARD_SWISH) {
    *value = x * (act<ATTUNE_ACT_RELU6>(x + 3.0f) * splat(1.0f / 6.0f));
    vf inner = fma(x, splat(1.0f / 3.0f), splat(0.5f));
    *derivative = select(x <= splat(-3.0f), zero, select(x >= splat(3.0f), one, inner));
  } else {
    static_assert(kActivation == ATTUNE_ACT_NONE, "unknown activation");
    *value = x;
    *derivative = one;
  }
}

// The same value; the derivative's arithmetic is dead code here and disappears.
template <int kActivation>
static inline vf act(vf x) {
  vf value, derivative;
  act_and_derivative<kActivation>(x, &value, &derivative);
  return value;
}

// What an activation makes of each of the 65,536 values of bf16, by the functions above.
struct ActivationTable {
  float value[1 << 16];
  float derivative[1 << 16];
};

template <int kActivation>
static const ActivationTable& activation_table() {
  static const auto* const table = [] {
    static ActivationTable t;
    for (int64_t i = 0; i < 1 << 16; i += W) {
      vu bits;
      for (int l = 0; l < W; ++l) bits[l] = static_cast<uint32_t>(i + l) << 16;
      vf value, derivative;
      act_and_derivative<kActivation>((vf)bits, &value, &derivative);
      store(t.value + i, value);
      store(t.derivative + i, derivative);
    }
    return &t;
  }();
  return *table;
}

// table[i] in each lane.
static inline vf gather(const float* table, vu i) {
#if defined(__AVX512F__)
  return (vf)_mm512_mask_i32gather_ps(__m512{}, 0xFFFF, (__m512i)i, table, 4);
#else
  vf out;
  for (int l = 0; l < W; ++l) out[l] = table[i[l]];
  return out;
#endif
}

// An activation of values that are stored as T. Where kLooksUp, they come from the table, with the same bits: two
// gathers take half as long as the arithmetic on processors that have matrix tiles.
template <int kActivation, class T, bool kLooksUp>
class Activation {
 public:
  static constexpr bool kTable =
      kLooksUp && std::is_same_v<T, bf16> && kActivation != ATTUNE_ACT_NONE && kActivation != ATTUNE_ACT_RELU;

  Activation() {
    if constexpr (kTable) table_ = &activation_table<kActivation>();
  }
  vf value(vf x) const {
    if constexpr (kTable) {
      return gather(table_->value, (vu)x >> 16);
    } else {
      return act<kActivation>(x);
    }
  }
  vf derivative(vf x) const {
    if constexpr (kTable) {
      return gather(table_->derivative, (vu)x >> 16);
    } else {
      vf value, derivative;
      act_and_derivative<kActivation>(x, &value, &derivative);
      return derivative;
    }
  }
  void value_and_derivative(vf x, vf* value, vf* derivative) const {
    if constexpr (kTable) {
      *value = gather(table_->value, (vu)x >> 16);
      *derivative = gather(table_->derivative, (vu)x >> 16);
    } else {
      act_and_derivative<kActivation>(x, value, derivative);
    }
  }

 private:
  const ActivationTable* table_ = nullptr;
};

// Calls body(std::integral_constant<int, activation>) for an activation that products fuse; false for another one.
template <class Body>
static inline bool with_fused_activation(int32_t activation, Body&& body) {
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

// The same for every activation that there is; false for an unknown one.
template <class Body>
static inline bool with_activation(int32_t activation, Body&& body) {
  switch (activation) {
    case ATTUNE_ACT_QUICK_GELU: body(std::integral_constant<int, ATTUNE_ACT_QUICK_GELU>{}); return true;
    case ATTUNE_ACT_GELU_10: body(std::integral_constant<int, ATTUNE_ACT_GELU_10>{}); return true;
    case ATTUNE_ACT_SIGMOID: body(std::integral_constant<int, ATTUNE_ACT_SIGMOID>{}); return true;
    case ATTUNE_ACT_MISH: body(std::integral_constant<int, ATTUNE_ACT_MISH>{}); return true;
    case ATTUNE_ACT_LAPLACE: body(std::integral_constant<int, ATTUNE_ACT_LAPLACE>{}); return true;
    case ATTUNE_ACT_LEAKY_RELU: body(std::integral_constant<int, ATTUNE_ACT_LEAKY_RELU>{}); return true;
    case ATTUNE_ACT_RELU6: body(std::integral_constant<int, ATTUNE_ACT_RELU6>{}); return true;
    case ATTUNE_ACT_RELU_SQUARED: body(std::integral_constant<int, ATTUNE_ACT_RELU_SQUARED>{}); return true;
    case ATTUNE_ACT_HARD_SWISH: body(std::integral_constant<int, ATTUNE_ACT_HARD_SWISH>{}); return true;
    default: return with_fused_activation(activation, body);
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
