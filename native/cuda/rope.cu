// Rotary position embedding, in place. Accesses per rotated element: 2, and the table's rows, which the
// heads of a row share in L1.
#include "vectors.cuh"

namespace attune::cuda {

namespace {

template <class T>
struct Rotate {
  T* inp;
  const float* table;
  const int32_t* positions;
  int64_t H, D, half, stride, P;
  float sign;
  ErrorWord* error;

  // Pairs i..i+V-1 of (N, H, half).
  template <int V>
  __device__ void run(int64_t i) const {
    const int64_t row_head = quotient(i, half);
    const int64_t n = quotient(row_head, H);
    const int64_t j = i - row_head * half;
    const int64_t h = row_head - n * H;
    const int32_t position = positions[n];
    if (position < 0 || position >= P) {
      if (h == 0 && j == 0) record_bad_index(error, Op::rope, Index::positions, n, position, P);
      return;
    }
    float turn[2 * V], a[V], b[V];
    const float* turns = table + (position * half + j) * 2;
    if constexpr (V == 1) {
      // Two loads: a table that lies on 4 bytes alone has no pairs that could be loaded at once.
      turn[0] = turns[0];
      turn[1] = turns[1];
    } else {
      load(turn, turns);
    }
    T* first = inp + n * stride + h * D + j;
    load(a, first);
    load(b, first + half);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const float c = turn[2 * k], s = sign * turn[2 * k + 1];
      const float x = a[k], y = b[k];
      a[k] = fmaf(x, c, -mul_rounded(y, s));
      b[k] = fmaf(y, c, mul_rounded(x, s));
    }
    store(first, a);
    store(first + half, b);
  }
};

}  // namespace

attune_status rope(attune_context* ctx, void* inp, const float* table, const int32_t* positions, int64_t N, int64_t H,
                   int64_t D, int64_t rotary, int64_t stride, int64_t P, int32_t inverse, int32_t dtype) {
  if (N == 0 || H == 0 || rotary == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    constexpr int V = kVector<T>;
    const int64_t half = rotary / 2;
    Rotate<T> body{static_cast<T*>(inp), table, positions, H, D, half, stride, P, inverse != 0 ? -1.0f : 1.0f,
                   &ctx->front()->error};
    const bool vectors = aligned16(inp, table) && half % V == 0 && D % V == 0 && stride % V == 0;
    return launch_flat<V>(ctx, body, N * H * half, vectors);
  });
}

}  // namespace attune::cuda
