// Products of few rows with a quantized weight where there is AVX-512, as in decoding. W of its rows are read at a time
// and transposed in registers: lanes are columns of out, and nothing is packed. Every element of out is summed in the
// order of the packed products (gemm.h), block of the depth by block: a row of out has the same bits however many rows
// there are.
#ifndef ATTUNE_LINEAR_FEW_H
#define ATTUNE_LINEAR_FEW_H

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "context.h"
#include "function_ref.h"
#include "gemm.h"
#include "lanes.h"
#include "pack.h"
#include "quantized_weight.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kFewRows = 16;

// What a product makes of its sums: `columns` of each of `rows` rows, f32 with row stride kColumns.
using Epilogue = FunctionRef<void(int64_t row, int rows, int64_t column, int columns, const float* sums)>;

#if defined(__AVX512F__)

constexpr int64_t kLine = sizeof(vu);          // bytes of a row that one step of the transpose takes
constexpr int64_t kFewColumns = 4 * kColumns;  // of a task

// Columns of out that are a task's: long tasks stream longer before they turn to memory that nobody has asked for.
static inline int64_t few_task_columns(attune_context* ctx, int64_t columns) {
  int64_t task_columns = kFewColumns;
  while (task_columns > kColumns && columns / task_columns < 4 * ctx->pool.threads()) task_columns -= kColumns;
  return task_columns;
}

// ---- activations -----------------------------------------------------------------------------------

// Rows of 32-bit steps as the product reads them; rows past the last are the last one again.
struct FewRows {
  const char* base;
  int64_t row_bytes;
  int rows;
  const char* row(int m) const { return base + (m < rows ? m : rows - 1) * row_bytes; }
};

static inline vu broadcast_step(const char* row, int64_t step) {
  uint32_t bits;
  std::memcpy(&bits, row + 4 * step, 4);
  return vu{} + bits;
}

// ---- weights ---------------------------------------------------------------------------------------

// dwords[d] = 32-bit word d of W rows `stride` bytes apart, lanes are rows.
static inline __attribute__((always_inline)) void load_transposed(vu (&dwords)[W], const char* rows, int64_t stride) {
  // 128-bit pieces go to their lanes as they are loaded, which leaves transposes within lanes.
#pragma GCC unroll 4
  for (int q = 0; q < 4; ++q) {
    __m512 piece[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const char* at = rows + j * stride + 16 * q;
      const auto load128 = [](const char* p) { return _mm_loadu_ps(reinterpret_cast<const float*>(p)); };
      __m512 lanes = _mm512_zextps128_ps512(load128(at));
      lanes = _mm512_mask_broadcast_f32x4(lanes, 0x00F0, load128(at + 4 * stride));
      lanes = _mm512_mask_broadcast_f32x4(lanes, 0x0F00, load128(at + 8 * stride));
      piece[j] = _mm512_mask_broadcast_f32x4(lanes, 0xF000, load128(at + 12 * stride));
    }
    const __m512d low01 = (__m512d)_mm512_maskz_unpacklo_ps(0xFFFF, piece[0], piece[1]);
    const __m512d high01 = (__m512d)_mm512_maskz_unpackhi_ps(0xFFFF, piece[0], piece[1]);
    const __m512d low23 = (__m512d)_mm512_maskz_unpacklo_ps(0xFFFF, piece[2], piece[3]);
    const __m512d high23 = (__m512d)_mm512_maskz_unpackhi_ps(0xFFFF, piece[2], piece[3]);
    dwords[4 * q] = (vu)_mm512_maskz_unpacklo_pd(0xFF, low01, low23);
    dwords[4 * q + 1] = (vu)_mm512_maskz_unpackhi_pd(0xFF, low01, low23);
    dwords[4 * q + 2] = (vu)_mm512_maskz_unpacklo_pd(0xFF, high01, high23);
    dwords[4 * q + 3] = (vu)_mm512_maskz_unpackhi_pd(0xFF, high01, high23);
  }
}

