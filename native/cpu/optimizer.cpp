// Optimizers over the flat store. Each element is read and written once per step: the speed is that
// of the memory.
#include <cstring>
#include <type_traits>

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "philox_simd.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

// Elements of a task: 64 KiB of each array.
constexpr int64_t kGrain = 16384;

// What bf16 moments are rounded by.
struct Rounding {
  uint64_t seed, stream;
  uint64_t first;  // number of element 0
};

// Elements whose random words are made at a time: 4 KiB of them stay in the L1.
constexpr int64_t kBatch = 1024;

// M: the type of the moments.
template <class M>
struct AdamW {
  float* weight;
  M* m;
  M* v;
  bf16* shadow;  // may be null
  float decay, beta2, one_minus_beta1, one_minus_beta2, step, sqrt_correction2, eps, grad_scale;
  Rounding rounding;

  // Elements begin..end-1 with the gradients at grad + i * stride: stride 0 repeats one vector. Not
  // inlined, so that the dense and the row-wise op round alike.
  __attribute__((noinline)) void update(const float* grad, int64_t stride, int64_t begin, int64_t end) const {
    if constexpr (std::is_same_v<M, float>) {
      update_range(grad, stride, begin, end, nullptr);
    } else {
      uint16_t random[2 * (kBatch + 4 + W)];  // a word an element; some before the first, some behind the last
      for (int64_t from = begin; from < end; from += kBatch) {
        const int64_t to = from + kBatch < end ? from + kBatch : end;
        const uint64_t element = rounding.first + static_cast<uint64_t>(from);
        const int64_t skipped = static_cast<int64_t>(element % 4);
        dropout_lanes(rounding.seed, rounding.stream, element / 4, (skipped + to - from + 3) / 4, random);
        update_range(grad, stride, from, to, random + 2 * (skipped - from));
      }
    }
  }

  // random + 2 i: the word of element i.
  inline __attribute__((always_inline)) void update_range(const float* grad, int64_t stride, int64_t begin, int64_t end,
                                                          const uint16_t* random) const {
    const AdamW a = *this;
    for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(a.weight + i, lanes), m = load(a.m + i, lanes), v = load(a.v + i, lanes);
      vf g = load(grad + i * stride, lanes) * a.grad_scale;
      w = decayed(w, a.decay);
      m = fma(g - m, splat(a.one_minus_beta1), m);
      v = fma(g * g, splat(a.one_minus_beta2), v * a.beta2);
      w -= m * a.step / (vsqrt(v) / a.sqrt_correction2 + a.eps);
      store(a.weight + i, w, lanes);
      if constexpr (!std::is_same_v<M, float>) {
        vu words;
        std::memcpy(&words, random + 2 * i, sizeof(words));
        m = (vf)(((vu)m + (words & 0xFFFFu)) & 0xFFFF0000u);
        v = (vf)(((vu)v + (words >> 16)) & 0xFFFF0000u);
      }
      store(a.m + i, m, lanes);
      store(a.v + i, v, lanes);
      if (a.shadow != nullptr) store(a.shadow + i, w, lanes);
    });
  }

  // What update does where m, v and the gradient are zero.
  __attribute__((noinline)) void decay_only(int64_t begin, int64_t end) const {
    const AdamW a = *this;
    for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      store(a.weight + i, decayed(load(a.weight + i, lanes), a.decay), lanes);
    });
  }

  static vf decayed(vf w, float decay) { return fma(w, splat(-decay), w); }
};

template <class M>
AdamW<M> make_adamw(const StepBlock& now, float* weight, void* m, void* v, void* shadow, float beta1, float beta2,
                    float eps, float weight_decay, float lr_factor, int64_t seed, int64_t stream, int64_t first) {
  const float lr = now.lr * lr_factor;
  return {weight,
          static_cast<M*>(m),
          static_cast<M*>(v),
          static_cast<bf16*>(shadow),
          lr * weight_decay,
          beta2,
          1.0f - beta1,
          1.0f - beta2,
          lr / now.bias_correction1,
          __builtin_sqrtf(now.bias_correction2),
          eps,
          now.grad_scale,
          {static_cast<uint64_t>(seed), static_cast<uint64_t>(stream) + static_cast<uint64_t>(now.stream_base),
           static_cast<uint64_t>(first)}};
}

