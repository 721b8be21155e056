// Vector functions of the attention kernels: exp2 and log without the cases that a softmax cannot
// meet, and a transpose of W x W cells.
#ifndef ATTUNE_ATTENTION_MATH_H
#define ATTUNE_ATTENTION_MATH_H

#include <cstring>
#include <utility>

#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// The larger of a and b; b where either is NaN. The ternary maps to one instruction.
static inline vf larger(vf a, vf b) { return a > b ? a : b; }

// 2^x for x up to 127; 0 below -126 (and for -inf), NaN stays NaN. Minimax polynomials on [-0.5, 0.5]
// with constant term 1 (own fit, relative): 2e-9 for f32; 3e-6 where the result is rounded to bf16.
template <bool Rounded>
static inline vf exp2_of(vf x) {
  x = larger(splat(-127.0f), x);
  // 1.5 * 2^23 rounds to an integer; the added 127 makes its low bits the biased exponent, which is 0
  // (so the factor is 0) at -127.
  const vf shift = splat(12582912.0f + 127.0f);
  vf shifted = x + shift;
  vf f = x - (shifted - shift);
  vf factor = (vf)((vu)shifted << 23);
  vf p;
  if constexpr (Rounded) {
    p = splat(9.582853095e-03f);
    p = fma(p, f, splat(5.590642460e-02f));
    p = fma(p, f, splat(2.402409861e-01f));
    p = fma(p, f, splat(6.931241934e-01f));
  } else {
    p = splat(1.535336196e-04f);
    p = fma(p, f, splat(1.339887440e-03f));
    p = fma(p, f, splat(9.618437357e-03f));
    p = fma(p, f, splat(5.550332471e-02f));
    p = fma(p, f, splat(2.402264791e-01f));
    p = fma(p, f, splat(6.931472029e-01f));
  }
  return fma(p, f, splat(1.0f)) * factor;
}

// Natural logarithm of a positive normal x. Of anything else it is some number that means nothing, of NaN
// too: what is written beside it carries NaN on. atanh series around 1 after taking the exponent out,
// mantissa in [sqrt(1/2), sqrt(2)).
static inline vf log_of(vf x) {
  vi bits = (vi)x;
  vi exponent = (bits - 0x3F3504F3) >> 23;
  vf mantissa = (vf)(bits - (exponent << 23));
  vf s = (mantissa - 1.0f) / (mantissa + 1.0f);
  vf t = s * s;
  vf p = splat(2.0f / 9.0f);
  p = fma(p, t, splat(2.0f / 7.0f));
  p = fma(p, t, splat(2.0f / 5.0f));
  p = fma(p, t, splat(2.0f / 3.0f));
  p = fma(p, t, splat(2.0f));
  return fma(__builtin_convertvector(exponent, vf), splat(0.693147180559945f), p * s);
}

template <int Distance, size_t... L>
static inline void exchange(vf& a, vf& b, std::index_sequence<L...>) {
  constexpr size_t d = Distance;
  vf low = __builtin_shufflevector(a, b, ((L & d) ? size_t{W} + L - d : L)...);
  vf high = __builtin_shufflevector(a, b, ((L & d) ? size_t{W} + L : L + d)...);
  a = low;
  b = high;
}

template <int Distance>
static inline void exchange_all(vf (&rows)[W]) {
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) {
    if ((i & Distance) == 0) exchange<Distance>(rows[i], rows[i + Distance], std::make_index_sequence<W>());
  }
}

// Transposes W rows of W 32-bit cells by log2(W) rounds of exchanges.
static inline void transpose(vf (&rows)[W]) {
  if constexpr (W > 8) exchange_all<8>(rows);
  if constexpr (W > 4) exchange_all<4>(rows);
  exchange_all<2>(rows);
  exchange_all<1>(rows);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