// The same where only `valid` rows and `bytes` bytes of each exist; the rest is zero.
static __attribute__((noinline)) void load_transposed_some(vu (&dwords)[W], const char* rows, int64_t stride, int valid,
                                                           int64_t bytes) {
  for (int i = 0; i < W; ++i) {
    dwords[i] = vu{};
    const auto size = static_cast<size_t>(std::min<int64_t>(bytes, sizeof(vu)));
    if (i < valid) std::memcpy(&dwords[i], rows + i * stride, size);
  }
  transpose(dwords);
}

// Two neighbours of the depth as one step of bf16.
#if defined(ATTUNE_BF16_DOTS)
static inline vu pair_step(vf even, vf odd) { return (vu)round_pair(even, odd); }
#endif

// A weight in 4 or 8 bits (quantized_weight.h), whose words are codes: scales are those of the W rows.
template <class Product, class Codes>
struct CodedWeight {
  static constexpr int kElements = Codes::kElements;
  static constexpr int kStepsPerWord = kElements / Product::kDepth;

  Codes codes;
  bool round;  // values to bf16, where the product itself does not

  const char* words(int64_t column, int64_t k) const { return codes.words(column * codes.C + k); }
  int64_t row_bytes() const { return codes.row_bytes(); }

  // A chunk starts a block, or lies within one.
  static constexpr int kBlocks = (W * kElements + QuantizedLayout::kBlock - 1) / QuantizedLayout::kBlock;
  struct Chunk {
    vf scales[kBlocks];
  };
  __attribute__((noinline)) Chunk chunk(int64_t column, int valid, int64_t k) const {
    Chunk out{};
    const int64_t row_blocks = codes.C / QuantizedLayout::kBlock;
    const int64_t first = column * row_blocks + k / QuantizedLayout::kBlock;
    for (int b = 0; b < kBlocks && k + b * QuantizedLayout::kBlock < codes.C; ++b) {
      for (int i = 0; i < valid; ++i) out.scales[b][i] = codes.scale(first + b + i * row_blocks);
    }
    return out;
  }

  vu step(const Chunk& chunk, const vu* words, int at, int part) const {
    const vf scale = chunk.scales[at * kElements / QuantizedLayout::kBlock];
#if defined(ATTUNE_BF16_DOTS)
    if constexpr (Product::kDepth == 2) {
      return pair_step(Codes::value(words[at], 2 * part) * scale, Codes::value(words[at], 2 * part + 1) * scale);
    }
#endif
    const vf value = Codes::value(words[at], part) * scale;
    return (vu)(round ? widen(round_to_bf16(value)) : value);
  }
};

// ---- the product -----------------------------------------------------------------------------------

