// Bytes, norms, embeddings, pooling, activations: what works on rows one by one. The conventions are those of
// attune_ops.h.
#ifndef ATTUNE_OPS_ROWS_H
#define ATTUNE_OPS_ROWS_H

#include "attune_types.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- bytes -------------------------------------------------------------------------------------
attune_status attune_fill_zero(attune_context* ctx, void* out, int64_t bytes);
// Copies bytes; also the yardstick of bandwidth measurements. The ranges must not overlap.
attune_status attune_copy(attune_context* ctx, void* out, const void* inp, int64_t bytes);

// ---- layer norm --------------------------------------------------------------------------------

// Fused dropout, residual add, layer norm, dropout:
//   sum (N,C) dtype = dropout_inp(inp) + residual (may be null); out (N,C) dtype =
//   dropout_out((sum - mean) * rstd * weight + bias); mean, rstd (N) f32 of sum as stored. bias may be null: zero.
// sum may be inp itself (in place), and may be null in inference. p_inp uses `stream`, p_out uses `stream + 1`. eps is
// inside the square root.
attune_status attune_layer_norm_fwd(attune_context* ctx, void* out, void* sum, float* mean, float* rstd,
                                    const void* inp, const void* residual, const float* weight, const float* bias,
                                    int64_t N, int64_t C, float eps, float p_inp, float p_out, int64_t seed,
                                    int64_t stream, int32_t dtype);

// dsum = gradient of sum = dsum_extra (null: zero; the gradient that reaches sum by another way, as
// in pre-norm models) + the layer norm's. dinp (N,C) = dsum .* the inp mask (may be null);
// dresidual (N,C) (+)= dsum by accumulate_residual (may be null; dinp and dresidual may be one where
// p_inp is 0). dweight, dbias (C) f32 (+)= by accumulate_weight; both null where they are frozen,
// dbias alone where there is no bias.
attune_status attune_layer_norm_bwd(attune_context* ctx, void* dinp, void* dresidual, float* dweight, float* dbias,
                                    const void* dout, const void* dsum_extra, const void* sum, const float* mean,
                                    const float* rstd, const float* weight, int64_t N, int64_t C, float p_inp,
                                    float p_out, int64_t seed, int64_t stream, int32_t accumulate_residual,
                                    int32_t accumulate_weight, int32_t dtype);

// ---- root mean square norm -----------------------------------------------------------------------

// Root mean square norm (Zhang and Sennrich, 2019), fused with the residual add:
//   sum (N,C) dtype = inp + residual; out = sum * rstd * weight, rstd = 1 / sqrt(mean(sum^2) + eps) of
//   sum as stored; weight (C) f32, rstd (N,G) f32 (may be null in inference).
// Row n has G groups of C elements, each normalised by itself with the same weight (G > 1: the heads of
// a query or key product): group g of row n starts at inp + n * inp_stride + g * C and goes to
// out + n * out_stride + g * C. residual and sum are given together or both null; given, both are dense
// (N,C) and G is 1. sum may be residual, or inp where inp is dense; out may be inp where sum is null and
// the strides agree.
attune_status attune_rms_norm_fwd(attune_context* ctx, void* out, void* sum, float* rstd, const void* inp,
                                  const void* residual, const float* weight, int64_t N, int64_t G, int64_t C,
                                  int64_t inp_stride, int64_t out_stride, float eps, int32_t dtype);

// dinp (rows inp_stride apart) = dsum_extra (null: zero) + the norm's gradient: the gradient of inp and of
// residual alike. `sum` is the forward's sum, or its inp where there was none; rows of dsum_extra and sum
// are inp_stride apart, rows of dout out_stride. Elements of dinp between its groups and rows keep what
// they hold. dinp may be dsum_extra, or dout where the strides agree.
// dweight (C) f32 (+)= by accumulate_weight; null where the weight is frozen.
attune_status attune_rms_norm_bwd(attune_context* ctx, void* dinp, float* dweight, const void* dout,
                                  const void* dsum_extra, const void* sum, const float* rstd, const float* weight,
                                  int64_t N, int64_t G, int64_t C, int64_t inp_stride, int64_t out_stride,
                                  int32_t accumulate_weight, int32_t dtype);

