// Root mean square norm with fused residual add. Accesses per element: forward 2 to 4 (inp, residual, sum, out),
// backward 3 or 4 (dout, sum, dsum_extra, dinp). See norm.cuh for how rows lie in threads; a row here is one
// group of C elements.
#include "norm.cuh"

namespace attune::cuda {

namespace {

template <class T>
struct Forward {
  T* out;
  T* sum;  // null: none
  float* rstd;
  const T* inp;
  const T* residual;
  const float* weight;
  int64_t rows, G, C, inp_stride, out_stride;
  float eps;
};

template <class Shape, class T>
__global__ void __launch_bounds__(Shape::Group::kBlockThreads) rms_norm_fwd_rows(Forward<T> a) {
  constexpr int V = Shape::V;
  constexpr bool kKept = Shape::kPacks > 0;
  const typename Shape::Group group(shared_memory());
  const int thread = group.thread();
  const float inverse = 1.0f / static_cast<float>(a.C);
  for (int64_t r = group.group(); r < a.rows; r += group.groups()) {
    const int64_t n = quotient(r, a.G), g = r - n * a.G;
    const T* from = a.inp + n * a.inp_stride + g * a.C;
    const int64_t dense = n * a.C;  // of sum and residual: G is 1 where they are given
    float row[kKept ? Shape::kPacks : 1][V];
    float square = 0;
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float(&x)[V] = row[p];
      load(x, from + c);
      if (a.sum != nullptr) {
        float residual[V];
        load(residual, a.residual + dense + c);
#pragma unroll
        for (int k = 0; k < V; ++k) x[k] = rounded<T>(x[k] + residual[k]);
        store(a.sum + dense + c, x);
      }
#pragma unroll
      for (int k = 0; k < V; ++k) square = fmaf(x[k], x[k], square);
    });
    const float scale = 1.0f / sqrtf(group.reduce(square, Add{}) * inverse + a.eps);
    if (a.rstd != nullptr && thread == 0) a.rstd[r] = scale;
    T* to = a.out + n * a.out_stride + g * a.C;
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float(&x)[V] = row[p];
      if constexpr (!kKept) load(x, (a.sum != nullptr ? a.sum + dense : from) + c);
      float w[V];
      load(w, a.weight + c);
#pragma unroll
      for (int k = 0; k < V; ++k) x[k] = x[k] * scale * w[k];
      store(to + c, x);
    });
  }
}

template <class T>
struct Backward {
  T* dinp;          // may be dout or dsum_extra
  float* partials;  // null: the weight is frozen
  const T* dout;
  const T* dsum_extra;  // may be null
  const T* sum;
  const float* rstd;
  const float* weight;
  int64_t rows, G, C, inp_stride, out_stride;
};

template <class Shape, class T>
__global__ void __launch_bounds__(Shape::Group::kBlockThreads) rms_norm_bwd_rows(Backward<T> a) {
  constexpr int V = Shape::V;
  constexpr int kPacks = Shape::kPacks;
  constexpr bool kKept = kPacks > 0;
  using Group = typename Shape::Group;
  const Group group(shared_memory());
  const int thread = group.thread();
  const float inverse = 1.0f / static_cast<float>(a.C);
  const bool wanted = a.partials != nullptr;
  float* const partial = a.partials + static_cast<int64_t>(blockIdx.x) * a.C;
  float dw[kKept ? kPacks : 1][V] = {};
  bool fresh = true;
  for (int64_t r = group.group(); r < a.rows; r += group.groups()) {
    const int64_t n = quotient(r, a.G), in_row = (r - n * a.G) * a.C;
    const int64_t at_inp = n * a.inp_stride + in_row, at_out = n * a.out_stride + in_row;
    const float scale = a.rstd[r];
    float x[kKept ? kPacks : 1][V], dy[kKept ? kPacks : 1][V];
    float dot = 0;
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float w[V];
      load(w, a.weight + c);
      load(x[p], a.sum + at_inp + c);
      load(dy[p], a.dout + at_out + c);
#pragma unroll
      for (int k = 0; k < V; ++k) dot = fmaf(mul_rounded(dy[p][k], w[k]), x[p][k], dot);
    });
    // dinp = rstd (g - x rstd^2 mean(g x)), g = dout weight.
    const float slope = -scale * scale * (inverse * group.reduce(dot, Add{}));
    for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
      float w[V], d[V];
      load(w, a.weight + c);
      if constexpr (!kKept) {
        load(x[0], a.sum + at_inp + c);
        load(dy[0], a.dout + at_out + c);
        if (wanted) {
          if (!fresh) {
            load(dw[0], partial + c);
          } else {
#pragma unroll
            for (int k = 0; k < V; ++k) dw[0][k] = 0;
          }
        }
      }
