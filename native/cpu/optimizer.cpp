// Optimizers over the flat store. Each element is read and written once per step: the speed is that
// of the memory. Rows that lag take many steps in one pass instead.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "adamw.h"
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
      adamw_update(a, g, w, m, v);
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

// What one update does to a row without a gradient.
struct LagStep {
  float decay, beta2, one_minus_beta1, one_minus_beta2, step, sqrt_correction2, eps;
  int32_t unused;
  uint64_t seed, stream;
};

// What `lag` points to; behind it, for each row, how many updates it has had, and then the place of its moments.
struct Lag {
  uint64_t updates;
  uint64_t placed;                    // rows that have moments
  LagStep history[ATTUNE_LAG_STEPS];  // update u is at u % ATTUNE_LAG_STEPS

  uint32_t* rows() { return reinterpret_cast<uint32_t*>(this + 1); }
  uint32_t missed(int64_t row) { return static_cast<uint32_t>(updates) - rows()[row]; }
  // From 1 on, in the order in which rows first had a gradient; 0 before that.
  uint32_t* places(int64_t V) { return rows() + V; }
};
static_assert(sizeof(Lag) == ATTUNE_LAG_BYTES(0));

static inline bool all_set(vi mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)mask) == 0xFFFF;
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) == 0xFF;
#else
  int32_t all = -1;
  for (int i = 0; i < W; ++i) all &= mask[i];
  return all != 0;
#endif
}

// Steps whose arithmetic follows a look at what is left of them.
constexpr int kLook = 8;

// The updates that a row has missed, oldest first. Rows of one lag share it.
struct Missed {
  // Bounds of all updates from one on.
  struct Rest {
    float step;       // at least each step * sqrt_correction2, times 2^25 and a margin
    float weight, v;  // at most what is left of the square of a weight, and of v, after all of them
  };
  int count = 0;
  int decay_count = 0;
  float decays[ATTUNE_LAG_STEPS];  // those that are not 0: a row without moments is left alone by the others
  LagStep steps[ATTUNE_LAG_STEPS];
  Rest rest[ATTUNE_LAG_STEPS];

  void fill(const Lag& lag, int missed) {
    if (count == missed) return;
    count = missed;
    decay_count = 0;
    for (int s = 0; s < missed; ++s) {
      steps[s] = lag.history[(lag.updates - static_cast<uint64_t>(missed - 1 - s)) % ATTUNE_LAG_STEPS];
      if (steps[s].decay != 0.0f) decays[decay_count++] = steps[s].decay;
    }
    Rest r = {0.0f, 1.0f, 1.0f};
    for (int s = missed - 1; s >= 0; --s) {
      // 2^25 and a thousandth more, far above the roundings of 64 steps.
      const float step = __builtin_fabsf(steps[s].step * steps[s].sqrt_correction2) * 33588000.0f;
      r.step = step > r.step ? step : r.step;
      const float kept = steps[s].decay < 1.0f ? 1.0f - steps[s].decay : 0.0f;
      r.weight *= kept * kept;
      r.v *= steps[s].beta2;
      rest[s] = r;
    }
  }
};

// A table whose rows lag, and whose moments lie in the order in which rows first had a gradient: those of a vocabulary
// of which few words were met fill few pages.
template <class M>
struct LaggingTable {
  AdamW<M> adam;
  Lag* lag;
  const uint32_t* places;
  int64_t C;

  // The optimizer of one row, whose elements count from 0 on.
  AdamW<M> of_row(int64_t row) const {
    AdamW<M> a = adam;
    a.weight += row * C;
    a.m += moments(row);
    a.v += moments(row);
    a.rounding.first = static_cast<uint64_t>(row * C);
    return a;
  }

  // Fetches a row that is next, with its moments where it has any: rows lie anywhere in memory.
  void fetch_row(int64_t row) const {
    fetch(adam.weight + row * C);
    if (places[row] == 0) return;
    fetch(adam.m + moments(row));
    fetch(adam.v + moments(row));
  }
  template <class Element>
  void fetch(const Element* row) const {
    constexpr int64_t kLine = 64 / sizeof(Element);
    for (int64_t i = 0; i < C; i += kLine) __builtin_prefetch(row + i);
  }

  // Makes the updates that a row has missed.
  void settle(int64_t row, Missed* missed) const {
    const auto count = static_cast<int>(lag->missed(row));
    if (count == 0) return;
    lag->rows()[row] = static_cast<uint32_t>(lag->updates);
    missed->fill(*lag, count);
    if (places[row] == 0) {
      decay(adam.weight + row * C, *missed);
    } else if constexpr (std::is_same_v<M, float>) {
      replay(of_row(row), *missed);
    } else {
      round_again(of_row(row), *missed);
    }
  }

