// The kernels of the CUDA library: each has the type of its declaration in attune_ops.h.
#ifndef ATTUNE_CUDA_KERNELS_H
#define ATTUNE_CUDA_KERNELS_H

#include "attune_ops.h"

namespace attune::cuda {

// Weak: an op without a kernel here (the linear products) has a null address, and its entry says so.
#define ATTUNE_ENTRY(op) __attribute__((weak)) decltype(attune_##op) op;
#include "entries.inc"

// Numbers of the ops, for errors that kernels record.
enum class Op : int32_t {
#define ATTUNE_ENTRY(op) op,
#include "entries.inc"
};

// Names of index arguments, for the same.
enum class Index : int32_t {
  ids,
  positions,
  type_ids,
  rows,
  labels,
  cu_seqlens,
  cu_q,
  cu_k,
  k_start,
  k_count,
  row_state,
  inp,
  buckets,
  places
};

}  // namespace attune::cuda

#endif
