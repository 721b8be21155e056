// AdamW with moments in blocks of 8-bit codes. A block's moments are widened, updated and measured in one pass that
// reads and writes the memory; they stay in the L1 until the block's new scales are known, by which they are coded.
#include <cfloat>
#include <cstring>

#include "adamw.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "moment_codes.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int64_t kBlock = ATTUNE_MOMENT_BLOCK;
// Blocks of a task.
constexpr int64_t kGrain = 64;
// Memory is asked for so many elements while one is coded: coding a block leaves it idle otherwise.
constexpr int64_t kAhead = 1024;

// Asks for `count` elements.
template <class T>
static inline void fetch(const T* p, int64_t count) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < count; i += kLine) __builtin_prefetch(p + i, 1);
}

struct AdamW8Bit {
  float* weight;
  uint8_t* m;
  float* m_scale;
  uint8_t* v;
  float* v_scale;
  bf16* shadow;  // may be null
  const float* grad;
  float decay, beta2, one_minus_beta1, one_minus_beta2, step, eps, grad_scale;

  // One of kBlock elements. Not inlined: the compiler would fuse eps * correction, which is rounded
  // before, into the sum with the root, and the device would have other bits.
  __attribute__((noinline)) void update() const {
    const AdamW8Bit a = *this;
    alignas(64) float new_m[kBlock], new_v[kBlock];
    vf most_m = splat(0.0f), most_v = splat(0.0f);
    const BlockLines m_lines(*a.m_scale), v_lines(*a.v_scale);
    for (int64_t i = 0; i < kBlock; i += W) {
      const vf g = rounded(load(a.grad + i) * a.grad_scale);
      vf mean = m_lines.of_signed(load_codes(a.m + i));
      vf square = v_lines.of_unsigned(load_codes(a.v + i));
      mean = fma(g - mean, splat(a.one_minus_beta1), mean);
      square = fma(g * g, splat(a.one_minus_beta2), rounded(square * a.beta2));
      const vf w = decayed(load(a.weight + i), a.decay) - mean * a.step / (vsqrt(square) + a.eps);
      square = vmin(square, splat(FLT_MAX));
      store(a.weight + i, w);
      if (a.shadow != nullptr) store(a.shadow + i, w);
      store(new_m + i, mean);
      store(new_v + i, square);
      most_m = vmax(most_m, vabs(mean));
      most_v = vmax(most_v, square);
    }
    const float by_m = rescale(a.m_scale, max(most_m)), by_v = rescale(a.v_scale, max(most_v));
    for (int64_t i = 0; i < kBlock; i += 4 * W) {
      fetch(a.weight + kAhead + i, 4 * W);
      fetch(a.grad + kAhead + i, 4 * W);
      vi codes[4];
      for (int k = 0; k < 4; ++k) codes[k] = encode_signed(load(new_m + i + k * W) * by_m);
      store_codes(a.m + i, codes);
    }
    for (int64_t i = 0; i < kBlock; i += 4 * W) {
      fetch(a.m + kAhead + i, 4 * W);
      fetch(a.v + kAhead + i, 4 * W);
      if (a.shadow != nullptr) fetch(a.shadow + kAhead + i, 4 * W);
      vi codes[4];
      for (int k = 0; k < 4; ++k) {
        const vf square = load(new_v + i + k * W);
        codes[k] = encode_unsigned(square * by_v, square);
      }
      store_codes(a.v + i, codes);
    }
  }

  // Of less than kBlock elements.
  void update_part(int64_t n) const {
    const auto size = static_cast<size_t>(n);
    alignas(64) float whole_weight[kBlock] = {}, whole_grad[kBlock] = {};
    alignas(64) uint8_t whole_m[kBlock], whole_v[kBlock] = {};
    bf16 whole_shadow[kBlock];
    std::memset(whole_m, kSignedZero, sizeof(whole_m));
    std::memcpy(whole_weight, weight, size * sizeof(*weight));
    std::memcpy(whole_grad, grad, size * sizeof(*grad));
    std::memcpy(whole_m, m, size);
    std::memcpy(whole_v, v, size);
    AdamW8Bit whole = *this;
    whole.weight = whole_weight;
    whole.m = whole_m;
    whole.v = whole_v;
    whole.shadow = whole_shadow;
    whole.grad = whole_grad;
    whole.update();
    std::memcpy(weight, whole_weight, size * sizeof(*weight));
    std::memcpy(m, whole_m, size);
    std::memcpy(v, whole_v, size);
    if (shadow != nullptr) std::memcpy(shadow, whole_shadow, size * sizeof(*shadow));
  }

  AdamW8Bit at(int64_t block) const {
    const int64_t first = block * kBlock;
    AdamW8Bit a = *this;
    a.weight += first;
    a.m += first;
    a.m_scale += block;
    a.v += first;
    a.v_scale += block;
    if (shadow != nullptr) a.shadow += first;
    a.grad += first;
    return a;
  }

 private:
  // Sets the scale of moments of which `most` is the largest, and gives its inverse.
  static inline float rescale(float* scale, float most) {
    const float by = most > kLeastScale ? most : kLeastScale;
    *scale = most > 0.0f ? by : 0.0f;
    return 1.0f / by;
  }
};

}  // namespace

attune_status adamw_8bit(attune_context* ctx, float* weight, uint8_t* m, float* m_scale, uint8_t* v, float* v_scale,
                         void* shadow, const float* grad, int64_t count, float beta1, float beta2, float eps,
                         float weight_decay, float lr_factor) {
  const StepBlock& now = ctx->step;
  if (count == 0 || now.stopped != 0) return ATTUNE_OK;
  const float lr = now.lr * lr_factor;
  // step m / (sqrt(v) / correction + eps), without its second quotient.
  const float correction = __builtin_sqrtf(now.bias_correction2);
  const AdamW8Bit adam = {weight,
                          m,
                          m_scale,
                          v,
                          v_scale,
                          static_cast<bf16*>(shadow),
                          grad,
                          lr * weight_decay,
                          beta2,
                          1.0f - beta1,
                          1.0f - beta2,
                          lr / now.bias_correction1 * correction,
                          eps * correction,
                          now.grad_scale};
  parallel_range(ctx, (count + kBlock - 1) / kBlock, kGrain, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t n = count - block * kBlock;
      n < kBlock ? adam.at(block).update_part(n) : adam.at(block).update();
    }
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
