// Variable-length attention by tiles with online softmax (Dao, FlashAttention-2).
//
// Scores are kept transposed: a tile S^T has a row per key and a lane per query. The softmax over keys
// then runs down the lanes, without a single reduction across a vector, and row statistics (maximum,
// sum, lse, dot(dout, out)) are plain vectors. Masks and dropout are lane-wise too.
//
// A relative position bias is where the sums of the scores begin (attention_bias.h).
//
// With matrix tiles the forward pass in bf16 keeps scores with a row per query (attention_amx.h); the backward pass is
// the one below with operands and blocks of its own (attention_gradient_amx.h).
//
//   forward    S^T = K Q^T, P^T = exp2(c S^T - m), O = rescaled O + (P^T)^T V
//   backward   S^T again, P^T from lse, dP^T = V dO^T, dS^T = P^T (dP^T - dot(dout, out)),
//              dV += P^T dO, dK += dS^T Q, dQ += (dS^T)^T K
//
// Work is cut by (sequence, group of heads) and, for long sequences, by runs of query blocks. Blocks
// and tiles depend on lengths only, and every sum runs in rising order of its index, so neither
// threads nor the way of cutting change a bit.
#include <cstdint>

#include "attention_forward.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"

namespace attune {
namespace ATTUNE_ISA {

attune_status attention_fwd(attune_context* ctx, void* out, float* lse, const void* q, const void* k, const void* v,
                            const float* bias, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride,
                            int64_t kv_stride, int64_t B, int64_t, int64_t H, int64_t Hkv, int64_t D, int64_t reach,
                            float scale, int32_t causal, int64_t window, float p, int64_t seed, int64_t stream,
                            int32_t dtype) {
  const AttentionProblem a{
      cu_q, cu_k, nullptr, q_stride, kv_stride, B, H, Hkv, D, scale, causal != 0, window, Dropout(ctx, p, seed, stream),
      bias, reach};
  ATTUNE_CHECK(check_attention("attention_fwd", a));
  if (dtype == ATTUNE_F32) {
    run_forward(ctx, AttentionForward<Single, float>{a, static_cast<float*>(out), lse, static_cast<const float*>(q),
                                                     static_cast<const float*>(k), static_cast<const float*>(v)});
    return ATTUNE_OK;
  }
  auto run = [&](auto cell) {
    run_forward(ctx, ForwardOf<decltype(cell), bf16>{a, static_cast<bf16*>(out), lse, static_cast<const bf16*>(q),
                                                     static_cast<const bf16*>(k), static_cast<const bf16*>(v)});
  };
#if defined(ATTUNE_BF16_DOTS)
  if (D % 2 == 0) {
    run(Pair());
    return ATTUNE_OK;
  }
#endif
  run(Single());
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
