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
