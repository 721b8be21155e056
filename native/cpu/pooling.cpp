// From token rows to one row per sequence, and back.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

// Columns of a mean-pooling task: one sequence and these columns of all its rows, in order.
constexpr int64_t kColumns = 256;

static inline int64_t copy_grain(int64_t C) { return 32768 / C + 1; }

template <class T>
static void mean_forward(T* out, const T* inp, int64_t begin, int64_t end, int64_t C, int64_t first, int64_t last) {
  const float inverse = end > begin ? 1.0f / static_cast<float>(end - begin) : 0.0f;
  for_vectors(first, last, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
    vf total = splat(0.0f);
    for (int64_t n = begin; n < end; ++n) total += load(inp + n * C + c, lanes);
    store(out + c, total * inverse, lanes);
  });
}

template <class T>
static void mean_backward(T* dinp, const T* dout, int64_t begin, int64_t end, int64_t C, int64_t first, int64_t last,
                          bool accumulate) {
  const float inverse = end > begin ? 1.0f / static_cast<float>(end - begin) : 0.0f;
  for (int64_t n = begin; n < end; ++n) {
    T* to = dinp + n * C;
    for_vectors(first, last, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
      vf d = load(dout + c, lanes) * inverse;
      store(to + c, accumulate ? load(to + c, lanes) + d : d, lanes);
    });
  }
}

// Calls body(b, first, last) for each sequence and block of columns.
template <class Body>
static inline void parallel_sequences(attune_context* ctx, int64_t B, int64_t C, Body&& body) {
  int64_t blocks = (C + kColumns - 1) / kColumns;
  parallel(ctx, B * blocks, [&](int64_t task, int32_t) {
    int64_t first = task % blocks * kColumns;
    body(task / blocks, first, first + kColumns < C ? first + kColumns : C);
  });
}

}  // namespace

attune_status gather_rows_fwd(attune_context* ctx, void* out, const void* inp, const int32_t* rows, int64_t M,
                              int64_t C, int32_t dtype) {
  const char* op = "gather_rows_fwd";
  if (M == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_indices(op, "rows", rows, M, int64_t{1} << 31));
  const int64_t bytes = C * (dtype == ATTUNE_F32 ? 4 : 2);
  parallel_range(ctx, M, copy_grain(C), [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t m = begin; m < end; ++m) {
      std::memcpy(static_cast<char*>(out) + m * bytes, static_cast<const char*>(inp) + rows[m] * bytes,
                  static_cast<size_t>(bytes));
    }
  });
  return ATTUNE_OK;
}

attune_status gather_rows_bwd(attune_context* ctx, void* dinp, const void* dout, const int32_t* rows, int64_t N,
                              int64_t M, int64_t C, int32_t accumulate, int32_t dtype) {
  const char* op = "gather_rows_bwd";
  if (M > 0) {
    ATTUNE_CHECK(check_indices(op, "rows", rows, M, N));
  }
  if (accumulate == 0) {
    ATTUNE_CHECK(fill_zero(ctx, dinp, N * C * (dtype == ATTUNE_F32 ? 4 : 2)));
  }
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    // Rows are distinct, so no two tasks write one row.
    parallel_range(ctx, M, copy_grain(C), [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t m = begin; m < end; ++m) {
        const T* from = static_cast<const T*>(dout) + m * C;
        T* to = static_cast<T*>(dinp) + rows[m] * C;
        for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
          vf d = load(from + c, lanes);
          store(to + c, accumulate != 0 ? load(to + c, lanes) + d : d, lanes);
        });
      }
    });
  });
  return ATTUNE_OK;
}

attune_status mean_pool_fwd(attune_context* ctx, void* out, const void* inp, const int32_t* cu_seqlens, int64_t B,
                            int64_t C, int32_t dtype) {
  const char* op = "mean_pool_fwd";
  if (B == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_offsets(op, "cu_seqlens", cu_seqlens, B));
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    parallel_sequences(ctx, B, C, [&](int64_t b, int64_t first, int64_t last) {
      mean_forward(static_cast<T*>(out) + b * C, static_cast<const T*>(inp), cu_seqlens[b], cu_seqlens[b + 1], C, first,
                   last);
    });
  });
  return ATTUNE_OK;
}

attune_status mean_pool_bwd(attune_context* ctx, void* dinp, const void* dout, const int32_t* cu_seqlens, int64_t B,
                            int64_t C, int32_t accumulate, int32_t dtype) {
  const char* op = "mean_pool_bwd";
  if (B == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_offsets(op, "cu_seqlens", cu_seqlens, B));
  with_type(dtype, [&](auto element) {
    using T = decltype(element);
    parallel_sequences(ctx, B, C, [&](int64_t b, int64_t first, int64_t last) {
      mean_backward(static_cast<T*>(dinp), static_cast<const T*>(dout) + b * C, cu_seqlens[b], cu_seqlens[b + 1], C,
                    first, last, accumulate != 0);
    });
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
