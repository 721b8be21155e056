// Binary cross-entropy of independent labels from logits, loss and gradient together.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int64_t kBlock = 2048;  // elements whose losses are added in f32; the blocks are added in double

// log(1 + e) for e in [0, 1], with a small relative error where e is small: 2 atanh(s), s = e / (2 + e) up to 1/3.
inline vf log1p_of(vf e) {
  const vf s = e / (e + 2.0f), t = s * s;
  vf p = splat(2.0f / 15.0f);
  p = fma(p, t, splat(2.0f / 13.0f));
  p = fma(p, t, splat(2.0f / 11.0f));
  p = fma(p, t, splat(2.0f / 9.0f));
  p = fma(p, t, splat(2.0f / 7.0f));
  p = fma(p, t, splat(2.0f / 5.0f));
  p = fma(p, t, splat(2.0f / 3.0f));
  return fma(p * t, s, s + s);
}

template <class T>
float row_loss(T* dlogits, const T* logits, const float* targets, const float* pos_weight, int64_t K, float factor) {
  double loss = 0;
  for (int64_t begin = 0; begin < K; begin += kBlock) {
    vf total = splat(0.0f);
    for_vectors(begin, begin + kBlock < K ? begin + kBlock : K, [&](int64_t k, auto lanes) ATTUNE_INLINE_BODY {
      const vf x = load(logits + k, lanes), t = load(targets + k, lanes);
      const vf negative = 1.0f - t, positive = pos_weight != nullptr ? t * load(pos_weight + k, lanes) : t;
      const vf e = vexp(-vabs(x)), tail = log1p_of(e);
      // Of a NaN and a number both are the second.
      const vf above = vmax(splat(0.0f), x) + tail, below = vmax(splat(0.0f), -x) + tail;
      total += keep(negative * above + positive * below, lanes);
      if (dlogits != nullptr) {
        const vf one = 1.0f / (e + 1.0f), other = e * one;
        const vi sign = x >= 0.0f;
        store(dlogits + k, (negative * select(sign, one, other) - positive * select(sign, other, one)) * factor, lanes);
      }
    });
    loss += static_cast<double>(sum(total));
  }
  return static_cast<float>(loss / static_cast<double>(K));
}

}  // namespace

attune_status binary_cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                                   const float* targets, const float* pos_weight, int64_t N, int64_t K, float scale,
                                   int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  const float factor = static_cast<float>(static_cast<double>(scale) / static_cast<double>(K));
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    parallel_range(ctx, N, grain_or_alone(N, K, 4096 / K + 1), [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t n = begin; n < end; ++n) {
        losses[n] = row_loss(dlogits != nullptr ? static_cast<T*>(dlogits) + n * K : nullptr,
                             static_cast<const T*>(logits) + n * K, targets + n * K, pos_weight, K, factor);
      }
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
