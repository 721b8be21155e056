// Softmax cross-entropy over the rows of a sequence, for the start and the end of a span: loss and gradient together.
// A warp for each sequence. The two columns lie interleaved: even lanes hold starts, odd ones ends, and sums over a
// column are sums over the lanes of one parity.
#include "reduce.cuh"
#include "rows.cuh"

namespace attune::cuda {

namespace {

constexpr int kSpanThreads = 128;

template <class T>
struct SpanCrossEntropy {
  float* losses;
  T* dlogits;  // null in evaluation; may be logits
  const T* logits;
  const int32_t* cu_seqlens;
  const int32_t* starts;
  const int32_t* ends;
  int64_t B;
  float start_scale, end_scale;
  ErrorWord* error;
};

// Over the lanes of one parity.
template <class Value, class Combine>
__device__ __forceinline__ Value column_reduce(Value value, Combine combine) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 1; mask /= 2) value = combine(value, shuffle_xor(value, mask));
  return value;
}

template <class T>
__global__ void __launch_bounds__(kSpanThreads) span_cross_entropy_warp_per_sequence(SpanCrossEntropy<T> a) {
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kSpanThreads / kWarp);
  const int lane = lane_id(), column = lane % 2;
  for (int64_t b = static_cast<int64_t>(blockIdx.x) * (kSpanThreads / kWarp) + warp_id(); b < a.B; b += warps) {
    const Range range = range_of(a.cu_seqlens, b, a.B, Op::span_cross_entropy, a.error, lane == 0);
    const int64_t count = 2 * (range.last - range.first);
    const T* logits = a.logits + 2 * range.first;
    const int32_t position = column == 0 ? a.starts[b] : a.ends[b];
    const float scale = column == 0 ? a.start_scale : a.end_scale;
    const bool used = position >= 0 && position < range.last - range.first;

    float greatest = -kInfinity;
    for (int64_t i = lane; i < count; i += kWarp) greatest = fmaxf(greatest, to_float(logits[i]));
    greatest = column_reduce(greatest, Max{});
    const float top = greatest == -kInfinity ? 0.0f : greatest;
    float exps = 0.0f;
    for (int64_t i = lane; i < count; i += kWarp) exps += expf(to_float(logits[i]) - top);
    const double sum = column_reduce(static_cast<double>(exps), Add{});
    const float at_position = used ? to_float(logits[2 * position + column]) - top : 0.0f;
    if (lane < 2)
      a.losses[2 * b + column] = used ? static_cast<float>(log(sum) - static_cast<double>(at_position)) : 0.0f;
    if (a.dlogits == nullptr) continue;
    // The gradient may overwrite the logit at the position, which all lanes of its column read above.
    __syncwarp();
    const float factor = static_cast<float>(static_cast<double>(scale) / sum);
    T* to = a.dlogits + 2 * range.first;
    for (int64_t i = lane; i < count; i += kWarp) {
      float gradient = 0.0f;
      if (used) gradient = fmaf(expf(to_float(logits[i]) - top), factor, i / 2 == position ? -scale : 0.0f);
      to[i] = from_float<T>(gradient);
    }
  }
}

}  // namespace

attune_status span_cross_entropy(attune_context* ctx, float* losses, void* dlogits, const void* logits,
                                 const int32_t* cu_seqlens, const int32_t* starts, const int32_t* ends, int64_t B,
                                 float start_scale, float end_scale, int32_t dtype) {
  if (B == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const SpanCrossEntropy<T> body{
        losses,    static_cast<T*>(dlogits), static_cast<const T*>(logits), cu_seqlens, starts, ends, B, start_scale,
        end_scale, &ctx->front()->error};
    const int64_t blocks = ceil_div(B, kSpanThreads / kWarp);
    return launch(ctx, span_cross_entropy_warp_per_sequence<T>,
                  dim3(static_cast<unsigned>(min_of(blocks, int64_t{1} << 20))), kSpanThreads, 0, body);
  });
}

}  // namespace attune::cuda
