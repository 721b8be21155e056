// The border of Attune's native engine: one forward/backward pair per op. The contract of each op is
// the comment above it and nothing else; the CPU kernels (native/cpu) and the CUDA kernels
// (native/cuda) both implement it, and dev.attune.kernels.Backend mirrors it in Java.
//
// Conventions
//   Letters     B sequences, N packed rows (real tokens, no padding), C model width, H heads, Hkv
//               key/value heads, D head size, F output width of a product, V vocabulary, K classes.
//   Arguments   context, outputs, inputs, saved values, dimensions (int64), scalars, dtype.
//   dtype       ATTUNE_F32 or ATTUNE_BF16: the type of activations and of their gradients. Everything
//               is accumulated in f32. Weights, gradients of weights, saved statistics: always f32.
//   Gradients   of weights (dweight, dbias): overwritten where `accumulate` is 0, added to where it
//               is 1. Gradients of activations (dinp): likewise where the op takes `accumulate`,
//               overwritten otherwise.
//   Dropout     probability p >= 0 (0 = off); seed and stream key Philox4x32-10 (philox.h). Element e
//               of a tensor, counted row-major over the whole tensor, is dropped when its 16 random
//               bits are below round(p * 65536); kept elements are scaled by 1 / (1 - threshold /
//               65536). Masks are recomputed in backward, never stored.
//   Aliasing    forbidden unless the op says otherwise.
//   Exact       the result depends on the arguments alone: not on the number of threads, not on
//               earlier calls.
//   Memory      the caller owns everything; kernels allocate nothing. Rows are dense unless a stride
//               is given; addresses need only the alignment of their element type.
//   Errors      every entry returns a status and leaves a message (attune_last_error, per thread).
//               No exception, exit or abort leaves an entry. N = 0 is valid and does nothing except
//               zeroing what is overwritten.
#ifndef ATTUNE_OPS_H
#define ATTUNE_OPS_H

#include <stdint.h>

#define ATTUNE_ABI_VERSION 1

#if defined(_WIN32)
#define ATTUNE_API __declspec(dllexport)
#else
#define ATTUNE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t attune_status;
enum {
  ATTUNE_OK = 0,
  ATTUNE_INVALID_ARGUMENT = 1,
  ATTUNE_UNSUPPORTED = 2,
  ATTUNE_OUT_OF_MEMORY = 3,
  ATTUNE_DEVICE_LOST = 4,
  ATTUNE_INTERNAL = 5
};
enum { ATTUNE_F32 = 0, ATTUNE_BF16 = 1 };
// Activation functions fused into products.
enum { ATTUNE_ACT_NONE = 0, ATTUNE_ACT_GELU = 1, ATTUNE_ACT_GELU_TANH = 2, ATTUNE_ACT_TANH = 3, ATTUNE_ACT_RELU = 4 };
// Instruction-set levels of the CPU kernels, best last.
enum { ATTUNE_ISA_BEST = -1, ATTUNE_ISA_PORTABLE = 0, ATTUNE_ISA_V3 = 1, ATTUNE_ISA_V4 = 2, ATTUNE_ISA_V4_BF16 = 3 };

typedef struct attune_context attune_context;

// ---- library, context, memory ----------------------------------------------------------------

ATTUNE_API int32_t attune_abi_version(void);
// Message of the last failure on this thread; a buffer that stays valid.
ATTUNE_API const char* attune_last_error(void);
// Best level this machine can run.
ATTUNE_API int32_t attune_best_isa(void);

// A context is a pool of `threads` threads (the caller is one of them) with a fixed workspace each,
// and one ISA level. One Java thread uses it at a time. Returns null on failure.
ATTUNE_API attune_context* attune_context_open(int32_t threads, int32_t isa);
ATTUNE_API void attune_context_close(attune_context* ctx);
ATTUNE_API int32_t attune_context_isa(const attune_context* ctx);
ATTUNE_API int32_t attune_context_threads(const attune_context* ctx);

