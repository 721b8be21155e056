// Argument checks of the DoRA entries, which the kernels of all devices share.
#ifndef ATTUNE_COMMON_DORA_CHECKS_H
#define ATTUNE_COMMON_DORA_CHECKS_H

#include <cstdint>

#include "checks.h"
#include "quantized_layout.h"

namespace attune {

constexpr int64_t kMaxDoraRank = 256;  // as of LoRA
constexpr int64_t kMaxDoraWidth = 65536;

static inline attune_status check_dora_gain(const float* gain, const float* excess, const float* norm,
                                            const void* weight, const float* down, const float* up,
                                            const float* magnitude, int64_t rows, int64_t first_row, int64_t F,
                                            int64_t C, int64_t R, float scale, int32_t weight_dtype) {
  const char* op = "dora_gain";
  const bool quantized = weight_dtype == ATTUNE_NF4 || weight_dtype == ATTUNE_INT8;
  ATTUNE_REQUIRE(quantized || weight_dtype == ATTUNE_F32 || weight_dtype == ATTUNE_BF16,
                 "%s: weight_dtype is %d, must be %d (f32), %d (bf16), %d (nf4) or %d (int8)", op, weight_dtype,
                 ATTUNE_F32, ATTUNE_BF16, ATTUNE_NF4, ATTUNE_INT8);
  ATTUNE_CHECK(check_matrix(op, "rows", rows, "C", C));
  ATTUNE_REQUIRE(!quantized || C % QuantizedLayout::kBlock == 0, "%s: C is %lld, must be a multiple of %lld", op, ll(C),
                 ll(QuantizedLayout::kBlock));
  ATTUNE_REQUIRE(R >= 1 && R <= kMaxDoraRank, "%s: R is %lld, must be 1..%lld", op, ll(R), ll(kMaxDoraRank));
  ATTUNE_REQUIRE(F >= 1 && F <= rows, "%s: F is %lld, must be 1..rows = %lld", op, ll(F), ll(rows));
  ATTUNE_REQUIRE(first_row >= 0 && first_row <= rows - F, "%s: first_row is %lld, must be 0..rows - F = %lld", op,
                 ll(first_row), ll(rows - F));
  ATTUNE_CHECK(check_finite(op, "scale", scale));
  ATTUNE_CHECK(check_pointer(op, "norm", norm));
  ATTUNE_CHECK(check_pointer(op, "weight", weight));
  ATTUNE_CHECK(check_pointer(op, "down", down));
  ATTUNE_CHECK(check_pointer(op, "up", up));
  if (gain == nullptr && excess == nullptr && magnitude == nullptr) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer(op, "gain", gain));
  ATTUNE_CHECK(check_pointer(op, "excess", excess));
  return check_pointer(op, "magnitude", magnitude);
}

static inline attune_status check_dora_fwd(const void* out, const void* inp, const float* gain, int64_t N, int64_t F,
                                           int32_t dtype) {
  const char* op = "dora_fwd";
  ATTUNE_CHECK(check_dtype(op, "dtype", dtype));
  ATTUNE_CHECK(check_matrix(op, "N", N, "F", F));
  if (N == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer(op, "out", out));
  ATTUNE_CHECK(check_pointer(op, "inp", inp));
  return check_pointer(op, "gain", gain);
}

static inline attune_status check_dora_bwd(const void* dinp, const float* dmagnitude, const void* dout, const void* inp,
                                           const float* gain, const float* norm, int64_t N, int64_t F, int64_t stride,
                                           int32_t dtype) {
  const char* op = "dora_bwd";
  ATTUNE_CHECK(check_dtype(op, "dtype", dtype));
  ATTUNE_REQUIRE(F >= 1 && F <= kMaxDoraWidth, "%s: F is %lld, must be 1..%lld", op, ll(F), ll(kMaxDoraWidth));
  ATTUNE_CHECK(check_count(op, "N", N));
  ATTUNE_CHECK(check_stride(op, "stride", stride, N, F));
  if (N == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer(op, "dinp", dinp));
  ATTUNE_CHECK(check_pointer(op, "dout", dout));
  ATTUNE_CHECK(check_pointer(op, "gain", gain));
  if (dmagnitude == nullptr) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer(op, "inp", inp));
  return check_pointer(op, "norm", norm);
}

}  // namespace attune

#endif
