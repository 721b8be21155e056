// Small products on matrix tiles (amx.h) of matrices of 32-bit cells that lie in scratch, each cell a pair of bf16 that
// are neighbours of the depth: what the attention kernels multiply. Sixteen cells of the depth are a step; cells past
// the last one count as zero, rows past the last one are neither read for their values nor written.
#ifndef ATTUNE_AMX_CELLS_H
#define ATTUNE_AMX_CELLS_H

#include <cstdint>
#include <cstring>

#include "amx.h"
#include "attention_math.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kTileCells = 16;  // in each direction of a tile

// C (rows, columns) (+)= A (rows, depth) B (depth, columns); columns is a multiple of 16. A(r, k) is a[r * RS + k *
// KS], of which one is 1.
template <int RS, int KS>
class TileCells {
  static_assert(RS == 1 || KS == 1, "rows of A, or rows of its transpose");

 public:
  static void product(float* c, int64_t ldc, const float* a, const float* b, int64_t ldb, int64_t rows, int64_t columns,
                      int64_t depth, bool accumulate) {
    for (int64_t r = 0; r < rows; r += 2 * kTileCells) {
      const bool two_rows = rows - r > kTileCells;
      for (int64_t j = 0; j < columns; j += 2 * kTileCells) {
        const bool two_columns = columns - j > kTileCells;
        const auto run = two_rows      ? two_columns ? &block<2, 2> : &block<2, 1>
                              : two_columns ? &block<1, 2>
                                       : &block<1, 1>;
        run(c + r * ldc + j, ldc, a + r * RS, b + j, ldb, rows - r, depth, accumulate);
      }
    }
  }

 private:
  using Tile = float[kTileCells * kTileCells];

  // R x C tiles: sums 2 r + c in registers 0..3, A in 4 and 5, B in 6 and 7.
  template <int R, int C>
  static void block(float* c, int64_t ldc, const float* a, const float* b, int64_t ldb, int64_t rows, int64_t depth,
                    bool accumulate) {
    // The last rows go through a copy, since those below them belong to others.
    alignas(64) float last[kTileCells * C * kTileCells];
    const int64_t last_rows = rows < R * kTileCells ? rows - (R - 1) * kTileCells : kTileCells;
    float* to = c + (R - 1) * kTileCells * ldc;
    float* last_sums = to;
    int64_t last_pitch = ldc * 4;
    if (last_rows < kTileCells) {
      last_sums = last, last_pitch = C * kTileCells * 4;
      if (accumulate) copy_rows(last, C * kTileCells, to, ldc, last_rows, C * kTileCells);
    }
    if (accumulate) {
      if constexpr (R == 2) load_sums<0, C>(c, ldc * 4);
      load_sums<2 * (R - 1), C>(last_sums, last_pitch);
    } else {
      tmm::zero<0>();
      tmm::zero<1>();
      tmm::zero<2>();
      tmm::zero<3>();
    }
    int64_t k = 0;
    for (; k + kTileCells <= depth; k += kTileCells) {
      step<R, C>(a + k * KS, kTileCells, b + k * ldb, ldb * 4, kTileCells);
    }
    if (k < depth) {
      alignas(64) Tile rest[C] = {};
      for (int64_t i = 0; i < depth - k; ++i) {
        for (int t = 0; t < C; ++t) std::memcpy(rest[t] + i * kTileCells, b + (k + i) * ldb + t * kTileCells, 64);
      }
      step<R, C>(a + k * KS, depth - k, rest[0], 64, kTileCells * kTileCells);
    }
    if constexpr (R == 2) store_sums<0, C>(c, ldc * 4);
    store_sums<2 * (R - 1), C>(last_sums, last_pitch);
    if (last_rows < kTileCells) copy_rows(to, ldc, last, C * kTileCells, last_rows, C * kTileCells);
  }

  template <int T, int C>
  static void load_sums(const float* from, int64_t pitch) {
    tmm::load<T>(from, pitch);
    if constexpr (C == 2) tmm::load<T + 1>(from + kTileCells, pitch);
  }
  template <int T, int C>
  static void store_sums(float* to, int64_t pitch) {
    tmm::store<T>(to, pitch);
    if constexpr (C == 2) tmm::store<T + 1>(to + kTileCells, pitch);
  }

  // `cells` of the depth; b_step: cells from one tile of B to the next.
  template <int R, int C>
  static inline __attribute__((always_inline)) void step(const float* a, int64_t cells, const float* b, int64_t b_pitch,
                                                         int64_t b_step) {
    tmm::load<6>(b, b_pitch);
    load_rows<4>(a, cells);
    tmm::product<0, 4, 6>();
    if constexpr (C == 2) {
      tmm::load<7>(b + b_step, b_pitch);
      tmm::product<1, 4, 7>();
    }
    if constexpr (R == 2) {
      load_rows<5>(a + kTileCells * RS, cells);
      tmm::product<2, 5, 6>();
      if constexpr (C == 2) tmm::product<3, 5, 7>();
    }
  }

  // Sixteen rows of A: where they lie, if they do so as rows and are whole.
  template <int T>
  static inline __attribute__((always_inline)) void load_rows(const float* a, int64_t cells) {
    if constexpr (KS == 1) {
      if (cells == kTileCells) return tmm::load<T>(a, RS * 4);
    }
    alignas(64) Tile tile = {};
    if constexpr (KS == 1) {
      copy_rows(tile, kTileCells, a, RS, kTileCells, cells);
    } else {
      vf columns[W];
      for (int64_t k = 0; k < W; ++k) columns[k] = k < cells ? load(a + k * KS) : vf{};
      transpose(columns);
      for (int64_t r = 0; r < W; ++r) store(tile + r * kTileCells, columns[r]);
    }
    tmm::load<T>(tile, 64);
  }

  static void copy_rows(float* to, int64_t to_stride, const float* from, int64_t from_stride, int64_t rows,
                        int64_t cells) {
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(to + r * to_stride, from + r * from_stride, static_cast<size_t>(cells) * sizeof(float));
    }
  }
  static_assert(W == kTileCells, "a vector is a row of a tile");
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
