// Dropout as an op of its own; its own backward.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "philox_simd.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

// Elements whose random lanes are made at a time: 2 KiB of them stay in L1. A multiple of 8, so that
// each batch begins with a block of the generator.
constexpr int64_t kBatch = 1024;
constexpr int64_t kGrain = 8 * kBatch;

}  // namespace

attune_status dropout(attune_context* ctx, void* out, const void* inp, int64_t count, float p, int64_t seed,
                      int64_t stream, int32_t dtype) {
  if (count == 0) return ATTUNE_OK;
  const Dropout mask(ctx, p, seed, stream);
  if (!mask.on()) {
    return out == inp ? ATTUNE_OK : copy(ctx, out, inp, count * (dtype == ATTUNE_F32 ? 4 : 2));
  }
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    T* to = static_cast<T*>(out);
    const T* from = static_cast<const T*>(inp);
    parallel_range(ctx, count, kGrain, [&](int64_t begin, int64_t end, int32_t) {
      uint16_t lanes_at[kBatch + W];
      for (int64_t first = begin; first < end; first += kBatch) {
        int64_t last = first + kBatch < end ? first + kBatch : end;
        dropout_lanes(mask.seed, mask.stream, static_cast<uint64_t>(first / 8), (last - first + 7) / 8, lanes_at);
        for_vectors(first, last, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
          store(to + i, load(from + i, lanes) * mask.multiplier(lanes_at + (i - first)), lanes);
        });
      }
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
