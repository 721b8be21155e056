// The second product of a low-rank adapter, and its gradients. The rank is small, so that these products
// are bound by the wide operand: out and dout pass once. Everything multiplies in f32, since `up` is f32, but for bf16
// on tiles (lora_amx.h).
#include <algorithm>
#include <type_traits>

#include "amx.h"
#include "checks.h"
#include "context.h"
#include "gemm.h"
#include "kernels.h"
#include "lanes.h"
#include "lora.h"
#include "pack.h"
#include "simd.h"
#if defined(ATTUNE_TILES)
#include "lora_amx.h"
#endif

namespace attune {
namespace ATTUNE_ISA {
namespace {

constexpr int64_t kGroup = 4 * kColumns;             // columns of out per task
constexpr int64_t kTaskRows = 12 * kRows;            // rows of out per task; `up` is packed once for them
constexpr int64_t kRankCells = kMaxRank + kColumns;  // room for the rank in panels of kColumns

static_assert(4 * (kGroup * kMaxRank + kTaskRows * kMaxRank + kRows * kColumns) <= kWorkspaceBytes - kPartialBytes);

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// rows x columns from rows `stride` apart, as dense f32.
template <class T>
void widen_rows(float* to, const T* from, int64_t stride, int64_t rows, int64_t columns) {
  for (int64_t m = 0; m < rows; ++m) {
    for_vectors(0, columns, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      store(to + m * columns + c, load(from + m * stride + c, lanes), lanes);
    });
  }
}

// ---- forward ---------------------------------------------------------------------------------------

template <class T>
void forward(attune_context* ctx, T* out, const T* low, const float* up, int64_t N, int64_t F, int64_t R,
             int64_t out_stride, int64_t low_stride, float scale) {
  const int64_t groups = (F + kGroup - 1) / kGroup;
  parallel(ctx, groups * ((N + kTaskRows - 1) / kTaskRows), [&](int64_t task, int32_t worker) {
    const int64_t first = task % groups * kGroup, width = std::min(kGroup, F - first);
    const int64_t row = task / groups * kTaskRows, rows = std::min(kTaskRows, N - row);
    auto* panels = reinterpret_cast<uint32_t*>(ctx->workspace(worker) + kPartialBytes);
    auto* widened = reinterpret_cast<float*>(panels + kGroup * kMaxRank);
    float* sums = widened + kTaskRows * kMaxRank;
    widen_rows(widened, low + row * low_stride, low_stride, rows, R);
    for (int64_t j = 0; j < width; j += kColumns) {
      const int columns = static_cast<int>(std::min<int64_t>(kColumns, width - j));
      uint32_t* panel = panels + j * R;
      pack_transposed<F32Product, float, false>(panel, up + (first + j) * R, R, columns, R);
      for (int64_t m = 0; m < rows; m += kRows) {
        const int height = static_cast<int>(std::min<int64_t>(kRows, rows - m));
        const RowMajorA operand{reinterpret_cast<const char*>(widened + m * R), R * 4, false};
        run_tile<F32Product>(height, (columns + W - 1) / W, operand, panel, R, sums, kColumns, false, Prefetch{});
        for (int i = 0; i < height; ++i) {
          T* to = out + (row + m + i) * out_stride + first + j;
          for_vectors(0, columns, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
            store(to + c, fma(load(sums + i * kColumns + c, lanes), splat(scale), load(to + c, lanes)), lanes);
          });
        }
      }
    }
  });
}

// ---- backward --------------------------------------------------------------------------------------

// sums (rows, R) (+)= A (rows, steps) * B (steps, R), B in panels `panel_steps` apart.
template <class A, class Operand>
void rank_product(float* sums, int64_t rows, int64_t R, const uint32_t* panels, int64_t panel_steps, int64_t steps,
                  bool add, Operand&& operand) {
  const int64_t width = round_up(R, W);
  for (int64_t m = 0; m < rows; m += kRows) {
    const int height = static_cast<int>(std::min<int64_t>(kRows, rows - m));
    const A a = operand(m);
    for (int64_t j = 0; j < R; j += kColumns) {
      const int vectors = static_cast<int>((std::min<int64_t>(kColumns, R - j) + W - 1) / W);
      run_tile<F32Product>(height, vectors, a, panels + j * panel_steps, steps, sums + m * width + j, width, add,
                           Prefetch{});
    }
  }
}

// A chunk of columns, in f32.
template <class T>
struct VectorGradients {
  static constexpr int64_t kWidth = 192;  // columns of dout per task
  static int64_t width(int64_t) { return kWidth; }
  static constexpr int64_t kBlockRows = 96;  // rows of dout that stay in the cache for both products
  static constexpr int64_t kRankWidth = W;   // what rows of partial sums are rounded up to
  static constexpr int64_t kStripCells = kBlockRows * kStrip + W;
  static_assert(kWidth % kStrip == 0, "whole strips");

  struct Scratch {
    uint32_t up[kWidth * kRankCells];              // panels of `up`: a step per column of dout
    uint32_t low[kBlockRows * kRankCells];         // panels of `low`: a step per row
    uint32_t dout[kWidth / kStrip * kStripCells];  // strips of dout: a step per row
    float widened[kBlockRows * kWidth];
    float sums[kWidth * kRankCells];  // of dup
  };

