// Products of matrices, weights in fewer bits, adapters. The conventions are those of attune_ops.h.
#ifndef ATTUNE_OPS_PRODUCTS_H
#define ATTUNE_OPS_PRODUCTS_H

#include "attune_types.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- linear ------------------------------------------------------------------------------------

// out (N,F) dtype = act(pre), pre (N,F) dtype = inp (N,C) dtype * weight (F,C)^T + bias (F) f32.
// weight is weight_dtype (f32 master, or frozen: bf16, or NF4 or INT8 as attune_quantize lays it out); in bf16 its
// values are rounded to bf16 before the product. bias may be null. pre may be null: it is only stored, for backward,
// where given. The activation is computed from pre as stored (rounded to dtype). On the CPU few rows (N up to 16)
// stream the weight and many pack it, and the two sum in different orders (in bf16 at the level amx in the same);
// within each a row of out depends on its row of inp and on the weight alone, bit for bit, whatever N is and whatever
// the other rows hold.
// In f32 the level amx multiplies many rows, few with a weight in bf16, and gradients, in three parts of bf16 that are
// exact together: an infinity, or a number from 3.396e38, gives NaN, and what a part leaves below 2^-126 is lost.
attune_status attune_linear_fwd(attune_context* ctx, void* out, void* pre, const void* inp, const void* weight,
                                const float* bias, int64_t N, int64_t C, int64_t F, int32_t activation, int32_t dtype,
                                int32_t weight_dtype);

// dinp (N,C) dtype = (dout (N,F) dtype * weight (F,C)) .* act'(pre), with pre (N,C) dtype the
// pre-activation whose activation was this product's input; null and ATTUNE_ACT_NONE where there was
// none. act_out (N,C) dtype, where given, receives act(pre) again, so that the caller need not keep
// it. With accumulate the product (times act') is added to dinp.
attune_status attune_linear_bwd_input(attune_context* ctx, void* dinp, void* act_out, const void* dout,
                                      const void* weight, const void* pre, int64_t N, int64_t C, int64_t F,
                                      int32_t activation, int32_t accumulate, int32_t dtype, int32_t weight_dtype);

// dweight (F,C) f32 (+)= dout (N,F)^T * inp (N,C); dbias (F) f32 (+)= column sums of dout; squares (1) f64 = the sum of
// the squares of dweight as it is then, in an order that depends on (F,C), and on whether N is 0. dbias and squares may
// be null.
attune_status attune_linear_bwd_weight(attune_context* ctx, float* dweight, float* dbias, double* squares,
                                       const void* dout, const void* inp, int64_t N, int64_t C, int64_t F,
                                       int32_t accumulate, int32_t dtype);

// ---- products of integers (no kernel for CUDA) -------------------------------------------------------

// A weight (F,C), C at most 65536, in int8 for products of integers. Its rows are quantized one by one, as those of
// activations are: scale = absmax / 127, code = value * (127 / absmax) to the nearest integer, of two as near the even
// one; a row whose absmax is below 2^-100 has scale 0 and codes 0. Layout: strips of 16 rows (rows past F, and elements
// past C, are 0), each, with Cp = C rounded up to 4 and every strip a multiple of 64 bytes long:
//   int8 codes (Cp / 4, 16, 4), where [s][r][i] is element 4s + i of row r; f32 scales (16); i32 sums of a row's codes
//   (16).
// So (F + 15) / 16 * (16 Cp + 128) bytes, and rows from a multiple of 16 on are a weight themselves. A NaN or an
// infinity is INVALID_ARGUMENT.
attune_status attune_linear_int8_pack(attune_context* ctx, void* out, const float* inp, int64_t F, int64_t C);

// out (N,F) f32 = act(sum * inp_scale * weight_scale + bias (F) f32), sum the exact i32 product of the codes of a row
// of inp (N,C) f32, quantized as above, and of a row of weight; the factors in this order, each rounded to f32. bias
// may be null. A row of inp with a NaN or an infinity gives NaN throughout. scratch: N * (2 C + 192) bytes. Up to the
// activation the result is the same bits at every instruction-set level, whatever N is.
attune_status attune_linear_int8_fwd(attune_context* ctx, float* out, void* scratch, const float* inp,
                                     const void* weight, const float* bias, int64_t N, int64_t C, int64_t F,
                                     int32_t activation);

// ---- quantized weights --------------------------------------------------------------------------------------

