// New rows of keys and values into their caches.
#include "checks.h"
#include "context.h"
#include "kernels.h"

namespace attune {
namespace ATTUNE_ISA {

attune_status kv_cache_write(attune_context* ctx, void* k_cache, void* v_cache, const void* k, const void* v,
                             const int32_t* rows, int64_t N, int64_t width, int64_t inp_stride, int64_t cache_stride,
                             int32_t dtype) {
  const char* op = "kv_cache_write";
  if (N == 0) return ATTUNE_OK;
  // The size of the caches is not known here.
  ATTUNE_CHECK(check_indices(op, "rows", rows, N, int64_t{1} << 31));
  const int64_t size = dtype == ATTUNE_F32 ? 4 : 2;
  const auto copy_row = [&](void* cache, const void* inp, int64_t n) {
    std::memcpy(static_cast<char*>(cache) + rows[n] * cache_stride * size,
                static_cast<const char*>(inp) + n * inp_stride * size, static_cast<size_t>(width * size));
  };
  parallel_range(ctx, N, 16384 / width + 1, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t n = begin; n < end; ++n) {
      copy_row(k_cache, k, n);
      copy_row(v_cache, v, n);
    }
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
