// The values of attention that streams them (attention_streamed.h), as registers take them.
//
// Values come a cell of keys at a time, in blocks of as many columns as a vector holds of their type; a block
// has Cell::kWidth accumulators, whose lanes are columns in the order of value_cells().
#ifndef ATTUNE_ATTENTION_VALUES_H
#define ATTUNE_ATTENTION_VALUES_H

#include <cstdint>
#include <cstring>

#include "attention_pack.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {
namespace streamed {

#if defined(__AVX512F__)
constexpr int kSums = 16;  // accumulators of a register block
constexpr int kRowsAtOnce = 8;
#else
constexpr int kSums = 8;
constexpr int kRowsAtOnce = 4;
#endif

// The values of key j, of `keys`, that start at `at`; stride elements between keys.
template <class T>
static inline void value_cells(Single, vf (&cells)[1], const T* at, int64_t, int64_t, int64_t columns) {
  cells[0] = load_some(at, columns);
}
static inline void store_probability(Single, float* row, int64_t j, vf p) { store(row + j, p); }
// A block of accumulators in the order of memory.
static inline void order_columns(Single, vf (&)[1]) {}

#if defined(ATTUNE_BF16_DOTS)
// Pairs of keys: in each quarter the first four columns, then the last four. A key beyond the last counts as zero.
static inline void value_cells(Pair, vf (&cells)[2], const bf16* at, int64_t stride, int64_t keys, int64_t columns) {
  const __m512i even = (__m512i)load_cells(Pair(), at, columns);
  const __m512i odd = keys > 1 ? (__m512i)load_cells(Pair(), at + stride, columns) : __m512i{};
  cells[0] = (vf)_mm512_unpacklo_epi16(even, odd);
  cells[1] = (vf)_mm512_unpackhi_epi16(even, odd);
}
// In place: a cell is two halves, which never overtake the scores they are made from.
static inline void store_probability(Pair, float* row, int64_t j, vf p) {
  const vh half = round_to_bf16(p);
  std::memcpy(reinterpret_cast<char*>(row) + 2 * j, &half, sizeof(half));
}
static inline void order_columns(Pair, vf (&block)[2]) {
  const vf low = block[0], high = block[1];
  block[0] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  block[1] = __builtin_shufflevector(low, high, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
}
#endif

}  // namespace streamed
}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
