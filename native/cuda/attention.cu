// Variable-length attention: the entries. Kernels in attention_forward.cuh and attention_backward.cuh (bf16,
// tensor cores) and attention_f32.cuh; how their blocks find work in attention_schedule.cuh; sizes in
// attention_plan.h.
#include "attention_f32.cuh"
#include "attention_forward.cuh"

namespace attune::cuda {

namespace {

// body(std::integral_constant<int, padded head size>, std::bool_constant<dropout>).
template <class Body>
attune_status with_shape(int64_t D, bool dropout, Body&& body) {
  auto with_head = [&](auto head) { return dropout ? body(head, std::true_type{}) : body(head, std::false_type{}); };
  switch (padded_head(D)) {
    case 32: return with_head(std::integral_constant<int, 32>{});
    case 64: return with_head(std::integral_constant<int, 64>{});
    case 96: return with_head(std::integral_constant<int, 96>{});
    case 128: return with_head(std::integral_constant<int, 128>{});
    default: return with_head(std::integral_constant<int, 256>{});
  }
}

attune_status check_room(const char* op, int64_t B, int64_t H) {
  if (B == 0) return ATTUNE_OK;
  // Both lists of tiles lie in the scratch of the context, and tiles of all heads are counted in 32 bits.
  const int64_t most = min_of(kScratchBytes / (Schedule::kLists * Schedule::words(1) * 4), (int64_t{1} << 29) / H);
  if (B > most)
    return fail(ATTUNE_UNSUPPORTED, "%s: B is %lld, must be at most %lld with H %lld", op, ll(B), ll(most), ll(H));
  return ATTUNE_OK;
}

// Whether rows of `heads` heads of D elements can be read in 16 bytes.
template <class T, class... Pointers>
bool in_vectors(int64_t D, int64_t q_stride, int64_t kv_stride, const Pointers*... pointers) {
  return D % kVector<T> == 0 && q_stride % kVector<T> == 0 && kv_stride % kVector<T> == 0 && aligned16(pointers...);
}

AttentionProblem problem(attune_context* ctx, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride,
                         int64_t kv_stride, int64_t B, int64_t H, int64_t Hkv, int64_t D, float scale, int32_t causal,
                         int64_t window, float p, int64_t seed, int64_t stream, bool vectors) {
  const int32_t threshold = dropout_threshold(p);
  return {cu_q,
          cu_k,
          q_stride,
          kv_stride,
          static_cast<int32_t>(B),
          static_cast<int32_t>(H),
          static_cast<int32_t>(Hkv),
          static_cast<int32_t>(D),
          scale,
          causal != 0,
          clamped_window(window),
          static_cast<uint64_t>(seed),
          static_cast<uint64_t>(stream),
          &ctx->step()->stream_base,
          static_cast<uint32_t>(threshold),
          dropout_scale(threshold),
          vectors};
}

// Blocks of a kernel that fit the device at once: what the registers of its launch bounds and its shared
// memory allow. More would wait for nothing, since the running ones take all the tiles.
unsigned resident_blocks(attune_context* ctx, int per_multiprocessor) {
  return static_cast<unsigned>(ctx->multiprocessors * per_multiprocessor);
}

attune_status schedule(attune_context* ctx, const AttentionProblem& a, Op op, const ScheduleRequest& first,
                       const ScheduleRequest& second) {
  return launch(ctx, attention_schedule, 2, kScheduleThreads, kScheduleShared, first, second, a.B, &ctx->front()->error,
                op);
}

// One forward kernel, whose tensors are a struct X.
template <class Tiles, class Shared, class X>
attune_status run_forward(attune_context* ctx, const AttentionProblem& a, const X& x,
                          void (*kernel)(AttentionProblem, X, Schedule)) {
  static_assert(sizeof(Shared) <= kSmallestShared, "runs everywhere");
  const unsigned blocks = resident_blocks(ctx, kBlocksPerMultiprocessor);
  const Schedule queries = Schedule::at(ctx->scratch<int32_t>(), a.B),
                 keys = Schedule::at(ctx->scratch<int32_t>() + Schedule::words(a.B), a.B);
  // The list of key tiles is only made for the check of cu_k.
  ATTUNE_CHECK(schedule(ctx, a, Op::attention_fwd,
                        {queries, a.cu_q, a.cu_k, Tiles::kOwn, static_cast<int32_t>(blocks), Index::cu_q},
                        {keys, a.cu_k, a.cu_q, Tiles::kOwn, static_cast<int32_t>(blocks), Index::cu_k}));
  return launch(ctx, kernel, blocks, Tiles::kThreads, sizeof(Shared), a, x, queries);
}

template <class KeyTiles, class KeyShared, class QueryTiles, class QueryShared, class T>
attune_status run_backward(attune_context* ctx, const AttentionProblem& a, const BackwardTensors<T>& x,
                           void (*over_keys)(AttentionProblem, BackwardTensors<T>, Schedule),
                           void (*over_queries)(AttentionProblem, BackwardTensors<T>, Schedule)) {
  static_assert(sizeof(KeyShared) <= kSmallestShared && sizeof(QueryShared) <= kSmallestShared, "runs everywhere");
  const unsigned blocks = resident_blocks(ctx, kBlocksPerMultiprocessor);
  const Schedule queries = Schedule::at(ctx->scratch<int32_t>(), a.B),
                 keys = Schedule::at(ctx->scratch<int32_t>() + Schedule::words(a.B), a.B);
  ATTUNE_CHECK(schedule(ctx, a, Op::attention_bwd,
                        {queries, a.cu_q, a.cu_k, QueryTiles::kOwn, static_cast<int32_t>(blocks), Index::cu_q},
                        {keys, a.cu_k, a.cu_q, KeyTiles::kOwn, static_cast<int32_t>(blocks), Index::cu_k}));
  ATTUNE_CHECK(launch(ctx, attention_bwd_dots<T>, resident_blocks(ctx, 8), kDotThreads, 0, a, x));
  ATTUNE_CHECK(launch(ctx, over_keys, blocks, KeyTiles::kThreads, sizeof(KeyShared), a, x, keys));
  return launch(ctx, over_queries, blocks, QueryTiles::kThreads, sizeof(QueryShared), a, x, queries);
}

}  // namespace

attune_status attention_fwd(attune_context* ctx, void* out, float* lse, const void* q, const void* k, const void* v,
                            const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride, int64_t kv_stride, int64_t B,
                            int64_t, int64_t H, int64_t Hkv, int64_t D, float scale, int32_t causal, int64_t window,
                            float p, int64_t seed, int64_t stream, int32_t dtype) {
  const char* op = "attention_fwd";
  ATTUNE_CHECK(check_room(op, B, H));
  if (B == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const bool vectors = in_vectors<T>(D, q_stride, kv_stride, out, q, k, v);
    const AttentionProblem a =
        problem(ctx, cu_q, cu_k, q_stride, kv_stride, B, H, Hkv, D, scale, causal, window, p, seed, stream, vectors);
    const ForwardTensors<T> x{static_cast<T*>(out), lse, static_cast<const T*>(q), static_cast<const T*>(k),
                              static_cast<const T*>(v)};
    return with_shape(D, a.threshold > 0, [&](auto head, auto dropout) {
      constexpr int kD = decltype(head)::value;
      constexpr bool kDropout = decltype(dropout)::value;
      if constexpr (std::is_same_v<T, float>) {
        return run_forward<FloatTiles<kD>, FloatForwardShared<kD>>(ctx, a, x, attention_fwd_f32<kD, kDropout>);
      } else {
        return run_forward<ForwardTiles<kD, kDropout>, ForwardShared<kD, kDropout>>(
            ctx, a, x, attention_fwd_tensor_cores<kD, kDropout>);
      }
    });
  });
}

