// How the kernels of attention are launched. Included where they are instantiated: without a bias in attention.cu, with
// one in attention_bias.cu, which halves what one call of the compiler takes.
#ifndef ATTUNE_CUDA_ATTENTION_LAUNCH_CUH
#define ATTUNE_CUDA_ATTENTION_LAUNCH_CUH

#include "attention_f32.cuh"
#include "attention_forward.cuh"

namespace attune::cuda {

// body(std::integral_constant<int, padded head size>, std::bool_constant<dropout>).
template <class Body>
static attune_status with_shape(int64_t D, bool dropout, Body&& body) {
  auto with_head = [&](auto head) { return dropout ? body(head, std::true_type{}) : body(head, std::false_type{}); };
  switch (padded_head(D)) {
    case 32: return with_head(std::integral_constant<int, 32>{});
    case 64: return with_head(std::integral_constant<int, 64>{});
    case 96: return with_head(std::integral_constant<int, 96>{});
    case 128: return with_head(std::integral_constant<int, 128>{});
    default: return with_head(std::integral_constant<int, 256>{});
  }
}

// Blocks of a kernel that fit the device at once: what the registers of its launch bounds and its shared
// memory allow. More would wait for nothing, since the running ones take all the tiles.
static inline unsigned resident_blocks(attune_context* ctx, int per_multiprocessor) {
  return static_cast<unsigned>(ctx->multiprocessors * per_multiprocessor);
}

static inline attune_status schedule(attune_context* ctx, const AttentionProblem& a, Op op,
                                     const ScheduleRequest& first, const ScheduleRequest& second) {
  return launch(ctx, attention_schedule, 2, kScheduleThreads, kScheduleShared, first, second, a.B, &ctx->front()->error,
                op);
}

// One forward kernel, whose tensors are a struct X.
template <class Tiles, class Shared, class X>
static attune_status run_forward(attune_context* ctx, const AttentionProblem& a, const X& x,
                                 void (*kernel)(AttentionProblem, X, Schedule)) {
  static_assert(sizeof(Shared) <= kSmallestShared, "runs everywhere");
  const unsigned blocks = resident_blocks(ctx, kBlocksPerMultiprocessor);
  const Schedule queries = Schedule::at(ctx->scratch<int32_t>(), a.B),
                 keys = Schedule::at(ctx->scratch<int32_t>() + Schedule::words(a.B), a.B);
  // The list of key tiles is only made for the check of cu_k.
  ATTUNE_CHECK(schedule(ctx, a, Op::attention_fwd,
                        {queries, a.cu_q, a.cu_k, Tiles::kOwn, static_cast<int32_t>(blocks), Index::cu_q, false},
                        {keys, a.cu_k, a.cu_q, Tiles::kOwn, static_cast<int32_t>(blocks), Index::cu_k, false}));
  return launch(ctx, kernel, blocks, Tiles::kThreads, sizeof(Shared), a, x, queries);
}

// dbias: null where it is not wanted. kStrips: that a block of the pass over queries sums it in.
template <bool kBias, int kStrips, class KeyTiles, class KeyShared, class QueryTiles, class QueryShared, class T>
static attune_status run_backward(attune_context* ctx, const AttentionProblem& a, BackwardTensors<T> x, float* dbias,
                                  void (*over_keys)(AttentionProblem, BackwardTensors<T>, Schedule),
                                  void (*over_queries)(AttentionProblem, BackwardTensors<T>, Schedule)) {
  static_assert(sizeof(KeyShared) <= kSmallestShared && sizeof(QueryShared) <= kSmallestShared, "runs everywhere");
  const unsigned blocks = resident_blocks(ctx, kBlocksPerMultiprocessor);
  unsigned query_blocks = blocks;
  if constexpr (kBias) {
    const int64_t slots = bias_slots(a.H, a.reach, kStrips);
    if (slots < 1) {
      return fail(ATTUNE_UNSUPPORTED, "%s: the bias has %lld * %lld elements, must have at most %lld", ctx->op, ll(a.H),
                  ll(2 * int64_t{a.reach} + 1), ll(kScratchBytes / 8 / kStrips));
    }
    query_blocks = static_cast<unsigned>(a.H * slots);
    x.slots = {dbias != nullptr ? ctx->scratch<float>() + kScratchBytes / 8 : nullptr, static_cast<int32_t>(slots)};
  }
  const Schedule queries = Schedule::at(ctx->scratch<int32_t>(), a.B),
                 keys = Schedule::at(ctx->scratch<int32_t>() + Schedule::words(a.B), a.B);
  ATTUNE_CHECK(schedule(ctx, a, Op::attention_bwd,
                        {queries, a.cu_q, a.cu_k, QueryTiles::kOwn, static_cast<int32_t>(blocks), Index::cu_q, kBias},
                        {keys, a.cu_k, a.cu_q, KeyTiles::kOwn, static_cast<int32_t>(blocks), Index::cu_k, false}));
  ATTUNE_CHECK(launch(ctx, attention_bwd_dots<T>, resident_blocks(ctx, 8), kDotThreads, 0, a, x));
  ATTUNE_CHECK(launch(ctx, over_keys, blocks, KeyTiles::kThreads, sizeof(KeyShared), a, x, keys));
  ATTUNE_CHECK(launch(ctx, over_queries, query_blocks, QueryTiles::kThreads, sizeof(QueryShared), a, x, queries));
  if (dbias == nullptr) return ATTUNE_OK;
  const int64_t row = 2 * int64_t{a.reach} + 1;
  const BiasGradient sum{dbias, x.slots.partials, row, int64_t{x.slots.slots} * kStrips};
  return launch_flat<1>(ctx, sum, a.H * row, true);
}

template <bool kBias, class T>
attune_status launch_attention_fwd(attune_context* ctx, const AttentionProblem& a, const ForwardTensors<T>& x) {
  return with_shape(a.D, a.threshold > 0, [&](auto head, auto dropout) {
    constexpr int kD = decltype(head)::value;
    constexpr bool kDropout = decltype(dropout)::value;
    if constexpr (std::is_same_v<T, float>) {
      return run_forward<FloatTiles<kD>, FloatForwardShared<kD>>(ctx, a, x, attention_fwd_f32<kD, kDropout, kBias>);
    } else {
      return run_forward<ForwardTiles<kD, kDropout, kBias>, ForwardShared<kD, kDropout, kBias>>(
          ctx, a, x, attention_fwd_tensor_cores<kD, kDropout, kBias>);
    }
  });
}

template <bool kBias, class T>
attune_status launch_attention_bwd(attune_context* ctx, const AttentionProblem& a, const BackwardTensors<T>& x,
                                   float* dbias) {
  return with_shape(a.D, a.threshold > 0, [&](auto head, auto dropout) {
    constexpr int kD = decltype(head)::value;
    constexpr bool kDropout = decltype(dropout)::value;
    if constexpr (std::is_same_v<T, float>) {
      using Shared = FloatBackwardShared<kD>;
      return run_backward<kBias, 1, FloatTiles<kD>, Shared, FloatTiles<kD>, Shared>(
          ctx, a, x, dbias, attention_bwd_f32<kD, Owner::Keys, kDropout, kBias>,
          attention_bwd_f32<kD, Owner::Queries, kDropout, kBias>);
    } else {
      using Keys = BackwardTiles<kD, Owner::Keys, kDropout, kBias>;
      using Queries = BackwardTiles<kD, Owner::Queries, kDropout, kBias>;
      return run_backward<kBias, Queries::kWarps, Keys, BackwardShared<kD, Owner::Keys, kDropout, kBias>, Queries,
                          BackwardShared<kD, Owner::Queries, kDropout, kBias>>(
          ctx, a, x, dbias, attention_bwd_tensor_cores<kD, Owner::Keys, kDropout, kBias>,
          attention_bwd_tensor_cores<kD, Owner::Queries, kDropout, kBias>);
    }
  });
}

// In attention_bias.cu.
#define ATTUNE_WITH_BIAS(prefix, T)                                                                     \
  prefix template attune_status launch_attention_fwd<true, T>(attune_context*, const AttentionProblem&, \
                                                              const ForwardTensors<T>&);                \
  prefix template attune_status launch_attention_bwd<true, T>(attune_context*, const AttentionProblem&, \
                                                              const BackwardTensors<T>&, float*);

}  // namespace attune::cuda

#endif
