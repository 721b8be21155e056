// The second product of a low-rank adapter, and its backward: three products with one short side R, in f32
// arithmetic on tiles of 64 rows. They are bound by memory up to R of about 16 (forward: 2 accesses per element
// of out; backward: dout once for dlow and once for dup), by arithmetic above.
#include "vectors.cuh"

namespace attune::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kTileRows = 64;

// Product of M rows and `columns` columns over `depth`, of which each block does depth_per_block.
struct Extent {
  int64_t M, columns, depth, depth_per_block;
};

// body.a(m, k), body.b(k, n): the factors; body.put(m, n, left, sums): the sums of
// columns n, n + 1 ... of row m, of which the first `left` exist. kADepthFirst, kBDepthFirst: whether k runs along
// memory; kDepth: the depth of a tile. Blocks: x rows, y columns, z pieces of the depth.
template <int kColumns, class Body>
__global__ void __launch_bounds__(kThreads, 2) tile_product(Body body, Extent extent) {
  constexpr int kDepth = Body::kDepth;
  constexpr int TN = kColumns / 16, TM = kTileRows / 16;  // 16 x 16 threads
  constexpr int kRowStride = kTileRows + 4, kColumnStride = kColumns + 4;
  constexpr int kLoadsA = kTileRows * kDepth / kThreads, kLoadsB = kColumns * kDepth / kThreads;
  float* tile_a = shared_memory<float>();  // (kDepth, kRowStride)
  float* tile_b = tile_a + kDepth * kRowStride;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t m0 = static_cast<int64_t>(blockIdx.x) * kTileRows, n0 = static_cast<int64_t>(blockIdx.y) * kColumns;
  const int64_t begin = blockIdx.z * extent.depth_per_block;
  const int64_t end = begin + extent.depth_per_block < extent.depth ? begin + extent.depth_per_block : extent.depth;

  // Place of this thread's load number i in a tile.
  auto place_a = [&](int i, int* m, int* k) {
    const int at = thread + i * kThreads;
    *m = Body::kADepthFirst ? at / kDepth : at % kTileRows;
    *k = Body::kADepthFirst ? at % kDepth : at / kTileRows;
  };
  auto place_b = [&](int i, int* k, int* n) {
    const int at = thread + i * kThreads;
    *n = Body::kBDepthFirst ? at / kDepth : at % kColumns;
    *k = Body::kBDepthFirst ? at % kDepth : at / kColumns;
  };
  float next_a[kLoadsA], next_b[kLoadsB];
  auto fetch = [&](int64_t from) {
#pragma unroll
    for (int i = 0; i < kLoadsA; ++i) {
      int m, k;
      place_a(i, &m, &k);
      next_a[i] = m0 + m < extent.M && from + k < end ? body.a(m0 + m, from + k) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kLoadsB; ++i) {
      int k, n;
      place_b(i, &k, &n);
      next_b[i] = n0 + n < extent.columns && from + k < end ? body.b(from + k, n0 + n) : 0.0f;
    }
  };

  float sums[TM][TN] = {};
  const int tm = thread / 16 * TM, tn = thread % 16 * TN;
  if (begin < end) fetch(begin);
  for (int64_t from = begin; from < end; from += kDepth) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kLoadsA; ++i) {
      int m, k;
      place_a(i, &m, &k);
      tile_a[k * kRowStride + m] = next_a[i];
    }
#pragma unroll
    for (int i = 0; i < kLoadsB; ++i) {
      int k, n;
      place_b(i, &k, &n);
      tile_b[k * kColumnStride + n] = next_b[i];
    }
    __syncthreads();
    // On its way while this tile is multiplied.
    if (from + kDepth < end) fetch(from + kDepth);
#pragma unroll 4
    for (int k = 0; k < kDepth; ++k) {
      float a[TM], b[TN];
      load(a, tile_a + k * kRowStride + tm);
      load(b, tile_b + k * kColumnStride + tn);
#pragma unroll
      for (int i = 0; i < TM; ++i) {
#pragma unroll
        for (int j = 0; j < TN; ++j) sums[i][j] = fmaf(a[i], b[j], sums[i][j]);
      }
    }
  }
  const int64_t left = extent.columns - n0 - tn;
#pragma unroll
  for (int i = 0; i < TM; ++i) {
    if (m0 + tm + i < extent.M) body.put(m0 + tm + i, n0 + tn, left, sums[i]);
  }
}

template <class Body>
attune_status launch_product(attune_context* ctx, const Body& body, const Extent& extent) {
  const unsigned pieces = static_cast<unsigned>(ceil_div(extent.depth, extent.depth_per_block));
  auto run = [&](auto columns) {
    constexpr int kColumns = decltype(columns)::value;
    const dim3 grid(static_cast<unsigned>(ceil_div(extent.M, kTileRows)),
                    static_cast<unsigned>(ceil_div(extent.columns, kColumns)), pieces);
    constexpr size_t kShared = Body::kDepth * (kTileRows + 4 + kColumns + 4) * sizeof(float);
    return launch(ctx, tile_product<kColumns, Body>, grid, kThreads, kShared, body, extent);
  };
  return extent.columns <= 16 ? run(std::integral_constant<int, 16>{}) : run(std::integral_constant<int, 64>{});
}

