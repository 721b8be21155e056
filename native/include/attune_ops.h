// The border of Attune's native engine: one forward/backward pair per op. The contract of each op is
// the comment above its declaration and nothing else; the CPU kernels (native/cpu) and the CUDA kernels
// (native/cuda) both implement it. In Java an op is a record of dev.attune.kernels.calls.
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
//   Calls       the declarations of ops are their types. A library exports none of them, but one entry for
//               all: attune_call takes an op's number and its arguments in 64-bit slots.
//   Checks      what can be told from arguments alone (null where an address is needed, types, ranges) is
//               checked once for all backends, by the record in Java, and not again here. Kernels check
//               what lies in memory (indices, bounds of sequences), overlap, and limits of their own.
//   Errors      every entry returns a status and leaves a message (attune_last_error, per thread).
//               No exception, exit or abort leaves an entry. N = 0 is valid and does nothing except
//               zeroing what is overwritten.
#ifndef ATTUNE_OPS_H
#define ATTUNE_OPS_H

#include <stdint.h>

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
  ATTUNE_INTERNAL = 5,
  ATTUNE_BUSY = 6  // another thread is using the context
};
// NF4 and INT8 are layouts of frozen weights only.
enum { ATTUNE_F32 = 0, ATTUNE_BF16 = 1, ATTUNE_NF4 = 3, ATTUNE_INT8 = 4 };
// Activation functions. Those up to ATTUNE_ACT_SILU are fused into products; the others, which few models have, are
// ops of their own and gates.
enum {
  ATTUNE_ACT_NONE = 0,
  ATTUNE_ACT_GELU = 1,
  ATTUNE_ACT_GELU_TANH = 2,
  ATTUNE_ACT_TANH = 3,
  ATTUNE_ACT_RELU = 4,
  ATTUNE_ACT_SILU = 5,
  ATTUNE_ACT_QUICK_GELU = 6,  // x sigmoid(1.702 x)
  ATTUNE_ACT_GELU_10 = 7,     // GELU, at most 10
  ATTUNE_ACT_SIGMOID = 8,
  ATTUNE_ACT_MISH = 9,         // x tanh(log(1 + e^x))
  ATTUNE_ACT_LAPLACE = 10,     // the normal distribution of mean sqrt(1/2) and variance 1/(4 pi), both to six digits
  ATTUNE_ACT_LEAKY_RELU = 11,  // of slope 0.01 below 0
  ATTUNE_ACT_RELU6 = 12,       // RELU, at most 6
  ATTUNE_ACT_RELU_SQUARED = 13,
  ATTUNE_ACT_HARD_SWISH = 14  // x RELU6(x + 3) / 6
};
// Losses of pairs and triplets of vectors.
enum { ATTUNE_PAIR_SQUARED_ERROR = 0, ATTUNE_PAIR_RANKING = 1, ATTUNE_TRIPLET_DOT = 2, ATTUNE_TRIPLET_EUCLIDEAN = 3 };
// Instruction-set levels of the CPU kernels, best last. The one that emulates the tiles of ATTUNE_ISA_AMX is slow, is
// in the library of the tests alone and is never the best.
enum {
  ATTUNE_ISA_BEST = -1,
  ATTUNE_ISA_PORTABLE = 0,
  ATTUNE_ISA_V3 = 1,
  ATTUNE_ISA_V4 = 2,
  ATTUNE_ISA_V4_BF16 = 3,
  ATTUNE_ISA_AMX = 4,
  ATTUNE_ISA_AMX_EMULATED = 5
};

typedef struct attune_context attune_context;

// ---- library, context, memory ----------------------------------------------------------------

// Runs an op: frame[i] holds argument i behind the context: addresses and int64 as they are, int32 and float
// in the low 32 bits. ATTUNE_UNSUPPORTED where the library has no kernel for it.
ATTUNE_API attune_status attune_call(attune_context* ctx, int32_t op, const int64_t* frame);
// The ops of this library are numbered 0..attune_op_count()-1.
ATTUNE_API int32_t attune_op_count(void);
// "layer_norm_fwd"; null for any other number.
ATTUNE_API const char* attune_op_name(int32_t op);
// A letter for each argument behind the context: w an address that is written to, r one that is read, l int64,
// i int32, f float. Null for any other number.
ATTUNE_API const char* attune_op_kinds(int32_t op);

