// Disentangled attention (He et al., DeBERTa, 2021). A tile is 16 queries and 16 keys, a thread a pair of them: the
// three terms of its score are one walk over the head, with the 31 rows of positions that a tile can meet in shared
// memory. Sums are f32 and in a fixed order, whatever the type of the tensors.
//
//   forward    a block for 16 queries, over all keys
//   backward   queries: a block for 16 queries gives dq and dot(dout, out); keys: a block for 16 keys gives dk and dv;
//              positions: a block for one row of them walks over all pairs at its offsets, sequence by sequence, so
//              that nobody else adds to its sums
#include "disentangled_attention.cuh"

namespace attune::cuda {

namespace {

// ---- forward ------------------------------------------------------------------------------------------

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads, 1) disentangled_fwd_block_per_queries(Problem<T> a, T* out, float* lse) {
  const Tile tile = tile_of(a);
  if (tile.length == 0) return;
  const int64_t S = a.row_stride(), at = tile.head * a.D;
  const Shared shared(S);
  const int x = static_cast<int>(threadIdx.x) % kSide, y = static_cast<int>(threadIdx.x) / kSide;
  const int64_t query = tile.first + y, row = tile.base + query;
  const float c = a.scale * kLog2e;
  load_rows(shared.own, a, a.q + (tile.base + tile.first) * a.stride + at, a.stride, tile.length - tile.first);
  float sums[kColumns] = {}, maximum = -kInfinity, total = 0.0f;
  for (int64_t j0 = 0; j0 < tile.length; j0 += kSide) {
    const int64_t keys = (tile.base + j0) * a.stride + at;
    __syncthreads();
    load_rows(shared.other, a, a.k + keys, a.stride, tile.length - j0);
    load_positions(shared.pos_key, a, a.pos_key, tile.head, tile.first, j0);
    load_positions(shared.pos_query, a, a.pos_query, tile.head, tile.first, j0);
    __syncthreads();
    const int64_t met = (kSide - 1 + y - x) * S;
    const float score =
        score_of(shared.own + y * S, shared.other + x * S, shared.pos_key + met, shared.pos_query + met, a.D) * c;
    const bool seen = j0 + x < tile.length;
    const float top = fmaxf(maximum, row_reduce(seen ? score : -kInfinity, Max{}));
    // A score that is not a number is passed over by the maximum, which may then be that of no key.
    const float base = top == -kInfinity ? 0.0f : top;
    const float p = seen ? exp2f(score - base) : 0.0f;
    const float factor = exp2f(maximum - base);
    maximum = top;
    total = total * factor + row_reduce(p, Add{});
    shared.scores[y * Shared::kScoreStride + x] = seen ? a.kept(p, row, tile.head, j0 + x) : 0.0f;
    __syncthreads();
    load_rows(shared.other, a, a.v + keys, a.stride, tile.length - j0);
    __syncthreads();
#pragma unroll
    for (int n = 0; n < kColumns; ++n) sums[n] *= factor;
    add_rows(sums, shared.scores + y * Shared::kScoreStride, 1, shared.other, nullptr, 0, S, a.D, x);
  }
  if (query >= tile.length) return;
  if (x == 0) lse[tile.head * a.N + row - a.cu_seqlens[0]] = maximum * kLn2 + logf(total);
#pragma unroll
  for (int n = 0; n < kColumns; ++n) {
    const int64_t d = x + kSide * n;
    if (d < a.D) out[(row * a.H + tile.head) * a.D + d] = from_float<T>(sums[n] / total);
  }
}

// ---- backward -----------------------------------------------------------------------------------------

template <class T>
struct Gradients {
  const T* dout;
  const T* out;
  const float* lse;
  float* dots;  // (H,N): dot(dout, out)
};

// The probability and the gradient of the score of a pair, from the unscaled score and the gradient that reaches the
// probability; both are 0 where the pair is none.
struct Pair {
  float kept, gradient;
};

template <class T>
__device__ __forceinline__ Pair pair_of(const Problem<T>& a, float score, float dprobability, float lse, float dot,
                                        int64_t row, int64_t head, int64_t key, bool exists) {
  if (!exists) return {0.0f, 0.0f};
  const float p = exp2f(fmaf(score, a.scale * kLog2e, -lse * kLog2e));
  return {a.kept(p, row, head, key), p * (a.kept(dprobability, row, head, key) - dot)};
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads, 1) disentangled_bwd_block_per_queries(Problem<T> a, Gradients<T> g, T* dq) {
  const Tile tile = tile_of(a);
  if (tile.length == 0) return;
  const int64_t S = a.row_stride(), at = tile.head * a.D, dense = a.H * a.D;
  const Shared shared(S);
  const int x = static_cast<int>(threadIdx.x) % kSide, y = static_cast<int>(threadIdx.x) / kSide;
  const int64_t query = tile.first + y, row = tile.base + query, rows = tile.length - tile.first;
  const int64_t statistic = tile.head * a.N + row - a.cu_seqlens[0];
  const T* dout = g.dout + (tile.base + tile.first) * dense + at;
  load_rows(shared.own, a, a.q + (tile.base + tile.first) * a.stride + at, a.stride, rows);
  float dot = 0.0f;
  if (query < tile.length) {
    const T* out = g.out + row * dense + at;
    for (int64_t d = x; d < a.D; d += kSide) dot = fmaf(to_float(dout[y * dense + d]), to_float(out[d]), dot);
  }
  dot = row_reduce(dot, Add{});
  if (query < tile.length && x == 0) g.dots[statistic] = dot;
  const float lse = query < tile.length ? g.lse[statistic] : 0.0f;
  float sums[kColumns] = {};
  for (int64_t j0 = 0; j0 < tile.length; j0 += kSide) {
    const int64_t keys = (tile.base + j0) * a.stride + at;
    __syncthreads();
    load_rows(shared.other, a, a.v + keys, a.stride, tile.length - j0);
    load_rows(shared.pos_key, a, dout, dense, rows);
    __syncthreads();
    const float dp = dot_of(shared.pos_key + y * S, shared.other + x * S, a.D);
    __syncthreads();
    load_rows(shared.other, a, a.k + keys, a.stride, tile.length - j0);
    load_positions(shared.pos_key, a, a.pos_key, tile.head, tile.first, j0);
    load_positions(shared.pos_query, a, a.pos_query, tile.head, tile.first, j0);
    __syncthreads();
    const int64_t met = (kSide - 1 + y - x) * S;
    const float score =
        score_of(shared.own + y * S, shared.other + x * S, shared.pos_key + met, shared.pos_query + met, a.D);
    const bool exists = query < tile.length && j0 + x < tile.length;
    const Pair pair = pair_of(a, score, dp, lse, dot, row, tile.head, j0 + x, exists);
    shared.gradients[y * Shared::kScoreStride + x] = pair.gradient;
    __syncwarp();
    add_rows(sums, shared.gradients + y * Shared::kScoreStride, 1, shared.other, shared.pos_key + (kSide - 1 + y) * S,
             -S, S, a.D, x);
  }
  if (query >= tile.length) return;
#pragma unroll
  for (int n = 0; n < kColumns; ++n) {
    const int64_t d = x + kSide * n;
    if (d < a.D) dq[row * a.stride + at + d] = from_float<T>(sums[n] * a.scale);
  }
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads, 1)
    disentangled_bwd_block_per_keys(Problem<T> a, Gradients<T> g, T* dk, T* dv) {
  const Tile tile = tile_of(a);
  if (tile.length == 0) return;
  const int64_t S = a.row_stride(), at = tile.head * a.D, dense = a.H * a.D;
  const Shared shared(S);
  const int x = static_cast<int>(threadIdx.x) % kSide, y = static_cast<int>(threadIdx.x) / kSide;
  const int64_t key = tile.first + y, rows = tile.length - tile.first;
  const T* values = a.v + (tile.base + tile.first) * a.stride + at;
  load_rows(shared.own, a, a.k + (tile.base + tile.first) * a.stride + at, a.stride, rows);
  float dkey[kColumns] = {}, dvalue[kColumns] = {};
  for (int64_t i0 = 0; i0 < tile.length; i0 += kSide) {
    const int64_t query = i0 + x, row = tile.base + query;
    const T* dout = g.dout + (tile.base + i0) * dense + at;
    __syncthreads();
    load_rows(shared.other, a, dout, dense, tile.length - i0);
    load_rows(shared.pos_key, a, values, a.stride, rows);
    __syncthreads();
    const float dp = dot_of(shared.other + x * S, shared.pos_key + y * S, a.D);
    __syncthreads();
    load_rows(shared.other, a, a.q + (tile.base + i0) * a.stride + at, a.stride, tile.length - i0);
    load_positions(shared.pos_key, a, a.pos_key, tile.head, i0, tile.first);
    load_positions(shared.pos_query, a, a.pos_query, tile.head, i0, tile.first);
    __syncthreads();
    const int64_t met = (kSide - 1 + x - y) * S;
    const float score =
        score_of(shared.other + x * S, shared.own + y * S, shared.pos_key + met, shared.pos_query + met, a.D);
    const bool exists = key < tile.length && query < tile.length;
    const int64_t statistic = tile.head * a.N + row - a.cu_seqlens[0];
    const Pair pair = pair_of(a, score, dp, exists ? g.lse[statistic] : 0.0f, exists ? g.dots[statistic] : 0.0f, row,
                              tile.head, key, exists);
    shared.scores[y * Shared::kScoreStride + x] = pair.kept;
    shared.gradients[y * Shared::kScoreStride + x] = pair.gradient;
    __syncwarp();
    add_rows(dkey, shared.gradients + y * Shared::kScoreStride, 1, shared.other, shared.pos_query + (kSide - 1 - y) * S,
             S, S, a.D, x);
    __syncthreads();
    load_rows(shared.other, a, dout, dense, tile.length - i0);
    __syncthreads();
    add_rows(dvalue, shared.scores + y * Shared::kScoreStride, 1, shared.other, nullptr, 0, S, a.D, x);
  }
  if (key >= tile.length) return;
#pragma unroll
  for (int n = 0; n < kColumns; ++n) {
    const int64_t d = x + kSide * n, to = (tile.base + key) * a.stride + at + d;
    if (d >= a.D) continue;
    dk[to] = from_float<T>(dkey[n] * a.scale);
    dv[to] = from_float<T>(dvalue[n]);
  }
}

// The first of `count` rising numbers that is at least `value`.
__device__ __forceinline__ int64_t lower_bound(const int32_t* numbers, int64_t count, int64_t value) {
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (numbers[middle] < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Row `place` of the positions of a head: 16 threads for a pair of query and key, 16 pairs at a time.
template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads, 1)
    disentangled_bwd_block_per_place(Problem<T> a, Gradients<T> g, T* dpos_key, T* dpos_query) {
  const int64_t place = blockIdx.x / a.H, head = blockIdx.x % a.H, at = head * a.D, dense = a.H * a.D;
  const int x = static_cast<int>(threadIdx.x) % kSide, y = static_cast<int>(threadIdx.x) / kSide;
  float* partial = shared_memory<float>();  // (16, D)
  const int64_t offsets = 2 * a.reach + 1;
  // Of no rows nothing is read, and the sums are zeros.
  const int64_t begin = a.N == 0 ? 0 : lower_bound(a.places, offsets, place);
  const int64_t end = a.N == 0 ? 0 : lower_bound(a.places, offsets, place + 1);
  float met_by_queries[kColumns], met_by_keys[kColumns], dkey[kColumns] = {}, dquery[kColumns] = {};
#pragma unroll
  for (int n = 0; n < kColumns; ++n) {
    const int64_t d = x + kSide * n, from = place * a.pos_stride + at + d;
    met_by_queries[n] = a.N > 0 && d < a.D && a.pos_key != nullptr ? to_float(a.pos_key[from]) : 0.0f;
    met_by_keys[n] = a.N > 0 && d < a.D && a.pos_query != nullptr ? to_float(a.pos_query[from]) : 0.0f;
  }
  for (int64_t b = 0; b < a.B && begin < end; ++b) {
    const Range range = range_of(a.cu_seqlens, b, a.B, a.op, a.error, false);
    const int64_t length = range.last - range.first;
    // Offsets beyond the reach have the place of the last.
    int64_t least = begin == 0 ? 1 - length : begin - a.reach, most = end == offsets ? length - 1 : end - 1 - a.reach;
    least = least < 1 - length ? 1 - length : least;
    most = most > length - 1 ? length - 1 : most;
    for (int64_t offset = least; offset <= most; ++offset) {
      const int64_t first = offset > 0 ? offset : 0, last = offset > 0 ? length : length + offset;
      for (int64_t i0 = first; i0 < last; i0 += kSide) {
        const int64_t query = i0 + y, key = query - offset, row = range.first + query;
        const bool exists = query < last;
        const T* queries = a.q + row * a.stride + at;
        const T* keys = a.k + (range.first + key) * a.stride + at;
        const T* values = a.v + (range.first + key) * a.stride + at;
        const T* dout = g.dout + row * dense + at;
        float q[kColumns], k[kColumns], score = 0.0f, dp = 0.0f;
#pragma unroll
        for (int n = 0; n < kColumns; ++n) {
          const int64_t d = x + kSide * n;
          const bool has = exists && d < a.D;
          q[n] = has ? to_float(queries[d]) : 0.0f;
          k[n] = has ? to_float(keys[d]) : 0.0f;
          score = fmaf(q[n], k[n] + met_by_queries[n], fmaf(k[n], met_by_keys[n], score));
          if (has) dp = fmaf(to_float(dout[d]), to_float(values[d]), dp);
        }
        score = row_reduce(score, Add{});
        dp = row_reduce(dp, Add{});
        const int64_t statistic = head * a.N + row - a.cu_seqlens[0];
        const Pair pair = pair_of(a, score, dp, exists ? g.lse[statistic] : 0.0f, exists ? g.dots[statistic] : 0.0f,
                                  row, head, key, exists);
#pragma unroll
        for (int n = 0; n < kColumns; ++n) {
          dkey[n] = fmaf(pair.gradient, q[n], dkey[n]);
          dquery[n] = fmaf(pair.gradient, k[n], dquery[n]);
        }
      }
    }
  }
  for (int kind = 0; kind < 2; ++kind) {
    T* to = kind == 0 ? dpos_key : dpos_query;
    if (to == nullptr) continue;
    __syncthreads();
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
      const int64_t d = x + kSide * n;
      if (d < a.D) partial[y * a.D + d] = kind == 0 ? dkey[n] : dquery[n];
    }
    __syncthreads();
    for (int64_t d = threadIdx.x; d < a.D; d += kThreads) {
      float sum = 0.0f;
      for (int pair = 0; pair < kSide; ++pair) sum += partial[pair * a.D + d];
      to[place * a.pos_stride + at + d] = from_float<T>(sum * a.scale);
    }
  }
}

// Calls body with how many columns of a head a thread has.
template <class Body>
attune_status with_columns(int64_t D, Body&& body) {
  if (D <= 64) return body(std::integral_constant<int, 4>());
  if (D <= 128) return body(std::integral_constant<int, 8>());
  return body(std::integral_constant<int, 16>());
}

// Of a sequence. Where the host does not know the longest one, the bound is far above what there are rows.
int64_t tiles_of(int64_t max_length, int64_t N) { return ceil_div(max_length < N ? max_length : N, int64_t{kSide}); }

}  // namespace

