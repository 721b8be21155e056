// Attention of new rows over a key/value cache: many new rows of a sequence (a prefill) run through the tiles of
// attention_forward.h, few of them stream its keys and values (attention_streamed.h).
#include <cstdint>

#include "attention_forward.h"
#include "attention_streamed.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"

namespace attune {
namespace ATTUNE_ISA {
namespace {

template <class Cell, class T>
static void run_cached(attune_context* ctx, const AttentionProblem& a, void* out, const void* q, const void* k,
                       const void* v) {
  const streamed::Attention<Cell, T> few{a, static_cast<T*>(out), static_cast<const T*>(q), static_cast<const T*>(k),
                                         static_cast<const T*>(v)};
  run_forward(ctx, ForwardOf<Cell, T>{a, few.out, nullptr, few.q, few.k, few.v,
                                      streamed::Attention<Cell, T>::least_tiled(a.group())});
  few.run(ctx);
}

attune_status check_cached(const char* op, const AttentionProblem& a) {
  ATTUNE_CHECK(check_attention(op, a));
  for (int64_t b = 0; b < a.B; ++b) {
    ATTUNE_REQUIRE(a.first_key[b] >= 0, "%s: k_start[%lld] is %d, must be at least 0", op, ll(b), a.first_key[b]);
    ATTUNE_REQUIRE(a.key_count[b] >= a.queries(b), "%s: k_count[%lld] is %d, must be at least %lld, its queries", op,
                   ll(b), a.key_count[b], ll(a.queries(b)));
  }
  return ATTUNE_OK;
}

}  // namespace

attune_status attention_cached_fwd(attune_context* ctx, void* out, const void* q, const void* k_cache,
                                   const void* v_cache, const int32_t* cu_q, const int32_t* k_start,
                                   const int32_t* k_count, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t H,
                                   int64_t Hkv, int64_t D, float scale, int64_t window, int32_t dtype) {
  const char* op = "attention_cached_fwd";
  const AttentionProblem a{
      cu_q, k_start, k_count, q_stride, kv_stride, B, H, Hkv, D, scale, true, window, Dropout(ctx, 0.0f, 0, 0)};
  ATTUNE_CHECK(check_cached(op, a));
  if (B == 0 || cu_q[B] == cu_q[0]) return ATTUNE_OK;
  if (dtype == ATTUNE_F32) {
    run_cached<Single, float>(ctx, a, out, q, k_cache, v_cache);
    return ATTUNE_OK;
  }
#if defined(ATTUNE_BF16_DOTS)
  if (D % 2 == 0) {
    run_cached<Pair, bf16>(ctx, a, out, q, k_cache, v_cache);
    return ATTUNE_OK;
  }
#endif
  run_cached<Single, bf16>(ctx, a, out, q, k_cache, v_cache);
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
