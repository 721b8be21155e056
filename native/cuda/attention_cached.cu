// Attention of new rows over a key/value cache. Decoding (one new row in a sequence) is bound by reading keys
// and values once: 2 accesses per cached element. Blocks take a sequence, a key/value head and up to kHeads of
// its query heads, which share what is read; kSplits of them share the keys of a sequence (Flash-Decoding), and
// a second kernel joins their sums. Where a sequence has several new rows (its prompt), the same blocks take a
// row each instead.
//
// Within a block, eight lanes hold a key, four keys lie in a warp and four warps in a block: sixteen softmaxes
// run side by side and are joined at the end.
#include "reduce.cuh"
#include "vectors.cuh"

namespace attune::cuda {

namespace {

constexpr int kWarps = 4;
constexpr int kLanes = 8;                       // of a key
constexpr int kKeys = kWarps * kWarp / kLanes;  // of a block at a time
constexpr int kSplits = 16;                     // a constant: results depend on the sequence alone
constexpr float kLog2e = 1.44269504088896341f;

template <class T>
struct Cached {
  T* out;
  float* partials;  // (B here, H, kSplits, D + 2): sums, maximum, weight
  const T* q;
  const T* k_cache;
  const T* v_cache;
  const int32_t* cu_q;
  const int32_t* k_start;
  const int32_t* k_count;
  int64_t q_stride, kv_stride, H, Hkv, D, window, first_sequence, B;
  float scale_log2;
  ErrorWord* error;

