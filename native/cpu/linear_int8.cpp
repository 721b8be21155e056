// Products of int8 activations with int8 weights, summed exactly in 32 bits (linear_int8.h: the tile).
//
// All rows of activations are quantized first. A task then owns a chunk of rows, which stays in the second-level cache,
// and a group of panels of the weight, each read from memory once.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "activation.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "linear_int8.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

constexpr int32_t kInfinity = 0x7F800000;
constexpr float kLeastMagnitude = 0x1p-100f;  // far from where 127 / absmax would overflow

// The bits of the largest magnitude of a row; kInfinity or more where it holds an infinity or a NaN.
int32_t largest_bits(const float* row, int64_t C) {
  vi top{};
  for_vectors(0, C, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
    const vi bits = (vi)vabs(load(row + i, lanes));
    top = bits > top ? bits : top;
  });
  int32_t largest = 0;
  for (int lane = 0; lane < W; ++lane) largest = std::max(largest, top[lane]);
  return largest;
}

// Calls store_codes(i, codes of elements i .. i + W) for a row; codes past the last element are 0. Returns the scale.
template <class StoreCodes>
float quantize_row(const float* row, int64_t C, StoreCodes&& store_codes) {
  const int32_t bits = largest_bits(row, C);
  float absmax;
  std::memcpy(&absmax, &bits, sizeof(absmax));
  const bool is_strange = bits >= kInfinity;
  if (is_strange || absmax < kLeastMagnitude) {
    for (int64_t i = 0; i < C; i += W) store_codes(i, vi{});
    return is_strange ? __builtin_nanf("") : 0.0f;
  }
  const vf factor = splat(127.0f / absmax);
  for_vectors(0, C, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
    store_codes(i, nearest_integer(load(row + i, lanes) * factor));
  });
  return absmax / 127.0f;
}

// ---- activations ---------------------------------------------------------------------------------------

// Rows of quantized activations: cells, then the scale. Rows are an odd number of cache lines apart, so that those of a
// tile do not meet in few sets of the first-level cache.
struct Rows {
  int64_t scale_offset;
  int64_t row_bytes;
  char* base;

  Rows(void* scratch, int64_t C) : base(static_cast<char*>(scratch)) {
    scale_offset = ceil_div(C, 16) * 16 * static_cast<int64_t>(sizeof(Cell));
    row_bytes = (ceil_div(scale_offset + 4, 64) | 1) * 64;
  }
  char* row(int64_t n) const { return base + n * row_bytes; }
  float scale(int64_t n) const {
    float value;
    std::memcpy(&value, row(n) + scale_offset, sizeof(value));
    return value;
  }
  void quantize(int64_t n, const float* from, int64_t C) const {
    auto* cells = reinterpret_cast<Cell*>(row(n));
    const float scale = quantize_row(from, C, [&](int64_t i, vi codes) ATTUNE_INLINE_BODY { put(cells + i, codes); });
    std::memcpy(row(n) + scale_offset, &scale, sizeof(scale));
  }
};

// ---- the product ---------------------------------------------------------------------------------------

// out (F columns) from the sums of `rows` rows, `columns` of each from `column` on.
template <int kActivation>
struct Epilogue {
  float* out;
  const Rows& inp;
  const Strips& weight;
  const float* bias;
  int64_t F;

  void operator()(int64_t row, int rows, int64_t column, int64_t columns, const int32_t* sums) const {
    for (int m = 0; m < rows; ++m) {
      const vf row_scale = splat(inp.scale(row + m));
      float* to = out + (row + m) * F + column;
      for_vectors(0, columns, [&](int64_t j, auto lanes) ATTUNE_INLINE_BODY {
        vi sum;
        std::memcpy(&sum, sums + m * kPanelColumns + j, sizeof(sum));
        const char* scales = weight.scales(column + j);
        if constexpr (kOffset != 0) sum = sum - kOffset * load_i32(scales + 4 * kStripRows);
        vf value = __builtin_convertvector(sum, vf) * row_scale;
        // Rounded before the bias is added, with or without multiply-adds.
        value = rounded(value * load(reinterpret_cast<const float*>(scales)));
        if (bias != nullptr) value = value + load(bias + column + j, lanes);
        store(to + j, act<kActivation>(value), lanes);
      });
    }
  }
};

constexpr int64_t kChunkBytes = 512 << 10;  // of quantized rows: half of a second-level cache
constexpr int64_t kLeastRows = 48;          // of a chunk: fewer do not pay for reading the panels again

