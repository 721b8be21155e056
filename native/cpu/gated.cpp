// Gated linear units: the activation of one half of a product times the other half.
#include "activation.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int64_t kGrain = 8192;

// Calls body(n, begin, end) for pieces of rows; a long row is several, so that one token has threads too.
template <class Body>
static inline void parallel_pieces(attune_context* ctx, int64_t N, int64_t F, Body&& body) {
  const int64_t pieces = (F + kGrain - 1) / kGrain;
  const int64_t width = (F + pieces - 1) / pieces;
  parallel_range(ctx, N * pieces, kGrain / width + 1, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % pieces * width;
      body(i / pieces, first, first + width < F ? first + width : F);
    }
  });
}

}  // namespace

attune_status gated_fwd(attune_context* ctx, void* out, const void* inp, int64_t N, int64_t F, int32_t activation,
                        int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    with_activation(activation, [&](auto kind) {
      parallel_pieces(ctx, N, F, [&](int64_t n, int64_t begin, int64_t end) {
        T* to = static_cast<T*>(out) + n * F;
        const T* gate = static_cast<const T*>(inp) + n * 2 * F;
        const T* up = gate + F;
        for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
          store(to + i, act<decltype(kind)::value>(load(gate + i, lanes)) * load(up + i, lanes), lanes);
        });
      });
    });
  });
  return ATTUNE_OK;
}

attune_status gated_bwd(attune_context* ctx, void* dinp, void* out_again, const void* dout, const void* inp, int64_t N,
                        int64_t F, int32_t activation, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    with_activation(activation, [&](auto kind) {
      parallel_pieces(ctx, N, F, [&](int64_t n, int64_t begin, int64_t end) {
        const T* gradient = static_cast<const T*>(dout) + n * F;
        const T* gate = static_cast<const T*>(inp) + n * 2 * F;
        const T* up = gate + F;
        T* dgate = static_cast<T*>(dinp) + n * 2 * F;
        T* dup = dgate + F;
        T* again = out_again == nullptr ? nullptr : static_cast<T*>(out_again) + n * F;
        for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
          vf value, derivative;
          act_and_derivative<decltype(kind)::value>(load(gate + i, lanes), &value, &derivative);
          vf d = load(gradient + i, lanes), u = load(up + i, lanes);
          store(dgate + i, d * u * derivative, lanes);
          store(dup + i, d * value, lanes);
          if (again != nullptr) store(again + i, value * u, lanes);
        });
      });
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
