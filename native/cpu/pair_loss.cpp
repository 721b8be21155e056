// Losses of pairs and triplets of vectors: scores of each pair, then what the loss makes of them, then the gradients
// of the vectors.
#include <cmath>

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int64_t kMaxPairs = int64_t{1} << 18;  // as the record in Java checks

int64_t pairs_per_task(int64_t D) { return 4096 / D + 1; }

float dot(const float* a, const float* b, int64_t D) {
  vf total = splat(0.0f);
  for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
    total = fma(load(a + c, lanes), load(b + c, lanes), total);
  });
  return sum(total);
}

float distance(const float* a, const float* b, int64_t D) {
  vf total = splat(0.0f);
  for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
    const vf difference = load(a + c, lanes) - load(b + c, lanes);
    total = fma(difference, difference, total);
  });
  return std::sqrt(sum(total));
}

// The gap by which i outranks j, where its target is the lower one.
template <class Lanes, class Body>
inline __attribute__((always_inline)) void outranked(const float* scores, const float* targets, int64_t i, int64_t j,
                                                     Lanes lanes, float value, Body&& body) {
  const vf gap = (splat(scores[i]) - load(scores + j, lanes)) * value;
  const vf other = fill(load(targets + j, lanes), targets[i], lanes);  // lanes beyond the row are equals
  body(gap, splat(targets[i]) < other, other < splat(targets[i]));
}

// scores (B) to factors (B), the gradient of B times the loss; returns the loss.
float ranking(attune_context* ctx, float* factors, float* losses, const float* scores, const float* targets, int64_t B,
              float value, float scale) {
  const int64_t grain = grain_or_alone(B, B, 4096 / B + 1);
  // The greatest gap of each row, then its sum of exponentials, in the room of the factors.
  parallel_range(ctx, B, grain, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t i = begin; i < end; ++i) {
      vf greatest = splat(0.0f);
      for_vectors(0, B, [&](int64_t j, auto lanes) ATTUNE_INLINE_BODY {
        outranked(scores, targets, i, j, lanes, value, [&](vf gap, vi below, vi) ATTUNE_INLINE_BODY {
          greatest = vmax(select(below, gap, splat(0.0f)), greatest);
        });
      });
      factors[i] = max(greatest);
    }
  });
  float top = 0.0f;
  for (int64_t i = 0; i < B; ++i) top = factors[i] > top ? factors[i] : top;
  parallel_range(ctx, B, grain, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t i = begin; i < end; ++i) {
      vf total = splat(0.0f);
      for_vectors(0, B, [&](int64_t j, auto lanes) ATTUNE_INLINE_BODY {
        outranked(scores, targets, i, j, lanes, value, [&](vf gap, vi below, vi) ATTUNE_INLINE_BODY {
          total += select(below, vexp(gap - splat(top)), splat(0.0f));
        });
      });
      losses[i] = sum(total);
    }
  });
  double total = std::exp(-static_cast<double>(top));
  for (int64_t i = 0; i < B; ++i) total += static_cast<double>(losses[i]);
  const float factor =
      static_cast<float>(static_cast<double>(B) * static_cast<double>(scale) * static_cast<double>(value) / total);
  parallel_range(ctx, B, grain, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t i = begin; i < end; ++i) {
      vf above = splat(0.0f);
      for_vectors(0, B, [&](int64_t j, auto lanes) ATTUNE_INLINE_BODY {
        outranked(scores, targets, i, j, lanes, value, [&](vf gap, vi, vi higher) ATTUNE_INLINE_BODY {
          above += select(higher, vexp(splat(-top) - gap), splat(0.0f));
        });
      });
      factors[i] = (losses[i] - sum(above)) * factor;
    }
  });
  return static_cast<float>(static_cast<double>(top) + std::log(total));
}

// Each factor says how the loss grows with a score of its pair.
struct Gradients {
  float* dinp;
  const float* inp;
  int64_t B, D;

