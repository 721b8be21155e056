// Optimizers over the flat store: persistent flat kernels, each element read and written once.
// Bytes per element: AdamW 28 (30 with the shadow), SGD 12 (20 with momentum; 2 more with the shadow).
#include "device.cuh"
#include "vectors.cuh"

namespace attune::cuda {

namespace {

constexpr int kVectorF32 = kVector<float>;

struct AdamW {
  float* weight;
  float* m;
  float* v;
  bf16* shadow;  // may be null
  const float* grad;
  float decay, beta2, one_minus_beta1, one_minus_beta2, step, sqrt_correction2, eps, grad_scale;

  // Roundings are spelled out, so that the dense, the row-wise and the captured kernel agree in every bit.
  template <int V, bool HasGrad>
  __device__ __forceinline__ void update(int64_t i) const {
    float w[V], first[V], second[V], g[V] = {};
    load(w, weight + i);
    load(first, m + i);
    load(second, v + i);
    if constexpr (HasGrad) load(g, grad + i);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      g[k] = mul_rounded(g[k], grad_scale);
      w[k] = fmaf(w[k], -decay, w[k]);
      first[k] = fmaf(g[k] - first[k], one_minus_beta1, first[k]);
      second[k] = fmaf(mul_rounded(g[k], g[k]), one_minus_beta2, mul_rounded(second[k], beta2));
      w[k] -= mul_rounded(first[k], step) / (sqrtf(second[k]) / sqrt_correction2 + eps);
    }
    store(weight + i, w);
    store(m + i, first);
    store(v + i, second);
    if (shadow != nullptr) store(shadow + i, w);
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

  // Takes the values that change from step to step from the device; the rest are those of the capture.
  __device__ __forceinline__ void take(const attune_cuda_step& now, float weight_decay) {
    decay = mul_rounded(now.lr, weight_decay);
    step = now.lr / now.bias_correction1;
    sqrt_correction2 = sqrtf(now.bias_correction2);
    grad_scale = now.grad_scale;
  }
};

template <int V>
__global__ void __launch_bounds__(kFlatThreads)
    adamw_captured_flat(AdamW adam, const attune_cuda_step* values, float weight_decay, int64_t count) {
  const attune_cuda_step now = *values;
  if (now.stopped != 0) return;
  adam.take(now, weight_decay);
  flat_loop<V>(adam, count);
}

// One warp per row: rows of a vocabulary without a gradient cost one byte, or the decay.
template <int V>
__device__ __forceinline__ void update_rows(const AdamW& adam, const uint8_t* row_state, int64_t rows, int64_t C,
                                            ErrorWord* error) {
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kFlatThreads / kWarp);
  const int lane = lane_id();
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * (kFlatThreads / kWarp) + warp_id(); row < rows; row += warps) {
    const int state = row_state[row];
    const int64_t end = (row + 1) * C;
    const int64_t begin = row * C + lane * V;
    if (state == 2) {
      for (int64_t i = begin; i < end; i += kWarp * V) adam.update<V, true>(i);
    } else if (state == 1) {
      for (int64_t i = begin; i < end; i += kWarp * V) adam.update<V, false>(i);
    } else if (state != 0) {
      if (lane == 0) record_bad_index(error, Op::adamw_rows, Index::row_state, row, state, 3);
    } else if (adam.decay != 0.0f) {
      for (int64_t i = begin; i < end; i += kWarp * V) adam.decay_only<V>(i);
    }
  }
}

template <int V>
__global__ void __launch_bounds__(kFlatThreads)
    adamw_rows_warp_per_row(AdamW adam, const uint8_t* row_state, int64_t rows, int64_t C, ErrorWord* error) {
  update_rows<V>(adam, row_state, rows, C, error);
}

template <int V>
__global__ void __launch_bounds__(kFlatThreads)
    adamw_rows_captured_warp_per_row(AdamW adam, const attune_cuda_step* values, float weight_decay,
                                     const uint8_t* row_state, int64_t rows, int64_t C, ErrorWord* error) {
  const attune_cuda_step now = *values;
  if (now.stopped != 0) return;
  adam.take(now, weight_decay);
  update_rows<V>(adam, row_state, rows, C, error);
}

AdamW make_adamw(float* weight, float* m, float* v, void* shadow, const float* grad, float lr, float beta1, float beta2,
                 float eps, float weight_decay, float bias_correction1, float bias_correction2, float grad_scale) {
  return {weight,
          m,
          v,
          static_cast<bf16*>(shadow),
          grad,
          lr * weight_decay,
          beta2,
          1.0f - beta1,
          1.0f - beta2,
          lr / bias_correction1,
          sqrtf(bias_correction2),
          eps,
          grad_scale};
}

template <bool HasMomentum>
struct Sgd {
  float* weight;
  float* buffer;
  bf16* shadow;
  const float* grad;
  float lr, momentum, weight_decay, grad_scale;
  bool nesterov, first_step;