 private:
  int64_t moments(int64_t row) const { return (static_cast<int64_t>(places[row]) - 1) * C; }

  __attribute__((noinline)) void decay(float* weight, const Missed& missed) const {
    if (missed.decay_count == 0) return;
    for_vectors(0, C, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(weight + i, lanes);
      for (int s = 0; s < missed.decay_count; ++s) w = decayed(w, missed.decays[s]);
      store(weight + i, w, lanes);
    });
  }

  // Whether each weight, decayed, rounds to itself in all updates from one on: the quotient that AdamW takes from it,
  // step * m / (sqrt(v) / sqrt_correction2 + eps), is below the 2^-25th of it, the least half of a distance between
  // neighbours. |m| and v only shrink. Squared, so that no root is taken; the constants keep numbers out of the range
  // where roundings are no longer relative.
  static bool rests(vf w, vf m, vf v, const Missed::Rest& rest, Full) {
    const vf most = vmax(splat(1e-15f), vabs(m * rest.step));
    return all_set((vi)(most * most < (w * w * rest.weight - 1e-28f) * (v * rest.v - 1e-30f)));
  }
  static bool rests(vf, vf, vf, const Missed::Rest&, First) { return false; }

  // AdamW::update of a gradient of zeros, in registers.
  __attribute__((noinline)) void replay(const AdamW<M> row, const Missed& missed) const {
    for_vectors(0, C, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(row.weight + i, lanes), m = load(row.m + i, lanes), v = load(row.v + i, lanes);
      const auto shrink = [&](const LagStep& a) ATTUNE_INLINE_BODY {
        w = decayed(w, a.decay);
        m = fma(splat(0.0f) - m, splat(a.one_minus_beta1), m);
        v = v * a.beta2;
      };
      int s = 0;
      while (s < missed.count && !rests(w, m, v, missed.rest[s], lanes)) {
        const int end = s + kLook < missed.count ? s + kLook : missed.count;
        for (; s < end; ++s) {
          const LagStep& a = missed.steps[s];
          shrink(a);
          w -= m * a.step / (vsqrt(v) / a.sqrt_correction2 + a.eps);
        }
      }
      for (; s < missed.count; ++s) shrink(missed.steps[s]);
      store(row.weight + i, w, lanes);
      store(row.m + i, m, lanes);
      store(row.v + i, v, lanes);
    });
  }

  // Moments that are rounded at random: as in the steps themselves, on a row that stays in the L1.
  void round_again(AdamW<M> row, const Missed& missed) const {
    const float zeros[W] = {};
    for (int s = 0; s < missed.count; ++s) {
      const LagStep& a = missed.steps[s];
      row.decay = a.decay;
      row.beta2 = a.beta2;
      row.one_minus_beta1 = a.one_minus_beta1;
      row.one_minus_beta2 = a.one_minus_beta2;
      row.step = a.step;
      row.sqrt_correction2 = a.sqrt_correction2;
      row.eps = a.eps;
      row.rounding.seed = a.seed;
      row.rounding.stream = a.stream;
      row.update(zeros, 0, 0, C);
    }
  }
};

// Listed rows, or those of such numbers where there is no list, have a state, moments inside the table if they have
// any, and have not missed more than is noted.
attune_status check_lag(const char* op, Lag* lag, const uint8_t* row_state, const int32_t* rows, int64_t begin,
                        int64_t end, int64_t V, int32_t most) {
  ATTUNE_REQUIRE(lag->placed <= static_cast<uint64_t>(V), "%s: %lld of %lld rows have moments", op, ll(lag->placed),
                 ll(V));
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = rows == nullptr ? i : rows[i];
    ATTUNE_REQUIRE(row_state[row] <= 2, "%s: row_state[%lld] is %d, must be 0..2", op, ll(row), row_state[row]);
    ATTUNE_REQUIRE(lag->missed(row) <= static_cast<uint32_t>(most), "%s: row %lld lags %lld updates, must be 0..%d", op,
                   ll(row), ll(lag->missed(row)), most);
    ATTUNE_REQUIRE(lag->places(V)[row] <= lag->placed, "%s: the moments of row %lld are at place %lld of %lld", op,
                   ll(row), ll(lag->places(V)[row]), ll(lag->placed));
  }
  return ATTUNE_OK;
}

// Rows of a task of settling: some ten thousands of cycles, whatever they lag behind.
static inline int64_t lag_grain(int64_t C) { return 4096 / C + 1; }

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