// Reserves zeroed, 64-byte aligned memory; pages cost nothing until touched. huge_pages asks for
// transparent huge pages. Returns 0 on failure. The size given to free must be that of alloc.
ATTUNE_API int64_t attune_buffer_alloc(int64_t bytes, int32_t huge_pages);
ATTUNE_API attune_status attune_buffer_free(int64_t address, int64_t bytes);
// Whether the pages of a range should be huge (1) or small (0): small ones suit tables of which only
// some rows are ever touched.
ATTUNE_API attune_status attune_buffer_advise(int64_t address, int64_t bytes, int32_t huge_pages);
// Gives the pages of a range back to the system; they read as zero afterwards.
ATTUNE_API attune_status attune_buffer_discard(int64_t address, int64_t bytes);
ATTUNE_API attune_status attune_fill_zero(attune_context* ctx, void* out, int64_t bytes);
// Streams read over `bytes` at inp, for bandwidth measurements: out (1) f32 receives a checksum.
ATTUNE_API attune_status attune_copy(attune_context* ctx, void* out, const void* inp, int64_t bytes);

// ---- linear ------------------------------------------------------------------------------------

// out (N,F) dtype = act(pre), pre (N,F) dtype = inp (N,C) dtype * weight (F,C)^T + bias (F) f32.
// weight is weight_dtype (f32 master or frozen bf16); in bf16 its values are rounded to bf16 before
// the product. bias may be null. pre may be null: it is only stored, for backward, where given. The
// activation is computed from pre as stored (rounded to dtype).
ATTUNE_API attune_status attune_linear_fwd(attune_context* ctx, void* out, void* pre, const void* inp,
    const void* weight, const float* bias, int64_t N, int64_t C, int64_t F, int32_t activation,
    int32_t dtype, int32_t weight_dtype);

// dinp (N,C) dtype = (dout (N,F) dtype * weight (F,C)) .* act'(pre), with pre (N,C) dtype the
// pre-activation whose activation was this product's input; null and ATTUNE_ACT_NONE where there was
// none. act_out (N,C) dtype, where given, receives act(pre) again, so that the caller need not keep
// it. With accumulate the product (times act') is added to dinp.
ATTUNE_API attune_status attune_linear_bwd_input(attune_context* ctx, void* dinp, void* act_out,
    const void* dout, const void* weight, const void* pre, int64_t N, int64_t C, int64_t F,
    int32_t activation, int32_t accumulate, int32_t dtype, int32_t weight_dtype);

// dweight (F,C) f32 (+)= dout (N,F)^T * inp (N,C); dbias (F) f32 (+)= column sums of dout; dbias may
// be null.
ATTUNE_API attune_status attune_linear_bwd_weight(attune_context* ctx, float* dweight, float* dbias,
    const void* dout, const void* inp, int64_t N, int64_t C, int64_t F, int32_t accumulate,
    int32_t dtype);

// ---- attention ---------------------------------------------------------------------------------

// Variable-length multi-head attention over packed rows (Dao et al., FlashAttention-2: tiles, online
// softmax; no N x N matrix in memory).
//   q (Nq, H, D), k and v (Nk, Hkv, D) dtype with row strides in elements (so that the three may lie
//   in one (N, 3C) product); out (Nq, H, D) dense; lse (H, Nq) f32: log-sum-exp of the scaled scores.
//   Sequence b owns query rows cu_q[b]..cu_q[b+1] and key rows cu_k[b]..cu_k[b+1]. A sequence with no
//   keys gives out 0 and lse -inf. Head h reads key/value head h / (H / Hkv).
//   causal: query i of a sequence sees keys up to i + (keys - queries). window > 0: and not those
//   further back than window - 1; 0: no limit.
//   Dropout on the probabilities: element (row i of Nq, head h, key j of its sequence) uses 16-bit
//   lane j % 8 of the block with counter (j / 8, i * H + h) and this op's stream.
ATTUNE_API attune_status attune_attention_fwd(attune_context* ctx, void* out, float* lse, const void* q,
    const void* k, const void* v, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride,
    int64_t kv_stride, int64_t B, int64_t H, int64_t Hkv, int64_t D, float scale, int32_t causal,
    int64_t window, float p, int64_t seed, int64_t stream, int32_t dtype);

// Overwrites dq (Nq, H, D), dk and dv (Nk, Hkv, D) with the strides of q and of k, v.
ATTUNE_API attune_status attune_attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv,
    const void* dout, const void* q, const void* k, const void* v, const void* out, const float* lse,
    const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t H,
    int64_t Hkv, int64_t D, float scale, int32_t causal, int64_t window, float p, int64_t seed,
    int64_t stream, int32_t dtype);

// ---- layer norm --------------------------------------------------------------------------------

