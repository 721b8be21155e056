// Embedding tables. Forward: one warp per token, 4 bytes read of each table and one access of out per element.
//
// Backward without atomics on floats: the rows of dout are put into the order of their indices (rows of one
// index keep their order), and blocks take runs of 32 places in that order. A block sums the rows of one index
// in registers and adds the sum to the table once. An index whose rows reach over the border of a run leaves
// partial sums, which a second kernel adds in order: so one index that all rows share (token types) is as fast
// as many. Every element of a table is added in an order that the arguments alone decide.
//   Accesses per element of dout: 1, and 8 bytes per distinct index and column. Ranks: N^2 comparisons of
//   integers in shared memory for each table; at N = 16k that is 0.7 G instructions, tens of microseconds.
#include "rows.cuh"

namespace attune::cuda {

namespace {

// ---- forward ------------------------------------------------------------------------------------

template <class T>
struct Lookup {
  T* out;
  const float* tables[3];     // position and type may be null
  const int32_t* indices[3];  // ids, positions, type_ids
  int64_t sizes[3];
  int64_t C;
  ErrorWord* error;

  template <int V>
  __device__ void row(int64_t n, int lane) const {
    constexpr Index kNames[3] = {Index::ids, Index::positions, Index::type_ids};
    const float* from[3];
#pragma unroll
    for (int t = 0; t < 3; ++t) {
      from[t] = nullptr;
      if (tables[t] == nullptr) continue;
      const int32_t index = indices[t][n];
      if (index >= 0 && index < sizes[t]) {
        from[t] = tables[t] + index * C;
      } else if (lane == 0) {
        record_bad_index(error, Op::embedding_fwd, kNames[t], n, index, sizes[t]);
      }
    }
    for (int64_t c = lane * V; c < C; c += kWarp * V) {
      float x[V] = {};
#pragma unroll
      for (int t = 0; t < 3; ++t) {
        if (from[t] == nullptr) continue;
        float y[V];
        load(y, from[t] + c);
#pragma unroll
        for (int k = 0; k < V; ++k) x[k] += y[k];
      }
      store(out + n * C + c, x);
    }
  }
};

// ---- backward -----------------------------------------------------------------------------------

constexpr int kRankThreads = 128;
constexpr int32_t kAbsent = INT32_MAX;  // sorts behind every index

// order[r] = n and keys[r] = indices[n] for the rank r of row n: the rows with a smaller index, and those
// before n with the same one. `offset`: of row 0, in messages.
__global__ void __launch_bounds__(kRankThreads) rank_rows(int32_t* order, int32_t* keys, const int32_t* indices,
                                                          int64_t N, int64_t offset, Index argument, ErrorWord* error) {
  int4* tile = shared_memory<int4>();
  int32_t* scalars = shared_memory<int32_t>();
  constexpr int kTile = kRankThreads * 4;
  const int64_t n = static_cast<int64_t>(blockIdx.x) * kRankThreads + threadIdx.x;
  auto key_of = [&](int64_t i) {
    // Places behind the last row sort behind everything and count for nobody.
    if (i >= N) return kAbsent;
    const int32_t index = indices[i];
    return index >= 0 ? index : kAbsent;
  };
  const int32_t key = key_of(n);
  if (n < N && indices[n] < 0) {
    record_bad_index(error, Op::embedding_bwd, argument, offset + n, indices[n], int64_t{1} << 31);
  }
  int rank = 0;
  for (int64_t begin = 0; begin < N; begin += kTile) {
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kTile; i += kRankThreads) scalars[i] = key_of(begin + i);
    __syncthreads();
    if (begin + kTile <= n) {
      for (int i = 0; i < kRankThreads; ++i) {
        const int4 other = tile[i];
        rank += (other.x <= key) + (other.y <= key) + (other.z <= key) + (other.w <= key);
      }
    } else if (begin > n) {
      for (int i = 0; i < kRankThreads; ++i) {
        const int4 other = tile[i];
        rank += (other.x < key) + (other.y < key) + (other.z < key) + (other.w < key);
      }
    } else {
      for (int i = 0; i < kTile; ++i) {
        const int32_t other = scalars[i];
        rank += begin + i < n ? other <= key : begin + i < N && other < key;
      }
    }
  }
  if (n < N) {
    order[rank] = static_cast<int32_t>(n);
    keys[rank] = key;
  }
}

// The sorted rows, cut into runs.
struct Sorted {
  const int32_t* order;
  const int32_t* keys;
  float* partials;  // (runs, 2, C): the sums of a run's first index where it began earlier, and of its last
                    // index where it began here and goes on
  int64_t N, run;

