// The register tile of the matrix products: MR rows x NV vectors of columns, f32 accumulators that
// live in registers for the whole depth.
//
// The depth (K) is counted in steps of four bytes: one f32, or a pair of bf16 that one dot-product
// instruction consumes. Operands are therefore arrays of 32-bit steps for both types, and one source
// serves both; only `multiply_add` tells them apart.
//   A  rows of steps, broadcast one step at a time: either the caller's row-major activations as they
//      lie in memory, or a packed panel (below), which is A transposed.
//   B  a packed panel: for each step kColumns (or nv * W in a narrower one) consecutive columns.
//
// Every output element is the sum over its depth in ascending order, whatever tile it falls into: the
// split into rows, columns and tasks is free to follow the number of threads.
#ifndef ATTUNE_GEMM_H
#define ATTUNE_GEMM_H

#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>

#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// 24 accumulators of 32 registers, or 12 of 16: three (two) loads of B and eight (six) broadcasts of A
// per step feed them, well under the load ports, and their number covers the latency of the pipes.
#if defined(__AVX512F__)
constexpr int kRows = 8;
constexpr int kVectors = 3;
#else
constexpr int kRows = 6;
constexpr int kVectors = 2;
#endif
constexpr int kColumns = kVectors * W;
// Steps of one turn of the tile's loop: with 12 multiplications a step its counting shows where another thread shares
// the core. From four on GCC 12 runs out of registers.
#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr int kUnroll = 2;
#else
constexpr int kUnroll = 1;
#endif

