// The entries of the library: null checks that Java cannot make, the guard, the jump to the kernel of
// the context's instruction-set level.
#include <exception>

#include "context.h"
#include "kernels.h"
#include "quantized_layout.h"

namespace {

// Turns whatever a kernel throws into a status: no exception may cross the border.
template <class Body>
attune_status guard(const char* op, const attune_context* ctx, bool implemented, Body&& body) {
  if (ctx == nullptr) return attune::fail(ATTUNE_INVALID_ARGUMENT, "%s: the context is null", op);
  if (!implemented) return attune::fail(ATTUNE_UNSUPPORTED, "%s has no kernel at this instruction-set level", op);
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return attune::fail(ATTUNE_OUT_OF_MEMORY, "%s: out of memory", op);
  } catch (const std::exception& e) {
    return attune::fail(ATTUNE_INTERNAL, "%s: %s", op, e.what());
  } catch (...) {
    return attune::fail(ATTUNE_INTERNAL, "%s: unknown failure", op);
  }
}

}  // namespace

#define ATTUNE_ENTRY(op, parameters, arguments)                                                   \
  attune_status attune_##op parameters {                                                          \
    return guard(#op, ctx, ctx != nullptr && ctx->kernels->op != nullptr, [&] { return ctx->kernels->op arguments; }); \
  }

