// Softmax cross-entropy, loss and gradient together. A row belongs to one warp (K <= 1024) or one block. Its
// first pass finds maximum and sum of exponentials at once (Milakov and Gimelshein, 2018), its second reads it
// again, mostly from L2, and writes the gradient. Accesses per element: 1, and 1 of dlogits.
#include "reduce.cuh"
#include "vectors.cuh"

namespace attune::cuda {

namespace {

template <class T>
struct CrossEntropy {
  float* losses;
  T* dlogits;  // null in evaluation; may be logits
  const T* logits;
  const int32_t* labels;
  const float* weight;  // of classes, or null
  int64_t N, K;
  int32_t ignore;
  float smoothing, scale;
  ErrorWord* error;
};

template <int V, int kWarps, class T>
__global__ void __launch_bounds__(RowGroup<kWarps>::kBlockThreads) cross_entropy_rows(CrossEntropy<T> a) {
  using Group = RowGroup<kWarps>;
  const Group group(shared_memory());
  const int thread = group.thread();
  for (int64_t n = group.group(); n < a.N; n += group.groups()) {
    const T* row = a.logits + n * a.K;
    T* to = a.dlogits != nullptr ? a.dlogits + n * a.K : nullptr;
    const int32_t label = a.labels[n];
    const bool outside = label != a.ignore && (label < 0 || label >= a.K);
    if (outside && thread == 0) record_bad_index(a.error, Op::cross_entropy, Index::labels, n, label, a.K);
    if (outside || label == a.ignore) {
      if (thread == 0) a.losses[n] = 0.0f;
      if (to != nullptr) {
        for_row_pieces<V>(to, a.K, thread, Group::kThreads, [&](auto width, int64_t k) {
          const float zeros[decltype(width)::value] = {};
          store(to + k, zeros);
        });
      }
      continue;
    }
    // Everything above -infinity counts; where there is nothing, exponentials are taken from 0.
    float greatest = -kInfinity, exps = 0;
    double logits_sum = 0, weight_sum = 0;
    const bool smooth = a.smoothing > 0.0f;
    for_row_pieces<V>(row, a.K, thread, Group::kThreads, [&](auto width, int64_t k) {
      constexpr int kWidth = decltype(width)::value;
      float x[kWidth];
      load(x, row + k);
      float here = x[0];
#pragma unroll
      for (int i = 1; i < kWidth; ++i) here = fmaxf(here, x[i]);
      if (here > greatest) {
        // Only exact zeros (or NaN) were summed before the first finite logit.
        exps *= greatest == -kInfinity ? 0.0f : expf(greatest - here);
        greatest = here;
      }
      const float base = greatest == -kInfinity ? 0.0f : greatest;
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        exps += expf(x[i] - base);
        if (!smooth) continue;
        const double weight = a.weight != nullptr ? static_cast<double>(a.weight[k + i]) : 1.0;
        logits_sum += weight * static_cast<double>(x[i]);
        weight_sum += weight;
      }
    });
    const float all = group.reduce(greatest, Max{});
    const float top = all == -kInfinity ? 0.0f : all;
    const float factor_here = greatest == -kInfinity ? 1.0f : expf(greatest - top);
    const double sum = group.reduce(static_cast<double>(exps) * static_cast<double>(factor_here), Add{});
    const float at_label = to_float(row[label]) - top;
    const float own = a.weight != nullptr ? a.weight[label] : 1.0f;
    const double at_own = (1.0 - static_cast<double>(a.smoothing)) * static_cast<double>(own);
    double target = at_own * static_cast<double>(at_label);
    double mass = at_own;  // the sum of the weighted target
    if (smooth) {
      const double weights = group.reduce(weight_sum, Add{});
      const double distance = group.reduce(logits_sum, Add{}) - weights * static_cast<double>(top);
      const double spread = static_cast<double>(a.smoothing) / static_cast<double>(a.K);
      target += spread * distance;
      mass += spread * weights;
    }
    if (a.weight == nullptr) mass = 1.0;
    if (thread == 0) a.losses[n] = static_cast<float>(mass * log(sum) - target);
    if (to == nullptr) continue;
    // The gradient may overwrite the logit at the label, which another thread reads above.
    if constexpr (kWarps > 1) {
      __syncthreads();
    } else {
      __syncwarp();
    }
    const float factor = static_cast<float>(static_cast<double>(a.scale) * mass / sum);
    const float uniform = a.scale * a.smoothing / static_cast<float>(a.K);
    const float one_hot = a.scale * (1.0f - a.smoothing) * own;
    for_row_pieces<V>(row, a.K, thread, Group::kThreads, [&](auto width, int64_t k) {
      constexpr int kWidth = decltype(width)::value;
      float x[kWidth];
      load(x, row + k);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float weight = a.weight != nullptr ? a.weight[k + i] : 1.0f;
        x[i] = fmaf(expf(x[i] - top), factor, -uniform * weight);
        if (k + i == label) x[i] -= one_hot;
      }
      store(to + k, x);
    });
  }
}

}  // namespace

attune_status cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                            const int32_t* labels, const float* class_weight, int64_t N, int64_t K, int32_t ignore,
                            float label_smoothing, float scale, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    CrossEntropy<T> body{losses,
                         static_cast<T*>(dlogits),
                         static_cast<const T*>(logits),
                         labels,
                         class_weight,
                         N,
                         K,
                         ignore,
                         label_smoothing,
                         scale,
                         &ctx->front()->error};
    auto run = [&](auto width, auto warps) {
      constexpr int V = decltype(width)::value, kWarps = decltype(warps)::value;
      using Group = RowGroup<kWarps>;
      return launch(ctx, cross_entropy_rows<V, kWarps, T>, row_grid<Group>(N, int64_t{1} << 20), Group::kBlockThreads,
                    Group::kSharedBytes, body);
    };
    auto run_width = [&](auto width) {
      return K <= 1024 ? run(width, std::integral_constant<int, 1>{}) : run(width, std::integral_constant<int, 16>{});
    };
    // The two must lie alike: rows of an odd K begin anywhere.
    const bool vectors =
        dlogits == nullptr || ((reinterpret_cast<uintptr_t>(dlogits) ^ reinterpret_cast<uintptr_t>(logits)) & 15) == 0;
    return vectors ? run_width(std::integral_constant<int, kVector<T>>{}) : run_width(std::integral_constant<int, 1>{});
  });
}

}  // namespace attune::cuda
