// Filling and copying ranges: the runtime's own kernels run at the speed of the memory.
#include "device.cuh"

namespace attune::cuda {

attune_status fill_zero(attune_context* ctx, void* out, int64_t bytes) {
  ATTUNE_CHECK(check_count("fill_zero", "bytes", bytes));
  if (bytes == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer("fill_zero", "out", out));
  return set_bytes(ctx, out, 0, bytes);
}

attune_status copy(attune_context* ctx, void* out, const void* inp, int64_t bytes) {
  ATTUNE_CHECK(check_count("copy", "bytes", bytes));
  if (bytes == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer("copy", "out", out));
  ATTUNE_CHECK(check_pointer("copy", "inp", inp));
  return copy_bytes(ctx, out, inp, bytes);
}

}  // namespace attune::cuda