  __device__ __forceinline__ float* partial(int64_t b, int64_t h, int split) const {
    return partials + ((b * H + h) * kSplits + split) * (D + 2);
  }
};

// Rows of a sequence; no rows where its numbers are wrong.
struct Sequence {
  int64_t row, rows, start, keys;
};

__device__ __forceinline__ Sequence sequence_of(const int32_t* cu_q, const int32_t* k_start, const int32_t* k_count,
                                                int64_t b, int64_t B, ErrorWord* error) {
  const int32_t row = cu_q[b], next = cu_q[b + 1], start = k_start[b], keys = k_count[b];
  if (row >= 0 && next >= row && start >= 0 && keys >= next - row) {
    // Past the end of all: then boundaries fall later on, which is reported there.
    return next <= cu_q[B] ? Sequence{row, next - row, start, keys} : Sequence{0, 0, 0, 0};
  }
  if (threadIdx.x == 0) {
    const int64_t limit = int64_t{1} << 31;
    if (row < 0 || next < row) record_bad_index(error, Op::attention_cached_fwd, Index::cu_q, b + 1, next, limit);
    if (start < 0) record_bad_index(error, Op::attention_cached_fwd, Index::k_start, b, start, limit);
    if (keys < 0 || keys < next - row)
      record_bad_index(error, Op::attention_cached_fwd, Index::k_count, b, keys, limit);
  }
  return {0, 0, 0, 0};
}

// One query row over keys begin..end-1; the results of kHeads heads (of which `heads` exist) go into the
// partial of `split`, or into out where split is -1.
template <int V, int kPacks, int kHeads, class T>
__device__ void attend(const Cached<T>& a, int64_t b, const Sequence& s, int64_t row, int64_t kv_head, int64_t head,
                       int heads, int64_t begin, int64_t end, int split) {
  const int lane = lane_id(), part = lane % kLanes, group = (warp_id() * kWarp + lane) / kLanes;
  const int64_t D = a.D;
  float q[kHeads][kPacks][V], o[kHeads][kPacks][V] = {}, greatest[kHeads], weight[kHeads];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    greatest[h] = -kInfinity;
    weight[h] = 0;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int64_t d = (p * kLanes + part) * V;
#pragma unroll
      for (int i = 0; i < V; ++i) q[h][p][i] = 0;
      if (d < D && h < heads) {
        load(q[h][p], a.q + row * a.q_stride + (head + h) * D + d);
#pragma unroll
        for (int i = 0; i < V; ++i) q[h][p][i] *= a.scale_log2;
      }
    }
  }
  // All lanes of a warp go round equally often: the sums over a key's lanes are collectives.
  for (int64_t j0 = begin; j0 < end; j0 += kKeys) {
    const int64_t j = j0 + group;
    const bool there = j < end;
    const int64_t at = (s.start + j) * a.kv_stride + kv_head * D;
    float k[kPacks][V], v[kPacks][V];
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int64_t d = (p * kLanes + part) * V;
#pragma unroll
      for (int i = 0; i < V; ++i) k[p][i] = v[p][i] = 0;
      if (there && d < D) {
        load(k[p], a.k_cache + at + d);
        load(v[p], a.v_cache + at + d);
      }
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      float score = 0;
#pragma unroll
      for (int p = 0; p < kPacks; ++p) {
#pragma unroll
        for (int i = 0; i < V; ++i) score = fmaf(q[h][p][i], k[p][i], score);
      }
#pragma unroll
      for (int mask = kLanes / 2; mask > 0; mask /= 2) score += shuffle_xor(score, mask);
      if (!there) continue;
      if (score > greatest[h]) {
        const float factor = exp2f(greatest[h] - score);
        greatest[h] = score;
        weight[h] *= factor;
#pragma unroll
        for (int p = 0; p < kPacks; ++p) {
#pragma unroll
          for (int i = 0; i < V; ++i) o[h][p][i] *= factor;
        }
      }
      // A score of -infinity counts for nothing, also before the first finite one. NaN stays NaN.
      const float probability = score == -kInfinity ? 0.0f : exp2f(score - greatest[h]);
      weight[h] += probability;
#pragma unroll
      for (int p = 0; p < kPacks; ++p) {
#pragma unroll
        for (int i = 0; i < V; ++i) o[h][p][i] = fmaf(probability, v[p][i], o[h][p][i]);
      }
    }
  }
  // Join the four keys of a warp, then the warps.
  float* shared = shared_memory<float>();  // (kWarps, kHeads, D + 2)
  __syncthreads();                         // of the row before
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    float top = greatest[h];
    top = fmaxf(top, shuffle_xor(top, 8));
    top = fmaxf(top, shuffle_xor(top, 16));
    const float factor =
        greatest[h] == -kInfinity ? (weight[h] == weight[h] ? 0.0f : weight[h]) : exp2f(greatest[h] - top);
    float sum = weight[h] * factor;
    sum += shuffle_xor(sum, 8);
    sum += shuffle_xor(sum, 16);
    float* to = shared + (warp_id() * kHeads + h) * (D + 2);
    if (lane == 0) {
      to[D] = top;
      to[D + 1] = sum;
    }
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const int64_t d = (p * kLanes + part) * V;
#pragma unroll
      for (int i = 0; i < V; ++i) {
        float x = o[h][p][i] * factor;
        x += shuffle_xor(x, 8);
        x += shuffle_xor(x, 16);
        if (lane < kLanes && d < D) to[d + i] = x;
      }
    }
  }
  __syncthreads();
  for (int h = 0; h < heads; ++h) {
    const float* from = shared + h * (D + 2);
    const int64_t warp_stride = kHeads * (D + 2);
    float top = -kInfinity, sum = 0;
    for (int w = 0; w < kWarps; ++w) top = fmaxf(top, from[w * warp_stride + D]);
    float factors[kWarps];
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      const float* one = from + w * warp_stride;
      factors[w] = one[D] == -kInfinity ? (one[D + 1] == one[D + 1] ? 0.0f : one[D + 1]) : exp2f(one[D] - top);
      sum += one[D + 1] * factors[w];
    }
    for (int64_t d = threadIdx.x; d < D; d += kWarps * kWarp) {
      float x = 0;
#pragma unroll
      for (int w = 0; w < kWarps; ++w) x = fmaf(from[w * warp_stride + d], factors[w], x);
      if (split >= 0) {
        a.partial(b, head + h, split)[d] = x;
      } else {
        a.out[(row * a.H + head + h) * D + d] = from_float<T>(sum == 0.0f ? 0.0f : x / sum);
      }
    }
    if (split >= 0 && threadIdx.x == 0) {
      a.partial(b, head + h, split)[D] = top;
      a.partial(b, head + h, split)[D + 1] = sum;
    }
  }
}

template <int V, int kPacks, int kHeads, class T>
__global__ void __launch_bounds__(kWarps* kWarp, 2) attention_cached_splits(Cached<T> a) {
  const int64_t b = blockIdx.z, group = a.H / a.Hkv, passes = (group + kHeads - 1) / kHeads;
  const int64_t kv_head = blockIdx.y / passes, pass = blockIdx.y % passes;
  const int64_t head = kv_head * group + pass * kHeads;
  const int heads = static_cast<int>(group - pass * kHeads < kHeads ? group - pass * kHeads : kHeads);
  const int split = static_cast<int>(blockIdx.x);
  const Sequence s = sequence_of(a.cu_q, a.k_start, a.k_count, a.first_sequence + b, a.B, a.error);
  auto first_key = [&](int64_t end) { return a.window > 0 && end > a.window ? end - a.window : 0; };
  if (s.rows == 1) {
    const int64_t first = first_key(s.keys), count = s.keys - first;
    const int64_t piece = ((count + kSplits - 1) / kSplits + kKeys - 1) / kKeys * kKeys;
    const int64_t begin = first + split * piece, end = begin + piece < s.keys ? begin + piece : s.keys;
    attend<V, kPacks, kHeads>(a, b, s, s.row, kv_head, head, heads, begin, end, split);
  } else {
    for (int64_t i = split; i < s.rows; i += kSplits) {
      const int64_t end = s.keys - s.rows + i + 1;
      attend<V, kPacks, kHeads>(a, b, s, s.row + i, kv_head, head, heads, first_key(end), end, -1);
    }
  }
}