  float* to(int64_t column, int64_t b) const { return dinp + (column * B + b) * D; }
  const float* of(int64_t column, int64_t b) const { return inp + (column * B + b) * D; }

  void pair(int64_t b, float factor) const {
    const float *a = of(0, b), *p = of(1, b);
    float *da = to(0, b), *dp = to(1, b);
    for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      store(da + c, load(p + c, lanes) * factor, lanes);
      store(dp + c, load(a + c, lanes) * factor, lanes);
    });
  }

  void dots(int64_t b, float factor) const {
    const float *a = of(0, b), *p = of(1, b), *n = of(2, b);
    float *da = to(0, b), *dp = to(1, b), *dn = to(2, b);
    for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      const vf along = load(a + c, lanes) * factor;
      store(da + c, (load(n + c, lanes) - load(p + c, lanes)) * factor, lanes);
      store(dp + c, -along, lanes);
      store(dn + c, along, lanes);
    });
  }

  void distances(int64_t b, float positive, float negative) const {
    const float *a = of(0, b), *p = of(1, b), *n = of(2, b);
    float *da = to(0, b), *dp = to(1, b), *dn = to(2, b);
    for_vectors(0, D, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      const vf x = load(a + c, lanes);
      const vf near = (x - load(p + c, lanes)) * positive, far = (x - load(n + c, lanes)) * negative;
      store(da + c, near - far, lanes);
      store(dp + c, -near, lanes);
      store(dn + c, far, lanes);
    });
  }
};

}  // namespace

attune_status pair_loss(attune_context* ctx, float* losses, float* dinp, const float* inp, const float* targets,
                        int64_t B, int64_t D, int32_t kind, float value, float scale) {
  static_assert(2 * kMaxPairs * sizeof(float) <= kWorkspaceBytes, "scratch of pair_loss");
  if (B == 0) return ATTUNE_OK;
  float* scores = reinterpret_cast<float*>(ctx->workspace(0));  // no worker uses it as scratch
  const int64_t grain = grain_or_alone(B, 3 * D, pairs_per_task(D));
  float* factors = scores + B;
  parallel_range(ctx, B, grain, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t b = begin; b < end; ++b) {
      const float *a = inp + b * D, *p = a + B * D, *n = p + B * D;
      if (kind == ATTUNE_PAIR_RANKING) {
        scores[b] = dot(a, p, D);
      } else if (kind == ATTUNE_PAIR_SQUARED_ERROR) {
        const float difference = dot(a, p, D) - targets[b];
        losses[b] = difference * difference;
        scores[b] = 2.0f * difference * scale;
      } else {
        const bool dots = kind == ATTUNE_TRIPLET_DOT;
        const float near = dots ? -dot(a, p, D) : distance(a, p, D);
        const float far = dots ? -dot(a, n, D) : distance(a, n, D);
        const float loss = near - far + value;
        losses[b] = loss <= 0.0f ? 0.0f : loss;  // NaN passes
        const float factor = loss <= 0.0f ? 0.0f : scale;
        scores[b] = dots ? factor : near == 0.0f ? 0.0f : factor / near;
        factors[b] = dots ? factor : far == 0.0f ? 0.0f : factor / far;
      }
    }
  });
  if (kind == ATTUNE_PAIR_RANKING) {
    const float loss = ranking(ctx, factors, losses, scores, targets, B, value, scale);
    for (int64_t b = 0; b < B; ++b) losses[b] = loss;
  }
  if (dinp == nullptr) return ATTUNE_OK;
  const Gradients gradients{dinp, inp, B, D};
  parallel_range(ctx, B, grain, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t b = begin; b < end; ++b) {
      switch (kind) {
        case ATTUNE_PAIR_SQUARED_ERROR: gradients.pair(b, scores[b]); break;
        case ATTUNE_PAIR_RANKING: gradients.pair(b, factors[b]); break;
        case ATTUNE_TRIPLET_DOT: gradients.dots(b, scores[b]); break;
        default: gradients.distances(b, scores[b], factors[b]);
      }
    }
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
