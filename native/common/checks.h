// What checks of all kernels share. Each message names the op, the value and the allowed range.
#ifndef ATTUNE_COMMON_CHECKS_H
#define ATTUNE_COMMON_CHECKS_H

#include <cstdint>

#include "status.h"

namespace attune {

static inline long long ll(int64_t value) { return static_cast<long long>(value); }

}  // namespace attune

#endif
