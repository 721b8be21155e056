// Tiles of the attention kernels, built from strided rows of q, k, v, out and dout. Columns beyond D
// and rows beyond the last one are zero.
//
//   pack_rows       [row][kRowCells]: a cell per column (Single) or per two columns (Pair)
//   pack_summed     the same rows as the B of a product summed over rows: with Single the tile of
//                   pack_rows serves; with Pair a cell holds one column of two neighbouring rows,
//                   [row / 2][kRowCells]
//   pack_transposed [column cell][kBlock]: lanes are rows
//
// Rows lie far apart, so no hardware prefetcher follows them. Packing one head therefore asks for the
// same rows of the next head, which is the next to be packed and D columns further on.
#ifndef ATTUNE_ATTENTION_PACK_H
#define ATTUNE_ATTENTION_PACK_H

#include <cstdint>
#include <cstring>

#include "attention_gemm.h"
#include "attention_math.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

static inline int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// W elements, or the n that are left.
template <class T>
static inline vf load_some(const T* p, int64_t n) {
  return n >= W ? load(p) : load_n(p, static_cast<int>(n));
}
template <class T>
static inline void store_some(T* p, vf value, int64_t n) {
  if (n >= W) {
    store(p, value);
  } else {
    store_n(p, value, static_cast<int>(n));
  }
}

// W cells from a row that has `columns` columns left.
template <class T>
static inline vf load_cells(Single, const T* p, int64_t columns) {
  return load_some(p, columns);
}

template <class T>
static inline void prefetch(const T* p) {
  __builtin_prefetch(p, 0, 2);
}

#if defined(ATTUNE_BF16_PAIRS)
static inline vf load_cells(Pair, const bf16* p, int64_t columns) {
  if (columns >= 2 * W) return (vf)_mm512_loadu_si512(p);
  return (vf)_mm512_maskz_loadu_epi16(static_cast<__mmask32>((1u << columns) - 1u), p);
}
#endif

template <class Cell, class T>
static inline void pack_rows(float* tile, const T* rows, int64_t stride, int64_t count, int64_t D) {
  constexpr int64_t step = W * Cell::kWidth;
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t d = 0; d < D; d += step) {
      prefetch(rows + r * stride + D + d);
      store(tile + r * kRowCells + d / Cell::kWidth, load_cells(Cell(), rows + r * stride + d, D - d));
    }
  }
}

template <class T>
static inline void pack_summed(Single, float* tile, const T* rows, int64_t stride, int64_t count, int64_t D) {
  pack_rows<Single>(tile, rows, stride, count, D);
}

#if defined(ATTUNE_BF16_PAIRS)
static inline void pack_summed(Pair, float* tile, const bf16* rows, int64_t stride, int64_t count, int64_t D) {
  for (int64_t r = 0; r < count; r += 2) {
    const bf16* row = rows + r * stride;
    float* to = tile + r / 2 * kRowCells;
    for (int64_t d = 0; d < D; d += W) {
      // load() leaves a bf16 in the high half of each lane.
      vu even = (vu)load_some(row + d, D - d) >> 16;
      vu odd = r + 1 < count ? (vu)load_some(row + stride + d, D - d) : vu{};
      store(to + d, (vf)(even | odd));
    }
  }
}
#endif

// `vectors` vectors of lanes; rows from `count` on are zero.
template <class Cell, class T>
static inline void pack_transposed(float* tile, const T* rows, int64_t stride, int64_t count, int64_t vectors,
                                   int64_t D) {
  constexpr int64_t step = W * Cell::kWidth;
  const int64_t cells = D / Cell::kWidth;
  for (int64_t v = 0; v < vectors; ++v) {
    for (int64_t d = 0; d < D; d += step) {
      vf block[W];
      for (int r = 0; r < W; ++r) {
        int64_t row = v * W + r;
        if (row < count) {
          prefetch(rows + row * stride + D + d);
          block[r] = load_cells(Cell(), rows + row * stride + d, D - d);
        } else {
          block[r] = vf{};
        }
      }
      transpose(block);
      float* to = tile + d / Cell::kWidth * kBlock + v * W;
      int64_t left = cells - d / Cell::kWidth;
      for (int64_t i = 0; i < (left < W ? left : W); ++i) store(to + i * kBlock, block[i]);
    }
  }
}

// lanes[i] = dot(a row i, b row i) in f32, zero beyond `count`.
template <class T>
static inline void row_dots(float* lanes, const T* a, int64_t a_stride, const T* b, int64_t b_stride, int64_t count,
                            int64_t vectors, int64_t D) {
  for (int64_t v = 0; v < vectors; ++v) {
    vf block[W];
    for (int r = 0; r < W; ++r) {
      int64_t row = v * W + r;
      vf sum{};
      if (row < count) {
        for (int64_t d = 0; d < D; d += W) {
          prefetch(b + row * b_stride + D + d);
          sum = fma(load_some(a + row * a_stride + d, D - d), load_some(b + row * b_stride + d, D - d), sum);
        }
      }
      block[r] = sum;
    }
    transpose(block);
    vf total = block[0];
    for (int r = 1; r < W; ++r) total += block[r];
    store(lanes + v * W, total);
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
