// The table of kernels of one instruction-set level. Every kernel has the signature of its entry in
// attune_ops.h and lives in the namespace of its level (v3::layer_norm_fwd, ...).
#ifndef ATTUNE_KERNELS_H
#define ATTUNE_KERNELS_H

#include "attune_ops.h"

#define ATTUNE_OPS(X)                                                                              \
  X(fill_zero) X(copy) X(linear_fwd) X(linear_bwd_input) X(linear_bwd_weight) X(attention_fwd)     \
  X(attention_bwd) X(layer_norm_fwd) X(layer_norm_bwd) X(embedding_fwd) X(embedding_bwd)           \
  X(zero_rows) X(gather_rows_fwd) X(gather_rows_bwd) X(mean_pool_fwd) X(mean_pool_bwd)             \
  X(activation_fwd) X(activation_bwd) X(dropout) X(cast) X(cross_entropy) X(mse)                   \
  X(sum_of_squares) X(sum_of_squares_rows) X(adamw) X(adamw_rows) X(sgd) X(rms_norm_fwd)           \
  X(rms_norm_bwd) X(rope) X(gated_fwd) X(gated_bwd) X(lora_fwd) X(lora_bwd)                        \
  X(attention_cached_fwd) X(kv_cache_write) X(argmax) X(quantize) X(dequantize)

namespace attune {

struct Kernels {
#define ATTUNE_MEMBER(op) decltype(&attune_##op) op;
  ATTUNE_OPS(ATTUNE_MEMBER)
#undef ATTUNE_MEMBER
};

#define ATTUNE_DECLARE_LEVEL(level) \
  namespace level {                 \
  extern const Kernels kTable;      \
  }
ATTUNE_DECLARE_LEVEL(portable)
ATTUNE_DECLARE_LEVEL(v3)
ATTUNE_DECLARE_LEVEL(v4)
ATTUNE_DECLARE_LEVEL(v4_bf16)
#undef ATTUNE_DECLARE_LEVEL

// Inside a kernel source: its own level.
#ifdef ATTUNE_ISA
namespace ATTUNE_ISA {
#define ATTUNE_DECLARE(op) __attribute__((weak)) decltype(attune_##op) op;
ATTUNE_OPS(ATTUNE_DECLARE)
#undef ATTUNE_DECLARE
}  // namespace ATTUNE_ISA
#endif

}  // namespace attune

#endif
