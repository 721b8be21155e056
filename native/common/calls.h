// Calls by number: an op's arguments lie in a frame of 64-bit slots, and the type of its declaration says how to
// read them.
#ifndef ATTUNE_CALLS_H
#define ATTUNE_CALLS_H

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "attune_ops.h"

namespace attune {

// See attune_op_kinds.
template <class Argument>
constexpr char kind_of() {
  if constexpr (std::is_pointer_v<Argument>) {
    return std::is_const_v<std::remove_pointer_t<Argument>> ? 'r' : 'w';
  } else if constexpr (std::is_same_v<Argument, int64_t>) {
    return 'l';
  } else if constexpr (std::is_same_v<Argument, int32_t>) {
    return 'i';
  } else {
    static_assert(std::is_same_v<Argument, float>, "arguments are addresses, int64, int32 and float");
    return 'f';
  }
}

template <class Argument>
Argument from_slot(int64_t slot) {
  if constexpr (std::is_pointer_v<Argument>) {
    return reinterpret_cast<Argument>(static_cast<intptr_t>(slot));
  } else if constexpr (std::is_same_v<Argument, float>) {
    const int32_t low = static_cast<int32_t>(slot);
    float value;
    std::memcpy(&value, &low, sizeof(value));
    return value;
  } else {
    return static_cast<Argument>(slot);
  }
}

template <class Function>
struct Signature;

template <class... Arguments>
struct Signature<attune_status(attune_context*, Arguments...)> {
  static constexpr char kKinds[] = {kind_of<Arguments>()..., '\0'};

  static attune_status call(attune_status (*op)(attune_context*, Arguments...), attune_context* ctx,
                            const int64_t* frame) {
    return call(op, ctx, frame, std::index_sequence_for<Arguments...>{});
  }

 private:
  template <std::size_t... I>
  static attune_status call(attune_status (*op)(attune_context*, Arguments...), attune_context* ctx,
                            [[maybe_unused]] const int64_t* frame, std::index_sequence<I...>) {
    return op(ctx, from_slot<Arguments>(frame[I])...);
  }
};

}  // namespace attune

#endif