// sums (rows, W), rows kColumns apart, (+)= a (rows, depth) * columns `column`.., elements k .. k + depth.
// `valid` of the W columns exist. `next` is where the words lie that will be read after these.
template <class Product, int R, class Weight>
static __attribute__((noinline)) void few_block(const Weight& weight, const FewRows& a, float* sums, bool add,
                                                int64_t column, int valid, int64_t k, int64_t depth, const char* next) {
  constexpr int kSteps = Weight::kStepsPerWord;
  constexpr int64_t kChunk = W * Weight::kElements;  // elements of W words
  vf acc[R];
  const char* row[R];
#pragma GCC unroll 16
  for (int m = 0; m < R; ++m) {
    acc[m] = vf{};
    row[m] = a.row(m);
  }
  const char* from = weight.words(column, k);
  const int64_t stride = weight.row_bytes();
  const int64_t row_end = depth * 4 / Weight::kElements;
  int64_t ahead = 0;
  vu words[W];
  int64_t step = 0, at = 0;
  for (; at + kChunk <= depth && valid == W; at += kChunk) {
    // What comes next is asked for row by row, as it lies: the memory serves runs better than W rows in turn.
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) __builtin_prefetch(next + ahead + i * kLine, 0, 2);
    ahead += W * kLine;
    if (ahead >= row_end) {
      ahead = 0;
      next += stride;
    }
    load_transposed(words, from, stride);
    from += 4 * W;
    const auto shared = weight.chunk(column, valid, k + at);
    for (int word = 0; word < W; ++word) {
#pragma GCC unroll 8
      for (int part = 0; part < kSteps; ++part) {
        const vu b = weight.step(shared, words, word, part);
#pragma GCC unroll 16
        for (int m = 0; m < R; ++m) {
          acc[m] = Product::multiply_add(acc[m], broadcast_step(row[m], step + word * kSteps + part), b);
        }
      }
    }
    step += W * kSteps;
  }
  for (; at < depth; at += kChunk) {
    const int64_t left = std::min(kChunk, depth - at);
    load_transposed_some(words, from, stride, valid, left * 4 / Weight::kElements);
    from += 4 * W;
    const auto shared = weight.chunk(column, valid, k + at);
    // The half of a last pair that lies past the depth is not ours to read.
    const int64_t end = step + (left + Product::kDepth - 1) / Product::kDepth;
    for (int word = 0; word < W; ++word) {
      for (int part = 0; part < kSteps && step < end; ++part, ++step) {
        const vu b = weight.step(shared, words, word, part);
        const size_t bytes = step + 1 == end && left % Product::kDepth != 0 ? 2 : 4;
        for (int m = 0; m < R; ++m) {
          uint32_t bits = 0;
          std::memcpy(&bits, row[m] + 4 * step, bytes);
          acc[m] = Product::multiply_add(acc[m], vu{} + bits, b);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < R; ++m) {
    if (m >= a.rows) break;
    float* to = sums + m * kColumns;
    store(to, add ? load(to) + acc[m] : acc[m]);
  }
}

// As few different numbers of rows as keep the wasted ones cheap.
template <class Product, class Weight, class... Arguments>
static inline void run_few_block(const Weight& weight, const FewRows& a, Arguments... arguments) {
  if (a.rows == 1) return few_block<Product, 1>(weight, a, arguments...);
  if (a.rows == 2) return few_block<Product, 2>(weight, a, arguments...);
  if (a.rows <= 4) return few_block<Product, 4>(weight, a, arguments...);
  if (a.rows <= 8) return few_block<Product, 8>(weight, a, arguments...);
  return few_block<Product, 16>(weight, a, arguments...);
}

// out = epilogue(a (N, depth) * weight (columns, depth)^T) for N up to kFewRows, `block` elements of the
// depth at a time. The epilogue is that of the packed products.
template <class Product, class T, class Weight>
static void few_product(attune_context* ctx, const T* a, int64_t N, int64_t depth, int64_t columns, int64_t block,
                        const Weight& weight, Epilogue epilogue) {
  constexpr bool kConvert = !std::is_same_v<T, typename Product::Element>;
  const int rows = static_cast<int>(N);
  const int64_t task_columns = few_task_columns(ctx, columns);

  parallel(ctx, (columns + task_columns - 1) / task_columns, [&](int64_t task, int32_t worker) {
    const int64_t first = task * task_columns, width = std::min(task_columns, columns - first);
    auto* sums = reinterpret_cast<float*>(ctx->workspace(worker));
    float* converted = sums + kFewRows * kFewColumns;
    for (int64_t k = 0; k < depth; k += block) {
      const int64_t block_k = std::min(block, depth - k);
      FewRows operand{reinterpret_cast<const char*>(a + k), depth * static_cast<int64_t>(sizeof(T)), rows};
      if constexpr (kConvert) {
        for (int m = 0; m < rows; ++m) convert_row(converted + m * block, a + m * depth + k, block_k);
        operand = {reinterpret_cast<const char*>(converted), block * 4, rows};
      }
      for (int64_t j = 0; j < width; j += W) {
        // After the last columns of a block the first ones of the next.
        const char* next = j + W < width ? weight.words(first + j + W, k) : weight.words(first, k + block_k);
        const int valid = static_cast<int>(std::min<int64_t>(W, width - j));
        float* to = sums + j / kColumns * kFewRows * kColumns + j % kColumns;
        run_few_block<Product>(weight, operand, to, k > 0, first + j, valid, k, block_k, next);
      }
    }
    for (int64_t j = 0; j < width; j += kColumns) {
      epilogue(0, rows, first + j, static_cast<int>(std::min<int64_t>(kColumns, width - j)), sums + j * kFewRows);
    }
  });
}

#endif

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