attune_status attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, const void* dout, const void* q,
                            const void* k, const void* v, const void* out, const float* lse, const int32_t* cu_q,
                            const int32_t* cu_k, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t, int64_t H,
                            int64_t Hkv, int64_t D, float scale, int32_t causal, int64_t window, float p, int64_t seed,
                            int64_t stream, int32_t dtype) {
  const char* op = "attention_bwd";
  ATTUNE_CHECK(check_room(op, B, H));
  if (dtype == ATTUNE_BF16 && D == 1) {
    return fail(ATTUNE_UNSUPPORTED, "%s: D is 1, must be at least 2 with bf16 (a row of dq holds an f32 meanwhile)",
                op);
  }
  if (B == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const bool vectors = in_vectors<T>(D, q_stride, kv_stride, dq, dk, dv, dout, q, k, v, out);
    const AttentionProblem a =
        problem(ctx, cu_q, cu_k, q_stride, kv_stride, B, H, Hkv, D, scale, causal, window, p, seed, stream, vectors);
    const BackwardTensors<T> x{static_cast<T*>(dq),         static_cast<T*>(dk),        static_cast<T*>(dv),
                               static_cast<const T*>(dout), static_cast<const T*>(q),   static_cast<const T*>(k),
                               static_cast<const T*>(v),    static_cast<const T*>(out), lse};
    return with_shape(D, a.threshold > 0, [&](auto head, auto dropout) {
      constexpr int kD = decltype(head)::value;
      constexpr bool kDropout = decltype(dropout)::value;
      if constexpr (std::is_same_v<T, float>) {
        using Shared = FloatBackwardShared<kD>;
        return run_backward<FloatTiles<kD>, Shared, FloatTiles<kD>, Shared>(
            ctx, a, x, attention_bwd_f32<kD, Owner::Keys, kDropout>, attention_bwd_f32<kD, Owner::Queries, kDropout>);
      } else {
        return run_backward<BackwardTiles<kD, Owner::Keys, kDropout>, BackwardShared<kD, Owner::Keys, kDropout>,
                            BackwardTiles<kD, Owner::Queries, kDropout>, BackwardShared<kD, Owner::Queries, kDropout>>(
            ctx, a, x, attention_bwd_tensor_cores<kD, Owner::Keys, kDropout>,
            attention_bwd_tensor_cores<kD, Owner::Queries, kDropout>);
      }
    });
  });
}

}  // namespace attune::cuda
