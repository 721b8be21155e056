// Argument checks that the kernels of all devices share. Each message names the op, the value and the
// allowed range.
#ifndef ATTUNE_COMMON_CHECKS_H
#define ATTUNE_COMMON_CHECKS_H

#include <cstdint>

#include "status.h"

namespace attune {

static inline long long ll(int64_t value) { return static_cast<long long>(value); }

// No tensor is larger: offsets in bytes then stay far from overflow.
constexpr int64_t kMaxElements = int64_t{1} << 48;

static inline attune_status check_dtype(const char* op, const char* name, int32_t dtype) {
  ATTUNE_REQUIRE(dtype == ATTUNE_F32 || dtype == ATTUNE_BF16, "%s: %s is %d, must be 0 (f32) or 1 (bf16)", op, name,
                 dtype);
  return ATTUNE_OK;
}

static inline attune_status check_count(const char* op, const char* name, int64_t count) {
  ATTUNE_REQUIRE(count >= 0 && count <= kMaxElements, "%s: %s is %lld, must be 0..2^48", op, name, ll(count));
  return ATTUNE_OK;
}

// A matrix of `rows` rows and at least one column.
static inline attune_status check_matrix(const char* op, const char* rows_name, int64_t rows, const char* columns_name,
                                         int64_t columns) {
  ATTUNE_CHECK(check_count(op, rows_name, rows));
  ATTUNE_REQUIRE(columns >= 1 && columns <= kMaxElements, "%s: %s is %lld, must be 1..2^48", op, columns_name,
                 ll(columns));
  ATTUNE_REQUIRE(rows <= kMaxElements / columns, "%s: %s * %s is %lld * %lld, must be at most 2^48", op, rows_name,
                 columns_name, ll(rows), ll(columns));
  return ATTUNE_OK;
}

// `rows` rows of `width` elements, `stride` elements apart.
static inline attune_status check_stride(const char* op, const char* name, int64_t stride, int64_t rows,
                                         int64_t width) {
  ATTUNE_REQUIRE(stride >= width && stride <= kMaxElements && rows <= kMaxElements / stride,
                 "%s: %s is %lld, must be at least %lld (elements of a row), times %lld rows at most 2^48", op, name,
                 ll(stride), ll(width), ll(rows));
  return ATTUNE_OK;
}

static inline attune_status check_pointer(const char* op, const char* name, const void* pointer) {
  ATTUNE_REQUIRE(pointer != nullptr, "%s: %s is null, must be an address", op, name);
  return ATTUNE_OK;
}

static inline attune_status check_probability(const char* op, const char* name, float p) {
  ATTUNE_REQUIRE(p >= 0.0f && p < 1.0f, "%s: %s is %g, must be in [0, 1)", op, name, static_cast<double>(p));
  return ATTUNE_OK;
}

static inline bool is_finite(float value) { return value - value == 0.0f; }

static inline attune_status check_finite(const char* op, const char* name, float value) {
  ATTUNE_REQUIRE(is_finite(value), "%s: %s is %g, must be finite", op, name, static_cast<double>(value));
  return ATTUNE_OK;
}

static inline attune_status check_not_negative(const char* op, const char* name, float value) {
  ATTUNE_REQUIRE(is_finite(value) && value >= 0.0f, "%s: %s is %g, must be finite and at least 0", op, name,
                 static_cast<double>(value));
  return ATTUNE_OK;
}

}  // namespace attune

#endif