struct Sgd {
  float* weight;
  float* buffer;
  bf16* shadow;
  float lr, momentum, weight_decay, grad_scale;
  bool nesterov;

  template <bool HasMomentum>
  void update(const float* grad, int64_t begin, int64_t end) const {
    const Sgd a = *this;
    for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(a.weight + i, lanes);
      vf g = fma(w, splat(a.weight_decay), load(grad + i, lanes) * a.grad_scale);
      if constexpr (HasMomentum) {
        vf buf = fma(load(a.buffer + i, lanes), splat(a.momentum), g);
        store(a.buffer + i, buf, lanes);
        g = a.nesterov ? fma(buf, splat(a.momentum), g) : buf;
      }
      w = fma(g, splat(-a.lr), w);
      store(a.weight + i, w, lanes);
      if (a.shadow != nullptr) store(a.shadow + i, w, lanes);
    });
  }
};

}  // namespace

attune_status adamw(attune_context* ctx, float* weight, void* m, void* v, void* shadow, const float* grad,
                    int64_t count, float beta1, float beta2, float eps, float weight_decay, float lr_factor,
                    int64_t seed, int64_t stream, int64_t first, int32_t moments) {
  if (count == 0 || ctx->step.stopped != 0) return ATTUNE_OK;
  with_type(moments, [&](auto element) {
    const auto adam = make_adamw<decltype(element)>(ctx->step, weight, m, v, shadow, beta1, beta2, eps, weight_decay,
                                                    lr_factor, seed, stream, first);
    parallel_range(ctx, count, kGrain, [&](int64_t begin, int64_t end, int32_t) { adam.update(grad, 1, begin, end); });
  });
  return ATTUNE_OK;
}

attune_status adamw_rows(attune_context* ctx, float* weight, void* m, void* v, const float* grad,
                         const uint8_t* row_state, int64_t V, int64_t C, float beta1, float beta2, float eps,
                         float weight_decay, float lr_factor, int64_t seed, int64_t stream, int32_t moments) {
  const char* op = "adamw_rows";
  if (V == 0 || ctx->step.stopped != 0) return ATTUNE_OK;
  for (int64_t row = 0; row < V; ++row) {
    ATTUNE_REQUIRE(row_state[row] <= 2, "%s: row_state[%lld] is %d, must be 0..2", op, ll(row), row_state[row]);
  }
  with_type(moments, [&](auto element) {
    const auto adam = make_adamw<decltype(element)>(ctx->step, weight, m, v, nullptr, beta1, beta2, eps, weight_decay,
                                                    lr_factor, seed, stream, 0);
    parallel_range(ctx, V, kGrain / C + 1, [&](int64_t begin, int64_t end, int32_t) {
      const float zeros[W] = {};
      for (int64_t row = begin; row < end;) {
        // Neighbours of one state are one range: long loops even where rows are short.
        int64_t next = row + 1;
        while (next < end && row_state[next] == row_state[row]) ++next;
        if (row_state[row] == 2) {
          adam.update(grad, 1, row * C, next * C);
        } else if (row_state[row] == 1) {
          adam.update(zeros, 0, row * C, next * C);
        } else if (adam.decay != 0.0f) {
          adam.decay_only(row * C, next * C);
        }
        row = next;
      }
    });
  });
  return ATTUNE_OK;
}

attune_status sgd(attune_context* ctx, float* weight, float* momentum_buffer, void* shadow, const float* grad,
                  int64_t count, float momentum, float weight_decay, float lr_factor, int32_t nesterov) {
  if (count == 0 || ctx->step.stopped != 0) return ATTUNE_OK;
  const Sgd sgd{weight,   momentum_buffer, static_cast<bf16*>(shadow), ctx->step.lr * lr_factor,
                momentum, weight_decay,    ctx->step.grad_scale,       nesterov != 0};
  // Without momentum the buffer has no effect and is left alone.
  parallel_range(ctx, count, kGrain, [&](int64_t begin, int64_t end, int32_t) {
    if (momentum > 0.0f) {
      sgd.update<true>(grad, begin, end);
    } else {
      sgd.update<false>(grad, begin, end);
    }
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
