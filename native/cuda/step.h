// What is behind the entries of attune_cuda.h that are no ops.
#ifndef ATTUNE_CUDA_STEP_H
#define ATTUNE_CUDA_STEP_H

#include "attune_cuda.h"

namespace attune::cuda {

decltype(attune_cuda_graph_begin) graph_begin;
decltype(attune_cuda_graph_end) graph_end;
decltype(attune_cuda_graph_launch) graph_launch;
decltype(attune_cuda_graph_destroy) graph_destroy;
// The values of a context that was just opened.
attune_status reset_front(attune_context* ctx);
attune_status forget_error(attune_context* ctx);

}  // namespace attune::cuda

#endif
