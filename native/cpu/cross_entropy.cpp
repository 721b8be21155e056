// Softmax cross-entropy, loss and gradient together.
#include <cmath>

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

// A row is read in blocks that stay in L1 between the search for their maximum and the sum of their
// exponentials, so that a row of any length crosses the outer caches once for the loss and once for
// the gradient.
constexpr int64_t kBlock = 2048;

struct RowSums {
  float max;        // of the row; 0 where it has nothing above -infinity
  double exps;      // sum of exp(x - max)
  double distance;  // sum of x - max, for label smoothing; weighted where classes are
};

// What classes count: null, or (K) and their sum.
struct ClassWeight {
  const float* each;
  double sum;
};

template <bool kWeighted, class T>
static RowSums sums_of(const T* logits, const float* weight, int64_t K, bool smooth) {
  const float minus_infinity = -__builtin_inff();
  float running = minus_infinity;
  double exps = 0, distance = 0, weight_before = 0;
  for (int64_t begin = 0; begin < K; begin += kBlock) {
    int64_t end = begin + kBlock < K ? begin + kBlock : K;
    vf greatest = splat(minus_infinity);
    for_vectors(begin, end, [&](int64_t k, auto lanes) ATTUNE_INLINE_BODY {
      // NaN is passed over here; the sum of exponentials meets it.
      greatest = vmax(fill(load(logits + k, lanes), minus_infinity, lanes), greatest);
    });
    float block_max = max(greatest);
    if (block_max > running) {
      // Nothing but exact zeros (or NaN) was summed before the first finite logit.
      float factor = running == minus_infinity ? 0.0f : vexp(splat(running - block_max))[0];
      float base = running == minus_infinity ? 0.0f : running;
      exps *= static_cast<double>(factor);
      if (begin > 0)
        distance -= (kWeighted ? weight_before : static_cast<double>(begin)) *
                    (static_cast<double>(block_max) - static_cast<double>(base));
      running = block_max;
    }
    const float base = running == minus_infinity ? 0.0f : running;
    vf total = splat(0.0f), apart = splat(0.0f);
    for_vectors(begin, end, [&](int64_t k, auto lanes) ATTUNE_INLINE_BODY {
      vf x = load(logits + k, lanes) - base;
      total += keep(vexp(x), lanes);
      if (smooth) {
        if constexpr (kWeighted) {
          apart += keep(x * load(weight + k, lanes), lanes);
        } else {
          apart += keep(x, lanes);
        }
      }
    });
    exps += static_cast<double>(sum(total));
    if (smooth) distance += static_cast<double>(sum(apart));
    if (kWeighted && smooth) {
      for (int64_t k = begin; k < end; ++k) weight_before += static_cast<double>(weight[k]);
    }
  }
  return {running == minus_infinity ? 0.0f : running, exps, distance};
}

template <bool kWeighted, class T>
static void row_loss(float* loss, T* dlogits, const T* logits, int64_t label, ClassWeight weight, int64_t K,
                     float smoothing, float scale) {
  const RowSums sums = sums_of<kWeighted>(logits, weight.each, K, smoothing > 0.0f);
  const float at_label = to_float(logits[label]) - sums.max;
  const float own = kWeighted ? weight.each[label] : 1.0f;
  const double at_own = (1.0 - static_cast<double>(smoothing)) * static_cast<double>(own);
  const double spread = static_cast<double>(smoothing) / static_cast<double>(K);
  // The sum of the weighted target.
  const double mass = kWeighted ? at_own + spread * weight.sum : 1.0;
  double target = at_own * static_cast<double>(at_label);
  if (smoothing > 0.0f) target += spread * sums.distance;
  *loss = static_cast<float>(mass * std::log(sums.exps) - target);
  if (dlogits == nullptr) return;
  const float factor = static_cast<float>(static_cast<double>(scale) * mass / sums.exps);
  const float uniform = scale * smoothing / static_cast<float>(K);
  const float one_hot = scale * (1.0f - smoothing) * own;
  for_vectors(0, K, [&](int64_t k, auto lanes) ATTUNE_INLINE_BODY {
    const vf share = vexp(load(logits + k, lanes) - sums.max) * factor;
    if constexpr (kWeighted) {
      store(dlogits + k, share - load(weight.each + k, lanes) * uniform, lanes);
    } else {
      store(dlogits + k, share - uniform, lanes);
    }
  });
  // The label's element is computed again rather than read back, since it was rounded.
  from_float(dlogits + label, vexp(splat(at_label))[0] * factor - uniform * own - one_hot);
}

}  // namespace

attune_status cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                            const int32_t* labels, const float* class_weight, int64_t N, int64_t K, int32_t ignore,
                            float label_smoothing, float scale, int32_t dtype) {
  const char* op = "cross_entropy";
  if (N == 0) return ATTUNE_OK;
  for (int64_t n = 0; n < N; ++n) {
    ATTUNE_REQUIRE(labels[n] == ignore || (labels[n] >= 0 && labels[n] < K),
                   "%s: labels[%lld] is %d, must be 0..%lld or %d (ignored)", op, ll(n), labels[n], ll(K - 1), ignore);
  }
  ClassWeight weight = {class_weight, 0};
  for (int64_t k = 0; class_weight != nullptr && k < K; ++k) weight.sum += static_cast<double>(class_weight[k]);
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    parallel_range(ctx, N, 4096 / K + 1, [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t n = begin; n < end; ++n) {
        const T* row = static_cast<const T*>(logits) + n * K;
        T* to = dlogits != nullptr ? static_cast<T*>(dlogits) + n * K : nullptr;
        if (labels[n] == ignore) {
          losses[n] = 0.0f;
          if (to != nullptr) std::memset(to, 0, static_cast<size_t>(K) * sizeof(T));
        } else if (class_weight != nullptr) {
          row_loss<true>(losses + n, to, row, labels[n], weight, K, label_smoothing, scale);
        } else {
          row_loss<false>(losses + n, to, row, labels[n], weight, K, label_smoothing, scale);
        }
      }
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