// ---- embedding ---------------------------------------------------------------------------------

// out (N,C) dtype = word[ids[n]] + position[positions[n]] + type[type_ids[n]]; tables (.,C) f32;
// position and type may be null with their indices. V, P, T: rows of the tables; an index outside is
// INVALID_ARGUMENT that names it.
attune_status attune_embedding_fwd(attune_context* ctx, void* out, const float* word, const float* position,
                                   const float* type, const int32_t* ids, const int32_t* positions,
                                   const int32_t* type_ids, int64_t N, int64_t C, int64_t V, int64_t P, int64_t T,
                                   int32_t dtype);

// Adds dout rows to dword, dposition, dtoken_type (f32; each may be null) at their indices, in row
// order for every column: deterministic. Always accumulates.
attune_status attune_embedding_bwd(attune_context* ctx, float* dword, float* dposition, float* dtoken_type,
                                   const void* dout, const int32_t* ids, const int32_t* positions,
                                   const int32_t* type_ids, int64_t N, int64_t C, int32_t dtype);

// Zeroes rows[0..M-1] of table (.,C) f32.
attune_status attune_zero_rows(attune_context* ctx, float* table, const int32_t* rows, int64_t M, int64_t C);

// ---- pooling, element-wise ---------------------------------------------------------------------

// out (M,C) = inp[rows[m]]; the caller answers for rows, whose bound forward does not know. backward: dinp
// (N,C) rows, distinct, receive dout. Without accumulate all other rows of dinp are zeroed.
attune_status attune_gather_rows_fwd(attune_context* ctx, void* out, const void* inp, const int32_t* rows, int64_t M,
                                     int64_t C, int32_t dtype);
attune_status attune_gather_rows_bwd(attune_context* ctx, void* dinp, const void* dout, const int32_t* rows, int64_t N,
                                     int64_t M, int64_t C, int32_t accumulate, int32_t dtype);

// out (B,C) = mean of the rows of each sequence (a sequence without rows gives 0).
attune_status attune_mean_pool_fwd(attune_context* ctx, void* out, const void* inp, const int32_t* cu_seqlens,
                                   int64_t B, int64_t C, int32_t dtype);
attune_status attune_mean_pool_bwd(attune_context* ctx, void* dinp, const void* dout, const int32_t* cu_seqlens,
                                   int64_t B, int64_t C, int32_t accumulate, int32_t dtype);

// out = act(inp); backward from inp (ATTUNE_ACT_TANH too): dinp (+)= dout .* act'(inp). In place is
// allowed (out == inp; dinp == dout).
attune_status attune_activation_fwd(attune_context* ctx, void* out, const void* inp, int64_t count, int32_t activation,
                                    int32_t dtype);
attune_status attune_activation_bwd(attune_context* ctx, void* dinp, const void* dout, const void* inp, int64_t count,
                                    int32_t activation, int32_t accumulate, int32_t dtype);

// out = dropout(inp). Its own backward (apply it to dout). In place is allowed.
attune_status attune_dropout(attune_context* ctx, void* out, const void* inp, int64_t count, float p, int64_t seed,
                             int64_t stream, int32_t dtype);

// out (+)= inp, converting between f32 and bf16.
attune_status attune_cast(attune_context* ctx, void* out, const void* inp, int64_t count, int32_t accumulate,
                          int32_t out_dtype, int32_t inp_dtype);

// ---- gated activations --------------------------------------------------------------------------------

// Gated linear unit (Shazeer, 2020): inp (N,2F) holds gate | up; out (N,F) = act(gate) .* up. SwiGLU with
// ATTUNE_ACT_SILU, GeGLU with GELU.
attune_status attune_gated_fwd(attune_context* ctx, void* out, const void* inp, int64_t N, int64_t F,
                               int32_t activation, int32_t dtype);

// dinp (N,2F) = (dout .* up .* act'(gate) | dout .* act(gate)); may be inp itself. out_again (N,F), where
// given, receives the forward's out, so that the caller need not keep it; it may be dout.
attune_status attune_gated_bwd(attune_context* ctx, void* dinp, void* out_again, const void* dout, const void* inp,
                               int64_t N, int64_t F, int32_t activation, int32_t dtype);

#ifdef __cplusplus
}
#endif

#endif