#pragma unroll
      for (int k = 0; k < V; ++k) {
        dw[p][k] = fmaf(dy[p][k] * scale, x[p][k], dw[p][k]);
        d[k] = fmaf(x[p][k], slope, mul_rounded(dy[p][k], w[k])) * scale;
      }
      if (!kKept && wanted) store(partial + c, dw[0]);
      if (a.dsum_extra != nullptr) {
        float extra[V];
        load(extra, a.dsum_extra + at_inp + c);
#pragma unroll
        for (int k = 0; k < V; ++k) d[k] += extra[k];
      }
      store(a.dinp + at_inp + c, d);
    });
    fresh = false;
  }
  if constexpr (kKept) {
    if (!wanted) return;  // of all threads alike
    float* const block_sums = Group::kGroups > 1 ? shared_memory<float>() : partial;
    for (int g = 0; g < Group::kGroups; ++g) {
      if (Group::kGroups == 1 || warp_id() == g) {
        for_pieces<Shape>(thread, a.C, [&](int p, int64_t c) {
          if (g > 0) {
            float w[V];
            load(w, block_sums + c);
#pragma unroll
            for (int k = 0; k < V; ++k) dw[p][k] += w[k];
          }
          store((g == Group::kGroups - 1 ? partial : block_sums) + c, dw[p]);
        });
      }
      __syncthreads();
    }
  }
}

}  // namespace

attune_status rms_norm_fwd(attune_context* ctx, void* out, void* sum, float* rstd, const void* inp,
                           const void* residual, const float* weight, int64_t N, int64_t G, int64_t C,
                           int64_t inp_stride, int64_t out_stride, float eps, int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    Forward<T> forward{static_cast<T*>(out),
                       static_cast<T*>(sum),
                       rstd,
                       static_cast<const T*>(inp),
                       static_cast<const T*>(residual),
                       weight,
                       N * G,
                       G,
                       C,
                       inp_stride,
                       out_stride,
                       eps};
    const bool vectors =
        C % 8 == 0 && inp_stride % 8 == 0 && out_stride % 8 == 0 && aligned16(out, sum, inp, residual, weight);
    return with_norm_shape(C, vectors, [&](auto shape) {
      using Shape = decltype(shape);
      return launch(ctx, rms_norm_fwd_rows<Shape, T>, row_grid<typename Shape::Group>(N * G, int64_t{1} << 20),
                    Shape::Group::kBlockThreads, Shape::Group::kSharedBytes, forward);
    });
  });
}

attune_status rms_norm_bwd(attune_context* ctx, void* dinp, float* dweight, const void* dout, const void* dsum_extra,
                           const void* sum, const float* rstd, const float* weight, int64_t N, int64_t G, int64_t C,
                           int64_t inp_stride, int64_t out_stride, int32_t accumulate_weight, int32_t dtype) {
  const char* op = "rms_norm_bwd";
  float* partials = dweight != nullptr ? ctx->scratch<float>() : nullptr;
  int64_t blocks = 0;
  if (N > 0) {
    ATTUNE_REQUIRE(dinp != dout || inp_stride == out_stride,
                   "%s: dinp is dout and the strides are %lld and %lld, must be equal", op, ll(inp_stride),
                   ll(out_stride));
    const bool vectors =
        C % 8 == 0 && inp_stride % 8 == 0 && out_stride % 8 == 0 && aligned16(dinp, dout, dsum_extra, sum, weight);
    ATTUNE_CHECK(with_type(dtype, [&](auto element) {
      using T = decltype(element);
      Backward<T> backward{static_cast<T*>(dinp),
                           partials,
                           static_cast<const T*>(dout),
                           static_cast<const T*>(dsum_extra),
                           static_cast<const T*>(sum),
                           rstd,
                           weight,
                           N * G,
                           G,
                           C,
                           inp_stride,
                           out_stride};
      return with_norm_shape(C, vectors, [&](auto shape) {
        using Shape = decltype(shape);
        using Group = typename Shape::Group;
        blocks = norm_partials(ceil_div(N * G, Group::kGroups), 1, C);
        const size_t shared = Group::kGroups > 1 ? static_cast<size_t>(C) * sizeof(float) : Group::kSharedBytes;
        return launch(ctx, rms_norm_bwd_rows<Shape, T>, dim3(static_cast<unsigned>(blocks)), Group::kBlockThreads,
                      shared, backward);
      });
    }));
  }
  if (dweight == nullptr) return ATTUNE_OK;
  return combine_norm_partials(ctx, dweight, nullptr, partials, blocks, 1, C, accumulate_weight != 0);
}

}  // namespace attune::cuda
