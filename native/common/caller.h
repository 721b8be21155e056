// An op of a library as a function of its declared type: what tests and benchmarks call from native code.
#ifndef ATTUNE_CALLER_H
#define ATTUNE_CALLER_H

#include <cstring>

#include "calls.h"

namespace attune {

template <class Argument>
int64_t to_slot(Argument value) {
  if constexpr (std::is_pointer_v<Argument>) {
    return static_cast<int64_t>(reinterpret_cast<intptr_t>(value));
  } else if constexpr (std::is_same_v<Argument, float>) {
    int32_t low;
    std::memcpy(&low, &value, sizeof(low));
    return low;
  } else {
    return value;
  }
}

template <class Function>
struct Caller;

template <class... Arguments>
struct Caller<attune_status(attune_context*, Arguments...)> {
  decltype(&attune_call) call;
  int32_t op;

  attune_status operator()(attune_context* ctx, Arguments... arguments) const {
    const int64_t frame[] = {to_slot(arguments)..., 0};
    return call(ctx, op, frame);
  }
};

// The number of a name; -1 where the library has no such op.
inline int32_t op_number(const char* name, decltype(&attune_op_count) count, decltype(&attune_op_name) name_of) {
  for (int32_t op = 0; op < count(); ++op) {
    if (std::strcmp(name_of(op), name) == 0) return op;
  }
  return -1;
}

// An op of the library that the program is linked with.
template <class Function>
Caller<Function> linked(const char* name) {
  return {&attune_call, op_number(name, &attune_op_count, &attune_op_name)};
}

}  // namespace attune

#endif
