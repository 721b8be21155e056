// Variable-length attention: the entries. Kernels in attention_forward.cuh and attention_backward.cuh (bf16,
// tensor cores) and attention_f32.cuh; relative position bias in attention_bias.cuh; how their blocks find work in
// attention_schedule.cuh; sizes in attention_plan.h; launches in attention_launch.cuh.
#include "attention_launch.cuh"

namespace attune::cuda {

ATTUNE_WITH_BIAS(extern, float)
ATTUNE_WITH_BIAS(extern, bf16)

namespace {

attune_status check_room(const char* op, int64_t B, int64_t H, const float* bias) {
  if (B == 0) return ATTUNE_OK;
  // Both lists of tiles lie in the scratch of the context, with a bias in half of it; tiles of all heads are counted in
  // 32 bits.
  const int64_t room = bias != nullptr ? kScratchBytes / 2 : kScratchBytes;
  const int64_t most = min_of(room / (Schedule::kLists * Schedule::words(1) * 4), (int64_t{1} << 29) / H);
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
                         int64_t kv_stride, int64_t B, int64_t H, int64_t Hkv, int64_t D, const float* bias,
                         int64_t reach, float scale, int32_t causal, int64_t window, float p, int64_t seed,
                         int64_t stream, bool vectors) {
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
          behind_of(window),
          causal != 0 ? 0 : behind_of(window),
          bias,
          static_cast<int32_t>(reach),
          static_cast<uint64_t>(seed),
          static_cast<uint64_t>(stream),
          &ctx->step()->stream_base,
          static_cast<uint32_t>(threshold),
          dropout_scale(threshold),
          vectors};
}

}  // namespace

attune_status attention_fwd(attune_context* ctx, void* out, float* lse, const void* q, const void* k, const void* v,
                            const float* bias, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride,
                            int64_t kv_stride, int64_t B, int64_t, int64_t H, int64_t Hkv, int64_t D, int64_t reach,
                            float scale, int32_t causal, int64_t window, float p, int64_t seed, int64_t stream,
                            int32_t dtype) {
  const char* op = "attention_fwd";
  ATTUNE_CHECK(check_room(op, B, H, bias));
  if (B == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const bool vectors = in_vectors<T>(D, q_stride, kv_stride, out, q, k, v);
    const AttentionProblem a = problem(ctx, cu_q, cu_k, q_stride, kv_stride, B, H, Hkv, D, bias, reach, scale, causal,
                                       window, p, seed, stream, vectors);
    const ForwardTensors<T> x{static_cast<T*>(out), lse, static_cast<const T*>(q), static_cast<const T*>(k),
                              static_cast<const T*>(v)};
    return bias != nullptr ? launch_attention_fwd<true, T>(ctx, a, x) : launch_attention_fwd<false, T>(ctx, a, x);
  });
}

attune_status attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, float* dbias, const void* dout,
                            const void* q, const void* k, const void* v, const float* bias, const void* out,
                            const float* lse, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride,
                            int64_t kv_stride, int64_t B, int64_t, int64_t H, int64_t Hkv, int64_t D, int64_t reach,
                            float scale, int32_t causal, int64_t window, float p, int64_t seed, int64_t stream,
                            int32_t dtype) {
  const char* op = "attention_bwd";
  ATTUNE_CHECK(check_room(op, B, H, bias));
  if (dtype == ATTUNE_BF16 && D == 1) {
    return fail(ATTUNE_UNSUPPORTED, "%s: D is 1, must be at least 2 with bf16 (a row of dq holds an f32 meanwhile)",
                op);
  }
  if (B == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const bool vectors = in_vectors<T>(D, q_stride, kv_stride, dq, dk, dv, dout, q, k, v, out);
    const AttentionProblem a = problem(ctx, cu_q, cu_k, q_stride, kv_stride, B, H, Hkv, D, bias, reach, scale, causal,
                                       window, p, seed, stream, vectors);
    const BackwardTensors<T> x{static_cast<T*>(dq),
                               static_cast<T*>(dk),
                               static_cast<T*>(dv),
                               static_cast<const T*>(dout),
                               static_cast<const T*>(q),
                               static_cast<const T*>(k),
                               static_cast<const T*>(v),
                               static_cast<const T*>(out),
                               lse,
                               {}};
    return bias != nullptr ? launch_attention_bwd<true, T>(ctx, a, x, dbias)
                           : launch_attention_bwd<false, T>(ctx, a, x, nullptr);
  });
}

}  // namespace attune::cuda
