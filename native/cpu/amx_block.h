// A block of 2 x 2 tiles: 32 rows x 32 columns of sums. A step is 32 of the depth: two tiles of A, two of B and four
// products, for which the tile unit is busy for 64 cycles, while the vector units are free for other work.
#ifndef ATTUNE_AMX_BLOCK_H
#define ATTUNE_AMX_BLOCK_H

#include <cstdint>

#include "amx.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kPanel = 32;                   // columns, and rows, of a block of sums
constexpr int64_t kStepBytes = 2 * tmm::kBytes;  // of an operand of a block
static_assert(kPanel == tmm::kDepth, "a step is as deep as a panel is wide");
constexpr int64_t kPageBytes = 4096;

// The two tiles of A of a step, where they lie, and the distance to those of the next one.
struct TileRows {
  const char* first;
  const char* second;
  int64_t pitch, step;
};
static inline TileRows packed_rows(const char* at) { return {at, at + tmm::kBytes, 64, kStepBytes}; }

// beside(): after each step. kSecond: whether there are more than 16 rows.
template <bool kSecond, class Beside>
static inline __attribute__((always_inline)) void tile_steps(TileRows a, const char* b, int64_t steps, Beside& beside) {
  for (int64_t k = 0; k < steps; ++k) {
    tmm::load_passing<6>(b, 64);
    tmm::load<4>(a.first, a.pitch);
    tmm::product<0, 4, 6>();
    tmm::load_passing<7>(b + tmm::kBytes, 64);
    tmm::product<1, 4, 7>();
    if constexpr (kSecond) {
      tmm::load<5>(a.second, a.pitch);
      tmm::product<2, 5, 6>();
      tmm::product<3, 5, 7>();
      a.second += a.step;
    }
    a.first += a.step;
    b += kStepBytes;
    beside();
  }
}

// The sums of a block, f32 or i32, before its first step (null: zero), and after its last; rows are `stride` apart.
template <class Sum>
static inline __attribute__((always_inline)) void begin_sums(const Sum* from, int64_t stride) {
  static_assert(sizeof(Sum) == 4, "a tile has 16 x 16 sums");
  if (from == nullptr) {
    tmm::zero<0>();
    tmm::zero<1>();
    tmm::zero<2>();
    tmm::zero<3>();
  } else {
    tmm::load<0>(from, stride * 4);
    tmm::load<1>(from + 16, stride * 4);
    tmm::load<2>(from + 16 * stride, stride * 4);
    tmm::load<3>(from + 16 * stride + 16, stride * 4);
  }
}
template <class Sum>
static inline __attribute__((always_inline)) void end_sums(Sum* to, int64_t stride) {
  tmm::store<0>(to, stride * 4);
  tmm::store<1>(to + 16, stride * 4);
  tmm::store<2>(to + 16 * stride, stride * 4);
  tmm::store<3>(to + 16 * stride + 16, stride * 4);
}

// to (32, 32) = from (null: zero) + A B; rows of both are `stride` floats apart.
template <class Beside>
static inline __attribute__((always_inline)) void tile_block(const TileRows& a, int rows, const char* b, int64_t steps,
                                                             const float* from, float* to, int64_t stride,
                                                             Beside&& beside) {
  begin_sums(from, stride);
  if (rows > tmm::kRows) {
    tile_steps<true>(a, b, steps, beside);
  } else {
    tile_steps<false>(a, b, steps, beside);
  }
  end_sums(to, stride);
}

// What is left of something, where tiles are cut off it: at least 0 and at most `most`.
static inline int tile_part(int64_t left, int64_t most) {
  return static_cast<int>(left < 0 ? 0 : left < most ? left : most);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
