// Sums of squares of f32 values, in f64.
#ifndef ATTUNE_SQUARES_H
#define ATTUNE_SQUARES_H

#include <cstdint>
#include <cstring>

#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// A running sum over values that come in pieces.
class Squares {
 public:
  static constexpr int kStep = W / 2 * 4;  // values that are added at once

  // The values of n more. Each fourth vector of half a register goes to the same sums, which hides their latency.
  inline __attribute__((always_inline)) void add(const float* inp, int64_t n) {
    int64_t i = 0;
    for (; i + kStep <= n; i += kStep) {
#pragma GCC unroll 4
      for (int s = 0; s < 4; ++s) {
        const half_vd wide = widened(inp + i + s * kHalf);
        sums_[s] += wide * wide;
      }
    }
    for (; i < n; ++i) rest_ += static_cast<double>(inp[i]) * static_cast<double>(inp[i]);
  }

  double total() const {
    const half_vd all = (sums_[0] + sums_[1]) + (sums_[2] + sums_[3]);
    double out = 0;
    for (int lane = 0; lane < kHalf; ++lane) out += all[lane];
    return out + rest_;
  }

 private:
  static constexpr int kHalf = W / 2;
  typedef float half_vf __attribute__((vector_size(W * 2)));
  typedef double half_vd __attribute__((vector_size(W * 4)));

  static inline half_vd widened(const float* inp) {
#if defined(__AVX512F__)
    // Of the vector that it has loaded GCC 12 converts the halves one by one.
    return (half_vd)_mm512_maskz_cvtps_pd(0xFF, _mm256_loadu_ps(inp));
#else
    half_vf x;
    std::memcpy(&x, inp, sizeof(x));
    return __builtin_convertvector(x, half_vd);
#endif
  }

  half_vd sums_[4] = {};
  double rest_ = 0;
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