// Message of the last failure on this thread; a buffer that stays valid.
ATTUNE_API const char* attune_last_error(void);
// Best level this machine can run.
ATTUNE_API int32_t attune_best_isa(void);

// A context is a pool of `threads` threads (the caller is one of them; the others start when they are
// first wanted) with a fixed workspace each, and one ISA level. Returns null on failure.
// One thread uses a context at a time: an entry that finds another thread inside returns ATTUNE_BUSY and
// does nothing.
ATTUNE_API attune_context* attune_context_open(int32_t threads, int32_t isa);
ATTUNE_API attune_status attune_context_close(attune_context* ctx);
// How many of its threads share in the work from the next op on, 1..threads; those left out sleep at once.
// The only call that may be made while another thread uses the context.
ATTUNE_API attune_status attune_context_share(attune_context* ctx, int32_t threads);
ATTUNE_API int32_t attune_context_isa(const attune_context* ctx);
ATTUNE_API int32_t attune_context_threads(const attune_context* ctx);
// Multiply-adds of operands of this type on registers alone, by the level's best instruction for it: `steps` rounds by
// every thread. Returns the floating-point operations done, which over the time of the call are the level's peak here;
// 0 where another thread is using the context. One of f32 on matrix tiles is six of bf16, of its parts.
ATTUNE_API double attune_context_peak(attune_context* ctx, int64_t steps, int32_t dtype);

// Reserves zeroed, 64-byte aligned memory; pages cost nothing until touched. huge_pages asks for
// transparent huge pages. Returns 0 on failure. The size given to free must be that of alloc.
ATTUNE_API int64_t attune_buffer_alloc(int64_t bytes, int32_t huge_pages);
ATTUNE_API attune_status attune_buffer_free(int64_t address, int64_t bytes);
// Whether the pages of a range should be huge (1) or small (0): small ones suit tables of which only
// some rows are ever touched.
ATTUNE_API attune_status attune_buffer_advise(int64_t address, int64_t bytes, int32_t huge_pages);
// Gives the pages of a range back to the system; they read as zero afterwards.
ATTUNE_API attune_status attune_buffer_discard(int64_t address, int64_t bytes);
attune_status attune_fill_zero(attune_context* ctx, void* out, int64_t bytes);
// Copies bytes; also the yardstick of bandwidth measurements. The ranges must not overlap.
attune_status attune_copy(attune_context* ctx, void* out, const void* inp, int64_t bytes);

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

// ---- rotary position embedding ---------------------------------------------------------------------

// Rotary position embedding (Su et al., 2021) in Hugging Face's half-split layout, in place: of each of H
// heads (N rows `stride` apart, head h at h * D), elements i and i + rotary / 2, i < rotary / 2, become
// (a c - b s, b c + a s) with (c, s) = table[positions[n]][i], table (P, rotary / 2, 2) f32. rotary is
// even and 0..D; the rest of the head stays. inverse rotates back: it is the backward. A position
// outside 0..P-1 is INVALID_ARGUMENT.
attune_status attune_rope(attune_context* ctx, void* inp, const float* table, const int32_t* positions, int64_t N,
                          int64_t H, int64_t D, int64_t rotary, int64_t stride, int64_t P, int32_t inverse,
                          int32_t dtype);

// ---- gated activations --------------------------------------------------------------------------------

// Gated linear unit (Shazeer, 2020): inp (N,2F) holds gate | up; out (N,F) = act(gate) .* up. SwiGLU with
// ATTUNE_ACT_SILU, GeGLU with GELU.
attune_status attune_gated_fwd(attune_context* ctx, void* out, const void* inp, int64_t N, int64_t F,
                               int32_t activation, int32_t dtype);

