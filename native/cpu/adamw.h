// One update of AdamW in registers.
#ifndef ATTUNE_ADAMW_H
#define ATTUNE_ADAMW_H

#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

static inline vf decayed(vf w, float decay) { return fma(w, splat(-decay), w); }

// Numbers: decay, one_minus_beta1, beta2, one_minus_beta2, step, sqrt_correction2, eps of the step; g is scaled.
template <class Numbers>
static inline __attribute__((always_inline)) void adamw_update(const Numbers& a, vf g, vf& w, vf& m, vf& v) {
  w = decayed(w, a.decay);
  m = fma(g - m, splat(a.one_minus_beta1), m);
  v = fma(g * g, splat(a.one_minus_beta2), v * a.beta2);
  w -= m * a.step / (vsqrt(v) / a.sqrt_correction2 + a.eps);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
