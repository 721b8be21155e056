// How a failure travels: a status is returned, the message stays behind in the thread.
#ifndef ATTUNE_STATUS_H
#define ATTUNE_STATUS_H

#include "attune_ops.h"

#define ATTUNE_REQUIRE(condition, ...)                                             \
  do {                                                                             \
    if (!(condition)) return ::attune::fail(ATTUNE_INVALID_ARGUMENT, __VA_ARGS__); \
  } while (0)

// Hands on the failure of a check that is a function.
#define ATTUNE_CHECK(call)                                                 \
  do {                                                                     \
    if (attune_status status = (call); status != ATTUNE_OK) return status; \
  } while (0)

namespace attune {

// Thread-local message of the last failure; returns the status, so that kernels can
// `return fail(ATTUNE_INVALID_ARGUMENT, "…")`.
attune_status fail(attune_status status, const char* format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

}  // namespace attune

#endif
