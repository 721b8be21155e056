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

#ifdef __cplusplus
}
#endif

#endif
