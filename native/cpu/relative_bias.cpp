// The relative position bias of attention, made from a learned table of buckets. A few thousand elements: one thread.
#include <cstring>

#include "checks.h"
#include "context.h"
#include "kernels.h"

namespace attune {
namespace ATTUNE_ISA {

attune_status relative_bias_fwd(attune_context*, float* out, const float* table, const int32_t* buckets, int64_t H,
                                int64_t reach, int64_t K) {
  const char* op = "relative_bias_fwd";
  const int64_t offsets = 2 * reach + 1;
  ATTUNE_CHECK(check_indices(op, "buckets", buckets, offsets, K));
  for (int64_t h = 0; h < H; ++h) {
    for (int64_t i = 0; i < offsets; ++i) out[h * offsets + i] = table[buckets[i] * H + h];
  }
  return ATTUNE_OK;
}

attune_status relative_bias_bwd(attune_context*, float* dtable, const float* dout, const int32_t* buckets, int64_t H,
                                int64_t reach, int64_t K, int32_t accumulate) {
  const char* op = "relative_bias_bwd";
  const int64_t offsets = 2 * reach + 1;
  ATTUNE_CHECK(check_indices(op, "buckets", buckets, offsets, K));
  if (accumulate == 0) std::memset(dtable, 0, static_cast<size_t>(K * H) * sizeof(float));
  for (int64_t h = 0; h < H; ++h) {
    for (int64_t i = 0; i < offsets; ++i) dtable[buckets[i] * H + h] += dout[h * offsets + i];
  }
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
