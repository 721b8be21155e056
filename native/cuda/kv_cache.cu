// New rows into the key/value caches: a scattered copy, 4 accesses per element pair.
#include "rows.cuh"

namespace attune::cuda {

namespace {

// Row i is row i / 2 of k (even i) or v (odd i).
template <class T>
struct Write {
  T* caches[2];
  const T* inps[2];
  const int32_t* rows;
  int64_t width, inp_stride, cache_stride;
  ErrorWord* error;

  template <int V>
  __device__ void row(int64_t i, int lane) const {
    const int64_t n = i / 2;
    const int32_t to = rows[n];
    if (to < 0) {
      if (lane == 0) record_bad_index(error, Op::kv_cache_write, Index::rows, n, to, int64_t{1} << 31);
      return;
    }
    T* cache = i % 2 == 0 ? caches[0] : caches[1];
    const T* inp = i % 2 == 0 ? inps[0] : inps[1];
    copy_row<V>(cache + to * cache_stride, inp + n * inp_stride, width, lane);
  }
};

}  // namespace

attune_status kv_cache_write(attune_context* ctx, void* k_cache, void* v_cache, const void* k, const void* v,
                             const int32_t* rows, int64_t N, int64_t width, int64_t inp_stride, int64_t cache_stride,
                             int32_t dtype) {
  if (N == 0) return ATTUNE_OK;
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    constexpr int V = kVector<T>;
    Write<T> body{{static_cast<T*>(k_cache), static_cast<T*>(v_cache)},
                  {static_cast<const T*>(k), static_cast<const T*>(v)},
                  rows,
                  width,
                  inp_stride,
                  cache_stride,
                  &ctx->front()->error};
    const bool vectors =
        aligned16(k_cache, v_cache, k, v) && width % V == 0 && inp_stride % V == 0 && cache_stride % V == 0;
    return launch_rows<V>(ctx, body, 2 * N, vectors);
  });
}

}  // namespace attune::cuda
