// Optimizers over the flat store: persistent flat kernels, each element read and written once.
// Bytes per element: AdamW 28, with bf16 moments 20 (2 more with the shadow), SGD 12 (20 with momentum; 2 more with the
// shadow).
#include "../common/philox.h"
#include "device.cuh"
#include "vectors.cuh"

namespace attune::cuda {

namespace {

constexpr int kVectorF32 = kVector<float>;

// M: the type of the moments.
template <class M>
struct AdamW {
  float* weight;
  M* m;
  M* v;
  bf16* shadow;  // may be null
  const float* grad;
  float decay, beta2, one_minus_beta1, one_minus_beta2, step, sqrt_correction2, eps, grad_scale;
  uint64_t seed, stream;  // of the rounding of bf16 moments
  int64_t first;          // number of element 0

  // Roundings are spelled out, so that the dense and the row-wise kernel agree in every bit.
  template <int V, bool HasGrad>
  __device__ __forceinline__ void update(int64_t i) const {
    float w[V], mean[V], square[V], g[V] = {};
    load(w, weight + i);
    load(mean, m + i);
    load(square, v + i);
    if constexpr (HasGrad) load(g, grad + i);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      g[k] = mul_rounded(g[k], grad_scale);
      w[k] = fmaf(w[k], -decay, w[k]);
      mean[k] = fmaf(g[k] - mean[k], one_minus_beta1, mean[k]);
      square[k] = fmaf(mul_rounded(g[k], g[k]), one_minus_beta2, mul_rounded(square[k], beta2));
      w[k] -= mul_rounded(mean[k], step) / (sqrtf(square[k]) / sqrt_correction2 + eps);
    }
    store(weight + i, w);
    if constexpr (!std::is_same_v<M, float>) round_at_random(mean, square, first + i);
    store(m + i, mean);
    store(v + i, square);
    if (shadow != nullptr) store(shadow + i, w);
  }

  // Of element e on, to values that bf16 holds.
  template <int V>
  __device__ __forceinline__ void round_at_random(float (&mean)[V], float (&square)[V], int64_t e) const {
    PhiloxBlock block = philox(seed, stream, static_cast<uint64_t>(e) / 4);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const int word = static_cast<int>((e + k) % 4);
      if (k > 0 && word == 0) block = philox(seed, stream, static_cast<uint64_t>(e + k) / 4);
      // No indexing by a variable: it would put the block into memory.
      const uint32_t bits =
          word < 2 ? (word == 0 ? block.word[0] : block.word[1]) : (word == 2 ? block.word[2] : block.word[3]);
      mean[k] = as_float((as_bits(mean[k]) + (bits & 0xFFFFu)) & 0xFFFF0000u);
      square[k] = as_float((as_bits(square[k]) + (bits >> 16)) & 0xFFFF0000u);
    }
  }

  // What update does where m, v and the gradient are zero.
  template <int V>
  __device__ __forceinline__ void decay_only(int64_t i) const {
    float w[V];
    load(w, weight + i);
#pragma unroll
    for (int k = 0; k < V; ++k) w[k] = fmaf(w[k], -decay, w[k]);
    store(weight + i, w);
  }

  template <int V>
  __device__ void run(int64_t i) const {
    update<V, true>(i);
  }

  bool vectors() const { return aligned16(weight, m, v, shadow, grad); }

  // What changes from step to step lies on the device; the rest are the call's arguments.
  __device__ __forceinline__ void take(const StepBlock& now, float weight_decay, float lr_factor) {
    const float lr = mul_rounded(now.lr, lr_factor);
    decay = mul_rounded(lr, weight_decay);
    step = lr / now.bias_correction1;
    sqrt_correction2 = sqrtf(now.bias_correction2);
    grad_scale = now.grad_scale;
    stream += static_cast<uint64_t>(now.stream_base);
  }
};

template <class M, int V>
__global__ void __launch_bounds__(kFlatThreads)
    adamw_flat(AdamW<M> adam, const StepBlock* values, float weight_decay, float lr_factor, int64_t count) {
  const StepBlock now = *values;
  if (now.stopped != 0) return;
  adam.take(now, weight_decay, lr_factor);
  flat_loop<V>(adam, count);
}

// One warp per row: rows of a vocabulary without a gradient cost one byte, or the decay.
template <class M, int V>
__global__ void __launch_bounds__(kFlatThreads)
    adamw_rows_warp_per_row(AdamW<M> adam, const StepBlock* values, float weight_decay, float lr_factor,
                            const uint8_t* row_state, int64_t rows, int64_t C, ErrorWord* error) {
  const StepBlock now = *values;
  if (now.stopped != 0) return;
  adam.take(now, weight_decay, lr_factor);
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kFlatThreads / kWarp);
  const int lane = lane_id();
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * (kFlatThreads / kWarp) + warp_id(); row < rows; row += warps) {
    const int state = row_state[row];
    const int64_t end = (row + 1) * C;
    const int64_t begin = row * C + lane * V;
    if (state == 2) {
      for (int64_t i = begin; i < end; i += kWarp * V) adam.template update<V, true>(i);
    } else if (state == 1) {
      for (int64_t i = begin; i < end; i += kWarp * V) adam.template update<V, false>(i);
    } else if (state != 0) {
      if (lane == 0) record_bad_index(error, Op::adamw_rows, Index::row_state, row, state, 3);
    } else if (adam.decay != 0.0f) {
      for (int64_t i = begin; i < end; i += kWarp * V) adam.template decay_only<V>(i);
    }
  }
}

