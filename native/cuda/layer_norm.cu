// Layer norm with fused dropout and residual add. Accesses per element: forward 2 to 4 (inp, residual, sum,
// out), backward 3 to 5 (dout, sum, dsum_extra, dinp, dresidual). See norm.cuh for how rows lie in threads.
#include "dropout.cuh"
#include "norm.cuh"

namespace attune::cuda {

namespace {

template <class T>
struct Forward {
  T* out;
  T* sum;  // null: not stored
  float* mean;
  float* rstd;
  const T* inp;
  const T* residual;  // may be null
  const float* weight;
  const float* bias;  // may be null
  int64_t N, C;
  float eps;
  Dropout drop_inp, drop_out;

  // The sum at elements e..e+V-1, as stored.
  template <int V>
  __device__ __forceinline__ void sum_at(float (&x)[V], int64_t e) const {
    load(x, inp + e);
    if (drop_inp.on()) drop_inp.apply(x, e);
    if (residual != nullptr) {
      float r[V];
      load(r, residual + e);
#pragma unroll
      for (int k = 0; k < V; ++k) x[k] += r[k];
    }
#pragma unroll
    for (int k = 0; k < V; ++k) x[k] = rounded<T>(x[k]);
  }
};

template <class Shape, class T>
__global__ void __launch_bounds__(Shape::Group::kBlockThreads) layer_norm_fwd_rows(Forward<T> a) {
  constexpr int V = Shape::V;
  constexpr bool kKept = Shape::kPacks > 0;
  const typename Shape::Group group(shared_memory());
  const int thread = group.thread();
  const float inverse = 1.0f / static_cast<float>(a.C);
  for (int64_t n = group.group(); n < a.N; n += group.groups()) {
    const int64_t first = n * a.C;
    float row[kKept ? Shape::kPacks : 1][V];
    // Where the row is not kept: what was stored, or the same sum once more.
    auto again = [&](int64_t c, float(&x)[V]) {
      if constexpr (!kKept) {
        if (a.sum != nullptr) {
          load(x, a.sum + first + c);
        } else {
          a.sum_at(x, first + c);
        }
      }
    };
    float total = 0;
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float(&x)[V] = row[p];
      a.sum_at(x, first + c);
      if (a.sum != nullptr) store(a.sum + first + c, x);
#pragma unroll
      for (int k = 0; k < V; ++k) total += x[k];
    });
    const float center = group.reduce(total, Add{}) * inverse;
    float square = 0;
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float(&x)[V] = row[p];
      again(c, x);
#pragma unroll
      for (int k = 0; k < V; ++k) square = fmaf(x[k] - center, x[k] - center, square);
    });
    const float scale = 1.0f / sqrtf(group.reduce(square, Add{}) * inverse + a.eps);
    if (thread == 0) {
      a.mean[n] = center;
      a.rstd[n] = scale;
    }
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float(&x)[V] = row[p];
      again(c, x);
      float w[V], b[V] = {};
      load(w, a.weight + c);
      if (a.bias != nullptr) load(b, a.bias + c);
#pragma unroll
      for (int k = 0; k < V; ++k) x[k] = fmaf((x[k] - center) * scale, w[k], b[k]);
      if (a.drop_out.on()) a.drop_out.apply(x, first + c);
      store(a.out + first + c, x);
    });
  }
}

template <class T>
struct Backward {
  T* dinp;          // may be null
  T* dresidual;     // may be null
  float* partials;  // null: weight and bias are frozen
  const T* dout;
  const T* dsum_extra;  // may be null
  const T* sum;
  const float* mean;
  const float* rstd;
  const float* weight;
  int64_t N, C;
  Dropout drop_inp, drop_out;
  bool accumulate_residual;

  template <int V>
  __device__ __forceinline__ void dout_at(float (&dy)[V], int64_t e) const {
    load(dy, dout + e);
    if (drop_out.on()) drop_out.apply(dy, e);
  }
};

