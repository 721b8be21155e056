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

// Where x, from 0 to 1 (what is no number counts as 1), is among the bins of the map with a sign; half of its place
// among those of the other.
__device__ __forceinline__ float position(float x) {
  x = fminf(x, 1.0f);
  float y = kDynamicOne;
#define ATTUNE_DECADE(slope, offset, width, start) y = fminf(y, fmaf(x, slope, offset));
  ATTUNE_DECADES(ATTUNE_DECADE)
#undef ATTUNE_DECADE
  return y;
}

// What a bin at this position stands for; 0 below the first.
__device__ __forceinline__ float middle(float y) {
  float x = 0.0f;
#define ATTUNE_DECADE(slope, offset, width, start) x = fmaxf(x, fmaf(y, width, start));
  ATTUNE_DECADES(ATTUNE_DECADE)
#undef ATTUNE_DECADE
  return fminf(x, 1.0f);
}

// The bin whose middle is nearest, `one` from where 1 is.
__device__ __forceinline__ int nearest(float y, int one) {
  if (y >= static_cast<float>(one) - kNearerOne) return one;
  const int bin = static_cast<int>(y);
  const bool opens_decade = (bin & (bin - 1)) == 0;
  return opens_decade && y - static_cast<float>(bin) < kNearerBelow ? bin - 1 : bin;
}

// With a sign: 127 is 0, 127 + j bin j, 127 - j its negative, 255 is 1.
__device__ __forceinline__ float decode_signed(int code) {
  const float j = static_cast<float>(code - 127);
  return copysignf(middle(fabsf(j) + 0.5f), j);
}
__device__ __forceinline__ int encode_signed(float x) {
  const int j = nearest(position(fabsf(x)), kDynamicOne);
  // -1 has no code.
  return x < 0.0f ? 127 - (j < 127 ? j : 127) : 127 + j;
}

// Without a sign: 0 is 0, j - 1 bin j, 255 is 1.
__device__ __forceinline__ float decode_unsigned(int code) {
  return middle(fmaf(static_cast<float>(code), 0.5f, 0.75f));
}
// What is above 0 never becomes 0: a second moment that vanishes beside a first one that does not would make a step of
// any size.
__device__ __forceinline__ int encode_unsigned(float x, bool is_positive) {
  const int code = nearest(position(x) * 2.0f, 2 * kDynamicOne) - 1;
  const int least = is_positive ? 1 : 0;
  return code > least ? code : least;
}

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
    const float step = lr / values->bias_correction1;
    const float sqrt_correction2 = sqrtf(values->bias_correction2);
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
      mean[k] = mul_rounded(decode_signed(m[i]), old_m_scale);
      square[k] = mul_rounded(decode_unsigned(v[i]), old_v_scale);
      w = fmaf(w, -decay, w);
      mean[k] = fmaf(g - mean[k], one_minus_beta1, mean[k]);
      square[k] = fmaf(mul_rounded(g, g), one_minus_beta2, mul_rounded(square[k], beta2));
      w -= mul_rounded(mean[k], step) / (sqrtf(square[k]) / sqrt_correction2 + eps);
      square[k] = fminf(square[k], kMost);
      weight[i] = w;
      if (shadow != nullptr) shadow[i] = from_float<bf16>(w);
      most_m = fmaxf(most_m, fabsf(mean[k]));
      most_v = fmaxf(most_v, square[k]);
    }
    most_m = warp_reduce(most_m, Max{});
    most_v = warp_reduce(most_v, Max{});
    // A block of zeros has no scale: 0 of 1 is 0 too.
    const float by_m = most_m > 0.0f ? most_m : 1.0f, by_v = most_v > 0.0f ? most_v : 1.0f;
#pragma unroll
    for (int k = 0; k < kOfLane; ++k) {
      const int64_t i = block * kBlock + k * kWarp + lane;
      if (i >= count) continue;
      m[i] = static_cast<uint8_t>(encode_signed(mean[k] / by_m));
      v[i] = static_cast<uint8_t>(encode_unsigned(square[k] / by_v, square[k] > 0.0f));
    }
    if (lane == 0) {
      m_scale[block] = most_m;
      v_scale[block] = most_v;
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
