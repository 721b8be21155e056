// Products of int8 activations with int8 weights, summed exactly in 32 bits: all rows of activations are quantized
// first, then multiplied, on matrix tiles (linear_int8_amx.h) or in registers (linear_int8.h).
#include <algorithm>
#include <atomic>
#include <cstring>

#include "activation.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "linear_int8_rows.h"
#include "simd.h"
#if defined(ATTUNE_TILES)
#include "linear_int8_amx.h"
#else
#include "linear_int8.h"
#endif

namespace attune {
namespace ATTUNE_ISA {
namespace {

// out (F columns) from the sums of `rows` rows, `columns` of each from `column` on.
template <int kActivation>
struct Int8Epilogue {
  float* out;
  const Int8Rows& inp;
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
  const Int8Rows rows(scratch, C);
  const Strips strips(const_cast<void*>(weight), C);
  const bool known = with_fused_activation(activation, [&](auto kind) {
    parallel_range(ctx, N, grain_or_alone(N, C, 16), [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t n = begin; n < end; ++n) rows.quantize(n, inp + n * C, C);
    });
    int8_product(ctx, rows, strips, N, F, Int8Epilogue<kind.value>{out, rows, strips, bias, F});
  });
  return known
             ? ATTUNE_OK
             : fail(ATTUNE_INVALID_ARGUMENT, "linear_int8_fwd: activation %d is none that a product fuses", activation);
}

}  // namespace ATTUNE_ISA
}  // namespace attune