template <class Shape, class T>
__global__ void __launch_bounds__(Shape::Group::kBlockThreads) layer_norm_bwd_rows(Backward<T> a) {
  constexpr int V = Shape::V;
  constexpr int kPacks = Shape::kPacks;
  constexpr bool kKept = kPacks > 0;
  using Group = typename Shape::Group;
  const Group group(shared_memory());
  const int thread = group.thread();
  const float inverse = 1.0f / static_cast<float>(a.C);
  const bool wanted = a.partials != nullptr;
  float* const partial = a.partials + static_cast<int64_t>(blockIdx.x) * 2 * a.C;
  // Sums over this group's rows: in registers, or where columns are too many in the partials themselves,
  // of which each thread touches its own columns alone.
  float dw[kKept ? kPacks : 1][V] = {}, db[kKept ? kPacks : 1][V] = {};
  bool fresh = true;
  for (int64_t n = group.group(); n < a.N; n += group.groups()) {
    const int64_t first = n * a.C;
    const float center = a.mean[n], scale = a.rstd[n];
    // Kept as loaded: half the registers of f32 where T is bf16.
    Pack<T, V> kept_sum[kKept ? kPacks : 1];
    float dy[kKept ? kPacks : 1][V];
    float dot_one = 0, dot_x = 0;
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float(&g)[V] = dy[p];
      a.dout_at(g, first + c);
      float w[V], x[V];
      load(w, a.weight + c);
      load(x, a.sum + first + c);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        kept_sum[p].at[k] = from_float<T>(x[k]);
        const float gw = mul_rounded(g[k], w[k]);
        dot_one += gw;
        dot_x = fmaf(gw, x[k] - center, dot_x);
      }
    });
    // dsum = rstd ((g - mean(g)) - d rstd^2 mean(g d)): the difference first, since it is all that is left of
    // a row without variance, whose rstd is large.
    const float average = inverse * group.reduce(dot_one, Add{});
    const float slope = -scale * scale * (inverse * group.reduce(dot_x, Add{}));
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float(&g)[V] = dy[p];
      float x[V], w[V], extra[V];
      load(w, a.weight + c);
      if constexpr (kKept) {
#pragma unroll
        for (int k = 0; k < V; ++k) x[k] = to_float(kept_sum[p].at[k]);
      } else {
        a.dout_at(g, first + c);
        load(x, a.sum + first + c);
        if (!fresh && wanted) {
          load(dw[0], partial + c);
          load(db[0], partial + a.C + c);
        } else {
#pragma unroll
          for (int k = 0; k < V; ++k) dw[0][k] = db[0][k] = 0;
        }
      }
      if (a.dsum_extra != nullptr) load(extra, a.dsum_extra + first + c);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        const float d = x[k] - center;
        db[p][k] += g[k];
        dw[p][k] = fmaf(g[k] * scale, d, dw[p][k]);
        x[k] = fmaf(d, slope, mul_rounded(g[k], w[k]) - average) * scale;
        if (a.dsum_extra != nullptr) x[k] += extra[k];
      }
      if constexpr (!kKept) {
        if (wanted) {
          store(partial + c, dw[0]);
          store(partial + a.C + c, db[0]);
        }
      }
      if (a.dresidual != nullptr) {
        float total[V];
#pragma unroll
        for (int k = 0; k < V; ++k) total[k] = x[k];
        if (a.accumulate_residual) {
          float old[V];
          load(old, a.dresidual + first + c);
#pragma unroll
          for (int k = 0; k < V; ++k) total[k] += old[k];
        }
        store(a.dresidual + first + c, total);
      }
      if (a.dinp != nullptr) {
        if (a.drop_inp.on()) a.drop_inp.apply(x, first + c);
        store(a.dinp + first + c, x);
      }
    });
    fresh = false;
  }
  if constexpr (kKept) {
    if (!wanted) return;
    // The groups of a block add up one after another, in shared memory where there are several.
    float* const block_sums = Group::kGroups > 1 ? shared_memory<float>() : partial;
    for (int g = 0; g < Group::kGroups; ++g) {
      if (Group::kGroups == 1 || warp_id() == g) {
        for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
          if (g > 0) {
            float w[V], b[V];
            load(w, block_sums + c);
            load(b, block_sums + a.C + c);
#pragma unroll
            for (int k = 0; k < V; ++k) {
              dw[p][k] += w[k];
              db[p][k] += b[k];
            }
          }
          const bool last = g == Group::kGroups - 1;
          store((last ? partial : block_sums) + c, dw[p]);
          store((last ? partial : block_sums) + a.C + c, db[p]);
        });
      }
      __syncthreads();
    }
  }
}

}  // namespace

