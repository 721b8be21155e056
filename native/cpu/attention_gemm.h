// Small matrix products of the attention kernels on scratch tiles.
//
// A tile is made of 32-bit cells, declared float* whatever they hold: one f32 each (Single), or two
// bf16 that are neighbours along the summed dimension (Pair, on machines with vdpbf16ps, which does
// twice the work per instruction and accumulates in f32, or with matrix tiles). C is always f32.
//
// Every element of C is one chain of multiply-adds (on matrix tiles, of steps) in rising k, so results
// do not depend on how a product is cut into blocks.
#ifndef ATTUNE_ATTENTION_GEMM_H
#define ATTUNE_ATTENTION_GEMM_H

#include <cstdint>
#include <cstring>

#include "amx.h"
#include "simd.h"

#if defined(__AVX512BF16__)
#define ATTUNE_BF16_PAIRS 1
#endif
#if defined(ATTUNE_TILES) && defined(ATTUNE_BF16_PAIRS)
#include "amx_cells.h"
#endif

namespace attune {
namespace ATTUNE_ISA {

// Leading dimensions, in cells. Constants, so that the rows of a register block are displacements of
// one pointer instead of a register each.
constexpr int kRowCells = 272;  // tiles with a row per token: 256 plus a line, an odd number of lines
// Tiles with a column per query: the most queries of one block. Matrix tiles want whole steps of 32.
#if defined(ATTUNE_TILES)
constexpr int kBlock = 64;
#else
constexpr int kBlock = 48;
#endif

struct Single {
  static constexpr int kWidth = 1;  // summed elements per cell
  struct Session {};                // what a task that multiplies needs
  // splat() adds to zero, which an exact compiler must really do (-0 becomes 0) for every cell.
  static inline vf broadcast(const float* cell) {
#if defined(__AVX512F__)
    return (vf)_mm512_set1_ps(*cell);
#elif defined(__AVX2__)
    return (vf)_mm256_set1_ps(*cell);
#else
    vf out;
    for (int i = 0; i < W; ++i) out[i] = *cell;
    return out;
#endif
  }
  static inline vf multiply_add(vf a, vf b, vf sum) { return fma(a, b, sum); }
};

#if defined(ATTUNE_BF16_PAIRS)
struct Pair {
  static constexpr int kWidth = 2;
#if defined(ATTUNE_TILES)
  using Session = tmm::Session;
#else
  struct Session {};
  static inline vf broadcast(const float* cell) {
    int32_t bits;
    std::memcpy(&bits, cell, 4);
    return (vf)_mm512_set1_epi32(bits);
  }
  static inline vf multiply_add(vf a, vf b, vf sum) {
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
#endif
};
#endif

// Register blocks of rows x vectors that leave room for one row of B and one cell of A.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kMaxVectors = 4;
constexpr int kMaxRows[kMaxVectors + 1] = {0, 12, 12, 8, 6};
#else
constexpr int kMaxVectors = 2;
constexpr int kMaxRows[kMaxVectors + 1] = {0, 12, 6};
#endif

// C (R, V * W) (+)= A (R, k) B (k, V * W); A(r, k) is cell a[r * RS + k * KS].
template <class Cell, int RS, int KS, int R, int V>
static void block_product(float* c, int64_t ldc, const float* a, const float* b, int64_t ldb, int64_t k,
                          bool accumulate) {
  vf sum[R][V];
  if (accumulate) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[r][v] = load(c + r * ldc + v * W);
    }
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[r][v] = vf{};
    }
  }
  for (int64_t i = 0; i < k; ++i) {
    vf row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) row[v] = load(b + v * W);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      vf cell = Cell::broadcast(a + r * RS);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[r][v] = Cell::multiply_add(cell, row[v], sum[r][v]);
    }
    a += KS;
    b += ldb;
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(c + r * ldc + v * W, sum[r][v]);
  }
}

typedef void (*BlockProduct)(float*, int64_t, const float*, const float*, int64_t, int64_t, bool);

template <class Cell, int RS, int KS>
static BlockProduct block_product_of(int rows, int vectors) {
#define ATTUNE_ROW(R)                                                              \
  {                                                                                \
    block_product<Cell, RS, KS, (R <= kMaxRows[1] ? R : 1), 1>,                    \
        block_product<Cell, RS, KS, (R <= kMaxRows[2] ? R : 1), 2>, ATTUNE_WIDE(R) \
  }
#if defined(__AVX512F__) || defined(__aarch64__)
#define ATTUNE_WIDE(R) \
  block_product<Cell, RS, KS, (R <= kMaxRows[3] ? R : 1), 3>, block_product<Cell, RS, KS, (R <= kMaxRows[4] ? R : 1), 4>
#else
#define ATTUNE_WIDE(R)
#endif
  static constexpr BlockProduct table[12][kMaxVectors] = {
      ATTUNE_ROW(1), ATTUNE_ROW(2), ATTUNE_ROW(3), ATTUNE_ROW(4),  ATTUNE_ROW(5),  ATTUNE_ROW(6),
      ATTUNE_ROW(7), ATTUNE_ROW(8), ATTUNE_ROW(9), ATTUNE_ROW(10), ATTUNE_ROW(11), ATTUNE_ROW(12)};
#undef ATTUNE_WIDE
#undef ATTUNE_ROW
  return table[rows - 1][vectors - 1];
}

// The product below, cut into even register blocks: 25 rows are 9 + 8 + 8, not 12 + 12 + 1.
template <class Cell, int RS, int KS>
static inline void product_of_vectors(float* c, int64_t ldc, const float* a, const float* b, int64_t ldb, int64_t rows,
                                      int64_t vectors, int64_t k, bool accumulate) {
  int64_t column_blocks = (vectors + kMaxVectors - 1) / kMaxVectors;
  for (int64_t block = 0, v = 0; block < column_blocks; ++block) {
    int width = static_cast<int>((vectors - v + column_blocks - block - 1) / (column_blocks - block));
    int64_t row_blocks = (rows + kMaxRows[width] - 1) / kMaxRows[width];
    for (int64_t i = 0, r = 0; i < row_blocks; ++i) {
      int height = static_cast<int>((rows - r + row_blocks - i - 1) / (row_blocks - i));
      block_product_of<Cell, RS, KS>(height, width)(c + r * ldc + v * W, ldc, a + r * RS, b + v * W, ldb, k,
                                                    accumulate);
      r += height;
    }
    v += width;
  }
}

// C (rows, vectors * W) (+)= A (rows, k) B (k, vectors * W), k in cells.
template <class Cell, int RS, int KS>
static inline void product(float* c, int64_t ldc, const float* a, const float* b, int64_t ldb, int64_t rows,
                           int64_t vectors, int64_t k, bool accumulate) {
#if defined(ATTUNE_TILES) && defined(ATTUNE_BF16_PAIRS)
  if constexpr (Cell::kWidth == 2) {
    TileCells<RS, KS>::product(c, ldc, a, b, ldb, rows, vectors * W, k, accumulate);
    return;
  } else
#endif
    product_of_vectors<Cell, RS, KS>(c, ldc, a, b, ldb, rows, vectors, k, accumulate);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
