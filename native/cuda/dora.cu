// Weight-decomposed adapters. Norms: 2 F C R operations in f32 and one read of the weight, once an optimizer step.
// Columns by their gain: 2 accesses per element forward, 3 backward (dout, inp, dinp).
#include "norm.cuh"
#include "quantized_weight.cuh"
#include "rows.cuh"

namespace attune::cuda {

namespace {

// ---- norms -----------------------------------------------------------------------------------------

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kNormRows = 8;  // of the weight, that share each load of `down`

template <class T>
struct PlainValues {
  const T* weight;
  template <int V>
  __device__ __forceinline__ void get(float (&x)[V], int64_t i) const {
    load(x, weight + i);
  }
};

struct Norms {
  float* gain;  // null: only the norm is wanted
  float* excess;
  float* norm;
  const float* down;
  const float* up;
  const float* magnitude;
  int64_t first_row, F, C, R;
  float scale;
};

// A block takes kNormRows rows; its threads stride over the columns, V at a time.
template <int V, class Values>
__global__ void __launch_bounds__(kThreads) dora_gain_rows(Norms a, Values values, Nf4Table table) {
  constexpr bool kTable = std::is_same_v<Values, Nf4Values>;
  unsigned char* shared = shared_memory();
  const RowGroup<kWarps> group(shared);
  float* up = reinterpret_cast<float*>(shared + RowGroup<kWarps>::kSharedBytes);  // (R, kNormRows)
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kNormRows;
  for (int64_t i = thread; i < a.R * kNormRows; i += kThreads) {
    const int64_t r = i / kNormRows, f = first + i % kNormRows;
    up[i] = f < a.F ? a.up[f * a.R + r] : 0.0f;
  }
  if constexpr (kTable) values.stage(up + a.R * kNormRows, table);
  __syncthreads();
  float squares[kNormRows] = {};
  for (int64_t c = thread * V; c < a.C; c += kThreads * V) {
    float sums[kNormRows][V] = {};
    for (int64_t r = 0; r < a.R; ++r) {
      float x[V], u[kNormRows];
      load(x, a.down + r * a.C + c);
      load(u, up + r * kNormRows);
#pragma unroll
      for (int i = 0; i < kNormRows; ++i) {
#pragma unroll
        for (int k = 0; k < V; ++k) sums[i][k] = fmaf(u[i], x[k], sums[i][k]);
      }
    }
#pragma unroll
    for (int i = 0; i < kNormRows; ++i) {
      if (first + i < a.F) {
        float w[V];
        values.get(w, (a.first_row + first + i) * a.C + c);
#pragma unroll
        for (int k = 0; k < V; ++k) {
          const float x = fmaf(a.scale, sums[i][k], w[k]);
          squares[i] = fmaf(x, x, squares[i]);
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kNormRows; ++i) {
    const float norm = sqrtf(group.reduce(squares[i], Add{}));
    const int64_t f = first + i;
    if (thread != 0 || f >= a.F) continue;
    a.norm[f] = norm;
    if (a.gain != nullptr) {
      a.gain[f] = norm == 0.0f ? 0.0f : a.magnitude[f] / norm;
      a.excess[f] = norm == 0.0f ? -1.0f : (a.magnitude[f] - norm) / norm;
    }
  }
}

template <class Values>
attune_status launch_norms(attune_context* ctx, const Norms& norms, const Values& values, bool vectors) {
  const size_t shared = RowGroup<kWarps>::kSharedBytes + static_cast<size_t>(norms.R * kNormRows) * sizeof(float) +
                        Nf4Values::kSharedBytes;
  return launch(ctx, vectors ? dora_gain_rows<4, Values> : dora_gain_rows<1, Values>,
                dim3(static_cast<unsigned>(ceil_div(norms.F, kNormRows))), kThreads, shared, norms, values, Nf4Table{});
}

// ---- columns by their gain -------------------------------------------------------------------------

template <class T>
struct Forward {
  T* out;
  const T* inp;
  const float* gain;
  const float* bias;
  int64_t F;
  bool accumulate;

  template <int V>
  __device__ void row(int64_t n, int lane) const {
    for (int64_t f = lane * V; f < F; f += kWarp * V) {
      float x[V], g[V], rest[V] = {};
      load(x, inp + n * F + f);
      load(g, gain + f);
      if (bias != nullptr) load(rest, bias + f);
      if (accumulate) {
        float old[V];
        load(old, out + n * F + f);
#pragma unroll
        for (int k = 0; k < V; ++k) rest[k] += old[k];
      }
#pragma unroll
      for (int k = 0; k < V; ++k) x[k] = fmaf(g[k], x[k], rest[k]);
      store(out + n * F + f, x);
    }
  }
};

template <class T>
struct Backward {
  T* dinp;
  float* partials;  // (pieces, F); null: the magnitude's gradient is not wanted
  const T* dout;
  const T* inp;
  const float* gain;
  const float* norm;
  int64_t N, F, stride, piece_rows;
};

// A block takes 32 V columns and the rows of a piece, which its warps deal out among themselves.
template <int V, class T>
__global__ void __launch_bounds__(kThreads) dora_bwd_columns(Backward<T> a) {
  float* sums = shared_memory<float>();  // (kWarps, 32 V)
  const int64_t f = (static_cast<int64_t>(blockIdx.x) * kWarp + lane_id()) * V;
  const int64_t begin = blockIdx.y * a.piece_rows, end = begin + a.piece_rows < a.N ? begin + a.piece_rows : a.N;
  float dm[V] = {};
  if (f < a.F) {
    float g[V];
    load(g, a.gain + f);
    for (int64_t n = begin + warp_id(); n < end; n += kWarps) {
      float d[V];
      load(d, a.dout + n * a.stride + f);
      if (a.partials != nullptr) {
        float x[V];
        load(x, a.inp + n * a.stride + f);
#pragma unroll
        for (int k = 0; k < V; ++k) dm[k] = fmaf(d[k], x[k], dm[k]);
      }
#pragma unroll
      for (int k = 0; k < V; ++k) d[k] *= g[k];
      store(a.dinp + n * a.stride + f, d);
    }
  }
  if (a.partials == nullptr) return;  // of all threads alike
  store(sums + (warp_id() * kWarp + lane_id()) * V, dm);
  __syncthreads();
  if (warp_id() != 0 || f >= a.F) return;
  for (int w = 1; w < kWarps; ++w) {
    float x[V];
    load(x, sums + (w * kWarp + lane_id()) * V);
#pragma unroll
    for (int k = 0; k < V; ++k) dm[k] += x[k];
  }
  float norm[V];
  load(norm, a.norm + f);
#pragma unroll
  for (int k = 0; k < V; ++k) dm[k] = norm[k] == 0.0f ? 0.0f : dm[k] / norm[k];
  store(a.partials + static_cast<int64_t>(blockIdx.y) * a.F + f, dm);
}

}  // namespace

attune_status dora_gain(attune_context* ctx, float* gain, float* excess, float* norm, const void* weight,
                        const float* down, const float* up, const float* magnitude, int64_t rows, int64_t first_row,
                        int64_t F, int64_t C, int64_t R, float scale, int32_t weight_dtype) {
  const Norms norms{gain, excess, norm, down, up, magnitude, first_row, F, C, R, scale};
  const bool vectors = C % 4 == 0 && aligned16(weight, down);
  switch (weight_dtype) {
    case ATTUNE_NF4:
      return launch_norms(ctx, norms, Nf4Values(weight, QuantizedLayout(rows, C, weight_dtype)), vectors);
    case ATTUNE_INT8:
      return launch_norms(ctx, norms, Int8Values(weight, QuantizedLayout(rows, C, weight_dtype)), vectors);
    default:
      return with_type(weight_dtype, [&](auto element) {
        using T = decltype(element);
        return launch_norms(ctx, norms, PlainValues<T>{static_cast<const T*>(weight)}, vectors);
      });
  }
}

attune_status dora_fwd(attune_context* ctx, void* out, const void* inp, const float* gain, const float* bias, int64_t N,
                       int64_t F, int32_t accumulate, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    const Forward<T> body{static_cast<T*>(out), static_cast<const T*>(inp), gain, bias, F, accumulate != 0};
    return launch_rows<kVector<T>>(ctx, body, N, F % kVector<T> == 0 && aligned16(out, inp, gain, bias));
  });
}

attune_status dora_bwd(attune_context* ctx, void* dinp, float* dmagnitude, const void* dout, const void* inp,
                       const float* gain, const float* norm, int64_t N, int64_t F, int64_t stride, int32_t accumulate,
                       int32_t dtype) {
  float* partials = dmagnitude != nullptr ? ctx->scratch<float>() : nullptr;
  const int64_t piece_rows = dora_piece_rows(N, F), pieces = ceil_div(N, piece_rows);
  if (N > 0) {
    ATTUNE_CHECK(with_type(dtype, [&](auto element) {
      using T = decltype(element);
      const Backward<T> body{static_cast<T*>(dinp),
                             partials,
                             static_cast<const T*>(dout),
                             static_cast<const T*>(inp),
                             gain,
                             norm,
                             N,
                             F,
                             stride,
                             piece_rows};
      const bool vectors = F % kVector<T> == 0 && stride % kVector<T> == 0 && aligned16(dinp, dout, inp, gain, norm);
      const int64_t V = vectors ? kVector<T> : 1;
      const dim3 grid(static_cast<unsigned>(ceil_div(F, kWarp * V)), static_cast<unsigned>(pieces));
      return launch(ctx, vectors ? dora_bwd_columns<kVector<T>, T> : dora_bwd_columns<1, T>, grid, kThreads,
                    static_cast<size_t>(kThreads * V) * sizeof(float), body);
    }));
  }
  if (dmagnitude == nullptr) return ATTUNE_OK;
  return combine_norm_partials(ctx, dmagnitude, nullptr, partials, pieces, 1, F, accumulate != 0);
}

}  // namespace attune::cuda
