// Weights into 4 or 8 bits and back.
#include <atomic>
#include <cstring>

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "quantized_layout.h"
#include "quantized_weight.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {
namespace {

constexpr int64_t kBlock = QuantizedLayout::kBlock;
constexpr int64_t kScales = QuantizedLayout::kScaleBlock;  // blocks of a task: their scales share an outer one
static_assert(kBlock % W == 0, "blocks of whole vectors");

template <class T>
static float largest_magnitude(const T* block) {
  vf top{};
  for (int64_t i = 0; i < kBlock; i += W) top = vmax(vabs(load(block + i)), top);
  return max(top);
}

// Rounds to the nearest integer, ties to even; |x| < 2^22.
static inline vf nearest(vf x) {
  const vf shift = splat(12582912.0f);  // 1.5 * 2^23
  return (x + shift) - shift;
}

template <class T>
static void quantize_int8(int8_t* codes, char* scales, const T* inp, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    const T* from = inp + block * kBlock;
    const float scale = largest_magnitude(from) / 127.0f;
    std::memcpy(scales + 4 * block, &scale, sizeof(scale));
    for (int64_t i = 0; i < kBlock; i += W) {
      // A block of zeros has scale 0 and codes 0; so has one whose scale is too small for f32.
      const vf code = scale == 0.0f ? vf{} : vmin(splat(127.0f), vmax(splat(-127.0f), nearest(load(from + i) / scale)));
      for (int lane = 0; lane < W; ++lane) codes[block * kBlock + i + lane] = static_cast<int8_t>(code[lane]);
    }
  }
}

// The code of the nearest value; of two as near the lower one. Codes of W elements in units of 1.
static inline vi nf4_codes(vf x) {
  vi code{};
  for (int i = 0; i < 15; ++i) code -= x > splat((kNf4.value[i] + kNf4.value[i + 1]) * 0.5f);
  return code;
}

template <class T>
static void quantize_nf4_block(uint8_t* codes, const T* from, float absmax) {
  for (int64_t i = 0; i < kBlock; i += W) {
    const vi code = nf4_codes(absmax == 0.0f ? vf{} : load(from + i) / absmax);
    for (int lane = 0; lane < W; lane += 2) {
      codes[(i + lane) / 2] = static_cast<uint8_t>(code[lane] | code[lane + 1] << 4);
    }
  }
}

template <class T>
static attune_status quantize_nf4(attune_context* ctx, uint8_t* out, const T* inp, const QuantizedLayout& layout) {
  const int64_t tasks = (layout.blocks + kScales - 1) / kScales;
  auto* sums = reinterpret_cast<double*>(ctx->workspace(0));
  ATTUNE_REQUIRE(tasks <= static_cast<int64_t>(kWorkspaceBytes / sizeof(double)),
                 "quantize: F * C is %lld, must be at most %lld", ll(layout.blocks * kBlock),
                 ll(static_cast<int64_t>(kWorkspaceBytes / sizeof(double)) * kScales * kBlock));
  // Scales wait for their mean, which is the offset: they are found twice rather than kept.
  const auto find_scales = [&](int64_t task, float* scales) {
    const int64_t first = task * kScales;
    const int64_t count = layout.blocks - first < kScales ? layout.blocks - first : kScales;
    for (int64_t i = 0; i < count; ++i) scales[i] = largest_magnitude(inp + (first + i) * kBlock);
    return count;
  };
  parallel(ctx, tasks, [&](int64_t task, int32_t) {
    float scales[kScales];
    const int64_t count = find_scales(task, scales);
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += scales[i];
    sums[task] = sum;
  });
  double total = 0;
  for (int64_t task = 0; task < tasks; ++task) total += sums[task];
  const float offset = static_cast<float>(total / static_cast<double>(layout.blocks));
  std::memcpy(out + layout.offset, &offset, sizeof(offset));
  parallel(ctx, tasks, [&](int64_t task, int32_t) {
    float scales[kScales];
    const int64_t count = find_scales(task, scales);
    float outer = 0.0f;
    for (int64_t i = 0; i < count; ++i) {
      const float distance = __builtin_fabsf(scales[i] - offset);
      outer = distance > outer ? distance : outer;
    }
    std::memcpy(out + layout.outer_scales + 4 * task, &outer, sizeof(outer));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t block = task * kScales + i;
      const float code = outer == 0.0f ? 0.0f : nearest(splat((scales[i] - offset) / outer * 127.0f))[0];
      out[layout.scales + block] = static_cast<uint8_t>(127 + static_cast<int>(code));
      quantize_nf4_block(out + block * kBlock / 2, inp + block * kBlock, scales[i]);
    }
  });
  return ATTUNE_OK;
}

template <class T>
static bool all_finite(attune_context* ctx, const T* inp, int64_t blocks) {
  std::atomic<bool> finite{true};
  parallel_range(ctx, blocks, kScales, [&](int64_t begin, int64_t end, int32_t) {
    vi strange{};
    for (int64_t i = begin * kBlock; i < end * kBlock; i += W) {
      const vf x = load(inp + i);
      strange |= x - x != vf{};
    }
    for (int lane = 0; lane < W; ++lane) {
      if (strange[lane] != 0) finite.store(false, std::memory_order_relaxed);
    }
  });
  return finite.load();
}

}  // namespace

attune_status quantize(attune_context* ctx, void* out, const void* inp, int64_t F, int64_t C, int32_t inp_dtype,
                       int32_t out_dtype) {
  const char* op = "quantize";
  if (F == 0) return ATTUNE_OK;
  const QuantizedLayout layout(F, C, out_dtype);
  attune_status status = ATTUNE_OK;
  with_type(inp_dtype, [&](auto element) {
    const auto* from = static_cast<const decltype(element)*>(inp);
    if (!all_finite(ctx, from, layout.blocks)) {
      status = fail(ATTUNE_INVALID_ARGUMENT, "%s: inp holds a NaN or an infinity, must be finite", op);
      return;
    }
    if (out_dtype == ATTUNE_NF4) {
      status = quantize_nf4(ctx, static_cast<uint8_t*>(out), from, layout);
      return;
    }
    auto* codes = static_cast<int8_t*>(out);
    auto* scales = static_cast<char*>(out) + layout.scales;
    parallel_range(ctx, layout.blocks, kScales,
                   [&](int64_t begin, int64_t end, int32_t) { quantize_int8(codes, scales, from, begin, end); });
  });
  return status;
}

attune_status dequantize(attune_context* ctx, void* out, const void* inp, int64_t F, int64_t C, int32_t out_dtype,
                         int32_t inp_dtype) {
  if (F == 0) return ATTUNE_OK;
  with_type(out_dtype, [&](auto element) {
    auto* to = static_cast<decltype(element)*>(out);
    const auto run = [&](const auto& weight) {
      parallel_range(ctx, F * C, kScales * kBlock, [&](int64_t begin, int64_t end, int32_t) {
        dequantize_range(to + begin, weight, begin, end - begin);
      });
    };
    if (inp_dtype == ATTUNE_NF4) {
      run(Nf4Weight(inp, F, C));
    } else {
      run(Int8Weight(inp, F, C));
    }
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
