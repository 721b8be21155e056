// What the multiply instructions of a level reach on registers alone: the yardstick of its products.
#include <cstdint>

#include "amx.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"
#if defined(ATTUNE_TILES)
#include "amx_parts.h"
#endif

namespace attune {
namespace ATTUNE_ISA {
namespace {

#if defined(ATTUNE_TILES)
// The floating-point operations of `steps` blocks of tiles.
double peak_of_tiles(int64_t steps) {
  const tmm::Session session;  // all tiles are zero
  for (int64_t s = 0; s < steps; ++s) {
    tmm::product<0, 4, 6>();
    tmm::product<1, 4, 7>();
    tmm::product<2, 5, 6>();
    tmm::product<3, 5, 7>();
  }
  return 4 * 2.0 * tmm::kRows * tmm::kRows * tmm::kDepth * static_cast<double>(steps);
}
#else
// Independent ones: well more than the latency of a multiply-add times the pipes for it, else a pipe idles now and
// then.
constexpr int kChains = W == 16 ? 24 : 12;

// `steps` rounds of multiply_add(sum) on each chain.
template <class MultiplyAdd>
float run_chains(int64_t steps, MultiplyAdd&& multiply_add) {
  vf sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = splat(static_cast<float>(i));
  for (int64_t s = 0; s < steps; ++s) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) sum[i] = rounded(multiply_add(sum[i]));
  }
  vf total{};
  for (int i = 0; i < kChains; ++i) total += sum[i];
  return total[0];
}
#endif

// The floating-point operations of `steps` rounds in f32; *sink takes what they give, so that they are done.
double peak_f32(int64_t steps, float* sink) {
#if defined(ATTUNE_TILES)
  // In parts: several times the multiply-adds of vectors on every processor that has tiles.
  (void)sink;
  return peak_of_tiles(steps) / kPartProducts<float>;
#else
  const vf factor = splat(*sink == 0.0f ? 0.5f : 0.25f);
  *sink = run_chains(steps, [&](vf sum) { return fma(factor, factor, sum); });
  return 2.0 * W * kChains * static_cast<double>(steps);
#endif
}

double peak_bf16(int64_t steps, float* sink) {
#if defined(ATTUNE_TILES)
  (void)sink;
  return peak_of_tiles(steps);
#elif defined(ATTUNE_BF16_DOTS)
  const auto factor = (__m512bh)splat(*sink == 0.0f ? 0.5f : 0.25f);
  *sink = run_chains(steps, [&](vf sum) { return (vf)_mm512_dpbf16_ps((__m512)sum, factor, factor); });
  return 4.0 * W * kChains * static_cast<double>(steps);
#else
  return peak_f32(steps, sink);
#endif
}

}  // namespace

double peak(attune_context* ctx, int64_t steps, int32_t dtype) {
  double flops = 0;
  const int32_t threads = ctx->pool.threads();
  parallel(ctx, threads, [&](int64_t task, int32_t worker) {
    auto* sink = reinterpret_cast<float*>(ctx->workspace(worker));
    const double done = dtype == ATTUNE_BF16 ? peak_bf16(steps, sink) : peak_f32(steps, sink);
    if (task == 0) flops = done * threads;
  });
  return flops;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
