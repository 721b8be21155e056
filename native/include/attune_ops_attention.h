// Attention, its positions and its cache of keys and values. The conventions are those of attune_ops.h.
#ifndef ATTUNE_OPS_ATTENTION_H
#define ATTUNE_OPS_ATTENTION_H

#include "attune_types.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- attention ---------------------------------------------------------------------------------

// Variable-length multi-head attention over packed rows (Dao et al., FlashAttention-2: tiles, online
// softmax; no N x N matrix in memory).
//   q (Nq, H, D), k and v (Nk, Hkv, D) dtype with row strides in elements (so that the three may lie
//   in one (N, 3C) product); out (Nq, H, D) dense; lse (H, Nq) f32: log-sum-exp of the scaled scores.
//   Sequence b owns query rows cu_q[b]..cu_q[b+1] and key rows cu_k[b]..cu_k[b+1]. A sequence with no
//   keys gives out 0 and lse -inf. Head h reads key/value head h / (H / Hkv). No sequence has more than
//   max_length queries or keys; these kernels look at cu_q and cu_k alone, libraries beside them plan by it.
//   Query i of a sequence stands at key i' = i + (keys - queries). causal: it sees keys j <= i'. window > 0: of
//   those only j with |j - i'| < window, so that a causal query sees the last `window` keys and another one
//   window - 1 keys to each side (a window that reaches r keys to each side is r + 1). 0: no limit. Work follows
//   what is seen.
//   bias (H, 2 reach + 1) f32, or null and reach 0: relative position bias (Shaw et al., 2018; Raffel et al.,
//   2020). bias[h][reach + o] is added to the scaled score of query i and key j, o = j - i' clamped to
//   -reach..reach: one row per head serves sequences of any length, where the bias is constant beyond reach.
//   A row of offsets, not a matrix (H, N, N): it is what T5, MPNet and ALiBi have, and stays in cache.
//   Dropout on the probabilities: element (row i of Nq, head h, key j of its sequence) uses 16-bit
//   lane j % 8 of the block with counter (j / 8, i * H + h) and this op's stream.
attune_status attune_attention_fwd(attune_context* ctx, void* out, float* lse, const void* q, const void* k,
                                   const void* v, const float* bias, const int32_t* cu_q, const int32_t* cu_k,
                                   int64_t q_stride, int64_t kv_stride, int64_t B, int64_t max_length, int64_t H,
                                   int64_t Hkv, int64_t D, int64_t reach, float scale, int32_t causal, int64_t window,
                                   float p, int64_t seed, int64_t stream, int32_t dtype);

// Overwrites dq (Nq, H, D), dk and dv (Nk, Hkv, D) with the strides of q and of k, v.
// Adds to dbias (H, 2 reach + 1) f32 the sums, over all queries, of the gradients of their scores by offset; null where
// there is no bias or it is frozen. Always accumulates.
attune_status attune_attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, float* dbias, const void* dout,
                                   const void* q, const void* k, const void* v, const float* bias, const void* out,
                                   const float* lse, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride,
                                   int64_t kv_stride, int64_t B, int64_t max_length, int64_t H, int64_t Hkv, int64_t D,
                                   int64_t reach, float scale, int32_t causal, int64_t window, float p, int64_t seed,
                                   int64_t stream, int32_t dtype);

// The bias of attention from a learned table of buckets of offsets: out (H, 2 reach + 1) f32, out[h][i] =
// table[buckets[i]][h], table (K,H) f32. A bucket outside 0..K-1 is INVALID_ARGUMENT.
attune_status attune_relative_bias_fwd(attune_context* ctx, float* out, const float* table, const int32_t* buckets,
                                       int64_t H, int64_t reach, int64_t K);

// dtable (K,H) f32 (+)= by accumulate the sum of dout (H, 2 reach + 1) over the offsets of each bucket, in rising
// order.
attune_status attune_relative_bias_bwd(attune_context* ctx, float* dtable, const float* dout, const int32_t* buckets,
                                       int64_t H, int64_t reach, int64_t K, int32_t accumulate);

// ---- disentangled attention --------------------------------------------------------------------

// Attention whose scores know content and relative position apart (He et al., DeBERTa, 2021), over packed rows where
// every row sees its whole sequence. The score of query i and key j of a sequence is
//   scale * (q_i . k_j + q_i . pos_key[place] + k_j . pos_query[place]),
//   place = places[reach + o], o = i - j clamped to -reach..reach.
//   q, k, v (N, H, D) dtype with row stride `stride`; out (N, H, D) dense; lse (H, N) f32: log-sum-exp of the scores.
//   pos_key (content to position) and pos_query (position to content) (P, H, D) dtype with row stride `pos_stride`,
//   the same for all sequences; null: the score has no such term. places (2 reach + 1) i32: rows of them, each the one
//   before it or the next; another, or one outside 0..P-1, is INVALID_ARGUMENT (where the device finds it: outside
//   0..P-1 alone). Sequence b owns rows cu_seqlens[b]..cu_seqlens[b+1].
//   Dropout on the probabilities as in attention. No matrix of N x N, nor of N x P, lies in memory.
attune_status attune_disentangled_attention_fwd(attune_context* ctx, void* out, float* lse, const void* q,
                                                const void* k, const void* v, const void* pos_key,
                                                const void* pos_query, const int32_t* places, const int32_t* cu_seqlens,
                                                int64_t N, int64_t stride, int64_t pos_stride, int64_t B,
                                                int64_t max_length, int64_t H, int64_t D, int64_t P, int64_t reach,
                                                float scale, float p, int64_t seed, int64_t stream, int32_t dtype);

