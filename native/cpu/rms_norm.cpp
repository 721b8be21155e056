// Root mean square norm with fused residual add. Groups (a row, or one head of it) are taken kGroups at a
// time: the sums of several hide each other's latency and share the loads of the weight.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "row_chunks.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int kGroups = 4;
constexpr int64_t kMaxWidth = 65536;
static_assert(kMaxWidth * 4 <= kPartialBytes, "partial sums of one chunk");

// About this many elements make a task: enough to outweigh its start, few enough to balance.
static inline int64_t groups_per_task(int64_t C) {
  int64_t groups = 8192 / C / kGroups * kGroups;
  return groups < kGroups ? kGroups : groups;
}

// Where the groups of a tensor lie: group i is group i % G of row i / G.
struct Groups {
  int64_t G, C, stride;
  int64_t operator()(int64_t i) const { return G == 1 ? i * stride : i / G * stride + i % G * C; }
};

template <class T>
struct Forward {
  T* out;
  T* sum;  // null: inp is normalised as it is
  float* rstd;
  const T* inp;
  const T* residual;
  const float* weight;
  Groups inp_at, out_at;
  int64_t C;
  float eps;

  template <int R>
  void groups(int64_t first) const {
    const T* from[R];
    T* to[R];
    vf squares[R] = {};
    for (int r = 0; r < R; ++r) {
      from[r] = inp + inp_at(first + r);
      to[r] = out + out_at(first + r);
    }
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      for (int r = 0; r < R; ++r) {
        vf x = load(from[r] + c, lanes);
        if (sum != nullptr) {
          const int64_t at = (first + r) * C + c;
          x = store_rounded(sum + at, x + load(residual + at, lanes), lanes);
        }
        // Lanes beyond the group are zero: they were loaded as zero.
        squares[r] = fma(x, x, squares[r]);
      }
    });
    const float inverse = 1.0f / static_cast<float>(C);
    float scale[R];
    for (int r = 0; r < R; ++r) {
      scale[r] = 1.0f / __builtin_sqrtf(ATTUNE_ISA::sum(squares[r]) * inverse + eps);
      if (rstd != nullptr) rstd[first + r] = scale[r];
      if (sum != nullptr) from[r] = sum + (first + r) * C;
    }
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(weight + c, lanes);
      for (int r = 0; r < R; ++r) store(to[r] + c, load(from[r] + c, lanes) * scale[r] * w, lanes);
    });
  }
};

template <class T>
struct Backward {
  T* dinp;
  const T* dout;
  const T* dsum_extra;
  const T* sum;
  const float* rstd;
  const float* weight;
  Groups inp_at, out_at;
  int64_t C;

  // dweight: partial sums, which start from zero where `fresh`; null where the weight is frozen.
  template <int R>
  void groups(int64_t first, float* dweight, bool fresh) const {
    int64_t at[R];
    const T* dy[R];
    vf dot[R] = {};
    for (int r = 0; r < R; ++r) {
      at[r] = inp_at(first + r);
      dy[r] = dout + out_at(first + r);
    }
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(weight + c, lanes);
      for (int r = 0; r < R; ++r) dot[r] = fma(load(dy[r] + c, lanes) * w, load(sum + at[r] + c, lanes), dot[r]);
    });
    const float inverse = 1.0f / static_cast<float>(C);
    float scale[R], slope[R];
    for (int r = 0; r < R; ++r) {
      // dsum = rstd (g - x rstd^2 mean(g x)), g = dout .* weight.
      scale[r] = rstd[first + r];
      slope[r] = -scale[r] * scale[r] * (inverse * ATTUNE_ISA::sum(dot[r]));
    }
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(weight + c, lanes);
      vf dw = dweight == nullptr || fresh ? splat(0.0f) : load(dweight + c, lanes);
      for (int r = 0; r < R; ++r) {
        vf g = load(dy[r] + c, lanes);
        vf x = load(sum + at[r] + c, lanes);
        dw = fma(g * scale[r], x, dw);
        vf dsum = fma(x, splat(slope[r]), g * w) * scale[r];
        if (dsum_extra != nullptr) dsum += load(dsum_extra + at[r] + c, lanes);
        store(dinp + at[r] + c, dsum, lanes);
      }
      if (dweight != nullptr) store(dweight + c, dw, lanes);
    });
  }
};

}  // namespace

attune_status rms_norm_fwd(attune_context* ctx, void* out, void* sum, float* rstd, const void* inp,
                           const void* residual, const float* weight, int64_t N, int64_t G, int64_t C,
                           int64_t inp_stride, int64_t out_stride, float eps, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    Forward<T> forward{static_cast<T*>(out),
                       static_cast<T*>(sum),
                       rstd,
                       static_cast<const T*>(inp),
                       static_cast<const T*>(residual),
                       weight,
                       {G, C, inp_stride},
                       {G, C, out_stride},
                       C,
                       eps};
    parallel_range(ctx, N * G, grain_or_alone(N * G, C, groups_per_task(C)), [&](int64_t begin, int64_t end, int32_t) {
      int64_t i = begin;
      for (; i + kGroups <= end; i += kGroups) forward.template groups<kGroups>(i);
      for (; i < end; ++i) forward.template groups<1>(i);
    });
  });
  return ATTUNE_OK;
}

attune_status rms_norm_bwd(attune_context* ctx, void* dinp, float* dweight, const void* dout, const void* dsum_extra,
                           const void* sum, const float* rstd, const float* weight, int64_t N, int64_t G, int64_t C,
                           int64_t inp_stride, int64_t out_stride, int32_t accumulate_weight, int32_t dtype) {
  const RowChunks chunks(N * G, C, 1, kGroups, groups_per_task(C));
  if (N > 0) {
    with_type(dtype, [&](auto type) {
      using T = decltype(type);
      Backward<T> backward{static_cast<T*>(dinp),
                           static_cast<const T*>(dout),
                           static_cast<const T*>(dsum_extra),
                           static_cast<const T*>(sum),
                           rstd,
                           weight,
                           {G, C, inp_stride},
                           {G, C, out_stride},
                           C};
      parallel_range(ctx, N * G, chunks.rows, [&](int64_t begin, int64_t end, int32_t) {
        float* dw = dweight == nullptr ? nullptr : chunks.partial(ctx, begin, 0);
        int64_t i = begin;
        for (; i + kGroups <= end; i += kGroups) backward.template groups<kGroups>(i, dw, i == begin);
        for (; i < end; ++i) backward.template groups<1>(i, dw, i == begin);
      });
    });
  }
  if (dweight != nullptr) chunks.combine(ctx, {dweight}, C, accumulate_weight != 0);
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
