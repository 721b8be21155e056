// The ops of this library, for those who call them by number.
#include "calls.h"

namespace {

struct Op {
  const char* name;
  const char* kinds;
};

constexpr Op kOps[] = {
#define ATTUNE_ENTRY(op) {#op, attune::Signature<decltype(attune_##op)>::kKinds},
#include "entries.inc"
};

constexpr int32_t kCount = sizeof(kOps) / sizeof(kOps[0]);

}  // namespace

extern "C" {

int32_t attune_op_count(void) { return kCount; }

const char* attune_op_name(int32_t op) { return op >= 0 && op < kCount ? kOps[op].name : nullptr; }

const char* attune_op_kinds(int32_t op) { return op >= 0 && op < kCount ? kOps[op].kinds : nullptr; }

}  // extern "C"