attune_status adamw_lazy_rows(attune_context* ctx, float* weight, void* m, void* v, const float* grad,
                              const uint8_t* row_state, const int32_t* rows, void* lag_bytes, int64_t M, int64_t V,
                              int64_t C, float beta1, float beta2, float eps, float weight_decay, float lr_factor,
                              int64_t seed, int64_t stream, int32_t moments) {
  const char* op = "adamw_lazy_rows";
  if (V == 0 || ctx->step.stopped != 0) return ATTUNE_OK;
  auto* lag = static_cast<Lag*>(lag_bytes);
  ATTUNE_CHECK(check_indices(op, "rows", rows, M, V));
  for (int64_t i = 0; i < M; ++i) {
    ATTUNE_REQUIRE(row_state[rows[i]] == 2 && lag->missed(rows[i]) == 0,
                   "%s: rows[%lld] is %d, whose state is %d, must have a gradient and be settled", op, ll(i), rows[i],
                   row_state[rows[i]]);
  }
  // A slice of the table each step, so that every row is visited in time, and no step has more to do than another.
  const auto slice = static_cast<int64_t>(lag->updates % ATTUNE_LAG_STEPS);
  const int64_t from = V * slice / ATTUNE_LAG_STEPS, to = V * (slice + 1) / ATTUNE_LAG_STEPS;
  ATTUNE_CHECK(check_lag(op, lag, row_state, nullptr, from, to, V, ATTUNE_LAG_STEPS - 1));
  ATTUNE_CHECK(check_lag(op, lag, row_state, rows, 0, M, V, 0));
  uint32_t* places = lag->places(V);
  for (int64_t i = 0; i < M; ++i) {
    if (places[rows[i]] == 0) places[rows[i]] = static_cast<uint32_t>(++lag->placed);
  }
  ATTUNE_REQUIRE(lag->placed <= static_cast<uint64_t>(V), "%s: more than %lld rows have moments", op, ll(V));
  with_type(moments, [&](auto element) {
    using Moment = decltype(element);
    const LaggingTable<Moment> table = {make_adamw<Moment>(ctx->step, weight, m, v, nullptr, beta1, beta2, eps,
                                                           weight_decay, lr_factor, seed, stream, 0),
                                        lag, places, C};
    const AdamW<Moment>& adam = table.adam;
    ++lag->updates;
    lag->history[lag->updates % ATTUNE_LAG_STEPS] = {
        adam.decay, adam.beta2, adam.one_minus_beta1, adam.one_minus_beta2, adam.step, adam.sqrt_correction2,
        adam.eps,   0,          adam.rounding.seed,   adam.rounding.stream};
    parallel_range(ctx, M + to - from, lag_grain(C), [&](int64_t begin, int64_t end, int32_t) {
      Missed missed;
      for (int64_t i = begin; i < end; ++i) {
        if (i < M) {
          if (i + 1 < std::min(end, M)) {
            table.fetch_row(rows[i + 1]);
            table.fetch(grad + rows[i + 1] * C);
          }
          table.of_row(rows[i]).update(grad + rows[i] * C, 1, 0, C);
          lag->rows()[rows[i]] = static_cast<uint32_t>(lag->updates);
        } else {
          const int64_t row = from + i - M;
          if (row_state[row] != 2) table.settle(row, &missed);
        }
      }
    });
  });
  return ATTUNE_OK;
}

attune_status adamw_settle_rows(attune_context* ctx, float* weight, void* m, void* v, void* lag_bytes,
                                const uint8_t* row_state, const int32_t* rows, int64_t M, int64_t V, int64_t C,
                                int32_t moments) {
  const char* op = "adamw_settle_rows";
  if (V == 0) return ATTUNE_OK;
  auto* lag = static_cast<Lag*>(lag_bytes);
  const int64_t count = rows == nullptr ? V : M;
  if (rows != nullptr) ATTUNE_CHECK(check_indices(op, "rows", rows, M, V));
  ATTUNE_CHECK(check_lag(op, lag, row_state, rows, 0, count, V, ATTUNE_LAG_STEPS));
  with_type(moments, [&](auto element) {
    using Moment = decltype(element);
    AdamW<Moment> adam = {};
    adam.weight = weight;
    adam.m = static_cast<Moment*>(m);
    adam.v = static_cast<Moment*>(v);
    adam.grad_scale = 1.0f;
    const LaggingTable<Moment> table = {adam, lag, lag->places(V), C};
    parallel_range(ctx, count, lag_grain(C), [&](int64_t begin, int64_t end, int32_t) {
      Missed missed;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = rows == nullptr ? i : rows[i];
        if (rows != nullptr && i + 1 < end) table.fetch_row(rows[i + 1]);
        if (row_state[row] != 2) table.settle(row, &missed);
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