// Fused dropout, residual add, layer norm, dropout:
//   sum (N,C) dtype = dropout_inp(inp) + residual (may be null); out (N,C) dtype =
//   dropout_out((sum - mean) * rstd * weight + bias); mean, rstd (N) f32 of sum as stored.
// sum may be inp itself (in place), and may be null in inference. p_inp uses `stream`, p_out uses `stream + 1`. eps is inside the square root.
ATTUNE_API attune_status attune_layer_norm_fwd(attune_context* ctx, void* out, void* sum, float* mean,
    float* rstd, const void* inp, const void* residual, const float* weight, const float* bias, int64_t N,
    int64_t C, float eps, float p_inp, float p_out, int64_t seed, int64_t stream, int32_t dtype);

// dsum = gradient of sum = dsum_extra (null: zero; the gradient that reaches sum by another way, as
// in pre-norm models) + the layer norm's. dinp (N,C) = dsum .* the inp mask (may be null);
// dresidual (N,C) (+)= dsum by accumulate_residual (may be null; dinp and dresidual may be one where
// p_inp is 0). dweight, dbias (C) f32 (+)= by accumulate_weight.
ATTUNE_API attune_status attune_layer_norm_bwd(attune_context* ctx, void* dinp, void* dresidual,
    float* dweight, float* dbias, const void* dout, const void* dsum_extra, const void* sum,
    const float* mean, const float* rstd, const float* weight, int64_t N, int64_t C, float p_inp,
    float p_out, int64_t seed, int64_t stream, int32_t accumulate_residual, int32_t accumulate_weight,
    int32_t dtype);

// ---- embedding ---------------------------------------------------------------------------------

// out (N,C) dtype = word[ids[n]] + position[positions[n]] + type[type_ids[n]]; tables (.,C) f32;
// position and type may be null with their indices. V, P, T: rows of the tables; an index outside is
// INVALID_ARGUMENT that names it.
ATTUNE_API attune_status attune_embedding_fwd(attune_context* ctx, void* out, const float* word,
    const float* position, const float* type, const int32_t* ids, const int32_t* positions,
    const int32_t* type_ids, int64_t N, int64_t C, int64_t V, int64_t P, int64_t T, int32_t dtype);

// Adds dout rows to dword, dposition, dtype_table (f32; each may be null) at their indices, in row
// order for every column: deterministic. Always accumulates.
ATTUNE_API attune_status attune_embedding_bwd(attune_context* ctx, float* dword, float* dposition,
    float* dtype_table, const void* dout, const int32_t* ids, const int32_t* positions,
    const int32_t* type_ids, int64_t N, int64_t C, int32_t dtype);

// Zeroes rows[0..M-1] of table (.,C) f32.
ATTUNE_API attune_status attune_zero_rows(attune_context* ctx, float* table, const int32_t* rows,
    int64_t M, int64_t C);

// ---- pooling, element-wise ---------------------------------------------------------------------

// out (M,C) = inp[rows[m]], rows distinct; backward: dinp (N,C) rows receive dout. Without accumulate
// all other rows of dinp are zeroed.
ATTUNE_API attune_status attune_gather_rows_fwd(attune_context* ctx, void* out, const void* inp,
    const int32_t* rows, int64_t M, int64_t C, int32_t dtype);
ATTUNE_API attune_status attune_gather_rows_bwd(attune_context* ctx, void* dinp, const void* dout,
    const int32_t* rows, int64_t N, int64_t M, int64_t C, int32_t accumulate, int32_t dtype);

// out (B,C) = mean of the rows of each sequence (a sequence without rows gives 0).
ATTUNE_API attune_status attune_mean_pool_fwd(attune_context* ctx, void* out, const void* inp,
    const int32_t* cu_seqlens, int64_t B, int64_t C, int32_t dtype);
ATTUNE_API attune_status attune_mean_pool_bwd(attune_context* ctx, void* dinp, const void* dout,
    const int32_t* cu_seqlens, int64_t B, int64_t C, int32_t accumulate, int32_t dtype);

// out = act(inp); backward from inp (ATTUNE_ACT_TANH too): dinp (+)= dout .* act'(inp). In place is
// allowed (out == inp; dinp == dout).
ATTUNE_API attune_status attune_activation_fwd(attune_context* ctx, void* out, const void* inp,
    int64_t count, int32_t activation, int32_t dtype);