attune_status disentangled_attention_fwd(attune_context* ctx, void* out, float* lse, const void* q, const void* k,
                                         const void* v, const void* pos_key, const void* pos_query,
                                         const int32_t* places, const int32_t* cu_seqlens, int64_t N, int64_t stride,
                                         int64_t pos_stride, int64_t B, int64_t max_length, int64_t H, int64_t D,
                                         int64_t P, int64_t reach, float scale, float p, int64_t seed, int64_t stream,
                                         int32_t dtype) {
  const int64_t tiles = tiles_of(max_length, N);
  if (N == 0 || B * tiles == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const Problem<T> a{static_cast<const T*>(q),
                       static_cast<const T*>(k),
                       static_cast<const T*>(v),
                       static_cast<const T*>(pos_key),
                       static_cast<const T*>(pos_query),
                       places,
                       cu_seqlens,
                       N,
                       stride,
                       pos_stride,
                       B,
                       tiles,
                       H,
                       D,
                       P,
                       reach,
                       scale,
                       Dropout(ctx, p, seed, stream),
                       Op::disentangled_attention_fwd,
                       &ctx->front()->error};
    return with_columns(D, [&](auto columns) {
      return launch(ctx, disentangled_fwd_block_per_queries<T, columns()>, dim3(static_cast<unsigned>(B * H * tiles)),
                    kThreads, Shared::bytes(D), a, static_cast<T*>(out), lse);
    });
  });
}

