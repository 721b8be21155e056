// Weight-decomposed adapters. The norms come from one walk over the rows of the weight, dequantized where it is
// packed, each with its row of up down added in f32: 2 F C R operations and one read of the weight, once an
// optimizer step. Expanding the square (||W||^2 once, W down^T and down down^T a step) costs the same
// products, but loses digits where the adapter cancels the weight.
#include <algorithm>

#include "checks.h"
#include "context.h"
#include "gemm.h"
#include "kernels.h"
#include "lanes.h"
#include "pack.h"
#include "quantized_weight.h"
#include "row_chunks.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {
namespace {

// ---- norms -----------------------------------------------------------------------------------------

constexpr int64_t kTaskRows = 48;  // of the weight; `down` is packed once for them
constexpr int64_t kWidth = 768;    // columns at a time
constexpr int64_t kMaxRank = 256;  // as of LoRA
static_assert(kTaskRows % kRows == 0 && kWidth % kColumns == 0 && kWidth % QuantizedLayout::kBlock == 0, "whole tiles");

struct GainScratch {
  uint32_t down[kWidth * kMaxRank];  // panels: a step per rank
  float sums[kRows * kWidth];        // of up down
  float weight[kWidth];              // a row of a packed weight
};
static_assert(sizeof(GainScratch) <= kWorkspaceBytes, "scratch of dora_gain");

template <class T>
struct PlainRows {
  const T* weight;
  int64_t C;
  const T* operator()(int64_t row, int64_t column, int64_t, float*) const { return weight + row * C + column; }
};

template <class Weight>
struct QuantizedRows {
  Weight weight;
  const float* operator()(int64_t row, int64_t column, int64_t columns, float* scratch) const {
    dequantize_range(scratch, weight, row * weight.C + column, columns);
    return scratch;
  }
};

template <class Rows>
void row_norms(attune_context* ctx, float* norm, const Rows& weight_rows, const float* down, const float* up,
               int64_t first_row, int64_t F, int64_t C, int64_t R, float scale) {
  parallel_range(ctx, F, kTaskRows, [&](int64_t begin, int64_t end, int32_t worker) {
    auto& s = *reinterpret_cast<GainScratch*>(ctx->workspace(worker));
    float totals[kTaskRows] = {};
    for (int64_t column = 0; column < C; column += kWidth) {
      const int64_t columns = std::min(kWidth, C - column);
      pack_interleaved<F32Product, float, false, kColumns>(s.down, R * kColumns, down + column, C,
                                                           static_cast<int>(columns), R);
      for (int64_t row = begin; row < end; row += kRows) {
        const int height = static_cast<int>(std::min<int64_t>(kRows, end - row));
        const RowMajorA operand{reinterpret_cast<const char*>(up + row * R), R * 4, false};
        for (int64_t j = 0; j < columns; j += kColumns) {
          const int vectors = static_cast<int>((std::min<int64_t>(kColumns, columns - j) + W - 1) / W);
          run_tile<F32Product>(height, vectors, operand, s.down + j * R, R, s.sums + j, kWidth, false, Prefetch{});
        }
        for (int i = 0; i < height; ++i) {
          const auto* from = weight_rows(first_row + row + i, column, columns, s.weight);
          const float* sums = s.sums + i * kWidth;
          vf squares{};
          for_vectors(0, columns, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
            // Lanes beyond the row are zero: they were loaded as zero.
            const vf x = fma(load(sums + c, lanes), splat(scale), load(from + c, lanes));
            squares = fma(x, x, squares);
          });
          totals[row - begin + i] += sum(squares);
        }
      }
    }
    for (int64_t f = begin; f < end; ++f) norm[f] = __builtin_sqrtf(totals[f - begin]);
  });
}

// ---- columns by their gain -------------------------------------------------------------------------

// About this many elements make a task.
int64_t rows_per_task(int64_t F) { return std::max<int64_t>(8192 / F, 1); }

template <class T>
void forward(attune_context* ctx, T* out, const T* inp, const float* gain, const float* bias, int64_t N, int64_t F,
             bool accumulate) {
  parallel_range(ctx, N, grain_or_alone(N, F, rows_per_task(F)), [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t n = begin; n < end; ++n) {
      T* to = out + n * F;
      const T* from = inp + n * F;
      for_vectors(0, F, [&](int64_t f, auto lanes) ATTUNE_INLINE_BODY {
        vf rest = bias != nullptr ? load(bias + f, lanes) : vf{};
        if (accumulate) rest += load(to + f, lanes);
        store(to + f, fma(load(from + f, lanes), load(gain + f, lanes), rest), lanes);
      });
    }
  });
}