  // Partial sums of dlow, row after row, and dup.
  static void run(Scratch& s, const LoraGradients<T>& g, const LoraPart& part, float* partials) {
    const int64_t R = g.R, width = round_up(R, kRankWidth), columns = part.columns;
    float* sums = s.sums;
    pack_interleaved<F32Product, float, false, kColumns>(s.up, kWidth * kColumns, g.up + part.f * R, R,
                                                         static_cast<int>(R), columns);
    for (int64_t row = part.first_row; row < part.end_row; row += kBlockRows) {
      const int64_t rows = std::min(kBlockRows, part.end_row - row);
      widen_rows(s.widened, g.dout + row * g.out_stride + part.f, g.out_stride, rows, columns);
      rank_product<RowMajorA>(partials + (row - part.first_row) * width, rows, R, s.up, kWidth, columns, false,
                              [&](int64_t m) {
                                const float* from = s.widened + m * columns;
                                return RowMajorA{reinterpret_cast<const char*>(from), columns * 4, false};
                              });
      pack_interleaved<F32Product, T, false, kColumns>(s.low, kBlockRows * kColumns, g.low + row * g.low_stride,
                                                       g.low_stride, static_cast<int>(R), rows);
      pack_interleaved<F32Product, float, false, kStrip>(s.dout, kStripCells, s.widened, columns,
                                                         static_cast<int>(columns), rows);
      rank_product<PackedA>(sums, columns, R, s.low, kBlockRows, rows, row > part.first_row, [&](int64_t m) {
        const int64_t strip = m / kStrip;
        return PackedA{s.dout + strip * kStripCells + m % kStrip, strip_width(columns - strip * kStrip)};
      });
    }
    for (int64_t i = 0; i < columns; ++i) {
      float* to = g.dup + (part.f + i) * R;
      for_vectors(0, R, [&](int64_t r, auto lanes) ATTUNE_INLINE_BODY {
        const vf sum = load(sums + i * width + r, lanes) * g.scale;
        store(to + r, g.accumulate || part.first_row > 0 ? load(to + r, lanes) + sum : sum, lanes);
      });
    }
  }
};

#if defined(ATTUNE_TILES)
template <class T>
using GradientsOf = std::conditional_t<kOnTiles<T>, TileGradients, VectorGradients<T>>;
#else
template <class T>
using GradientsOf = VectorGradients<T>;
#endif

template <class Chunk, class T>
void backward(attune_context* ctx, const LoraGradients<T>& g) {
  static_assert(sizeof(typename Chunk::Scratch) <= kWorkspaceBytes - kPartialBytes, "scratch of lora_bwd");
  const int64_t width = round_up(g.R, Chunk::kRankWidth);
  const int64_t chunk_columns = Chunk::width(g.F), chunks = (g.F + chunk_columns - 1) / chunk_columns;
  auto* partials = reinterpret_cast<float*>(ctx->workspace(0));
  // Rows whose partial sums of dlow, one per chunk of columns, have room, whole blocks of them if they can be; dup
  // grows from one such range of rows to the next. Depends on the shape alone.
  const int64_t room = static_cast<int64_t>(kPartialBytes / 4) / (chunks * width);
  const int64_t range = room > Chunk::kBlockRows ? room / Chunk::kBlockRows * Chunk::kBlockRows : room;

  for (int64_t first_row = 0; first_row < g.N; first_row += range) {
    const int64_t end_row = std::min(first_row + range, g.N);
    parallel(ctx, chunks, [&](int64_t chunk, int32_t worker) {
      auto& scratch = *reinterpret_cast<typename Chunk::Scratch*>(ctx->workspace(worker) + kPartialBytes);
      const int64_t f = chunk * chunk_columns;
      Chunk::run(scratch, g, {f, std::min(chunk_columns, g.F - f), first_row, end_row},
                 partials + chunk * range * width);
    });
    parallel_range(ctx, end_row - first_row, 4096 / (chunks * width) + 1, [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t m = begin; m < end; ++m) {
        T* to = g.dlow + (first_row + m) * g.low_stride;
        for_vectors(0, g.R, [&](int64_t r, auto lanes) ATTUNE_INLINE_BODY {
          vf total{};
          for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            total += load(partials + (chunk * range + m) * width + r, lanes);
          }
          store(to + r, total * g.scale, lanes);
        });
      }
    });
  }
}

}  // namespace

attune_status lora_fwd(attune_context* ctx, void* out, const void* low, const float* up, int64_t N, int64_t F,
                       int64_t R, int64_t out_stride, int64_t low_stride, float scale, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    auto* const to = static_cast<T*>(out);
    const auto* const from = static_cast<const T*>(low);
    if constexpr (kOnTiles<T>) {
      tile_lora_forward(ctx, to, from, up, N, F, R, out_stride, low_stride, scale);
    } else {
      forward(ctx, to, from, up, N, F, R, out_stride, low_stride, scale);
    }
  });
  return ATTUNE_OK;
}

attune_status lora_bwd(attune_context* ctx, void* dlow, float* dup, const void* dout, const void* low, const float* up,
                       int64_t N, int64_t F, int64_t R, int64_t out_stride, int64_t low_stride, float scale,
                       int32_t accumulate, int32_t dtype) {
  if (N == 0) return accumulate != 0 ? ATTUNE_OK : fill_zero(ctx, dup, F * R * 4);
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    auto* const to = static_cast<T*>(dlow);
    const auto* const from = static_cast<const T*>(dout);
    const auto* const narrow = static_cast<const T*>(low);
    backward<GradientsOf<T>>(
        ctx, LoraGradients<T>{to, dup, from, narrow, up, N, F, R, out_stride, low_stride, scale, accumulate != 0});
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