// What the tile multiplies.
struct F32Product {
  static constexpr int kDepth = 1;  // elements per step
  using Element = float;
  static inline vf multiply_add(vf sum, vu a, vu b) { return fma((vf)a, (vf)b, sum); }
};
#if defined(ATTUNE_BF16_DOTS)
struct Bf16Product {
  static constexpr int kDepth = 2;
  using Element = bf16;
  static inline vf multiply_add(vf sum, vu a, vu b) {
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif

static inline vu load_steps(const uint32_t* p) {
  vu out;
  std::memcpy(&out, p, sizeof(out));
  return out;
}

// How the tile reads A: the step of row m at depth s.
struct RowMajorA {
  const char* base;
  int64_t row_bytes;
  bool half;  // after the last whole step one bf16 is left
};
// A itself packed, in strips of kStrip of its rows: whole vectors that tiles share, or with 16 registers one tile's
// rows, since the L1 has no room for the cells of others. Packing such a strip writes up to W cells past its end.
#if defined(__AVX512F__)
constexpr int kStrip = std::lcm(kRows, W);
#else
constexpr int kStrip = kRows;
#endif
struct PackedA {
  const uint32_t* base;
  int64_t strip_width;
  int64_t width() const { return kStrip == kRows ? kStrip : strip_width; }
};
// The width of a strip of which `rows` rows are left.
static inline int64_t strip_width(int64_t rows) {
  if (kStrip % W != 0 || rows >= kStrip) return kStrip;
  return (rows + W - 1) / W * W;
}

// Memory that is needed when the tile is done, fetched while it multiplies: a few lines at a time, since
// a burst of misses would hold up the loads of the operands.
struct Prefetch {
  static constexpr int kArrays = 3;
  const char* arrays[kArrays] = {};  // at the tile's first row; null: none
  int64_t row_bytes = 0;
  int64_t bytes = 0;            // of each row
  const char* later = nullptr;  // what a later tile reads, for the L2, in rows of its own
  int64_t later_row_bytes = 0;
  int64_t later_bytes = 0;

  void row(int m) const {
    for (const char* array : arrays) {
      if (array == nullptr) continue;
      const char* begin = array + m * row_bytes;
      for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(begin + at, 1);
      __builtin_prefetch(begin + bytes - 1, 1);
    }
    const char* begin = later + m * later_row_bytes;
    for (int64_t at = 0; at < later_bytes; at += 64) __builtin_prefetch(begin + at, 0, 2);
  }
};

// sums (kTileRows x kTileVectors * W, row stride `stride`) (+)= A B over `steps` steps. Each block of the
// depth is summed from zero and added once: short chains of additions lose less to rounding.
template <class Product, int kTileRows, int kTileVectors, class A>
static void tile(const A& a, const uint32_t* b, int64_t steps, float* sums, int64_t stride, bool add,
                 const Prefetch& prefetch) {
  vf acc[kTileRows][kTileVectors];
#pragma GCC unroll 8
  for (int m = 0; m < kTileRows; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) acc[m][v] = vf{};
  }
  // body(s, steps): `steps`, a constant, from step s on.
  auto each_part = [](int64_t count, const Prefetch& lines, auto&& body) __attribute__((always_inline)) {
    int64_t s = 0;
    for (int m = 0; m < kTileRows; ++m) {
      lines.row(m);
      const int64_t end = count * (m + 1) / kTileRows / kUnroll * kUnroll;
      for (; s < end; s += kUnroll) body(s, std::integral_constant<int, kUnroll>{});
    }
    if constexpr (kUnroll > 1) {
      for (; s < count; ++s) body(s, std::integral_constant<int, 1>{});
    }
  };
  // Step number i from b on.
  auto step = [&](int i, auto&& a_step) __attribute__((always_inline)) {
    vu bv[kTileVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) bv[v] = load_steps(b + (i * kTileVectors + v) * W);
#pragma GCC unroll 8
    for (int m = 0; m < kTileRows; ++m) {
      vu av = vu{} + a_step(m);
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) acc[m][v] = Product::multiply_add(acc[m][v], av, bv[v]);
    }
  };
  if constexpr (std::is_same_v<A, PackedA>) {
    const uint32_t* column = a.base;
    each_part(
        steps, prefetch, [&](int64_t, auto count) __attribute__((always_inline)) {
#pragma GCC unroll 8
          for (int i = 0; i < count.value; ++i) {
            step(
                i, [&](int m) __attribute__((always_inline)) { return column[i * a.width() + m]; });
          }
          column += count.value * a.width();
          b += count.value * kTileVectors * W;
        });
  } else {
    const char* row[kTileRows];
#pragma GCC unroll 8
    for (int m = 0; m < kTileRows; ++m) row[m] = a.base + m * a.row_bytes;
    each_part(
        steps, prefetch, [&](int64_t s, auto count) __attribute__((always_inline)) {
#pragma GCC unroll 8
          for (int i = 0; i < count.value; ++i) {
            step(
                i, [&](int m) __attribute__((always_inline)) {
                  uint32_t bits;
                  std::memcpy(&bits, row[m] + 4 * (s + i), 4);
                  return bits;
                });
          }
          b += count.value * kTileVectors * W;
        });
    if constexpr (Product::kDepth == 2) {
      // The second half of the last pair is not ours to read; it counts as zero.
      if (a.half) {
        step(
            0, [&](int m) __attribute__((always_inline)) {
              uint16_t bits;
              std::memcpy(&bits, row[m] + 4 * steps, 2);
              return uint32_t{bits};
            });
      }
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < kTileRows; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) {
      float* at = sums + m * stride + v * W;
      store(at, add ? load(at) + acc[m][v] : acc[m][v]);
    }
  }
}

// The tile of the given size (1..kRows, 1..kVectors).
template <class Product, int kTileRows = kRows, int kTileVectors = kVectors, class A>
static inline void run_tile(int rows, int vectors, const A& a, const uint32_t* b, int64_t steps, float* sums,
                            int64_t stride, bool add, const Prefetch& prefetch) {
  if constexpr (kTileRows > 1) {
    if (rows < kTileRows) {
      return run_tile<Product, kTileRows - 1, kTileVectors>(rows, vectors, a, b, steps, sums, stride, add, prefetch);
    }
  }
  if constexpr (kTileVectors > 1) {
    if (vectors < kTileVectors) {
      return run_tile<Product, kTileRows, kTileVectors - 1>(rows, vectors, a, b, steps, sums, stride, add, prefetch);
    }
  }
  tile<Product, kTileRows, kTileVectors>(a, b, steps, sums, stride, add, prefetch);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
