// Weights in 4 and 8 bits. A block of 64 elements belongs to one warp. Dequantizing reads 1 or half a byte per
// element and writes one access of out; quantizing happens once per weight.
#include "quantized_weight.cuh"
#include "reduce.cuh"
#include "rows.cuh"

namespace attune::cuda {

namespace {

constexpr int64_t kBlock = QuantizedLayout::kBlock;
constexpr int64_t kScaleBlock = QuantizedLayout::kScaleBlock;
constexpr float kCodes = 127.0f;

// Refuses what no code stands for. The maximum of magnitudes would pass over a NaN.
__device__ __forceinline__ void check_finite(ErrorWord* error, int64_t at, const float (&x)[2]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    if (!(x[i] - x[i] == 0.0f)) record_bad_index(error, Op::quantize, Index::inp, at + i, 0, kNotFinite);
  }
}

// A row here is a block of 64 elements, two in each lane.
template <class T>
struct QuantizeInt8 {
  int8_t* codes;
  uint8_t* scales;  // f32
  const T* inp;
  ErrorWord* error;

  template <int V>
  __device__ void row(int64_t block, int lane) const {
    const int64_t at = block * kBlock + 2 * lane;
    const float x[2] = {to_float(inp[at]), to_float(inp[at + 1])};
    check_finite(error, at, x);
    const float scale = warp_reduce(fmaxf(fabsf(x[0]), fabsf(x[1])), Max{}) / kCodes;
#pragma unroll
    for (int i = 0; i < 2; ++i) codes[at + i] = static_cast<int8_t>(scale > 0.0f ? rintf(x[i] / scale) : 0.0f);
    if (lane == 0) write_f32(scales, block, scale);
  }
};

template <class T>
struct QuantizeNf4 {
  uint8_t* nibbles;
  float* scales;  // scratch: each block's largest magnitude
  const T* inp;
  Nf4Table table;
  ErrorWord* error;

  template <int V>
  __device__ void row(int64_t block, int lane) const {
    const int64_t at = block * kBlock + 2 * lane;
    const float x[2] = {to_float(inp[at]), to_float(inp[at + 1])};
    check_finite(error, at, x);
    const float scale = warp_reduce(fmaxf(fabsf(x[0]), fabsf(x[1])), Max{});
    int codes[2] = {0, 0};
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      // A block of zeros takes the code of 0.
      const float y = scale > 0.0f ? x[i] / scale : 0.0f;
      // The nearest value: one more than the midpoints below y.
#pragma unroll
      for (int c = 0; c < 15; ++c) codes[i] += y > 0.5f * (table.value[c] + table.value[c + 1]);
    }
    nibbles[at / 2] = static_cast<uint8_t>(codes[0] | codes[1] << 4);
    if (lane == 0) scales[block] = scale;
  }
};

constexpr int kMeanWarps = 32;

__global__ void __launch_bounds__(kMeanWarps* kWarp)
    mean_of_scales(uint8_t* offset, const float* scales, int64_t count) {
  const RowGroup<kMeanWarps> group(shared_memory());
  double total = 0;
  for (int64_t i = threadIdx.x; i < count; i += kMeanWarps * kWarp) total += static_cast<double>(scales[i]);
  total = group.reduce(total, Add{});
  if (threadIdx.x == 0) write_f32(offset, 0, static_cast<float>(total / static_cast<double>(count)));
}

// One block of threads per block of scales, one thread per scale.
__global__ void __launch_bounds__(kScaleBlock)
    quantize_scales(uint8_t* codes, uint8_t* outer_scales, const float* scales, const uint8_t* offset, int64_t count) {
  const RowGroup<kScaleBlock / kWarp> group(shared_memory());
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kScaleBlock + threadIdx.x;
  const float x = i < count ? scales[i] - read_f32<1>(offset, 0) : 0.0f;
  const float outer = group.reduce(fabsf(x), Max{});
  if (i < count) codes[i] = static_cast<uint8_t>((outer > 0.0f ? rintf(x / outer * kCodes) : 0.0f) + kCodes);
  if (threadIdx.x == 0) write_f32(outer_scales, blockIdx.x, outer);
}

template <class T, class Values>
struct Dequantize {
  T* out;
  Values values;

  template <int V>
  __device__ void run(int64_t i) const {
    float x[V];
    values.get(x, i);
    store(out + i, x);
  }
};

template <int V, class T>
__global__ void __launch_bounds__(kFlatThreads)
    dequantize_nf4(Dequantize<T, Nf4Values> body, Nf4Table table, int64_t count) {
  body.values.stage(shared_memory<float>(), table);
  __syncthreads();
  flat_loop<V>(body, count);
}

}  // namespace

attune_status quantize(attune_context* ctx, void* out, const void* inp, int64_t F, int64_t C, int32_t inp_dtype,
                       int32_t out_dtype) {
  const char* op = "quantize";
  if (F == 0) return ATTUNE_OK;
  const QuantizedLayout layout(F, C, out_dtype);
  ATTUNE_REQUIRE(layout.blocks <= kScratchBytes / 4, "%s: F * C is %lld, must be at most %lld", op, ll(F * C),
                 ll(kScratchBytes / 4 * kBlock));
  uint8_t* to = static_cast<uint8_t*>(out);
  return with_type(inp_dtype, [&](auto element) -> attune_status {
    using T = decltype(element);
    const T* from = static_cast<const T*>(inp);
    if (out_dtype == ATTUNE_INT8) {
      QuantizeInt8<T> body{reinterpret_cast<int8_t*>(to), to + layout.scales, from, &ctx->front()->error};
      return launch_rows<1>(ctx, body, layout.blocks, false);
    }
    float* scales = ctx->scratch<float>();
    uint8_t* offset = to + layout.offset;
    QuantizeNf4<T> body{to, scales, from, Nf4Table{}, &ctx->front()->error};
    ATTUNE_CHECK(launch_rows<1>(ctx, body, layout.blocks, false));
    ATTUNE_CHECK(launch(ctx, mean_of_scales, 1, kMeanWarps * kWarp, RowGroup<kMeanWarps>::kSharedBytes, offset, scales,
                        layout.blocks));
    return launch(ctx, quantize_scales, dim3(static_cast<unsigned>(ceil_div(layout.blocks, kScaleBlock))),
                  static_cast<unsigned>(kScaleBlock), RowGroup<kScaleBlock / kWarp>::kSharedBytes, to + layout.scales,
                  to + layout.outer_scales, scales, offset, layout.blocks);
  });
}

attune_status dequantize(attune_context* ctx, void* out, const void* inp, int64_t F, int64_t C, int32_t out_dtype,
                         int32_t inp_dtype) {
  if (F == 0) return ATTUNE_OK;
  const QuantizedLayout layout(F, C, inp_dtype);
  const int64_t count = F * C;
  const bool vectors = aligned16(out, inp);
  return with_type(out_dtype, [&](auto element) {
    using T = decltype(element);
    T* to = static_cast<T*>(out);
    if (inp_dtype == ATTUNE_INT8) {
      return launch_flat<8>(ctx, Dequantize<T, Int8Values>{to, Int8Values(inp, layout)}, count, vectors);
    }
    return launch(ctx, vectors ? dequantize_nf4<8, T> : dequantize_nf4<1, T>,
                  flat_grid(ctx, vectors ? count / 8 : count), kFlatThreads, Nf4Values::kSharedBytes,
                  Dequantize<T, Nf4Values>{to, Nf4Values(inp, layout)}, Nf4Table{}, count);
  });
}

}  // namespace attune::cuda