ATTUNE_API attune_status attune_activation_bwd(attune_context* ctx, void* dinp, const void* dout,
    const void* inp, int64_t count, int32_t activation, int32_t accumulate, int32_t dtype);

// out = dropout(inp). Its own backward (apply it to dout). In place is allowed.
ATTUNE_API attune_status attune_dropout(attune_context* ctx, void* out, const void* inp, int64_t count,
    float p, int64_t seed, int64_t stream, int32_t dtype);

// out (+)= inp, converting between f32 and bf16.
ATTUNE_API attune_status attune_cast(attune_context* ctx, void* out, const void* inp, int64_t count,
    int32_t accumulate, int32_t out_dtype, int32_t inp_dtype);

// ---- losses ------------------------------------------------------------------------------------

// Softmax cross-entropy, loss and gradient in one pass:
//   losses (N) f32 = -log softmax(logits)[label], 0 where label == ignore; with label smoothing e the
//   target is (1 - e) one-hot + e / K. dlogits (N,K) dtype = (softmax - target) * scale, 0 where
//   ignored; may be null (evaluation) and may be logits itself. scale is usually 1 / supervised
//   targets of the optimizer step. A label outside 0..K-1 that is not ignore is INVALID_ARGUMENT.
ATTUNE_API attune_status attune_cross_entropy(attune_context* ctx, float* losses, void* dlogits,
    const void* logits, const int32_t* labels, int64_t N, int64_t K, int32_t ignore,
    float label_smoothing, float scale, int32_t dtype);

// Mean squared error: losses (N) f32 = (pred - target)^2; dpred (N) dtype = 2 (pred - target) scale.
ATTUNE_API attune_status attune_mse(attune_context* ctx, float* losses, void* dpred, const void* pred,
    const float* targets, int64_t N, float scale, int32_t dtype);

// ---- optimizers over the flat store ------------------------------------------------------------

// out (1) f64 = sum of squares of inp (count), in fixed chunks of 4096 added in order.
ATTUNE_API attune_status attune_sum_of_squares(attune_context* ctx, double* out, const float* inp,
    int64_t count);
// The same over rows[0..M-1] of table (.,C), each row one chunk.
ATTUNE_API attune_status attune_sum_of_squares_rows(attune_context* ctx, double* out, const float* table,
    const int32_t* rows, int64_t M, int64_t C);

// Decoupled weight decay Adam (Loshchilov and Hutter, 2019), PyTorch's order of operations:
//   w -= lr * weight_decay * w;  g = grad_scale * grad;  m += (1 - beta1) (g - m);
//   v = beta2 v + (1 - beta2) g^2;  w -= (lr / bias_correction1) * m / (sqrt(v) / sqrt(bias_correction2) + eps)
// over count elements; shadow (bf16, may be null) receives the rounded new w in the same pass.
ATTUNE_API attune_status attune_adamw(attune_context* ctx, float* weight, float* m, float* v,
    void* shadow, const float* grad, int64_t count, float lr, float beta1, float beta2, float eps,
    float weight_decay, float bias_correction1, float bias_correction2, float grad_scale);

// AdamW over a table (V,C) whose gradient is zero outside the rows with row_state 2. row_state (V) u8:
// 0 = never had a gradient (m = v = 0: only the decay applies, m and v are not touched), 1 = had one
// in an earlier step (grad taken as zero, not read), 2 = has one in this step. Equal to attune_adamw
// on a dense gradient, bit for bit.
ATTUNE_API attune_status attune_adamw_rows(attune_context* ctx, float* weight, float* m, float* v,
    const float* grad, const uint8_t* row_state, int64_t V, int64_t C, float lr, float beta1,
    float beta2, float eps, float weight_decay, float bias_correction1, float bias_correction2,
    float grad_scale);

// Stochastic gradient descent with momentum (PyTorch's): g = grad_scale grad + weight_decay w;
// buf = momentum buf + g (first step: buf = g); w -= lr (nesterov ? g + momentum buf : buf).
ATTUNE_API attune_status attune_sgd(attune_context* ctx, float* weight, float* momentum_buffer,
    void* shadow, const float* grad, int64_t count, float lr, float momentum, float weight_decay,
    int32_t nesterov, int32_t first_step, float grad_scale);

#ifdef __cplusplus
}
#endif

#endif
