// Layer norm with fused dropout and residual add. Rows are taken kRows at a time: the sums of several
// rows hide each other's latency and share the loads of weight and bias.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "philox_simd.h"
#include "row_chunks.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int kRows = 4;
constexpr int64_t kMaxWidth = 65536;

// Scratch of a worker: kRows rows of f32, then the random lanes of kRows rows with room for the
// block that a row begins in and the vector that reads past its end.
constexpr size_t kScratchOffset = kPartialBytes;
static_assert(kScratchOffset + kRows * kMaxWidth * 6 + 256 <= kWorkspaceBytes, "scratch of layer norm");

struct Scratch {
  float* rows;
  uint16_t* lanes;
};

static inline Scratch scratch_of(attune_context* ctx, int32_t worker, int64_t C) {
  char* base = ctx->workspace(worker) + kScratchOffset;
  return {reinterpret_cast<float*>(base), reinterpret_cast<uint16_t*>(base + kRows * C * 4)};
}

// Random lanes of `count` elements from number `first` on; the result points at the first one's.
static inline const uint16_t* lanes_of(const Dropout& mask, int64_t first, int64_t count, uint16_t* buffer) {
  int64_t block = first / 8;
  dropout_lanes(mask.seed, mask.stream, static_cast<uint64_t>(block), (first + count + 7) / 8 - block, buffer);
  return buffer + (first - block * 8);
}

// About this many elements make a task: enough to outweigh its start, few enough to balance.
static inline int64_t rows_per_task(int64_t C) {
  int64_t rows = 6144 / C / kRows * kRows;
  return rows < kRows ? kRows : rows;
}

template <class T>
struct Forward {
  T* out;
  T* sum;  // null: not stored
  float* mean;
  float* rstd;
  const T* inp;
  const T* residual;
  const float* weight;
  const float* bias;  // may be null
  int64_t C;
  float eps;
  Dropout drop_inp, drop_out;

  template <int R>
  void rows(int64_t row, const Scratch& scratch) const {
    const int64_t first = row * C;
    const uint16_t* lanes_inp = drop_inp.on() ? lanes_of(drop_inp, first, R * C, scratch.lanes) : nullptr;
    vf total[R] = {};
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      for (int r = 0; r < R; ++r) {
        int64_t at = r * C + c;
        vf x = load(inp + first + at, lanes);
        if (lanes_inp != nullptr) x *= drop_inp.multiplier(lanes_inp + at);
        if (residual != nullptr) x += load(residual + first + at, lanes);
        x = store_rounded(sum != nullptr ? sum + first + at : nullptr, x, lanes);
        store(scratch.rows + at, x, lanes);
        // Dropped or not, lanes beyond the row are zero: inp and residual were loaded as zero.
        total[r] += x;
      }
    });
    const float inverse = 1.0f / static_cast<float>(C);
    float center[R], scale[R];
    vf square[R] = {};
    for (int r = 0; r < R; ++r) center[r] = ATTUNE_ISA::sum(total[r]) * inverse;
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      for (int r = 0; r < R; ++r) {
        vf d = keep(load(scratch.rows + r * C + c, lanes) - center[r], lanes);
        square[r] = fma(d, d, square[r]);
      }
    });
    for (int r = 0; r < R; ++r) {
      scale[r] = 1.0f / __builtin_sqrtf(ATTUNE_ISA::sum(square[r]) * inverse + eps);
      mean[row + r] = center[r];
      rstd[row + r] = scale[r];
    }
    const uint16_t* lanes_out = drop_out.on() ? lanes_of(drop_out, first, R * C, scratch.lanes) : nullptr;
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(weight + c, lanes), b = bias != nullptr ? load(bias + c, lanes) : splat(0.0f);
      for (int r = 0; r < R; ++r) {
        int64_t at = r * C + c;
        vf y = fma((load(scratch.rows + at, lanes) - center[r]) * scale[r], w, b);
        if (lanes_out != nullptr) y *= drop_out.multiplier(lanes_out + at);
        store(out + first + at, y, lanes);
      }
    });
  }
};

template <class T>
struct Backward {
  T* dinp;
  T* dresidual;
  const T* dout;
  const T* dsum_extra;
  const T* sum;
  const float* mean;
  const float* rstd;
  const float* weight;
  int64_t C;
  Dropout drop_inp, drop_out;
  bool accumulate_residual;

