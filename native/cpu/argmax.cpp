// The most likely token of each row.
#include <limits>

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

// Every lane keeps its first largest element; of equal lanes the lowest index wins. Lanes beyond the row
// hold minus infinity, which beats nothing: lane 0 is always a real element.
template <class T>
static int32_t first_of_largest(const T* row, int64_t K) {
  vi index;
  for (int lane = 0; lane < W; ++lane) index[lane] = lane;
  vf best = splat(-std::numeric_limits<float>::infinity());
  vi best_at = index;
  vi nan = {};
  for_vectors(0, K, [&](int64_t k, auto lanes) ATTUNE_INLINE_BODY {
    vf x = fill(load(row + k, lanes), -std::numeric_limits<float>::infinity(), lanes);
    nan |= x != x;
    vi more = x > best;
    best = select(more, x, best);
    best_at = more ? index : best_at;
    index += W;
  });
  int32_t at = best_at[0];
  float value = best[0];
  for (int lane = 0; lane < W; ++lane) {
    if (nan[lane] != 0) return -1;
    if (best[lane] > value || (best[lane] == value && best_at[lane] < at)) {
      value = best[lane];
      at = best_at[lane];
    }
  }
  return at;
}

}  // namespace

attune_status argmax(attune_context* ctx, int32_t* out, const void* inp, int64_t N, int64_t K, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto element) {
    const auto* from = static_cast<const decltype(element)*>(inp);
    parallel_range(ctx, N, 16384 / K + 1, [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t n = begin; n < end; ++n) out[n] = first_of_largest(from + n * K, K);
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
