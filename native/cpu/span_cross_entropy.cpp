// Softmax cross-entropy over the rows of a sequence, for the start and the end of a span: loss and gradient together.
// The two columns lie interleaved, and so do the lanes of a vector: even ones are starts, odd ones ends.
#include <cmath>
#include <cstring>

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

struct Column {
  int32_t position;  // -1: ignored
  float scale;
};

inline vf interleaved(float start, float end) {
  vf out;
  for (int i = 0; i < W; ++i) out[i] = i % 2 == 0 ? start : end;
  return out;
}

// losses (2), dlogits (rows, 2) or null, logits (rows, 2).
template <class T>
void sequence_loss(float* losses, T* dlogits, const T* logits, int64_t rows, const Column (&columns)[2]) {
  const float minus_infinity = -__builtin_inff();
  vf greatest = splat(minus_infinity);
  for_vectors(0, 2 * rows, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
    // NaN is passed over here; the sum of exponentials meets it.
    greatest = vmax(fill(load(logits + i, lanes), minus_infinity, lanes), greatest);
  });
  float top[2] = {minus_infinity, minus_infinity};
  for (int i = 0; i < W; ++i) top[i % 2] = greatest[i] > top[i % 2] ? greatest[i] : top[i % 2];
  for (float& value : top) value = value == minus_infinity ? 0.0f : value;
  const vf base = interleaved(top[0], top[1]);

  // Vectors are added in f32 and their lanes in double.
  vf total = splat(0.0f);
  for_vectors(0, 2 * rows, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
    total += keep(vexp(load(logits + i, lanes) - base), lanes);
  });
  double sums[2] = {};
  for (int i = 0; i < W; ++i) sums[i % 2] += static_cast<double>(total[i]);

  float factor[2], at_position[2] = {};
  for (int c = 0; c < 2; ++c) {
    losses[c] = factor[c] = 0.0f;
    if (columns[c].position < 0) continue;
    at_position[c] = to_float(logits[2 * columns[c].position + c]) - top[c];
    losses[c] = static_cast<float>(std::log(sums[c]) - static_cast<double>(at_position[c]));
    factor[c] = static_cast<float>(static_cast<double>(columns[c].scale) / sums[c]);
  }
  if (dlogits == nullptr) return;
  const vf factors = interleaved(factor[0], factor[1]);
  const vi used = interleaved(columns[0].position < 0 ? 0.0f : 1.0f, columns[1].position < 0 ? 0.0f : 1.0f) != 0.0f;
  for_vectors(0, 2 * rows, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
    store(dlogits + i, select(used, vexp(load(logits + i, lanes) - base) * factors, splat(0.0f)), lanes);
  });
  for (int c = 0; c < 2; ++c) {
    // Computed again rather than read back, since it was rounded.
    if (columns[c].position < 0) continue;
    from_float(dlogits + 2 * columns[c].position + c, vexp(splat(at_position[c]))[0] * factor[c] - columns[c].scale);
  }
}

}  // namespace

attune_status span_cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                                 const int32_t* cu_seqlens, const int32_t* starts, const int32_t* ends, int64_t B,
                                 float start_scale, float end_scale, int32_t dtype) {
  const char* op = "span_cross_entropy";
  if (B == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_offsets(op, "cu_seqlens", cu_seqlens, B));
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const int64_t rows = (cu_seqlens[B] - cu_seqlens[0]) / B + 1;  // of a sequence, about
    parallel_range(ctx, B, grain_or_alone(B, 2 * rows, 2048 / rows + 1), [&](int64_t first, int64_t end, int32_t) {
      for (int64_t b = first; b < end; ++b) {
        const int32_t begin = cu_seqlens[b], length = cu_seqlens[b + 1] - begin;
        auto column = [&](int32_t position, float scale) {
          return Column{position >= 0 && position < length ? position : -1, scale};
        };
        sequence_loss(losses + 2 * b, dlogits != nullptr ? static_cast<T*>(dlogits) + 2 * int64_t{begin} : nullptr,
                      static_cast<const T*>(logits) + 2 * int64_t{begin}, length,
                      {column(starts[b], start_scale), column(ends[b], end_scale)});
      }
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