attune_status layer_norm_fwd(attune_context* ctx, void* out, void* sum, float* mean, float* rstd, const void* inp,
                             const void* residual, const float* weight, const float* bias, int64_t N, int64_t C,
                             float eps, float p_inp, float p_out, int64_t seed, int64_t stream, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    Dropout drop_inp(ctx, p_inp, seed, stream), drop_out(ctx, p_out, seed, stream + 1);
    const bool unchanged = sum == inp && residual == nullptr && !drop_inp.on();
    Forward<T> forward{static_cast<T*>(out),
                       unchanged ? nullptr : static_cast<T*>(sum),
                       mean,
                       rstd,
                       static_cast<const T*>(inp),
                       static_cast<const T*>(residual),
                       weight,
                       bias,
                       N,
                       C,
                       eps,
                       drop_inp,
                       drop_out};
    const bool vectors = C % 8 == 0 && aligned16(out, sum, inp, residual, weight, bias);
    return with_norm_shape(C, vectors, [&](auto shape) {
      using Shape = decltype(shape);
      return launch(ctx, layer_norm_fwd_rows<Shape, T>, row_grid<typename Shape::Group>(N, int64_t{1} << 20),
                    Shape::Group::kBlockThreads, Shape::Group::kSharedBytes, forward);
    });
  });
}

attune_status layer_norm_bwd(attune_context* ctx, void* dinp, void* dresidual, float* dweight, float* dbias,
                             const void* dout, const void* dsum_extra, const void* sum, const float* mean,
                             const float* rstd, const float* weight, int64_t N, int64_t C, float p_inp, float p_out,
                             int64_t seed, int64_t stream, int32_t accumulate_residual, int32_t accumulate_weight,
                             int32_t dtype) {
  float* partials = dweight != nullptr ? ctx->scratch<float>() : nullptr;
  int64_t blocks = 0;
  if (N > 0) {
    const Dropout drop_inp(ctx, p_inp, seed, stream), drop_out(ctx, p_out, seed, stream + 1);
    // Where the two are one, the residual's rule (overwrite or add) is the one that the caller gave.
    if (dinp == dresidual) dinp = nullptr;
    const bool vectors = C % 8 == 0 && aligned16(dinp, dresidual, dout, dsum_extra, sum, weight);
    ATTUNE_CHECK(with_type(dtype, [&](auto element) {
      using T = decltype(element);
      Backward<T> backward{static_cast<T*>(dinp),
                           static_cast<T*>(dresidual),
                           partials,
                           static_cast<const T*>(dout),
                           static_cast<const T*>(dsum_extra),
                           static_cast<const T*>(sum),
                           mean,
                           rstd,
                           weight,
                           N,
                           C,
                           drop_inp,
                           drop_out,
                           accumulate_residual != 0};
      return with_norm_shape(C, vectors, [&](auto shape) {
        using Shape = decltype(shape);
        using Group = typename Shape::Group;
        blocks = norm_partials(ceil_div(N, Group::kGroups), 2, C);
        const size_t shared = Group::kGroups > 1 ? static_cast<size_t>(2 * C) * sizeof(float) : Group::kSharedBytes;
        return launch(ctx, layer_norm_bwd_rows<Shape, T>, dim3(static_cast<unsigned>(blocks)), Group::kBlockThreads,
                      shared, backward);
      });
    }));
  }
  if (dweight == nullptr) return ATTUNE_OK;
  return combine_norm_partials(ctx, dweight, dbias, partials, blocks, 2, C, accumulate_weight != 0);
}

}  // namespace attune::cuda