  __device__ __forceinline__ bool continues(int64_t place) const {
    return place > 0 && place < N && keys[place] == keys[place - 1];
  }
};

template <int V, class T>
__global__ void __launch_bounds__(128, 6) sum_runs(float* table, const T* dout, Sorted sorted, int64_t C) {
  const int64_t begin = blockIdx.x * sorted.run;
  const int64_t end = begin + sorted.run < sorted.N ? begin + sorted.run : sorted.N;
  const bool from_before = sorted.continues(begin), goes_on = sorted.continues(end);
  float* partial = sorted.partials + static_cast<int64_t>(blockIdx.x) * 2 * C;
  const int64_t c = (static_cast<int64_t>(blockIdx.y) * 128 + threadIdx.x) * V;
  if (c >= C) return;
  constexpr int kAhead = 4;  // rows on their way at a time
  float total[V] = {};
  bool first = true;  // index of the run
  for (int64_t batch = begin; batch < end; batch += kAhead) {
    float rows[kAhead][V];
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      if (batch + j < end) load(rows[j], dout + sorted.order[batch + j] * C + c);
    }
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      const int64_t place = batch + j;
      if (place >= end) continue;
#pragma unroll
      for (int k = 0; k < V; ++k) total[k] += rows[j][k];
      const int32_t key = sorted.keys[place];
      const bool last = place + 1 == end;
      if (!last && sorted.keys[place + 1] == key) continue;
      if (key != kAbsent) {
        if (first && from_before) {
          store(partial + c, total);
        } else if (last && goes_on) {
          store(partial + C + c, total);
        } else {
          float old[V];
          load(old, table + key * C + c);
#pragma unroll
          for (int k = 0; k < V; ++k) old[k] += total[k];
          store(table + key * C + c, old);
        }
      }
      first = false;
#pragma unroll
      for (int k = 0; k < V; ++k) total[k] = 0;
    }
  }
}

// The index that begins in this run and goes on: its partial sums, run after run.
template <int V>
__global__ void __launch_bounds__(128) add_across_runs(float* table, Sorted sorted, int64_t C) {
  const int64_t begin = blockIdx.x * sorted.run, next = begin + sorted.run;
  if (!sorted.continues(next)) return;
  const int32_t key = sorted.keys[next];
  if (key == kAbsent || (sorted.keys[begin] == key && sorted.continues(begin))) return;
  const int64_t c = (static_cast<int64_t>(blockIdx.y) * 128 + threadIdx.x) * V;
  if (c >= C) return;
  float total[V], part[V];
  load(total, sorted.partials + (static_cast<int64_t>(blockIdx.x) * 2 + 1) * C + c);
  for (int64_t place = next, run = blockIdx.x + 1; place < sorted.N && sorted.keys[place] == key;
       place += sorted.run, ++run) {
    load(part, sorted.partials + run * 2 * C + c);
#pragma unroll
    for (int k = 0; k < V; ++k) total[k] += part[k];
  }
  load(part, table + key * C + c);
#pragma unroll
  for (int k = 0; k < V; ++k) total[k] += part[k];
  store(table + key * C + c, total);
}

