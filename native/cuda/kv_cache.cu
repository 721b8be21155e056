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
  const char* op = "kv_cache_write";
  ATTUNE_CHECK(check_dtype(op, "dtype", dtype));
  ATTUNE_CHECK(check_matrix(op, "N", N, "width", width));
  ATTUNE_REQUIRE(inp_stride >= width, "%s: inp_stride is %lld, must be at least width = %lld", op, ll(inp_stride),
                 ll(width));
  ATTUNE_REQUIRE(cache_stride >= width, "%s: cache_stride is %lld, must be at least width = %lld", op, ll(cache_stride),
                 ll(width));
  if (N == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer(op, "k_cache", k_cache));
  ATTUNE_CHECK(check_pointer(op, "v_cache", v_cache));
  ATTUNE_CHECK(check_pointer(op, "k", k));
  ATTUNE_CHECK(check_pointer(op, "v", v));
  ATTUNE_CHECK(check_pointer(op, "rows", rows));
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