attune_status disentangled_attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, void* dpos_key,
                                         void* dpos_query, float* scratch, const void* dout, const void* q,
                                         const void* k, const void* v, const void* pos_key, const void* pos_query,
                                         const void* out, const float* lse, const int32_t* places,
                                         const int32_t* cu_seqlens, int64_t N, int64_t stride, int64_t pos_stride,
                                         int64_t B, int64_t max_length, int64_t H, int64_t D, int64_t P, int64_t reach,
                                         int64_t, float scale, float p, int64_t seed, int64_t stream, int32_t dtype) {
  const int64_t tiles = tiles_of(max_length, N);
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const Problem<T> a{static_cast<const T*>(q),
                       static_cast<const T*>(k),
                       static_cast<const T*>(v),
                       static_cast<const T*>(pos_key),
                       static_cast<const T*>(pos_query),
                       places,
                       cu_seqlens,
                       N,
                       stride,
                       pos_stride,
                       B,
                       tiles,
                       H,
                       D,
                       P,
                       reach,
                       scale,
                       Dropout(ctx, p, seed, stream),
                       Op::disentangled_attention_bwd,
                       &ctx->front()->error};
    const Gradients<T> g{static_cast<const T*>(dout), static_cast<const T*>(out), lse, scratch};
    const dim3 grid(static_cast<unsigned>(B * H * tiles));
    return with_columns(D, [&](auto columns) {
      if (N > 0 && B * tiles > 0) {
        ATTUNE_CHECK(launch(ctx, disentangled_bwd_block_per_queries<T, columns()>, grid, kThreads, Shared::bytes(D), a,
                            g, static_cast<T*>(dq)));
        ATTUNE_CHECK(launch(ctx, disentangled_bwd_block_per_keys<T, columns()>, grid, kThreads, Shared::bytes(D), a, g,
                            static_cast<T*>(dk), static_cast<T*>(dv)));
      }
      // Without rows too: the sums of none are zeros.
      if (dpos_key == nullptr && dpos_query == nullptr) return attune_status{ATTUNE_OK};
      return launch(ctx, disentangled_bwd_block_per_place<T, columns()>, dim3(static_cast<unsigned>(P * H)), kThreads,
                    static_cast<size_t>(kSide * D) * sizeof(float), a, g, static_cast<T*>(dpos_key),
                    static_cast<T*>(dpos_query));
    });
  });
}

}  // namespace attune::cuda