// dinp (N,2F) = (dout .* up .* act'(gate) | dout .* act(gate)); may be inp itself. out_again (N,F), where
// given, receives the forward's out, so that the caller need not keep it; it may be dout.
attune_status attune_gated_bwd(attune_context* ctx, void* dinp, void* out_again, const void* dout, const void* inp,
                               int64_t N, int64_t F, int32_t activation, int32_t dtype);

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

// ---- losses ------------------------------------------------------------------------------------

// Softmax cross-entropy, loss and gradient in one pass:
//   losses (N) f32 = -log softmax(logits)[label], 0 where label == ignore; with label smoothing e the
//   target t is (1 - e) one-hot + e / K. dlogits (N,K) dtype = (softmax - t) * scale, 0 where
//   ignored; may be null (evaluation) and may be logits itself. scale is usually 1 / supervised
//   targets of the optimizer step. A label outside 0..K-1 that is not ignore is INVALID_ARGUMENT.
// With class_weight w (K) f32, at least 0 (null: all 1), it is PyTorch's cross_entropy(weight=w): losses =
//   sum of -w t log softmax(logits), dlogits = (softmax * sum of w t - w t) * scale. Its mean divides by the
//   sum of w[label] over the step's targets.
attune_status attune_cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                                   const int32_t* labels, const float* class_weight, int64_t N, int64_t K,
                                   int32_t ignore, float label_smoothing, float scale, int32_t dtype);

// Binary cross-entropy of K independent labels per row, from logits (PyTorch's binary_cross_entropy_with_logits):
//   losses (N) f32 = the mean over K of (1 - t) softplus(x) + w t softplus(-x), softplus(x) = log(1 + e^x), with
//   logits x, targets t (N,K) f32 in [0,1] and pos_weight w (K) f32 (null: 1). dlogits (N,K) dtype = its gradient *
//   scale; may be null (evaluation) and may be logits itself. With scale = 1 / rows of the optimizer step the mean is
//   over all elements of the step. A logit that is infinite on the side of its target gives a NaN loss (0 times
//   infinity), as there.
attune_status attune_binary_cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                                          const float* targets, const float* pos_weight, int64_t N, int64_t K,
                                          float scale, int32_t dtype);

// Softmax cross-entropy over the rows of each sequence, for the start and the end of a span (extractive question
// answering): logits (N,2) dtype are the start's and the end's score of each row, and
//   losses (B,2) f32 = -log softmax(column)[position], of starts (B) and of ends (B), which count rows of their
//   sequence. A position that is no row of its sequence (-1, or beyond its end) is ignored: loss 0, gradient 0.
//   dlogits (N,2) = (softmax - one-hot) * start_scale, end_scale; may be null (evaluation) and may be logits itself.
// Transformers' loss, the mean over the starts that count and the mean over the ends that count, halved, is
// start_scale = 0.5 / such starts of the optimizer step, end_scale likewise.
attune_status attune_span_cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                                        const int32_t* cu_seqlens, const int32_t* starts, const int32_t* ends,
                                        int64_t B, float start_scale, float end_scale, int32_t dtype);

// Mean squared error: losses (N) f32 = (pred - target)^2; dpred (N) dtype = 2 (pred - target) scale.
attune_status attune_mse(attune_context* ctx, float* losses, void* dpred, const void* pred, const float* targets,
                         int64_t N, float scale, int32_t dtype);

// Unit vectors of the first D of the columns of rows that are `stride` apart, as torch.nn.functional.normalize makes
// them: out (N,D) = scale * inp * rnorm, rnorm (N) = 1 / max(|inp|, 1e-12) of those columns. backward: dinp, whose rows
// are `stride` apart too, receives the gradient added to its first D columns; the others stay as they are.
attune_status attune_l2_normalize_fwd(attune_context* ctx, float* out, float* rnorm, const float* inp, int64_t N,
                                      int64_t D, int64_t stride, float scale);
