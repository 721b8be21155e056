// Sums over the lanes of several vectors at once.
#ifndef ATTUNE_LANE_SUMS_H
#define ATTUNE_LANE_SUMS_H

#include <cstddef>
#include <utility>

#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Sums of neighbouring groups of S lanes: those of a where bit S of the lane is clear, those of b where it is set.
template <int S, size_t... L>
static inline vf add_groups(vf a, vf b, std::index_sequence<L...>) {
  constexpr size_t s = S;
  const vf low = __builtin_shufflevector(a, b, ((L & s) ? size_t{W} + L - s : L)...);
  const vf high = __builtin_shufflevector(a, b, ((L & s) ? size_t{W} + L : L + s)...);
  return low + high;
}

// Lane l becomes the sum of the lanes of vectors[l % Count], by a tree that is the same for every Count. Count is a
// power of two, at most W; the vectors are scratch afterwards.
template <int Count, int S = 1>
static inline __attribute__((always_inline)) vf sum_across(vf* vectors) {
  if constexpr (S == W) {
    return vectors[0];
  } else {
    constexpr auto lanes = std::make_index_sequence<W>{};
    if constexpr (S < Count) {
#pragma GCC unroll 16
      for (int i = 0; i < Count; i += 2 * S) vectors[i] = add_groups<S>(vectors[i], vectors[i + S], lanes);
    } else {
      vectors[0] = add_groups<S>(vectors[0], vectors[0], lanes);
    }
    return sum_across<Count, 2 * S>(vectors);
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
