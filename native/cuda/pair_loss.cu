// Losses of pairs and triplets of vectors. A warp scores each pair; of a ranking one block then compares all pairs with
// each other, in f32 but for the sum over its threads; a warp writes the gradients of each pair. The vectors are read
// once for the scores and once for the gradients.
#include "reduce.cuh"
#include "rows.cuh"

namespace attune::cuda {

namespace {

constexpr int64_t kMaxPairs = int64_t{1} << 18;  // as the record in Java checks
constexpr int kRankingWarps = 16;
constexpr int kRankingThreads = kRankingWarps * kWarp;

struct Pairs {
  float* losses;
  float* dinp;    // null in evaluation
  float* scores;  // (2,B), scratch
  const float* inp;
  const float* targets;
  int64_t B, D;
  int32_t kind;
  float value, scale;

  __device__ const float* of(int64_t column, int64_t b) const { return inp + (column * B + b) * D; }
  __device__ float* to(int64_t column, int64_t b) const { return dinp + (column * B + b) * D; }
};

struct Scores : Pairs {
  template <int V, bool kDistance>
  __device__ float sum_over(const float* a, const float* b, int lane) const {
    float total = 0.0f;
    for (int64_t c = lane * V; c < D; c += kWarp * V) {
      float x[V], y[V];
      load(x, a + c);
      load(y, b + c);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        const float difference = x[k] - y[k];
        total = kDistance ? fmaf(difference, difference, total) : fmaf(x[k], y[k], total);
      }
    }
    return warp_reduce(total, Add{});
  }

  template <int V>
  __device__ void row(int64_t b, int lane) const {
    const float *a = of(0, b), *p = of(1, b), *n = of(2, b);
    if (kind == ATTUNE_PAIR_RANKING || kind == ATTUNE_PAIR_SQUARED_ERROR) {
      const float score = sum_over<V, false>(a, p, lane);
      if (lane != 0) return;
      if (kind == ATTUNE_PAIR_RANKING) {
        scores[b] = score;
        return;
      }
      const float difference = score - targets[b];
      losses[b] = difference * difference;
      scores[b] = 2.0f * difference * scale;
      return;
    }
    const bool dots = kind == ATTUNE_TRIPLET_DOT;
    const float near = dots ? -sum_over<V, false>(a, p, lane) : sqrtf(sum_over<V, true>(a, p, lane));
    const float far = dots ? -sum_over<V, false>(a, n, lane) : sqrtf(sum_over<V, true>(a, n, lane));
    if (lane != 0) return;
    const float loss = near - far + value;
    losses[b] = loss <= 0.0f ? 0.0f : loss;  // NaN passes
    const float factor = loss <= 0.0f ? 0.0f : scale;
    scores[b] = dots ? factor : near == 0.0f ? 0.0f : factor / near;
    scores[B + b] = dots ? factor : far == 0.0f ? 0.0f : factor / far;
  }
};

__global__ void __launch_bounds__(kRankingThreads) pair_ranking_block(Pairs a) {
  const RowGroup<kRankingWarps> group(shared_memory());
  const int thread = group.thread();
  float top = 0.0f;
  for (int64_t i = thread; i < a.B; i += kRankingThreads) {
    for (int64_t j = 0; j < a.B; ++j) {
      if (a.targets[i] < a.targets[j]) top = fmaxf(top, (a.scores[i] - a.scores[j]) * a.value);
    }
  }
  top = group.reduce(top, Max{});
  double sums = 0;
  for (int64_t i = thread; i < a.B; i += kRankingThreads) {
    float below = 0.0f, above = 0.0f;
    for (int64_t j = 0; j < a.B; ++j) {
      const float gap = (a.scores[i] - a.scores[j]) * a.value;
      if (a.targets[i] < a.targets[j]) below += expf(gap - top);
      if (a.targets[j] < a.targets[i]) above += expf(-gap - top);
    }
    a.scores[a.B + i] = below - above;
    sums += static_cast<double>(below);
  }
  const double total = group.reduce(sums, Add{}) + exp(-static_cast<double>(top));
  const float loss = static_cast<float>(static_cast<double>(top) + log(total));
  const float factor = static_cast<float>(static_cast<double>(a.B) * static_cast<double>(a.scale) *
                                          static_cast<double>(a.value) / total);
  for (int64_t i = thread; i < a.B; i += kRankingThreads) {
    a.losses[i] = loss;
    a.scores[a.B + i] *= factor;
  }
}

struct Gradients : Pairs {
  template <int V>
  __device__ void row(int64_t b, int lane) const {
    const float first = kind == ATTUNE_PAIR_RANKING ? scores[B + b] : scores[b];
    const bool triplets = kind == ATTUNE_TRIPLET_DOT || kind == ATTUNE_TRIPLET_EUCLIDEAN;
    const float second = triplets ? scores[B + b] : 0.0f;
    for (int64_t c = lane * V; c < D; c += kWarp * V) {
      float x[V], y[V], z[V], da[V];
      load(x, of(0, b) + c);
      load(y, of(1, b) + c);
      if (triplets) load(z, of(2, b) + c);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        if (!triplets) {
          da[k] = y[k] * first;
          y[k] = x[k] * first;
        } else if (kind == ATTUNE_TRIPLET_DOT) {
          da[k] = (z[k] - y[k]) * first;
          z[k] = x[k] * first;
          y[k] = -z[k];
        } else {
          const float near = (x[k] - y[k]) * first;
          z[k] = (x[k] - z[k]) * second;
          y[k] = -near;
          da[k] = near - z[k];
        }
      }
      store(to(0, b) + c, da);
      store(to(1, b) + c, y);
      if (triplets) store(to(2, b) + c, z);
    }
  }
};

}  // namespace

attune_status pair_loss(attune_context* ctx, float* losses, float* dinp, const float* inp, const float* targets,
                        int64_t B, int64_t D, int32_t kind, float value, float scale) {
  static_assert(2 * kMaxPairs * sizeof(float) <= kScratchBytes, "scratch of pair_loss");
  if (B == 0) return ATTUNE_OK;
  const Pairs pairs{losses, dinp, ctx->scratch<float>(), inp, targets, B, D, kind, value, scale};
  const bool vectors = aligned16(dinp, inp) && D % 4 == 0;
  ATTUNE_CHECK(launch_rows<4>(ctx, Scores{pairs}, B, vectors));
  if (kind == ATTUNE_PAIR_RANKING) {
    ATTUNE_CHECK(
        launch(ctx, pair_ranking_block, dim3(1), kRankingThreads, RowGroup<kRankingWarps>::kSharedBytes, pairs));
  }
  return dinp == nullptr ? ATTUNE_OK : launch_rows<4>(ctx, Gradients{pairs}, B, vectors);
}

}  // namespace attune::cuda
