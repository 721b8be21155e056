// Rotary position embedding: pairs of elements half a rotation apart, turned by the angle of their position.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int64_t kMaxRotary = 65536;
static_assert(kMaxRotary * 4 <= kWorkspaceBytes, "scratch of rope");

// The heads of one row, with the cosines and sines of its position apart.
template <class T>
static void rotate(T* row, const float* cosine, const float* sine, int64_t H, int64_t D, int64_t half) {
  for (int64_t h = 0; h < H; ++h) {
    T* low = row + h * D;
    T* high = low + half;
    for_vectors(0, half, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      vf c = load(cosine + i, lanes), s = load(sine + i, lanes);
      vf a = load(low + i, lanes), b = load(high + i, lanes);
      store(low + i, a * c - b * s, lanes);
      store(high + i, fma(b, c, a * s), lanes);
    });
  }
}

}  // namespace

attune_status rope(attune_context* ctx, void* inp, const float* table, const int32_t* positions, int64_t N, int64_t H,
                   int64_t D, int64_t rotary, int64_t stride, int64_t P, int32_t inverse, int32_t dtype) {
  const char* op = "rope";
  if (N == 0 || rotary == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_indices(op, "positions", positions, N, P));
  const int64_t half = rotary / 2;
  const float sign = inverse != 0 ? -1.0f : 1.0f;
  with_type(dtype, [&](auto element) {
    auto* first = static_cast<decltype(element)*>(inp);
    const int64_t grain = grain_or_alone(N, H * rotary, 8192 / (H * rotary) + 1);
    parallel_range(ctx, N, grain, [&](int64_t begin, int64_t end, int32_t worker) {
      float* cosine = reinterpret_cast<float*>(ctx->workspace(worker));
      float* sine = cosine + half;
      for (int64_t n = begin; n < end; ++n) {
        const float* angles = table + positions[n] * rotary;
        for (int64_t i = 0; i < half; ++i) {
          cosine[i] = angles[2 * i];
          sine[i] = sign * angles[2 * i + 1];
        }
        rotate(first + n * stride, cosine, sine, H, D, half);
      }
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
