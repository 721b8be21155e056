// Relative position bias in the tiled attention kernels.
//
// A tile of scores has the same bias along its diagonals, so it needs a strip of a tile's offsets only. Lanes are
// queries: along them the offset of a key falls, and a strip turned around is what a vector of lanes loads, at a place
// that moves by one from key to key. The gradient goes the other way: its sums along the diagonals are such a strip.
#ifndef ATTUNE_ATTENTION_BIAS_H
#define ATTUNE_ATTENTION_BIAS_H

#include <cstdint>
#include <cstring>
#include <utility>

#include "attention_tiles.h"

namespace attune {
namespace ATTUNE_ISA {

template <size_t... L>
static inline vf turned_around(vf a, std::index_sequence<L...>) {
  return __builtin_shufflevector(a, a, (W - 1 - static_cast<int>(L))...);
}
static inline vf turned_around(vf a) { return turned_around(a, std::make_index_sequence<W>()); }

// The place of an offset in a row of 2 reach + 1.
static inline int64_t bias_place(int64_t reach, int64_t offset) {
  return reach + (offset < -reach ? -reach : offset > reach ? reach : offset);
}

constexpr int64_t kBiasStrip = kTile + kBlock;  // floats of a strip: a tile has one offset fewer

// Where the sums of the scores of a tile begin: the bias in units of the scores before they are scaled.
static inline void start_scores(const AttentionProblem& a, int64_t b, int64_t head, float* scores, int64_t i0,
                                int64_t vectors, int64_t j0, int64_t keys) {
  const vf factor = splat(kLog2e / a.log2_scale());
  const float* row = a.bias + head * (2 * a.reach + 1);
  // strip[i - j + keys - 1] belongs to query i0 + i and key j0 + j.
  float strip[kBiasStrip];
  const int64_t first = j0 + keys - 1 - i0 - a.offset(b);
  for (int64_t x = 0; x < vectors * W + keys - 1; x += W) {
    const int64_t last = first - x - (W - 1);
    vf values;
    if (last >= -a.reach && first - x <= a.reach) {
      values = turned_around(load(row + a.reach + last));
    } else {
      for (int i = 0; i < W; ++i) values[i] = row[bias_place(a.reach, first - x - i)];
    }
    store(strip + x, values * factor);
  }
  for (int64_t j = 0; j < keys; ++j) {
    for (int64_t v = 0; v < vectors; ++v) store(scores + j * kBlock + v * W, load(strip + keys - 1 - j + v * W));
  }
}

// Sums of the gradients of a tile's scores along its diagonals. A vector of lanes of key j = W n + r lies on a row of
// its own for each r, where its place is a whole vector: keys in turn then meet different cache lines, and no load
// waits for the store before it.
class DiagonalSums {
 public:
  void clear(int64_t vectors, int64_t keys) {
    first_ = kBefore - (keys - 1) / W;
    after_ = kBefore + vectors;
    for (int r = 0; r < W; ++r) {
      for (int64_t m = first_ - 1; m <= after_; ++m) store(rows_[r] + (m + 1) * W, vf{});
    }
  }

  // The gradients of key j of the tile and of vector v of its queries.
  void add(int64_t j, int64_t v, vf gradient) {
    float* at = rows_[j % W] + (v - j / W + kBefore + 1) * W;
    store(at, load(at) + gradient);
  }

  // Adds the sums to the partial gradient of the bias (2 reach + 1).
  void add_to(float* partial, const AttentionProblem& a, int64_t b, int64_t i0, int64_t j0) const {
    // Element y of the sum of the rows belongs to i - j = y - (kTile - 1).
    const int64_t offset = j0 + kTile - 1 - i0 - a.offset(b);
    for (int64_t m = first_; m <= after_; ++m) {
      vf total{};
      for (int r = 0; r < W; ++r) total += load(rows_[r] + (m + 1) * W + r - (W - 1));
      const int64_t most = offset - m * W, last = most - (W - 1);
      if (last >= -a.reach && most <= a.reach) {
        float* at = partial + a.reach + last;
        store(at, load(at) + turned_around(total));
      } else {
        for (int i = 0; i < W; ++i) partial[bias_place(a.reach, most - i)] += total[i];
      }
    }
  }

 private:
  static constexpr int64_t kBefore = kTile / W - 1;  // where vector 0 of the first keys lies, behind a vector of zeros

  // A vector of zeros in front of those in use and one behind.
  float rows_[W][(kTile / W + kBlockVectors + 1) * W];
  int64_t first_, after_;
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