template <class Finish>
void multiply(attune_context* ctx, const Rows& inp, const Strips& weight, int64_t N, int64_t F, Finish&& finish) {
  const int64_t panels = ceil_div(F, kPanelColumns);
  const int64_t most_rows = std::max(kLeastRows, kChunkBytes / inp.row_bytes);
  const int64_t chunk_rows = ceil_div(ceil_div(N, ceil_div(N, most_rows)), kTileRows) * kTileRows;
  const int64_t chunks = ceil_div(N, chunk_rows);
  // Long groups stream the weight in long runs; enough tasks keep every thread busy to the end.
  const int64_t group = std::max<int64_t>(1, panels * chunks / (4 * ctx->pool.threads()));
  const int64_t group_panels = std::min(group, panels);
  const int64_t groups = ceil_div(panels, group_panels);
  parallel(ctx, groups * chunks, [&](int64_t task, int32_t) {
    const int64_t first_row = task / groups * chunk_rows, end_row = std::min(N, first_row + chunk_rows);
    const int64_t first_panel = task % groups * group_panels, end_panel = std::min(panels, first_panel + group_panels);
    const int64_t passes = ceil_div(end_row - first_row, kTileRows);
    alignas(64) int32_t sums[kTileRows * kPanelColumns];
    for (int64_t panel = first_panel; panel < end_panel; ++panel) {
      const int64_t column = panel * kPanelColumns, columns = std::min<int64_t>(kPanelColumns, F - column);
      const int strips = static_cast<int>(ceil_div(columns, kStripRows));
      for (int64_t pass = 0; pass < passes; ++pass) {
        // Passes of an equal number of rows, but for one.
        const int64_t row = first_row + (end_row - first_row) * pass / passes;
        const int rows = static_cast<int>(first_row + (end_row - first_row) * (pass + 1) / passes - row);
        // The first pass over a panel fetches the next one.
        const int64_t ahead = pass == 0 && panel + 1 < end_panel ? strips * weight.strip_bytes : 0;
        run_tile(rows, strips, inp.row(row), inp.row_bytes, weight.strip(column), weight.strip_bytes, weight.steps,
                 ahead, sums);
        finish(row, rows, column, columns, sums);
      }
    }
  });
}

}  // namespace

attune_status linear_int8_pack(attune_context* ctx, void* out, const float* inp, int64_t F, int64_t C) {
  if (F == 0) return ATTUNE_OK;
  std::atomic<bool> is_finite{true};
  parallel_range(ctx, F, kStripRows, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t f = begin; f < end; ++f) {
      if (largest_bits(inp + f * C, C) >= kInfinity) is_finite.store(false, std::memory_order_relaxed);
    }
  });
  ATTUNE_REQUIRE(is_finite.load(), "linear_int8_pack: inp holds a NaN or an infinity, must be finite");
  const Strips strips(out, C);
  parallel_range(ctx, F, kStripRows, [&](int64_t begin, int64_t end, int32_t) {
    char* strip = strips.strip(begin);
    std::memset(strip, 0, static_cast<size_t>(strips.strip_bytes));
    for (int64_t f = begin; f < end; ++f) {
      const int64_t r = f - begin;
      int32_t sum = 0;
      const float scale = quantize_row(inp + f * C, C, [&](int64_t i, vi codes) {
        for (int64_t lane = 0; lane < W && i + lane < C; ++lane) {
          const int32_t code = codes[lane];
          strip[((i + lane) / 4 * kStripRows + r) * 4 + (i + lane) % 4] = static_cast<char>(code);
          sum += code;
        }
      });
      char* scales = strips.scales(f);
      std::memcpy(scales, &scale, sizeof(scale));
      std::memcpy(scales + 4 * kStripRows, &sum, sizeof(sum));
    }
  });
  return ATTUNE_OK;
}

attune_status linear_int8_fwd(attune_context* ctx, float* out, void* scratch, const float* inp, const void* weight,
                              const float* bias, int64_t N, int64_t C, int64_t F, int32_t activation) {
  if (N == 0) return ATTUNE_OK;
  const Rows rows(scratch, C);
  const Strips strips(const_cast<void*>(weight), C);
  const bool known = with_activation(activation, [&](auto kind) {
    parallel_range(ctx, N, grain_or_alone(N, C, 16), [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t n = begin; n < end; ++n) rows.quantize(n, inp + n * C, C);
    });
    multiply(ctx, rows, strips, N, F, Epilogue<kind.value>{out, rows, strips, bias, F});
  });
  return known ? ATTUNE_OK : fail(ATTUNE_INVALID_ARGUMENT, "linear_int8_fwd: unknown activation %d", activation);
}

}  // namespace ATTUNE_ISA
}  // namespace attune