template <class T>
struct Forward {
  static constexpr bool kADepthFirst = true, kBDepthFirst = true;
  static constexpr int kDepth = 16;  // the depth is R
  T* out;
  const T* low;
  const float* up;
  int64_t R, out_stride, low_stride;
  float scale;

  __device__ __forceinline__ float a(int64_t n, int64_t r) const { return to_float(low[n * low_stride + r]); }
  __device__ __forceinline__ float b(int64_t r, int64_t f) const { return up[f * R + r]; }
  template <int TN>
  __device__ __forceinline__ void put(int64_t n, int64_t f, int64_t left, const float (&sums)[TN]) const {
    T* to = out + n * out_stride + f;
#pragma unroll
    for (int j = 0; j < TN; ++j) {
      if (j < left) to[j] = from_float<T>(fmaf(scale, sums[j], to_float(to[j])));
    }
  }
};

template <class T>
struct LowGradient {
  static constexpr bool kADepthFirst = true, kBDepthFirst = false;
  static constexpr int kDepth = 32;
  T* dlow;
  const T* dout;
  const float* up;
  int64_t R, out_stride, low_stride;
  float scale;

  __device__ __forceinline__ float a(int64_t n, int64_t f) const { return to_float(dout[n * out_stride + f]); }
  __device__ __forceinline__ float b(int64_t f, int64_t r) const { return up[f * R + r]; }
  template <int TN>
  __device__ __forceinline__ void put(int64_t n, int64_t r, int64_t left, const float (&sums)[TN]) const {
    T* to = dlow + n * low_stride + r;
#pragma unroll
    for (int j = 0; j < TN; ++j) {
      if (j < left) to[j] = from_float<T>(scale * sums[j]);
    }
  }
};

// Of one piece of the rows: (pieces, F, R).
template <class T>
struct UpGradient {
  static constexpr bool kADepthFirst = false, kBDepthFirst = false;
  static constexpr int kDepth = 32;
  float* partials;
  const T* dout;
  const T* low;
  int64_t F, R, out_stride, low_stride;

  __device__ __forceinline__ float a(int64_t f, int64_t n) const { return to_float(dout[n * out_stride + f]); }
  __device__ __forceinline__ float b(int64_t n, int64_t r) const { return to_float(low[n * low_stride + r]); }
  template <int TN>
  __device__ __forceinline__ void put(int64_t f, int64_t r, int64_t left, const float (&sums)[TN]) const {
    float* to = partials + (static_cast<int64_t>(blockIdx.z) * F + f) * R + r;
#pragma unroll
    for (int j = 0; j < TN; ++j) {
      if (j < left) to[j] = sums[j];
    }
  }
};

// dup (+)= scale * the pieces, in order.
struct AddPieces {
  float* dup;
  const float* partials;
  int64_t count, pieces;
  float scale;
  bool accumulate;

  template <int V>
  __device__ void run(int64_t i) const {
    float total[V] = {}, old[V] = {};
    for (int64_t piece = 0; piece < pieces; ++piece) {
      float x[V];
      load(x, partials + piece * count + i);
#pragma unroll
      for (int k = 0; k < V; ++k) total[k] += x[k];
    }
    if (accumulate) load(old, dup + i);
#pragma unroll
    for (int k = 0; k < V; ++k) old[k] = fmaf(scale, total[k], old[k]);
    store(dup + i, old);
  }
};

}  // namespace

attune_status lora_fwd(attune_context* ctx, void* out, const void* low, const float* up, int64_t N, int64_t F,
                       int64_t R, int64_t out_stride, int64_t low_stride, float scale, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    return launch_product(
        ctx, Forward<T>{static_cast<T*>(out), static_cast<const T*>(low), up, R, out_stride, low_stride, scale},
        {N, F, R, R});
  });
}

attune_status lora_bwd(attune_context* ctx, void* dlow, float* dup, const void* dout, const void* low, const float* up,
                       int64_t N, int64_t F, int64_t R, int64_t out_stride, int64_t low_stride, float scale,
                       int32_t accumulate, int32_t dtype) {
  const char* op = "lora_bwd";
  ATTUNE_REQUIRE(F * R <= kScratchBytes / 4, "%s: F * R is %lld, must be at most %lld", op, ll(F * R),
                 ll(kScratchBytes / 4));
  float* partials = ctx->scratch<float>();
  const int64_t per_piece = lora_piece_rows(N, F, R);
  if (N > 0) {
    ATTUNE_CHECK(with_type(dtype, [&](auto element) -> attune_status {
      using T = decltype(element);
      const T* gradient = static_cast<const T*>(dout);
      ATTUNE_CHECK(launch_product(
          ctx, LowGradient<T>{static_cast<T*>(dlow), gradient, up, R, out_stride, low_stride, scale}, {N, R, F, F}));
      return launch_product(ctx,
                            UpGradient<T>{partials, gradient, static_cast<const T*>(low), F, R, out_stride, low_stride},
                            {F, R, N, per_piece});
    }));
  }
  const AddPieces body{dup, partials, F * R, ceil_div(N, per_piece), scale, accumulate != 0};
  return launch_flat<4>(ctx, body, F * R, aligned16(dup) && F * R % 4 == 0);
}

}  // namespace attune::cuda
