// The processor that the CPU kernels run on. Apart from attune_ops.h, which every kernel includes.
#ifndef ATTUNE_PROCESSOR_H
#define ATTUNE_PROCESSOR_H

#include "attune_ops.h"

#ifdef __cplusplus
extern "C" {
#endif

// Whether this machine and build can run a level.
ATTUNE_API int32_t attune_has_isa(int32_t isa);
// Its maker, family and model ("AuthenticAMD 26/2"), which the name that a virtual machine shows leaves out; empty
// where there is no CPUID. A buffer of this thread.
ATTUNE_API const char* attune_processor(void);

// FLOP/s that the threads of a context reach together in registers alone, with operands of a type, on the fastest level
// of this machine whichever the context runs: what nothing that touches memory can exceed. Takes some milliseconds; 0
// on failure.
ATTUNE_API double attune_peak(attune_context* ctx, int32_t dtype);

#ifdef __cplusplus
}
#endif

#endif