attune_status attune_l2_normalize_bwd(attune_context* ctx, float* dinp, const float* dout, const float* inp,
                                      const float* rnorm, int64_t N, int64_t D, int64_t stride, float scale);

// Losses of pairs and triplets of vectors: inp holds B anchors a, then B positives p, and of triplets B negatives n
// (2B or 3B rows, D columns). losses (B) f32, by the kind:
//   PAIR_SQUARED_ERROR   (a p - target)^2
//   PAIR_RANKING         log(1 + sum of e^(value (a_i p_i - a_j p_j)) over all i, j with target_i < target_j), the
//                        same in each of the B: of a batch there is one
//   TRIPLET_DOT          max(0, a n - a p + value)
//   TRIPLET_EUCLIDEAN    max(0, |a - p| - |a - n| + value); the gradient of a distance of 0 is 0
// Targets (B) are read of pairs alone. dinp, the gradient of the sum of all losses * scale, may be null (evaluation).
// B is at most 2^18.
attune_status attune_pair_loss(attune_context* ctx, float* losses, float* dinp, const float* inp, const float* targets,
                               int64_t B, int64_t D, int32_t kind, float value, float scale);

// ---- the step block ------------------------------------------------------------------------------

// A context holds the values of a training step in memory (on the GPU in its memory), where kernels read them: so that
// a step's calls, and a graph that recorded them, are the same for all steps. Ops that take (seed, stream) for dropout
// add its stream_base to stream.

// The values of a context that was just opened: stream_base and lr 0, bias corrections, divisor and grad_scale 1, not
// stopped.
attune_status attune_reset_step(attune_context* ctx);

// What is added to the stream of every op that draws random numbers.
attune_status attune_set_stream_base(attune_context* ctx, int64_t stream_base);

// The values of the update that follows. What gradients and their norm are divided by is targets * mean_weight, in f64:
// mean_weight is that of the targets, 1 where all count alike. grad_scale is 1 / divisor, until attune_clip says
// otherwise.
attune_status attune_set_update(attune_context* ctx, float lr, float bias_correction1, float bias_correction2,
                                int64_t targets, float mean_weight);

// A loss (f32, `count` of them) that is not finite stops the optimizers, as a norm does that is not: where a square
// overflows, its gradient may well be finite.
attune_status attune_watch_losses(attune_context* ctx, const float* losses, int64_t count);

// From the f64 results of `count` sums of squares: out_norm (1) f64 = sqrt(their sum) / divisor; the step block's
// grad_scale = min(1, max_norm / (out_norm + 1e-6)) / divisor, or 1 / divisor where max_norm is 0. out_norm may be
// null. A norm that is not finite stops the optimizers: from then on they update nothing, however many steps the host
// has enqueued until it looks, and the weights are still good.
attune_status attune_clip(attune_context* ctx, double* out_norm, const double* sums_of_squares, int64_t count,
                          float max_norm);

// ---- optimizers over the flat store ------------------------------------------------------------
// lr is the step block's times lr_factor (1 for all parameters, unless groups have rates of their own); bias
// corrections and grad_scale are the step block's. They do nothing once it says `stopped`.

// out (1) f64 = sum of squares of inp (count), in fixed chunks of 4096 added in order.
attune_status attune_sum_of_squares(attune_context* ctx, double* out, const float* inp, int64_t count);
// The same over rows[0..M-1] of table (.,C), each row one chunk.
attune_status attune_sum_of_squares_rows(attune_context* ctx, double* out, const float* table, const int32_t* rows,
                                         int64_t M, int64_t C);