// Overwrites dq, dk, dv (N, H, D) with the stride of q, k, v, and dpos_key, dpos_query (P, H, D) with that of pos_key
// and pos_query: the sums over all sequences; null where not wanted. Sums of the positions are made in `groups` groups
// of sequences, which depend on cu_seqlens alone, and then added in rising order. scratch f32, with Dw = D rounded up
// to a multiple of 16: (groups, H, 2, P, Dw) of those sums and (N, H, Dw).
attune_status attune_disentangled_attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, void* dpos_key,
                                                void* dpos_query, float* scratch, const void* dout, const void* q,
                                                const void* k, const void* v, const void* pos_key,
                                                const void* pos_query, const void* out, const float* lse,
                                                const int32_t* places, const int32_t* cu_seqlens, int64_t N,
                                                int64_t stride, int64_t pos_stride, int64_t B, int64_t max_length,
                                                int64_t H, int64_t D, int64_t P, int64_t reach, int64_t groups,
                                                float scale, float p, int64_t seed, int64_t stream, int32_t dtype);

// ---- rotary position embedding ---------------------------------------------------------------------

// Rotary position embedding (Su et al., 2021) in Hugging Face's half-split layout, in place: of each of H
// heads (N rows `stride` apart, head h at h * D), elements i and i + rotary / 2, i < rotary / 2, become
// (a c - b s, b c + a s) with (c, s) = table[positions[n]][i], table (P, rotary / 2, 2) f32. rotary is
// even and 0..D; the rest of the head stays. inverse rotates back: it is the backward. A position
// outside 0..P-1 is INVALID_ARGUMENT.
attune_status attune_rope(attune_context* ctx, void* inp, const float* table, const int32_t* positions, int64_t N,
                          int64_t H, int64_t D, int64_t rotary, int64_t stride, int64_t P, int32_t inverse,
                          int32_t dtype);

// ---- generation ----------------------------------------------------------------------------------------------

// Causal attention of new rows over a key/value cache, inference only: q (Nq,H,D) with row stride q_stride;
// sequence b owns query rows cu_q[b]..cu_q[b+1] and the keys and values in rows k_start[b] ..
// k_start[b] + k_count[b] of the caches (rows kv_stride apart, Hkv heads of D), the last of which belong to
// its queries: query i of n sees keys up to k_count[b] - n + i, and k_count[b] is at least n. window as in
// attention_fwd. out (Nq,H,D) dense. The numbers of a sequence depend on nothing else in the batch; those
// of a query do depend, in the last places, on how many queries its sequence has in the call: few stream the
// cache in splits, many (a prefill) run in tiles.
attune_status attune_attention_cached_fwd(attune_context* ctx, void* out, const void* q, const void* k_cache,
                                          const void* v_cache, const int32_t* cu_q, const int32_t* k_start,
                                          const int32_t* k_count, int64_t q_stride, int64_t kv_stride, int64_t B,
                                          int64_t H, int64_t Hkv, int64_t D, float scale, int64_t window,
                                          int32_t dtype);

// Copies row n of k and v (N, width; rows inp_stride apart) to row rows[n] of the caches (rows cache_stride
// apart). The rows are distinct.
attune_status attune_kv_cache_write(attune_context* ctx, void* k_cache, void* v_cache, const void* k, const void* v,
                                    const int32_t* rows, int64_t N, int64_t width, int64_t inp_stride,
                                    int64_t cache_stride, int32_t dtype);

// out (N) i32 = index of the largest element of each row of inp (N,K); the first of equals; -1 for a row
// that holds a NaN.
attune_status attune_argmax(attune_context* ctx, int32_t* out, const void* inp, int64_t N, int64_t K, int32_t dtype);

// ---- layouts of cuDNN's attention (CUDA alone) ---------------------------------------------------

// Packed sequences as cuDNN's attention takes them. From cu_seqlens (B+1), for `padded` sequences of which those from
// B on have no rows: lengths (padded) i32, then, each attune_cuda_offsets_stride(padded) i32 behind the one before,
// where each sequence begins and the last one ends (padded+1) in arrays of `width`, of `out_width` and of `heads`
// elements a row. The largest offset must fit 31 bits.
attune_status attune_sequence_offsets(attune_context* ctx, int32_t* out, const int32_t* cu_seqlens, int64_t B,
                                      int64_t padded, int64_t width, int64_t out_width, int64_t heads);

// Its statistics: by_head: out (heads,N) f32 = inp (N,heads)^T; else out (N,heads) = inp (heads,N)^T. N is
// cu_seqlens[B].
attune_status attune_transpose_stats(attune_context* ctx, float* out, const float* inp, const int32_t* cu_seqlens,
                                     int64_t B, int64_t heads, int32_t by_head);

#ifdef __cplusplus
}
#endif

#endif
