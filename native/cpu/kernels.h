// The table of kernels of one instruction-set level. Every kernel has the type of its declaration in
// attune_ops.h and lives in the namespace of its level (v3::layer_norm_fwd, ...).
#ifndef ATTUNE_KERNELS_H
#define ATTUNE_KERNELS_H

#include "attune_ops.h"

namespace attune {

struct Kernels {
  decltype(&attune_context_peak) peak;
#define ATTUNE_ENTRY(op) decltype(&attune_##op) op;
#include "entries.inc"
};

#define ATTUNE_DECLARE_LEVEL(level) \
  namespace level {                 \
  extern const Kernels kTable;      \
  }
ATTUNE_DECLARE_LEVEL(portable)
ATTUNE_DECLARE_LEVEL(v3)
ATTUNE_DECLARE_LEVEL(v4)
ATTUNE_DECLARE_LEVEL(v4_bf16)
ATTUNE_DECLARE_LEVEL(amx)
ATTUNE_DECLARE_LEVEL(amx_emulated)
#undef ATTUNE_DECLARE_LEVEL

// Inside a kernel source: its own level.
#ifdef ATTUNE_ISA
namespace ATTUNE_ISA {
decltype(attune_context_peak) peak;
#define ATTUNE_ENTRY(op) decltype(attune_##op) op;
#include "entries.inc"
}  // namespace ATTUNE_ISA
#endif

}  // namespace attune

#endif