template <class T>
attune_status scatter(attune_context* ctx, float* table, const int32_t* indices, Index argument, const T* dout,
                      int64_t N, int64_t C) {
  const ScatterPlan plan(C);
  ATTUNE_REQUIRE(plan.rows > 0, "%s: C is %lld, too wide for the workspace", ctx->op, ll(C));
  for (int64_t first = 0; first < N; first += plan.rows) {
    const int64_t rows = min_of(plan.rows, N - first);
    int32_t* order = ctx->scratch<int32_t>();
    int32_t* keys = order + rows;
    float* partials = ctx->scratch<float>() + ScatterPlan::partials_at(rows);
    const Sorted sorted{order, keys, partials, rows, ScatterPlan::kRun};
    ATTUNE_CHECK(launch(ctx, rank_rows, dim3(static_cast<unsigned>(ceil_div(rows, kRankThreads))), kRankThreads,
                        kRankThreads * sizeof(int4), order, keys, indices + first, rows, first, argument,
                        &ctx->front()->error));
    auto add = [&](auto width) {
      constexpr int V = decltype(width)::value;
      const dim3 grid(static_cast<unsigned>(ceil_div(rows, ScatterPlan::kRun)),
                      static_cast<unsigned>(ceil_div(C, 128 * V)));
      ATTUNE_CHECK(launch(ctx, sum_runs<V, T>, grid, 128, 0, table, dout + first * C, sorted, C));
      return launch(ctx, add_across_runs<V>, grid, 128, 0, table, sorted, C);
    };
    const bool vectors = C % kVector<T> == 0 && aligned16(table, dout);
    ATTUNE_CHECK(vectors ? add(std::integral_constant<int, kVector<T>>{}) : add(std::integral_constant<int, 1>{}));
  }
  return ATTUNE_OK;
}

struct ZeroRows {
  float* table;
  const int32_t* rows;
  int64_t C;
  ErrorWord* error;

  // A row may be named twice: two warps then store the same zeros.
  template <int V>
  __device__ void row(int64_t m, int lane) const {
    const int32_t to = rows[m];
    if (to >= 0) {
      zero_row<V>(table + to * C, C, lane);
    } else if (lane == 0) {
      record_bad_index(error, Op::zero_rows, Index::rows, m, to, int64_t{1} << 31);
    }
  }
};

}  // namespace

attune_status embedding_fwd(attune_context* ctx, void* out, const float* word, const float* position, const float* type,
                            const int32_t* ids, const int32_t* positions, const int32_t* type_ids, int64_t N, int64_t C,
                            int64_t V, int64_t P, int64_t T, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using Element = decltype(element);
    Lookup<Element> body{static_cast<Element*>(out), {word, position, type}, {ids, positions, type_ids}, {V, P, T}, C,
                         &ctx->front()->error};
    constexpr int kWidth = kVector<Element>;
    return launch_rows<kWidth>(ctx, body, N, C % kWidth == 0 && aligned16(out, word, position, type));
  });
}

attune_status embedding_bwd(attune_context* ctx, float* dword, float* dposition, float* dtoken_type, const void* dout,
                            const int32_t* ids, const int32_t* positions, const int32_t* type_ids, int64_t N, int64_t C,
                            int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) -> attune_status {
    const auto* from = static_cast<const decltype(element)*>(dout);
    if (dword != nullptr) ATTUNE_CHECK(scatter(ctx, dword, ids, Index::ids, from, N, C));
    if (dposition != nullptr) ATTUNE_CHECK(scatter(ctx, dposition, positions, Index::positions, from, N, C));
    if (dtoken_type != nullptr) ATTUNE_CHECK(scatter(ctx, dtoken_type, type_ids, Index::type_ids, from, N, C));
    return ATTUNE_OK;
  });
}

attune_status zero_rows(attune_context* ctx, float* table, const int32_t* rows, int64_t M, int64_t C) {
  if (M == 0) return ATTUNE_OK;
  return launch_rows<kVector<float>>(ctx, ZeroRows{table, rows, C, &ctx->front()->error}, M,
                                     C % kVector<float> == 0 && aligned16(table));
}

}  // namespace attune::cuda
