// Kernels behind the entries of attune_cuda.h that are no ops.
#ifndef ATTUNE_CUDA_STEP_H
#define ATTUNE_CUDA_STEP_H

#include "attune_cuda.h"

namespace attune::cuda {

decltype(attune_cuda_set_step) set_step;
decltype(attune_cuda_clip) clip;
decltype(attune_cuda_adamw_captured) adamw_captured;
// The values of a context that was just opened.
attune_status reset_front(attune_context* ctx);
attune_status forget_error(attune_context* ctx);

}  // namespace attune::cuda

#endif