  template <int V>
  __device__ void run(int64_t i) const {
    float w[V], g[V];
    load(w, weight + i);
    load(g, grad + i);
#pragma unroll
    for (int k = 0; k < V; ++k) g[k] = fmaf(w[k], weight_decay, mul_rounded(g[k], grad_scale));
    if constexpr (HasMomentum) {
      float buf[V];
      if (!first_step) load(buf, buffer + i);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        buf[k] = first_step ? g[k] : fmaf(buf[k], momentum, g[k]);
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
__global__ void __launch_bounds__(kFlatThreads)
    sgd_captured_flat(Sgd<HasMomentum> sgd, const attune_cuda_step* values, int64_t count) {
  const attune_cuda_step now = *values;
  if (now.stopped != 0) return;
  sgd.lr = now.lr;
  sgd.grad_scale = now.grad_scale;
  flat_loop<V>(sgd, count);
}

}  // namespace

attune_status adamw(attune_context* ctx, float* weight, float* m, float* v, void* shadow, const float* grad,
                    int64_t count, float lr, float beta1, float beta2, float eps, float weight_decay,
                    float bias_correction1, float bias_correction2, float grad_scale) {
  if (count == 0) return ATTUNE_OK;
  const AdamW adam = make_adamw(weight, m, v, shadow, grad, lr, beta1, beta2, eps, weight_decay, bias_correction1,
                                bias_correction2, grad_scale);
  return launch_flat<kVectorF32>(ctx, adam, count, adam.vectors());
}

attune_status adamw_captured(attune_context* ctx, float* weight, float* m, float* v, void* shadow, const float* grad,
                             int64_t count, float beta1, float beta2, float eps, float weight_decay) {
  if (count == 0) return ATTUNE_OK;
  // The values of the step are filled in on the device.
  const AdamW adam = make_adamw(weight, m, v, shadow, grad, 0, beta1, beta2, eps, weight_decay, 1, 1, 1);
  const attune_cuda_step* values = ctx->step();
  return adam.vectors() ? launch(ctx, adamw_captured_flat<kVectorF32>, flat_grid(ctx, ceil_div(count, kVectorF32)),
                                 kFlatThreads, 0, adam, values, weight_decay, count)
                        : launch(ctx, adamw_captured_flat<1>, flat_grid(ctx, count), kFlatThreads, 0, adam, values,
                                 weight_decay, count);
}

attune_status adamw_rows(attune_context* ctx, float* weight, float* m, float* v, const float* grad,
                         const uint8_t* row_state, int64_t V, int64_t C, float lr, float beta1, float beta2, float eps,
                         float weight_decay, float bias_correction1, float bias_correction2, float grad_scale) {
  if (V == 0) return ATTUNE_OK;
  const AdamW adam = make_adamw(weight, m, v, nullptr, grad, lr, beta1, beta2, eps, weight_decay, bias_correction1,
                                bias_correction2, grad_scale);
  const bool vectors = adam.vectors() && C % kVectorF32 == 0;
  return launch(ctx, vectors ? adamw_rows_warp_per_row<kVectorF32> : adamw_rows_warp_per_row<1>,
                flat_grid(ctx, V * kWarp), kFlatThreads, 0, adam, row_state, V, C, &ctx->front()->error);
}

attune_status adamw_rows_captured(attune_context* ctx, float* weight, float* m, float* v, const float* grad,
                                  const uint8_t* row_state, int64_t V, int64_t C, float beta1, float beta2, float eps,
                                  float weight_decay) {
  if (V == 0) return ATTUNE_OK;
  const AdamW adam = make_adamw(weight, m, v, nullptr, grad, 0, beta1, beta2, eps, weight_decay, 1, 1, 1);
  const bool vectors = adam.vectors() && C % kVectorF32 == 0;
  return launch(ctx, vectors ? adamw_rows_captured_warp_per_row<kVectorF32> : adamw_rows_captured_warp_per_row<1>,
                flat_grid(ctx, V * kWarp), kFlatThreads, 0, adam, ctx->step(), weight_decay, row_state, V, C,
                &ctx->front()->error);
}

attune_status sgd(attune_context* ctx, float* weight, float* momentum_buffer, void* shadow, const float* grad,
                  int64_t count, float lr, float momentum, float weight_decay, int32_t nesterov, int32_t first_step,
                  float grad_scale) {
  if (count == 0) return ATTUNE_OK;
  // Without momentum the buffer has no effect and is left alone.
  auto run = [&](auto body) {
    return launch_flat<kVectorF32>(ctx, body, count, aligned16(body.weight, body.buffer, body.shadow, body.grad));
  };
  bf16* to = static_cast<bf16*>(shadow);
  if (momentum > 0.0f) {
    return run(Sgd<true>{weight, momentum_buffer, to, grad, lr, momentum, weight_decay, grad_scale, nesterov != 0,
                         first_step != 0});
  }
  return run(
      Sgd<false>{weight, nullptr, to, grad, lr, momentum, weight_decay, grad_scale, nesterov != 0, first_step != 0});
}

attune_status sgd_captured(attune_context* ctx, float* weight, float* momentum_buffer, void* shadow, const float* grad,
                           int64_t count, float momentum, float weight_decay, int32_t nesterov) {
  if (count == 0) return ATTUNE_OK;
  const attune_cuda_step* values = ctx->step();
  auto run = [&](auto body, auto vector_kernel, auto scalar_kernel) {
    return aligned16(body.weight, body.buffer, body.shadow, body.grad)
               ? launch(ctx, vector_kernel, flat_grid(ctx, ceil_div(count, kVectorF32)), kFlatThreads, 0, body, values,
                        count)
               : launch(ctx, scalar_kernel, flat_grid(ctx, count), kFlatThreads, 0, body, values, count);
  };
  bf16* to = static_cast<bf16*>(shadow);
  if (momentum > 0.0f) {
    return run(Sgd<true>{weight, momentum_buffer, to, grad, 0, momentum, weight_decay, 0, nesterov != 0, false},
               sgd_captured_flat<kVectorF32, true>, sgd_captured_flat<1, true>);
  }
  return run(Sgd<false>{weight, nullptr, to, grad, 0, momentum, weight_decay, 0, nesterov != 0, false},
             sgd_captured_flat<kVectorF32, false>, sgd_captured_flat<1, false>);
}

}  // namespace attune::cuda
