// The most that a thread of this level can multiply: products in registers alone, in chains of sums enough to hide the
// latency of one another. What a step reaches is measured against this.
#include "amx.h"
#include "kernels.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int kChains = 12;

// The sums stay where an optimizer cannot see what becomes of them.
inline void keep(vf (&sums)[kChains]) {
  for (vf& sum : sums) __asm__ volatile("" : "+x"(sum));
}

int64_t multiply_add(int64_t steps) {
  vf sums[kChains] = {};
  vf factor = splat(0.999f);
  vf addend = splat(0.001f);
  for (int64_t step = 0; step < steps; ++step) {
    for (vf& sum : sums) sum = sum * factor + addend;
    keep(sums);
  }
  return steps * kChains * W * 2;
}

#if defined(ATTUNE_TILES)
int64_t tile_products(int64_t steps) {
  tmm::Session session;
  tmm::zero<4>();
  tmm::zero<5>();
  for (int64_t step = 0; step < steps; ++step) {
    tmm::product<0, 4, 5>();
    tmm::product<1, 4, 5>();
    tmm::product<2, 4, 5>();
    tmm::product<3, 4, 5>();
  }
  return steps * 4 * 2 * tmm::kRows * tmm::kRows * tmm::kDepth;
}
#elif defined(ATTUNE_BF16_DOTS)
int64_t dot_products(int64_t steps) {
  vf sums[kChains] = {};
  __m512bh factor = (__m512bh)_mm512_set1_epi32(0x3c003c00);
  for (int64_t step = 0; step < steps; ++step) {
    for (vf& sum : sums) sum = (vf)_mm512_dpbf16_ps((__m512)sum, factor, factor);
    keep(sums);
  }
  return steps * kChains * 2 * W * 2;
}
#endif

}  // namespace

// Works for some microseconds per hundred steps; returns the operations done.
int64_t peak(int32_t dtype, int64_t steps) {
#if defined(ATTUNE_TILES)
  if (dtype == ATTUNE_BF16) return tile_products(steps);
#elif defined(ATTUNE_BF16_DOTS)
  if (dtype == ATTUNE_BF16) return dot_products(steps);
#else
  (void)dtype;
#endif
  return multiply_add(steps);
}

}  // namespace ATTUNE_ISA
}  // namespace attune