// Weights held in 4 or 8 bits (Dettmers et al., 2022 and 2023), read by the linear products as weight_dtype
// ATTUNE_NF4 or ATTUNE_INT8: the codes of all (F,C) elements row-major, each row's blocks of 64 elements
// scaled by their largest magnitude. C must be a multiple of 64. Layout, each part 64-byte aligned:
//   INT8  int8 codes (F,C); f32 scales (F, C / 64): value = code * scale, scale = absmax / 127.
//   NF4   nibbles (F, C / 2), the even element low; u8 scale codes (F * C / 64); then, per 256 scales, one
//         f32, the largest distance of a scale from the offset; then one f32 offset, the mean of all scales:
//         scale = offset + (code - 127) / 127 * that f32 (double quantization), value = NF4[nibble] * scale.
// Codes are those of the nearest value to element / scale (NF4: to element / absmax, before the scales
// are rounded), of two as near the even one (NF4: the lower one). A block of zeros gives zeros.
// Bytes of that layout; 0 for an unknown type or a bad shape.
ATTUNE_API int64_t attune_quantized_bytes(int64_t F, int64_t C, int32_t dtype);

// Packs inp (F,C), inp_dtype f32 or bf16, into out, laid out as out_dtype says. A NaN or an infinity is
// INVALID_ARGUMENT. Bytes between the parts keep what they hold.
attune_status attune_quantize(attune_context* ctx, void* out, const void* inp, int64_t F, int64_t C, int32_t inp_dtype,
                              int32_t out_dtype);

// The values that quantize stored, as out_dtype f32 or bf16.
attune_status attune_dequantize(attune_context* ctx, void* out, const void* inp, int64_t F, int64_t C,
                                int32_t out_dtype, int32_t inp_dtype);

// ---- low-rank adapters ----------------------------------------------------------------------------------

// The second product of a LoRA adapter (Hu et al., 2021), added to what the frozen product wrote:
// out (N,F), rows out_stride apart, += scale * low (N,R), rows low_stride apart, * up (F,R)^T f32.
// Accumulated in f32, rounded to dtype once.
attune_status attune_lora_fwd(attune_context* ctx, void* out, const void* low, const float* up, int64_t N, int64_t F,
                              int64_t R, int64_t out_stride, int64_t low_stride, float scale, int32_t dtype);

// In one pass over dout (N,F), rows out_stride apart: dlow (N,R), rows low_stride apart, = scale * dout * up;
// dup (F,R) f32 (+)= scale * dout^T * low.
attune_status attune_lora_bwd(attune_context* ctx, void* dlow, float* dup, const void* dout, const void* low,
                              const float* up, int64_t N, int64_t F, int64_t R, int64_t out_stride, int64_t low_stride,
                              float scale, int32_t accumulate, int32_t dtype);

// ---- weight-decomposed adapters --------------------------------------------------------------------------

// DoRA (Liu et al., 2024): a weight with an adapter keeps the direction of W + scale up down, and a trained
// magnitude replaces the norm of each of its rows. The norm counts as a constant in backward (section 4.3).

// What a step multiplies columns by, from rows first_row .. first_row + F of weight (rows,C), held as
// weight_dtype (f32, bf16, or quantized: C then a multiple of 64), and its adapter down (R,C), up (F,R) f32:
//   norm (F) f32 = the norms of the rows of weight + scale up down, each sum formed in f32 before it is squared;
//   gain (F) f32 = magnitude / norm;  excess (F) f32 = (magnitude - norm) / norm, which is gain - 1.
// A row of norm 0 has gain 0 and excess -1. gain, excess and magnitude (F) f32 are given together, or null
// together. norm may be none of the inputs.
attune_status attune_dora_gain(attune_context* ctx, float* gain, float* excess, float* norm, const void* weight,
                               const float* down, const float* up, const float* magnitude, int64_t rows,
                               int64_t first_row, int64_t F, int64_t C, int64_t R, float scale, int32_t weight_dtype);

// out (N,F) (+)= gain (F) .* inp (N,F) + bias (F, null: zero); out may be inp.
attune_status attune_dora_fwd(attune_context* ctx, void* out, const void* inp, const float* gain, const float* bias,
                              int64_t N, int64_t F, int32_t accumulate, int32_t dtype);

// dinp (N,F) = gain .* dout; rows of dinp, dout and inp are `stride` apart, F is at most 65536. dmagnitude (F) f32
// (+)= the sum over rows of dout .* inp, divided by norm (0 where the norm is 0); inp and norm are read for it
// alone and may be null where it is null. dinp may be dout or inp.
attune_status attune_dora_bwd(attune_context* ctx, void* dinp, float* dmagnitude, const void* dout, const void* inp,
                              const float* gain, const float* norm, int64_t N, int64_t F, int64_t stride,
                              int32_t accumulate, int32_t dtype);

#ifdef __cplusplus
}
#endif

#endif
