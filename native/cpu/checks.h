// Argument checks that need the host's eyes, and the choice of an element type.
#ifndef ATTUNE_CHECKS_H
#define ATTUNE_CHECKS_H

#include <cstdint>

#include "../common/checks.h"
#include "context.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Every index in 0..limit-1. Returned before anything is written.
static inline attune_status check_indices(const char* op, const char* name, const int32_t* indices, int64_t count,
                                          int64_t limit) {
  for (int64_t i = 0; i < count; ++i) {
    ATTUNE_REQUIRE(indices[i] >= 0 && indices[i] < limit, "%s: %s[%lld] is %d, must be 0..%lld", op, name, ll(i),
                   indices[i], ll(limit - 1));
  }
  return ATTUNE_OK;
}

// Offsets that start at 0 or later and do not fall.
static inline attune_status check_offsets(const char* op, const char* name, const int32_t* offsets, int64_t B) {
  ATTUNE_REQUIRE(offsets[0] >= 0, "%s: %s[0] is %d, must be at least 0", op, name, offsets[0]);
  for (int64_t b = 0; b < B; ++b) {
    ATTUNE_REQUIRE(offsets[b + 1] >= offsets[b], "%s: %s[%lld] is %d, must be at least %d (the one before)", op, name,
                   ll(b + 1), offsets[b + 1], offsets[b]);
  }
  return ATTUNE_OK;
}

// Calls body with a value of the element type that dtype names.
template <class Body>
static inline void with_type(int32_t dtype, Body&& body) {
  if (dtype == ATTUNE_F32) {
    body(float{});
  } else {
    body(bf16{});
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