// Decoupled weight decay Adam (Loshchilov and Hutter, 2019), PyTorch's order of operations:
//   w -= lr * weight_decay * w;  g = grad_scale * grad;  m += (1 - beta1) (g - m);
//   v = beta2 v + (1 - beta2) g^2;  w -= (lr / bias_correction1) * m / (sqrt(v) / sqrt(bias_correction2) + eps)
// over count elements; shadow (bf16, may be null) receives the rounded new w in the same pass.
// `moments` is the type of m and v. As bf16 they are widened, and the new ones rounded at random after w has taken
// them: to the neighbour above with the probability of their distance from the one below, so that a change of a
// thousandth, which rounding to the nearest would lose each time, counts in the mean. Element i adds to the bits of m
// the low half of word e % 4 of block e / 4, e = first + i, to those of v the high half, and cuts. Without use where m
// and v are f32.
attune_status attune_adamw(attune_context* ctx, float* weight, void* m, void* v, void* shadow, const float* grad,
                           int64_t count, float beta1, float beta2, float eps, float weight_decay, float lr_factor,
                           int64_t seed, int64_t stream, int64_t first, int32_t moments);

// AdamW over a table (V,C) whose gradient is zero outside the rows with row_state 2. row_state (V) u8:
// 0 = never had a gradient (m = v = 0: only the decay applies, m and v are not touched), 1 = had one
// in an earlier step (grad taken as zero, not read), 2 = has one in this step. Equal to attune_adamw
// on a dense gradient with first = 0, bit for bit.
attune_status attune_adamw_rows(attune_context* ctx, float* weight, void* m, void* v, const float* grad,
                                const uint8_t* row_state, int64_t V, int64_t C, float beta1, float beta2, float eps,
                                float weight_decay, float lr_factor, int64_t seed, int64_t stream, int32_t moments);

// The same, where rows without a gradient lag: their updates are noted, and made many at a time, in one pass over the
// row, when somebody is to read it (attune_adamw_settle_rows) and at least once in ATTUNE_LAG_STEPS steps. A settled
// row holds the bits that attune_adamw_rows gives it. `rows` (M) are the distinct ones of row_state 2, settled since
// the step before. `lag` (ATTUNE_LAG_BYTES(V), aligned to 8) is zeros before the first step, when all rows are
// settled, and these two ops' own from then on. CPU alone.
#define ATTUNE_LAG_STEPS 64
#define ATTUNE_LAG_BYTES(V) (16 + ATTUNE_LAG_STEPS * 48 + 4 * (V))
attune_status attune_adamw_lazy_rows(attune_context* ctx, float* weight, void* m, void* v, const float* grad,
                                     const uint8_t* row_state, const int32_t* rows, void* lag, int64_t M, int64_t V,
                                     int64_t C, float beta1, float beta2, float eps, float weight_decay,
                                     float lr_factor, int64_t seed, int64_t stream, int32_t moments);

// Makes the updates that these rows (M) lag behind, or all rows where `rows` is null; those of row_state 2 are settled.
attune_status attune_adamw_settle_rows(attune_context* ctx, float* weight, void* m, void* v, void* lag,
                                       const uint8_t* row_state, const int32_t* rows, int64_t M, int64_t V, int64_t C,
                                       int32_t moments);

// AdamW over count elements whose moments are blocks of codes, as in Dettmers et al. (2022): element i belongs to block
// i / ATTUNE_MOMENT_BLOCK, m (count) u8 and v (count) u8 are codes of the dynamic map with and without a sign
// (common/dynamic_map.h), m_scale and v_scale f32 the largest magnitude of each block, which its codes are multiplied
// by, at least the least normal number where not all are zeros. Moments are widened, updated, used, and then coded to
// the nearest; a v above 0 never to 0. All zeros are moments of 0.
#define ATTUNE_MOMENT_BLOCK 256
attune_status attune_adamw_8bit(attune_context* ctx, float* weight, uint8_t* m, float* m_scale, uint8_t* v,
                                float* v_scale, void* shadow, const float* grad, int64_t count, float beta1,
                                float beta2, float eps, float weight_decay, float lr_factor);

// Stochastic gradient descent with momentum (PyTorch's): g = grad_scale grad + weight_decay w;
// buf = momentum buf + g, where buf is zero before the first step; w -= lr (nesterov ? g + momentum buf : buf).
attune_status attune_sgd(attune_context* ctx, float* weight, float* momentum_buffer, void* shadow, const float* grad,
                         int64_t count, float momentum, float weight_decay, float lr_factor, int32_t nesterov);

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