template <class T>
struct Backward {
  T* dinp;
  const T* dout;
  const T* inp;
  const float* gain;
  int64_t F, stride;

  // Rows n .. n + R; dmagnitude: partial sums, which start from zero where `fresh`; null: not wanted.
  template <int R>
  void rows(int64_t n, float* dmagnitude, bool fresh) const {
    const int64_t first = n * stride;
    for_vectors(0, F, [&](int64_t f, auto lanes) ATTUNE_INLINE_BODY {
      const vf g = load(gain + f, lanes);
      vf dm = dmagnitude == nullptr || fresh ? vf{} : load(dmagnitude + f, lanes);
      for (int r = 0; r < R; ++r) {
        const int64_t at = first + r * stride + f;
        const vf d = load(dout + at, lanes);
        if (dmagnitude != nullptr) dm = fma(d, load(inp + at, lanes), dm);
        store(dinp + at, d * g, lanes);
      }
      if (dmagnitude != nullptr) store(dmagnitude + f, dm, lanes);
    });
  }
};

// sums /= norm, zero where that is zero.
void divide(float* sums, const float* norm, int64_t F) {
  for_vectors(0, F, [&](int64_t f, auto lanes) ATTUNE_INLINE_BODY {
    const vf n = load(norm + f, lanes);
    store(sums + f, select(n == splat(0.0f), splat(0.0f), load(sums + f, lanes) / n), lanes);
  });
}

}  // namespace

attune_status dora_gain(attune_context* ctx, float* gain, float* excess, float* norm, const void* weight,
                        const float* down, const float* up, const float* magnitude, int64_t rows, int64_t first_row,
                        int64_t F, int64_t C, int64_t R, float scale, int32_t weight_dtype) {
  const auto run = [&](const auto& weight_rows) {
    row_norms(ctx, norm, weight_rows, down, up, first_row, F, C, R, scale);
  };
  switch (weight_dtype) {
    case ATTUNE_NF4: run(QuantizedRows<Nf4Weight>{Nf4Weight(weight, rows, C)}); break;
    case ATTUNE_INT8: run(QuantizedRows<Int8Weight>{Int8Weight(weight, rows, C)}); break;
    default:
      with_type(weight_dtype, [&](auto element) {
        using T = decltype(element);
        run(PlainRows<T>{static_cast<const T*>(weight), C});
      });
  }
  if (magnitude == nullptr) return ATTUNE_OK;
  for (int64_t f = 0; f < F; ++f) {
    gain[f] = norm[f] == 0.0f ? 0.0f : magnitude[f] / norm[f];
    excess[f] = norm[f] == 0.0f ? -1.0f : (magnitude[f] - norm[f]) / norm[f];
  }
  return ATTUNE_OK;
}

attune_status dora_fwd(attune_context* ctx, void* out, const void* inp, const float* gain, const float* bias, int64_t N,
                       int64_t F, int32_t accumulate, int32_t dtype) {
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    forward(ctx, static_cast<T*>(out), static_cast<const T*>(inp), gain, bias, N, F, accumulate != 0);
  });
  return ATTUNE_OK;
}

attune_status dora_bwd(attune_context* ctx, void* dinp, float* dmagnitude, const void* dout, const void* inp,
                       const float* gain, const float* norm, int64_t N, int64_t F, int64_t stride, int32_t accumulate,
                       int32_t dtype) {
  constexpr int kGroup = 4;  // rows that share the loads of the gain and of the sums
  const RowChunks chunks(N, F, 1, kGroup, std::max<int64_t>(rows_per_task(F) / kGroup * kGroup, kGroup));
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const Backward<T> backward{
        static_cast<T*>(dinp), static_cast<const T*>(dout), static_cast<const T*>(inp), gain, F, stride};
    parallel_range(ctx, N, chunks.rows, [&](int64_t begin, int64_t end, int32_t) {
      float* sums = dmagnitude == nullptr ? nullptr : chunks.partial(ctx, begin, 0);
      int64_t n = begin;
      for (; n + kGroup <= end; n += kGroup) backward.template rows<kGroup>(n, sums, n == begin);
      for (; n < end; ++n) backward.template rows<1>(n, sums, n == begin);
      if (sums != nullptr) divide(sums, norm, F);
    });
  });
  if (dmagnitude != nullptr) chunks.combine(ctx, {dmagnitude}, F, accumulate != 0);
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
