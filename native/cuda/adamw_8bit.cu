// AdamW with moments in blocks of 8-bit codes: a warp a block, eight elements a lane, which it keeps in registers until
// the block's new scales are known. Bytes per element: 16 (2 more with the shadow).
#include "../common/dynamic_map.h"
#include "reduce.cuh"
#include "rows.cuh"

namespace attune::cuda {

namespace {

constexpr int kBlock = ATTUNE_MOMENT_BLOCK;
constexpr int kOfLane = kBlock / kWarp;
constexpr float kMost = 3.402823466e38f;

// Where x, from kLeastShare to 1, is among the bins of the map with a sign; half of its place among those of the other.
__device__ __forceinline__ float position(float x) {
  float y = 2 * kDynamicOne;
#define ATTUNE_DECADE(slope, offset, width, start) y = fminf(y, fmaf(x, slope, offset));
  ATTUNE_DECADES(ATTUNE_DECADE)
#undef ATTUNE_DECADE
  return y;
}

// What a bin at this position stands for in a block of such a scale; 0 below the first.
__device__ __forceinline__ float middle(float y, float scale) {
  float x = 0.0f;
#define ATTUNE_DECADE(slope, offset, width, start) \
  x = fmaxf(x, fmaf(y, mul_rounded(width, scale), mul_rounded(start, scale)));
  ATTUNE_DECADES(ATTUNE_DECADE)
#undef ATTUNE_DECADE
  return fminf(x, scale);
}

// The bin whose middle is nearest, `one` from where 1 is.
__device__ __forceinline__ int nearest(float y, int one) {
  if (y >= static_cast<float>(one) - kNearerOne) return one;
  // Below this the exponent is that of the decade below.
  const float below = y - kNearerBelow;
  const bool crossed = ((as_bits(y) ^ as_bits(below)) & kExponentBits) != 0;
  return static_cast<int>(y) - (crossed ? 1 : 0);
}

// With a sign: 127 is 0, 127 + j bin j, 127 - j its negative, 255 is 1.
__device__ __forceinline__ float decode_signed(int code, float scale) {
  const float j = static_cast<float>(code - 127);
  return copysignf(middle(fabsf(j) + 0.5f, scale), j);
}
__device__ __forceinline__ int encode_signed(float x) {
  const int j = nearest(position(fmaxf(fabsf(x), kLeastShare)), kDynamicOne);
  // -1 has no code.
  return x < 0.0f ? 127 - (j < 127 ? j : 127) : 127 + j;
}

// Without a sign: 0 is 0, j - 1 bin j, 255 is 1.
__device__ __forceinline__ float decode_unsigned(int code, float scale) {
  return middle(fmaf(static_cast<float>(code), 0.5f, 0.75f), scale);
}
// What is above 0 never becomes 0: a second moment that vanishes beside a first one that does not would make a step of
// any size.
__device__ __forceinline__ int encode_unsigned(float x, bool is_positive) {
  const int code = nearest(position(fmaxf(x, kLeastShare)) * 2.0f, 2 * kDynamicOne) - 1;
  const int least = is_positive ? 1 : 0;
  return code > least ? code : least;
}

// The scale of moments of which `most` is the largest.
__device__ __forceinline__ float scale_of(float most) { return most > 0.0f ? fmaxf(most, kLeastScale) : 0.0f; }
__device__ __forceinline__ float inverse(float scale) { return 1.0f / fmaxf(scale, kLeastScale); }

struct AdamW8Bit {
  float* weight;
  uint8_t* m;
  float* m_scale;
  uint8_t* v;
  float* v_scale;
  bf16* shadow;  // may be null
  const float* grad;
  int64_t count;
  float beta2, one_minus_beta1, one_minus_beta2, eps, weight_decay, lr_factor;
  const StepBlock* values;

  // A row here is a block.
  template <int V>
  __device__ void row(int64_t block, int lane) const {
    if (values->stopped != 0) return;
    const float lr = mul_rounded(values->lr, lr_factor);
    const float decay = mul_rounded(lr, weight_decay);
    // step m / (sqrt(v) / correction + eps), without its second quotient.
    const float correction = sqrtf(values->bias_correction2);
    const float step = mul_rounded(lr / values->bias_correction1, correction);
    const float least_root = mul_rounded(eps, correction);
    const float grad_scale = values->grad_scale;
    const float old_m_scale = m_scale[block], old_v_scale = v_scale[block];
    float mean[kOfLane] = {}, square[kOfLane] = {};
    float most_m = 0.0f, most_v = 0.0f;
#pragma unroll
    for (int k = 0; k < kOfLane; ++k) {
      const int64_t i = block * kBlock + k * kWarp + lane;
      if (i >= count) continue;
      const float g = mul_rounded(grad[i], grad_scale);
      float w = weight[i];
      mean[k] = decode_signed(m[i], old_m_scale);
      square[k] = decode_unsigned(v[i], old_v_scale);
      w = fmaf(w, -decay, w);
      mean[k] = fmaf(g - mean[k], one_minus_beta1, mean[k]);
      square[k] = fmaf(mul_rounded(g, g), one_minus_beta2, mul_rounded(square[k], beta2));
      w -= mul_rounded(mean[k], step) / (sqrtf(square[k]) + least_root);
      square[k] = fminf(square[k], kMost);
      weight[i] = w;
      if (shadow != nullptr) shadow[i] = from_float<bf16>(w);
      most_m = fmaxf(most_m, fabsf(mean[k]));
      most_v = fmaxf(most_v, square[k]);
    }
    const float new_m_scale = scale_of(warp_reduce(most_m, Max{})), by_m = inverse(new_m_scale);
    const float new_v_scale = scale_of(warp_reduce(most_v, Max{})), by_v = inverse(new_v_scale);
#pragma unroll
    for (int k = 0; k < kOfLane; ++k) {
      const int64_t i = block * kBlock + k * kWarp + lane;
      if (i >= count) continue;
      m[i] = static_cast<uint8_t>(encode_signed(mul_rounded(mean[k], by_m)));
      v[i] = static_cast<uint8_t>(encode_unsigned(mul_rounded(square[k], by_v), square[k] > 0.0f));
    }
    if (lane == 0) {
      m_scale[block] = new_m_scale;
      v_scale[block] = new_v_scale;
    }
  }
};

}  // namespace

attune_status adamw_8bit(attune_context* ctx, float* weight, uint8_t* m, float* m_scale, uint8_t* v, float* v_scale,
                         void* shadow, const float* grad, int64_t count, float beta1, float beta2, float eps,
                         float weight_decay, float lr_factor) {
  if (count == 0) return ATTUNE_OK;
  const AdamW8Bit adam = {weight,       m,
                          m_scale,      v,
                          v_scale,      static_cast<bf16*>(shadow),
                          grad,         count,
                          beta2,        1.0f - beta1,
                          1.0f - beta2, eps,
                          weight_decay, lr_factor,
                          ctx->step()};
  return launch_rows<1>(ctx, adam, ceil_div(count, kBlock), false);
}

}  // namespace attune::cuda
