// Sums of squares for gradient clipping: f64 within fixed chunks, the chunks added in order.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "simd.h"
#include "squares.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

static double squares(const float* inp, int64_t count) {
  constexpr int64_t kAhead = 1024;  // the hardware's own fetching stops at the end of a page
  Squares sum;
  int64_t i = 0;
  for (; i + Squares::kStep <= count; i += Squares::kStep) {
    for (int64_t j = 0; j < Squares::kStep; j += 16) __builtin_prefetch(inp + i + j + kAhead);
    sum.add(inp + i, Squares::kStep);
  }
  double out = sum.total();
  for (; i < count; ++i) out += static_cast<double>(inp[i]) * static_cast<double>(inp[i]);
  return out;
}

// Adds chunk(0..count-1) in order. Partial sums lie in worker 0's workspace, as many at a time as fit.
template <class Chunk>
static double ordered_sum(attune_context* ctx, int64_t count, int64_t grain, Chunk&& chunk) {
  double* partials = reinterpret_cast<double*>(ctx->workspace(0));
  constexpr int64_t kRoom = static_cast<int64_t>(kWorkspaceBytes / sizeof(double));
  double out = 0;
  for (int64_t first = 0; first < count; first += kRoom) {
    int64_t here = count - first < kRoom ? count - first : kRoom;
    parallel_range(ctx, here, grain, [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t i = begin; i < end; ++i) partials[i] = chunk(first + i);
    });
    for (int64_t i = 0; i < here; ++i) out += partials[i];
  }
  return out;
}

}  // namespace

attune_status sum_of_squares(attune_context* ctx, double* out, const float* inp, int64_t count) {
  constexpr int64_t kChunk = 4096;
  *out = ordered_sum(ctx, (count + kChunk - 1) / kChunk, 8, [&](int64_t chunk) {
    int64_t begin = chunk * kChunk;
    return squares(inp + begin, count - begin < kChunk ? count - begin : kChunk);
  });
  return ATTUNE_OK;
}

attune_status sum_of_squares_rows(attune_context* ctx, double* out, const float* table, const int32_t* rows, int64_t M,
                                  int64_t C) {
  const char* op = "sum_of_squares_rows";
  if (M > 0) {
    ATTUNE_CHECK(check_indices(op, "rows", rows, M, int64_t{1} << 31));
  }
  *out = ordered_sum(ctx, M, 32768 / C + 1, [&](int64_t m) { return squares(table + rows[m] * C, C); });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
