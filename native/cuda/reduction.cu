// Sums of squares for gradient clipping: f64, one warp per chunk, then one block adds the chunks in a fixed
// order. Bytes per element: 4. (f64 runs at full speed on data-centre GPUs alone; there are two operations per
// element, so elsewhere they cost about as much as the reading.)
#include "reduce.cuh"
#include "rows.cuh"

namespace attune::cuda {

namespace {

constexpr int64_t kChunk = 4096;
constexpr int64_t kRoom = kScratchBytes / static_cast<int64_t>(sizeof(double));

// The squares of inp[0..count-1], lane-wise.
template <int V>
__device__ __forceinline__ double squares(const float* inp, int64_t count, int lane) {
  double total[V] = {};
  int64_t i = lane * V;
#pragma unroll 4
  for (; i + V <= count; i += kWarp * V) {
    float x[V];
    load(x, inp + i);
#pragma unroll
    for (int k = 0; k < V; ++k) total[k] += static_cast<double>(x[k]) * static_cast<double>(x[k]);
  }
  // One lane at most stands before what is left, a part of a vector.
  for (; i < count; ++i) total[0] += static_cast<double>(inp[i]) * static_cast<double>(inp[i]);
  double sum = 0;
#pragma unroll
  for (int k = 0; k < V; ++k) sum += total[k];
  return warp_reduce(sum, Add{});
}

struct Chunks {
  double* partials;
  const float* inp;
  int64_t count;

  template <int V>
  __device__ void row(int64_t chunk, int lane) const {
    const int64_t begin = chunk * kChunk;
    const double sum = squares<V>(inp + begin, count - begin < kChunk ? count - begin : kChunk, lane);
    if (lane == 0) partials[chunk] = sum;
  }
};

struct TableRows {
  double* partials;
  const float* table;
  const int32_t* rows;
  int64_t C, first;
  ErrorWord* error;

  template <int V>
  __device__ void row(int64_t m, int lane) const {
    const int32_t from = rows[m];
    double sum = 0;
    if (from >= 0) {
      sum = squares<V>(table + from * C, C, lane);
    } else if (lane == 0) {
      record_bad_index(error, Op::sum_of_squares_rows, Index::rows, first + m, from, int64_t{1} << 31);
    }
    if (lane == 0) partials[m] = sum;
  }
};

constexpr int kAddWarps = 32;

__global__ void __launch_bounds__(kAddWarps* kWarp)
    add_partials(double* out, const double* partials, int64_t count, bool add) {
  const RowGroup<kAddWarps> group(shared_memory());
  double total = 0;
  for (int64_t i = threadIdx.x; i < count; i += kAddWarps * kWarp) total += partials[i];
  total = group.reduce(total, Add{});
  if (threadIdx.x == 0) *out = add ? *out + total : total;
}

// body(first, count) computes the partial sums of that many chunks.
template <class Body>
attune_status ordered_sum(attune_context* ctx, double* out, int64_t count, Body&& body) {
  int64_t first = 0;
  do {
    const int64_t here = min_of(kRoom, count - first);
    if (here > 0) ATTUNE_CHECK(body(first, here));
    ATTUNE_CHECK(launch(ctx, add_partials, 1, kAddWarps * kWarp, RowGroup<kAddWarps>::kSharedBytes, out,
                        ctx->scratch<double>(), here, first > 0));
    first += here;
  } while (first < count);
  return ATTUNE_OK;
}

}  // namespace

attune_status sum_of_squares(attune_context* ctx, double* out, const float* inp, int64_t count) {
  return ordered_sum(ctx, out, ceil_div(count, kChunk), [&](int64_t first, int64_t chunks) {
    const int64_t begin = first * kChunk;
    Chunks body{ctx->scratch<double>(), inp + begin, count - begin};
    return launch_rows<kVector<float>>(ctx, body, chunks, aligned16(inp));
  });
}

attune_status sum_of_squares_rows(attune_context* ctx, double* out, const float* table, const int32_t* rows, int64_t M,
                                  int64_t C) {
  return ordered_sum(ctx, out, M, [&](int64_t first, int64_t here) {
    TableRows body{ctx->scratch<double>(), table, rows + first, C, first, &ctx->front()->error};
    return launch_rows<kVector<float>>(ctx, body, here, aligned16(table) && C % kVector<float> == 0);
  });
}

}  // namespace attune::cuda