extern "C" {

ATTUNE_ENTRY(fill_zero, (attune_context* ctx, void* out, int64_t bytes), (ctx, out, bytes))
ATTUNE_ENTRY(copy, (attune_context* ctx, void* out, const void* inp, int64_t bytes), (ctx, out, inp, bytes))
ATTUNE_ENTRY(linear_fwd, (attune_context* ctx, void* out, void* pre, const void* inp, const void* weight, const float* bias, int64_t N, int64_t C, int64_t F, int32_t activation, int32_t dtype, int32_t weight_dtype), (ctx, out, pre, inp, weight, bias, N, C, F, activation, dtype, weight_dtype))
ATTUNE_ENTRY(linear_bwd_input, (attune_context* ctx, void* dinp, void* act_out, const void* dout, const void* weight, const void* pre, int64_t N, int64_t C, int64_t F, int32_t activation, int32_t accumulate, int32_t dtype, int32_t weight_dtype), (ctx, dinp, act_out, dout, weight, pre, N, C, F, activation, accumulate, dtype, weight_dtype))
ATTUNE_ENTRY(linear_bwd_weight, (attune_context* ctx, float* dweight, float* dbias, const void* dout, const void* inp, int64_t N, int64_t C, int64_t F, int32_t accumulate, int32_t dtype), (ctx, dweight, dbias, dout, inp, N, C, F, accumulate, dtype))
ATTUNE_ENTRY(attention_fwd, (attune_context* ctx, void* out, float* lse, const void* q, const void* k, const void* v, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t H, int64_t Hkv, int64_t D, float scale, int32_t causal, int64_t window, float p, int64_t seed, int64_t stream, int32_t dtype), (ctx, out, lse, q, k, v, cu_q, cu_k, q_stride, kv_stride, B, H, Hkv, D, scale, causal, window, p, seed, stream, dtype))
ATTUNE_ENTRY(attention_bwd, (attune_context* ctx, void* dq, void* dk, void* dv, const void* dout, const void* q, const void* k, const void* v, const void* out, const float* lse, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t H, int64_t Hkv, int64_t D, float scale, int32_t causal, int64_t window, float p, int64_t seed, int64_t stream, int32_t dtype), (ctx, dq, dk, dv, dout, q, k, v, out, lse, cu_q, cu_k, q_stride, kv_stride, B, H, Hkv, D, scale, causal, window, p, seed, stream, dtype))
ATTUNE_ENTRY(layer_norm_fwd, (attune_context* ctx, void* out, void* sum, float* mean, float* rstd, const void* inp, const void* residual, const float* weight, const float* bias, int64_t N, int64_t C, float eps, float p_inp, float p_out, int64_t seed, int64_t stream, int32_t dtype), (ctx, out, sum, mean, rstd, inp, residual, weight, bias, N, C, eps, p_inp, p_out, seed, stream, dtype))
ATTUNE_ENTRY(layer_norm_bwd, (attune_context* ctx, void* dinp, void* dresidual, float* dweight, float* dbias, const void* dout, const void* dsum_extra, const void* sum, const float* mean, const float* rstd, const float* weight, int64_t N, int64_t C, float p_inp, float p_out, int64_t seed, int64_t stream, int32_t accumulate_residual, int32_t accumulate_weight, int32_t dtype), (ctx, dinp, dresidual, dweight, dbias, dout, dsum_extra, sum, mean, rstd, weight, N, C, p_inp, p_out, seed, stream, accumulate_residual, accumulate_weight, dtype))
ATTUNE_ENTRY(embedding_fwd, (attune_context* ctx, void* out, const float* word, const float* position, const float* type, const int32_t* ids, const int32_t* positions, const int32_t* type_ids, int64_t N, int64_t C, int64_t V, int64_t P, int64_t T, int32_t dtype), (ctx, out, word, position, type, ids, positions, type_ids, N, C, V, P, T, dtype))
ATTUNE_ENTRY(embedding_bwd, (attune_context* ctx, float* dword, float* dposition, float* dtype_table, const void* dout, const int32_t* ids, const int32_t* positions, const int32_t* type_ids, int64_t N, int64_t C, int32_t dtype), (ctx, dword, dposition, dtype_table, dout, ids, positions, type_ids, N, C, dtype))
ATTUNE_ENTRY(zero_rows, (attune_context* ctx, float* table, const int32_t* rows, int64_t M, int64_t C), (ctx, table, rows, M, C))
ATTUNE_ENTRY(gather_rows_fwd, (attune_context* ctx, void* out, const void* inp, const int32_t* rows, int64_t M, int64_t C, int32_t dtype), (ctx, out, inp, rows, M, C, dtype))
ATTUNE_ENTRY(gather_rows_bwd, (attune_context* ctx, void* dinp, const void* dout, const int32_t* rows, int64_t N, int64_t M, int64_t C, int32_t accumulate, int32_t dtype), (ctx, dinp, dout, rows, N, M, C, accumulate, dtype))
ATTUNE_ENTRY(mean_pool_fwd, (attune_context* ctx, void* out, const void* inp, const int32_t* cu_seqlens, int64_t B, int64_t C, int32_t dtype), (ctx, out, inp, cu_seqlens, B, C, dtype))
ATTUNE_ENTRY(mean_pool_bwd, (attune_context* ctx, void* dinp, const void* dout, const int32_t* cu_seqlens, int64_t B, int64_t C, int32_t accumulate, int32_t dtype), (ctx, dinp, dout, cu_seqlens, B, C, accumulate, dtype))
ATTUNE_ENTRY(activation_fwd, (attune_context* ctx, void* out, const void* inp, int64_t count, int32_t activation, int32_t dtype), (ctx, out, inp, count, activation, dtype))
ATTUNE_ENTRY(activation_bwd, (attune_context* ctx, void* dinp, const void* dout, const void* inp, int64_t count, int32_t activation, int32_t accumulate, int32_t dtype), (ctx, dinp, dout, inp, count, activation, accumulate, dtype))
ATTUNE_ENTRY(dropout, (attune_context* ctx, void* out, const void* inp, int64_t count, float p, int64_t seed, int64_t stream, int32_t dtype), (ctx, out, inp, count, p, seed, stream, dtype))
ATTUNE_ENTRY(cast, (attune_context* ctx, void* out, const void* inp, int64_t count, int32_t accumulate, int32_t out_dtype, int32_t inp_dtype), (ctx, out, inp, count, accumulate, out_dtype, inp_dtype))
ATTUNE_ENTRY(cross_entropy, (attune_context* ctx, float* losses, void* dlogits, const void* logits, const int32_t* labels, int64_t N, int64_t K, int32_t ignore, float label_smoothing, float scale, int32_t dtype), (ctx, losses, dlogits, logits, labels, N, K, ignore, label_smoothing, scale, dtype))
ATTUNE_ENTRY(mse, (attune_context* ctx, float* losses, void* dpred, const void* pred, const float* targets, int64_t N, float scale, int32_t dtype), (ctx, losses, dpred, pred, targets, N, scale, dtype))
ATTUNE_ENTRY(sum_of_squares, (attune_context* ctx, double* out, const float* inp, int64_t count), (ctx, out, inp, count))
ATTUNE_ENTRY(sum_of_squares_rows, (attune_context* ctx, double* out, const float* table, const int32_t* rows, int64_t M, int64_t C), (ctx, out, table, rows, M, C))
ATTUNE_ENTRY(adamw, (attune_context* ctx, float* weight, float* m, float* v, void* shadow, const float* grad, int64_t count, float lr, float beta1, float beta2, float eps, float weight_decay, float bias_correction1, float bias_correction2, float grad_scale), (ctx, weight, m, v, shadow, grad, count, lr, beta1, beta2, eps, weight_decay, bias_correction1, bias_correction2, grad_scale))
ATTUNE_ENTRY(adamw_rows, (attune_context* ctx, float* weight, float* m, float* v, const float* grad, const uint8_t* row_state, int64_t V, int64_t C, float lr, float beta1, float beta2, float eps, float weight_decay, float bias_correction1, float bias_correction2, float grad_scale), (ctx, weight, m, v, grad, row_state, V, C, lr, beta1, beta2, eps, weight_decay, bias_correction1, bias_correction2, grad_scale))
ATTUNE_ENTRY(sgd, (attune_context* ctx, float* weight, float* momentum_buffer, void* shadow, const float* grad, int64_t count, float lr, float momentum, float weight_decay, int32_t nesterov, int32_t first_step, float grad_scale), (ctx, weight, momentum_buffer, shadow, grad, count, lr, momentum, weight_decay, nesterov, first_step, grad_scale))
ATTUNE_ENTRY(rms_norm_fwd, (attune_context* ctx, void* out, void* sum, float* rstd, const void* inp, const void* residual, const float* weight, int64_t N, int64_t G, int64_t C, int64_t inp_stride, int64_t out_stride, float eps, int32_t dtype), (ctx, out, sum, rstd, inp, residual, weight, N, G, C, inp_stride, out_stride, eps, dtype))
ATTUNE_ENTRY(rms_norm_bwd, (attune_context* ctx, void* dinp, float* dweight, const void* dout, const void* dsum_extra, const void* sum, const float* rstd, const float* weight, int64_t N, int64_t G, int64_t C, int64_t inp_stride, int64_t out_stride, int32_t accumulate_weight, int32_t dtype), (ctx, dinp, dweight, dout, dsum_extra, sum, rstd, weight, N, G, C, inp_stride, out_stride, accumulate_weight, dtype))
ATTUNE_ENTRY(rope, (attune_context* ctx, void* inp, const float* table, const int32_t* positions, int64_t N, int64_t H, int64_t D, int64_t rotary, int64_t stride, int64_t P, int32_t inverse, int32_t dtype), (ctx, inp, table, positions, N, H, D, rotary, stride, P, inverse, dtype))
ATTUNE_ENTRY(gated_fwd, (attune_context* ctx, void* out, const void* inp, int64_t N, int64_t F, int32_t activation, int32_t dtype), (ctx, out, inp, N, F, activation, dtype))
ATTUNE_ENTRY(gated_bwd, (attune_context* ctx, void* dinp, void* out_again, const void* dout, const void* inp, int64_t N, int64_t F, int32_t activation, int32_t dtype), (ctx, dinp, out_again, dout, inp, N, F, activation, dtype))
ATTUNE_ENTRY(lora_fwd, (attune_context* ctx, void* out, const void* low, const float* up, int64_t N, int64_t F, int64_t R, int64_t out_stride, int64_t low_stride, float scale, int32_t dtype), (ctx, out, low, up, N, F, R, out_stride, low_stride, scale, dtype))
ATTUNE_ENTRY(lora_bwd, (attune_context* ctx, void* dlow, float* dup, const void* dout, const void* low, const float* up, int64_t N, int64_t F, int64_t R, int64_t out_stride, int64_t low_stride, float scale, int32_t accumulate, int32_t dtype), (ctx, dlow, dup, dout, low, up, N, F, R, out_stride, low_stride, scale, accumulate, dtype))
ATTUNE_ENTRY(attention_cached_fwd, (attune_context* ctx, void* out, const void* q, const void* k_cache, const void* v_cache, const int32_t* cu_q, const int32_t* k_start, const int32_t* k_count, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t H, int64_t Hkv, int64_t D, float scale, int64_t window, int32_t dtype), (ctx, out, q, k_cache, v_cache, cu_q, k_start, k_count, q_stride, kv_stride, B, H, Hkv, D, scale, window, dtype))
ATTUNE_ENTRY(kv_cache_write, (attune_context* ctx, void* k_cache, void* v_cache, const void* k, const void* v, const int32_t* rows, int64_t N, int64_t width, int64_t inp_stride, int64_t cache_stride, int32_t dtype), (ctx, k_cache, v_cache, k, v, rows, N, width, inp_stride, cache_stride, dtype))
ATTUNE_ENTRY(argmax, (attune_context* ctx, int32_t* out, const void* inp, int64_t N, int64_t K, int32_t dtype), (ctx, out, inp, N, K, dtype))
ATTUNE_ENTRY(quantize, (attune_context* ctx, void* out, const void* inp, int64_t F, int64_t C, int32_t inp_dtype, int32_t out_dtype), (ctx, out, inp, F, C, inp_dtype, out_dtype))
ATTUNE_ENTRY(dequantize, (attune_context* ctx, void* out, const void* inp, int64_t F, int64_t C, int32_t out_dtype, int32_t inp_dtype), (ctx, out, inp, F, C, out_dtype, inp_dtype))

int64_t attune_quantized_bytes(int64_t F, int64_t C, int32_t dtype) { return attune::QuantizedLayout(F, C, dtype).bytes; }

}  // extern "C"
