// Filling and copying ranges with all threads.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

// Bytes of a task: large enough for the C library's fast paths.
constexpr int64_t kGrain = int64_t{1} << 20;

}  // namespace

attune_status fill_zero(attune_context* ctx, void* out, int64_t bytes) {
  ATTUNE_CHECK(check_count("fill_zero", "bytes", bytes));
  if (bytes == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer("fill_zero", "out", out));
  parallel_range(ctx, bytes, kGrain, [&](int64_t begin, int64_t end, int32_t) {
    std::memset(static_cast<char*>(out) + begin, 0, static_cast<size_t>(end - begin));
  });
  return ATTUNE_OK;
}

attune_status copy(attune_context* ctx, void* out, const void* inp, int64_t bytes) {
  ATTUNE_CHECK(check_count("copy", "bytes", bytes));
  if (bytes == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer("copy", "out", out));
  ATTUNE_CHECK(check_pointer("copy", "inp", inp));
  parallel_range(ctx, bytes, kGrain, [&](int64_t begin, int64_t end, int32_t) {
    std::memcpy(static_cast<char*>(out) + begin, static_cast<const char*>(inp) + begin,
                static_cast<size_t>(end - begin));
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