constexpr int kJoinThreads = 64;

template <class T>
__global__ void __launch_bounds__(kJoinThreads) attention_cached_join(Cached<T> a) {
  const int64_t h = blockIdx.x, b = blockIdx.y;
  const Sequence s = sequence_of(a.cu_q, a.k_start, a.k_count, a.first_sequence + b, a.B, a.error);
  if (s.rows != 1) return;
  float top = -kInfinity, sum = 0;
  for (int split = 0; split < kSplits; ++split) top = fmaxf(top, a.partial(b, h, split)[a.D]);
  float factors[kSplits];
#pragma unroll
  for (int split = 0; split < kSplits; ++split) {
    const float* one = a.partial(b, h, split) + a.D;
    factors[split] = one[0] == -kInfinity ? (one[1] == one[1] ? 0.0f : one[1]) : exp2f(one[0] - top);
    sum += one[1] * factors[split];
  }
  for (int64_t d = threadIdx.x; d < a.D; d += kJoinThreads) {
    float x = 0;
#pragma unroll
    for (int split = 0; split < kSplits; ++split) x = fmaf(a.partial(b, h, split)[d], factors[split], x);
    a.out[(s.row * a.H + h) * a.D + d] = from_float<T>(sum == 0.0f ? 0.0f : x / sum);
  }
}

// Calls run(V, packs, heads of a pass).
template <class Run>
attune_status with_shape(int64_t D, bool vectors, Run&& run) {
  using std::integral_constant;
  if (!vectors) return run(integral_constant<int, 1>{}, integral_constant<int, 32>{}, integral_constant<int, 1>{});
  if (D <= 64) return run(integral_constant<int, 8>{}, integral_constant<int, 1>{}, integral_constant<int, 4>{});
  if (D <= 128) return run(integral_constant<int, 8>{}, integral_constant<int, 2>{}, integral_constant<int, 4>{});
  return run(integral_constant<int, 8>{}, integral_constant<int, 4>{}, integral_constant<int, 1>{});
}

}  // namespace

attune_status attention_cached_fwd(attune_context* ctx, void* out, const void* q, const void* k_cache,
                                   const void* v_cache, const int32_t* cu_q, const int32_t* k_start,
                                   const int32_t* k_count, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t H,
                                   int64_t Hkv, int64_t D, float scale, int64_t window, int32_t dtype) {
  const char* op = "attention_cached_fwd";
  if (B == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const bool vectors = D % 8 == 0 && q_stride % 8 == 0 && kv_stride % 8 == 0 && aligned16(q, k_cache, v_cache);
    return with_shape(D, vectors, [&](auto width, auto packs, auto heads) -> attune_status {
      constexpr int kHeads = decltype(heads)::value;
      const int64_t bytes = H * kSplits * (D + 2) * 4;
      const int64_t at_once = min_of(kScratchBytes / bytes, 65535);
      ATTUNE_REQUIRE(at_once >= 1, "%s: H * D is %lld, too large for the workspace", op, ll(H * D));
      const int64_t passes = ceil_div(H / Hkv, kHeads);
      for (int64_t first = 0; first < B; first += at_once) {
        const int64_t here = min_of(at_once, B - first);
        Cached<T> body{static_cast<T*>(out),
                       ctx->scratch<float>(),
                       static_cast<const T*>(q),
                       static_cast<const T*>(k_cache),
                       static_cast<const T*>(v_cache),
                       cu_q,
                       k_start,
                       k_count,
                       q_stride,
                       kv_stride,
                       H,
                       Hkv,
                       D,
                       window,
                       first,
                       B,
                       scale * kLog2e,
                       &ctx->front()->error};
        ATTUNE_CHECK(launch(ctx, attention_cached_splits<decltype(width)::value, decltype(packs)::value, kHeads, T>,
                            dim3(kSplits, static_cast<unsigned>(Hkv * passes), static_cast<unsigned>(here)),
                            kWarps * kWarp, static_cast<size_t>(kWarps * kHeads * (D + 2)) * sizeof(float), body));
        ATTUNE_CHECK(launch(ctx, attention_cached_join<T>, dim3(static_cast<unsigned>(H), static_cast<unsigned>(here)),
                            kJoinThreads, 0, body));
      }
      return ATTUNE_OK;
    });
  });
}

}  // namespace attune::cuda