  // Gradient is T, or f32 where the masked dout was put into the scratch. Partial sums start from
  // zero where `fresh`.
  template <int R, class Gradient>
  void rows(int64_t row, const Gradient* dy, const uint16_t* lanes_inp, float* dweight, float* dbias,
            bool fresh) const {
    const int64_t first = row * C;
    float center[R];
    vf dot_one[R] = {}, dot_x[R] = {};
    for (int r = 0; r < R; ++r) center[r] = mean[row + r];
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(weight + c, lanes);
      for (int r = 0; r < R; ++r) {
        int64_t at = r * C + c;
        vf g = rounded(load(dy + at, lanes) * w);
        // g is zero beyond the row (w is loaded as zero), so d needs no mask.
        vf d = load(sum + first + at, lanes) - center[r];
        dot_one[r] += g;
        dot_x[r] = fma(g, d, dot_x[r]);
      }
    });
    const float inverse = 1.0f / static_cast<float>(C);
    float scale[R], average[R], slope[R];
    for (int r = 0; r < R; ++r) {
      // dsum = rstd ((g - mean(g)) - d rstd^2 mean(g d)): the difference first, since it is all that is
      // left of a row without variance, whose rstd is large.
      scale[r] = rstd[row + r];
      average[r] = inverse * ATTUNE_ISA::sum(dot_one[r]);
      slope[r] = -scale[r] * scale[r] * (inverse * ATTUNE_ISA::sum(dot_x[r]));
    }
    for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      vf w = load(weight + c, lanes);
      vf dw = fresh ? splat(0.0f) : load(dweight + c, lanes);
      vf db = fresh ? splat(0.0f) : load(dbias + c, lanes);
      for (int r = 0; r < R; ++r) {
        int64_t at = r * C + c;
        vf g = load(dy + at, lanes);
        vf d = load(sum + first + at, lanes) - center[r];
        db += g;
        dw = fma(g * scale[r], d, dw);
        vf dsum = fma(d, splat(slope[r]), rounded(g * w) - average[r]) * scale[r];
        if (dsum_extra != nullptr) dsum += load(dsum_extra + first + at, lanes);
        if (dinp != nullptr) {
          vf masked = lanes_inp != nullptr ? dsum * drop_inp.multiplier(lanes_inp + at) : dsum;
          store(dinp + first + at, masked, lanes);
        }
        if (dresidual != nullptr) {
          T* to = dresidual + first + at;
          store(to, accumulate_residual ? dsum + load(to, lanes) : dsum, lanes);
        }
      }
      store(dweight + c, dw, lanes);
      store(dbias + c, db, lanes);
    });
  }

  template <int R>
  void masked_rows(int64_t row, const Scratch& scratch, float* dweight, float* dbias, bool fresh) const {
    const int64_t first = row * C;
    const T* from = dout + first;
    if (drop_out.on()) {
      const uint16_t* lanes_out = lanes_of(drop_out, first, R * C, scratch.lanes);
      for_vectors(0, R * C, [&](int64_t at, auto lanes) ATTUNE_INLINE_BODY {
        store(scratch.rows + at, load(from + at, lanes) * drop_out.multiplier(lanes_out + at), lanes);
      });
    }
    const uint16_t* lanes_inp =
        drop_inp.on() && dinp != nullptr ? lanes_of(drop_inp, first, R * C, scratch.lanes) : nullptr;
    if (drop_out.on()) {
      rows<R>(row, scratch.rows, lanes_inp, dweight, dbias, fresh);
    } else {
      rows<R>(row, from, lanes_inp, dweight, dbias, fresh);
    }
  }
};

}  // namespace

attune_status layer_norm_fwd(attune_context* ctx, void* out, void* sum, float* mean, float* rstd, const void* inp,
                             const void* residual, const float* weight, const float* bias, int64_t N, int64_t C,
                             float eps, float p_inp, float p_out, int64_t seed, int64_t stream, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    Dropout drop_inp(ctx, p_inp, seed, stream), drop_out(ctx, p_out, seed, stream + 1);
    bool unchanged = sum == inp && residual == nullptr && !drop_inp.on();
    Forward<T> forward{static_cast<T*>(out),
                       unchanged ? nullptr : static_cast<T*>(sum),
                       mean,
                       rstd,
                       static_cast<const T*>(inp),
                       static_cast<const T*>(residual),
                       weight,
                       bias,
                       C,
                       eps,
                       drop_inp,
                       drop_out};
    parallel_range(ctx, N, grain_or_alone(N, C, rows_per_task(C)), [&](int64_t begin, int64_t end, int32_t worker) {
      Scratch scratch = scratch_of(ctx, worker, C);
      int64_t row = begin;
      for (; row + kRows <= end; row += kRows) forward.template rows<kRows>(row, scratch);
      for (; row < end; ++row) forward.template rows<1>(row, scratch);
    });
  });
  return ATTUNE_OK;
}

attune_status layer_norm_bwd(attune_context* ctx, void* dinp, void* dresidual, float* dweight, float* dbias,
                             const void* dout, const void* dsum_extra, const void* sum, const float* mean,
                             const float* rstd, const float* weight, int64_t N, int64_t C, float p_inp, float p_out,
                             int64_t seed, int64_t stream, int32_t accumulate_residual, int32_t accumulate_weight,
                             int32_t dtype) {
  const RowChunks chunks(N, C, 2, kRows, rows_per_task(C));
  if (N > 0) {
    const Dropout drop_inp(ctx, p_inp, seed, stream), drop_out(ctx, p_out, seed, stream + 1);
    // Where the two are one, the residual's rule (overwrite or add) is the one that the caller gave.
    if (dinp == dresidual) dinp = nullptr;
    with_type(dtype, [&](auto type) {
      using T = decltype(type);
      Backward<T> backward{static_cast<T*>(dinp),
                           static_cast<T*>(dresidual),
                           static_cast<const T*>(dout),
                           static_cast<const T*>(dsum_extra),
                           static_cast<const T*>(sum),
                           mean,
                           rstd,
                           weight,
                           C,
                           drop_inp,
                           drop_out,
                           accumulate_residual != 0};
      parallel_range(ctx, N, chunks.rows, [&](int64_t begin, int64_t end, int32_t worker) {
        Scratch scratch = scratch_of(ctx, worker, C);
        float* dw = chunks.partial(ctx, begin, 0);
        float* db = chunks.partial(ctx, begin, 1);
        int64_t row = begin;
        for (; row + kRows <= end; row += kRows) {
          backward.template masked_rows<kRows>(row, scratch, dw, db, row == begin);
        }
        for (; row < end; ++row) backward.template masked_rows<1>(row, scratch, dw, db, row == begin);
      });
    });
  }
  if (dweight != nullptr) chunks.combine(ctx, {dweight, dbias}, C, accumulate_weight != 0);
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
