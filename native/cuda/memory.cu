// Filling and copying ranges: the runtime's own kernels run at the speed of the memory.
#include "device.cuh"

namespace attune::cuda {

attune_status fill_zero(attune_context* ctx, void* out, int64_t bytes) {
  if (bytes == 0) return ATTUNE_OK;
  return set_bytes(ctx, out, 0, bytes);
}

attune_status copy(attune_context* ctx, void* out, const void* inp, int64_t bytes) {
  if (bytes == 0) return ATTUNE_OK;
  return copy_bytes(ctx, out, inp, bytes);
}

}  // namespace attune::cuda
