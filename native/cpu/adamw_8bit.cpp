// AdamW with moments in blocks of 8-bit codes. A block's moments are widened, updated and measured in one pass that
// reads and writes the memory; they stay in the L1 until the block's new scales are known, by which they are coded.
#include <cfloat>
#include <cstring>

#include "adamw.h"
#include "context.h"
#include "dynamic_map.h"
#include "kernels.h"
#include "lanes.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int64_t kBlock = ATTUNE_MOMENT_BLOCK;
// Blocks of a task.
constexpr int64_t kGrain = 64;

typedef uint8_t vb __attribute__((vector_size(W)));

static inline vi load_codes(const uint8_t* p, Full) {
  vb codes;
  std::memcpy(&codes, p, sizeof(codes));
  return __builtin_convertvector(codes, vi);
}
static inline vi load_codes(const uint8_t* p, First lanes) {
  vb codes = {};
  std::memcpy(&codes, p, static_cast<size_t>(lanes.n));
  return __builtin_convertvector(codes, vi);
}
static inline void store_codes(uint8_t* p, vi value, Full) {
  const vb codes = __builtin_convertvector(value, vb);
  std::memcpy(p, &codes, sizeof(codes));
}
static inline void store_codes(uint8_t* p, vi value, First lanes) {
  const vb codes = __builtin_convertvector(value, vb);
  std::memcpy(p, &codes, static_cast<size_t>(lanes.n));
}

// Where x, from 0 to 1 (what is no number counts as 1), is among the bins of the map with a sign; half of its place
// among those of the other.
static inline vf position(vf x) {
  x = vmin(x, splat(1.0f));
  vf y = splat(static_cast<float>(kDynamicOne));
#define ATTUNE_DECADE(slope, offset, width, start) y = vmin(y, fma(x, splat(slope), splat(offset)));
  ATTUNE_DECADES(ATTUNE_DECADE)
#undef ATTUNE_DECADE
  return y;
}

// What a bin at this position stands for; 0 below the first.
static inline vf middle(vf y) {
  vf x = splat(0.0f);
#define ATTUNE_DECADE(slope, offset, width, start) x = vmax(x, fma(y, splat(width), splat(start)));
  ATTUNE_DECADES(ATTUNE_DECADE)
#undef ATTUNE_DECADE
  return vmin(x, splat(1.0f));
}

// The bin whose middle is nearest, `one` from where 1 is.
static inline vi nearest(vf y, int32_t one) {
  const vi bin = __builtin_convertvector(y, vi);
  const vf over = y - __builtin_convertvector(bin, vf);
  const vi opens_decade = (bin & (bin - 1)) == 0;
  const vi code = bin + (opens_decade & (vi)(over < splat(kNearerBelow)));
  const vi is_one = (vi)(y >= splat(static_cast<float>(one) - kNearerOne));
  return is_one ? vi{} + one : code;
}

// With a sign: 127 is 0, 127 + j bin j, 127 - j its negative, 255 is 1.
static inline vf decode_signed(vi code) {
  const vf j = __builtin_convertvector(code - 127, vf);
  const vf x = middle(vabs(j) + 0.5f);
  return (vf)((vu)x | ((vu)j & 0x80000000u));
}
static inline vi encode_signed(vf x) {
  const vi j = nearest(position(vabs(x)), kDynamicOne);
  // -1 has no code.
  return x < splat(0.0f) ? 127 - (j > 127 ? vi{} + 127 : j) : 127 + j;
}

// Without a sign: 0 is 0, j - 1 bin j, 255 is 1.
static inline vf decode_unsigned(vi code) {
  return middle(fma(__builtin_convertvector(code, vf), splat(0.5f), splat(0.75f)));
}
// What is above 0 never becomes 0: a second moment that vanishes beside a first one that does not would make a step of
// any size.
static inline vi encode_unsigned(vf x, vi is_positive) {
  const vi code = nearest(position(x) * 2.0f, 2 * kDynamicOne) - 1;
  return code > 0 ? code : is_positive & 1;
}

struct AdamW8Bit {
  float* weight;
  uint8_t* m;
  float* m_scale;
  uint8_t* v;
  float* v_scale;
  bf16* shadow;  // may be null
  const float* grad;
  float decay, beta2, one_minus_beta1, one_minus_beta2, step, sqrt_correction2, eps, grad_scale;

  void update(int64_t block, int64_t count) const {
    const AdamW8Bit a = *this;
    const int64_t first = block * kBlock;
    const int64_t n = count - first < kBlock ? count - first : kBlock;
    alignas(64) float new_m[kBlock], new_v[kBlock];
    vf most_m = splat(0.0f), most_v = splat(0.0f);
    const float old_m_scale = m_scale[block], old_v_scale = v_scale[block];
    for_vectors(0, n, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(a.weight + first + i, lanes);
      vf mean = decode_signed(load_codes(a.m + first + i, lanes)) * old_m_scale;
      vf square = decode_unsigned(load_codes(a.v + first + i, lanes)) * old_v_scale;
      adamw_update(a, load(a.grad + first + i, lanes) * a.grad_scale, w, mean, square);
      square = vmin(square, splat(FLT_MAX));
      store(a.weight + first + i, w, lanes);
      if (a.shadow != nullptr) store(a.shadow + first + i, w, lanes);
      store(new_m + i, mean);
      store(new_v + i, square);
      most_m = vmax(most_m, keep(vabs(mean), lanes));
      most_v = vmax(most_v, keep(square, lanes));
    });
    m_scale[block] = max(most_m);
    v_scale[block] = max(most_v);
    // A block of zeros has no scale: 0 of 1 is 0 too.
    const float by_m = m_scale[block] > 0.0f ? m_scale[block] : 1.0f;
    const float by_v = v_scale[block] > 0.0f ? v_scale[block] : 1.0f;
    for_vectors(0, n, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      const vf mean = load(new_m + i), square = load(new_v + i);
      store_codes(a.m + first + i, encode_signed(mean / by_m), lanes);
      store_codes(a.v + first + i, encode_unsigned(square / by_v, (vi)(square > splat(0.0f))), lanes);
    });
  }
};

}  // namespace

attune_status adamw_8bit(attune_context* ctx, float* weight, uint8_t* m, float* m_scale, uint8_t* v, float* v_scale,
                         void* shadow, const float* grad, int64_t count, float beta1, float beta2, float eps,
                         float weight_decay, float lr_factor) {
  const StepBlock& now = ctx->step;
  if (count == 0 || now.stopped != 0) return ATTUNE_OK;
  const float lr = now.lr * lr_factor;
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
                          lr / now.bias_correction1,
                          __builtin_sqrtf(now.bias_correction2),
                          eps,
                          now.grad_scale};
  parallel_range(ctx, (count + kBlock - 1) / kBlock, kGrain, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t block = begin; block < end; ++block) adam.update(block, count);
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
