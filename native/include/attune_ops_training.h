// Losses, the step block, optimizers. The conventions are those of attune_ops.h.
#ifndef ATTUNE_OPS_TRAINING_H
#define ATTUNE_OPS_TRAINING_H

#include "attune_types.h"

#ifdef __cplusplus
extern "C" {
#endif

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
// row holds the bits that attune_adamw_rows gives it, and so do its moments, which lie elsewhere: rows of m and v are
// in the order in which rows first had a gradient, those of one step in the order of `rows`, so that memory behind them
// is never touched. `rows` (M) are the distinct ones of row_state 2, settled since the step before. `lag`
// (ATTUNE_LAG_BYTES(V), aligned to 8) is zeros before the first step, when all rows are settled, and these two ops' own
// from then on; it ends in the row of m and v, counted from 1, of each row, 0 where it has none (V) u32. CPU alone.
#define ATTUNE_LAG_STEPS 64
#define ATTUNE_LAG_BYTES(V) (16 + ATTUNE_LAG_STEPS * 48 + 8 * (V))
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

#ifdef __cplusplus
}
#endif

#endif