// The values of the step are filled in on the device.
template <class M>
AdamW<M> make_adamw(float* weight, void* m, void* v, void* shadow, const float* grad, float beta1, float beta2,
                    float eps, int64_t seed, int64_t stream, int64_t first) {
  AdamW<M> adam = {};
  adam.weight = weight;
  adam.m = static_cast<M*>(m);
  adam.v = static_cast<M*>(v);
  adam.shadow = static_cast<bf16*>(shadow);
  adam.grad = grad;
  adam.beta2 = beta2;
  adam.one_minus_beta1 = 1.0f - beta1;
  adam.one_minus_beta2 = 1.0f - beta2;
  adam.eps = eps;
  adam.seed = static_cast<uint64_t>(seed);
  adam.stream = static_cast<uint64_t>(stream);
  adam.first = first;
  return adam;
}

template <bool HasMomentum>
struct Sgd {
  float* weight;
  float* buffer;
  bf16* shadow;
  const float* grad;
  float momentum, weight_decay, lr_factor;
  bool nesterov;
  float lr, grad_scale;  // of the step: filled in on the device

  template <int V>
  __device__ void run(int64_t i) const {
    float w[V], g[V];
    load(w, weight + i);
    load(g, grad + i);
#pragma unroll
    for (int k = 0; k < V; ++k) g[k] = fmaf(w[k], weight_decay, mul_rounded(g[k], grad_scale));
    if constexpr (HasMomentum) {
      float buf[V];
      load(buf, buffer + i);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        buf[k] = fmaf(buf[k], momentum, g[k]);
        g[k] = nesterov ? fmaf(buf[k], momentum, g[k]) : buf[k];
      }
      store(buffer + i, buf);
    }
#pragma unroll
    for (int k = 0; k < V; ++k) w[k] = fmaf(g[k], -lr, w[k]);
    store(weight + i, w);
    if (shadow != nullptr) store(shadow + i, w);
  }
};

template <int V, bool HasMomentum>
__global__ void __launch_bounds__(kFlatThreads) sgd_flat(Sgd<HasMomentum> sgd, const StepBlock* values, int64_t count) {
  const StepBlock now = *values;
  if (now.stopped != 0) return;
  sgd.lr = mul_rounded(now.lr, sgd.lr_factor);
  sgd.grad_scale = now.grad_scale;
  flat_loop<V>(sgd, count);
}

}  // namespace

attune_status adamw(attune_context* ctx, float* weight, void* m, void* v, void* shadow, const float* grad,
                    int64_t count, float beta1, float beta2, float eps, float weight_decay, float lr_factor,
                    int64_t seed, int64_t stream, int64_t first, int32_t moments) {
  if (count == 0) return ATTUNE_OK;
  return with_type(moments, [&](auto element) {
    using M = decltype(element);
    const AdamW<M> adam = make_adamw<M>(weight, m, v, shadow, grad, beta1, beta2, eps, seed, stream, first);
    const bool vectors = adam.vectors();
    return launch(ctx, vectors ? adamw_flat<M, kVectorF32> : adamw_flat<M, 1>,
                  flat_grid(ctx, vectors ? ceil_div(count, kVectorF32) : count), kFlatThreads, 0, adam, ctx->step(),
                  weight_decay, lr_factor, count);
  });
}

attune_status adamw_rows(attune_context* ctx, float* weight, void* m, void* v, const float* grad,
                         const uint8_t* row_state, int64_t V, int64_t C, float beta1, float beta2, float eps,
                         float weight_decay, float lr_factor, int64_t seed, int64_t stream, int32_t moments) {
  if (V == 0) return ATTUNE_OK;
  return with_type(moments, [&](auto element) {
    using M = decltype(element);
    const AdamW<M> adam = make_adamw<M>(weight, m, v, nullptr, grad, beta1, beta2, eps, seed, stream, 0);
    const bool vectors = adam.vectors() && C % kVectorF32 == 0;
    return launch(ctx, vectors ? adamw_rows_warp_per_row<M, kVectorF32> : adamw_rows_warp_per_row<M, 1>,
                  flat_grid(ctx, V * kWarp), kFlatThreads, 0, adam, ctx->step(), weight_decay, lr_factor, row_state, V,
                  C, &ctx->front()->error);
  });
}

attune_status sgd(attune_context* ctx, float* weight, float* momentum_buffer, void* shadow, const float* grad,
                  int64_t count, float momentum, float weight_decay, float lr_factor, int32_t nesterov) {
  if (count == 0) return ATTUNE_OK;
  // Without momentum the buffer has no effect and is left alone.
  const StepBlock* values = ctx->step();
  auto run = [&](auto body, auto vector_kernel, auto scalar_kernel) {
    return aligned16(body.weight, body.buffer, body.shadow, body.grad)
               ? launch(ctx, vector_kernel, flat_grid(ctx, ceil_div(count, kVectorF32)), kFlatThreads, 0, body, values,
                        count)
               : launch(ctx, scalar_kernel, flat_grid(ctx, count), kFlatThreads, 0, body, values, count);
  };
  bf16* to = static_cast<bf16*>(shadow);
  if (momentum > 0.0f) {
    return run(Sgd<true>{weight, momentum_buffer, to, grad, momentum, weight_decay, lr_factor, nesterov != 0, 0, 0},
               sgd_flat<kVectorF32, true>, sgd_flat<1, true>);
  }
  return run(Sgd<false>{weight, nullptr, to, grad, momentum, weight_decay, lr_factor, nesterov != 0, 0, 0},
             sgd_flat<kVectorF32, false>, sgd_flat<1, false>);
}

}  // namespace attune::cuda
