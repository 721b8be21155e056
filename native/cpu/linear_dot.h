// Products of few rows, as in decoding. The weight lies in rows of the depth, and so do the activations: lanes are
// elements of the depth, loaded where they lie, and nothing is packed or transposed. Every element of out is one
// chain of sums in rising order and one tree over its lanes, whatever tile it falls into: a row of out has the same
// bits whichever few rows are beside it. Codes in 4 or 8 bits are turned into f32 a little ahead of the product,
// in the first-level cache (where there is AVX-512, linear_few.h multiplies them).
#ifndef ATTUNE_LINEAR_DOT_H
#define ATTUNE_LINEAR_DOT_H

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "context.h"
#include "gemm.h"
#include "lane_sums.h"
#include "lanes.h"
#include "linear_few.h"
#include "pack.h"
#include "quantized_weight.h"
#include "shares.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Accumulators of rows of activations x rows of the weight: 24 of 32 registers, or 12 of 16. More rows of the weight
// where there are few of activations: their chains of sums hide each other's latency.
//
// Without AVX-512 registers are few, and the loads of operands bound the product. Blocks of the depth let all
// activations and a panel of the weight stay in the first-level cache until they have met, and rows of activations are
// copied to lie side by side: where rows are a multiple of a page apart, they share few sets of that cache.
#if defined(__AVX512F__)
constexpr bool kDotStaged = false;
constexpr int64_t kDotDepth = 65536, kDotWholeDepth = 65536;
constexpr int kOneRowColumns = 8;
constexpr int kWideDotRows = 3, kWideDotColumns = 8;
template <class V>
struct DotShape {
  static constexpr int kRows = 6, kColumns = 4;
};
#else
constexpr bool kDotStaged = true;
constexpr int64_t kDotDepth = 256, kDotWholeDepth = 1024;  // at once, and where it need not be cut
constexpr int kOneRowColumns = W < 8 ? 4 : 8;
constexpr int kWideDotRows = 3, kWideDotColumns = 4;
template <class V>
struct DotShape {
  static constexpr int kRows = 3, kColumns = 4;
};
template <>
struct DotShape<const bf16*> {
  static constexpr int kRows = 6, kColumns = 2;  // conversions are dear: many rows share each
};
#endif
constexpr int kDotPanel = kOneRowColumns;  // rows of the weight that meet all activations before the next ones
static_assert(kColumns % kDotPanel == 0 && kDotPanel % kWideDotColumns == 0, "tiles fill panels");
static_assert(kDotDepth % QuantizedLayout::kBlock == 0, "blocks of the depth are whole blocks of codes");

// Steps between two looks ahead. Where all registers hold sums, the compiler makes a mess of more than one.
constexpr int dot_unroll(int rows) { return kDotStaged && rows == 1 ? 2 : 1; }

// What a product asks for while it multiplies, a little at a time: the memory serves runs as they lie better than rows
// in turn, and a burst would hold up the loads of the operands.
struct DotAhead {
  const char* at;
  const char* end;
  int lines;     // of the cache at a time
  int interval;  // steps from one time to the next
  int wait;
  int every = 1;  // of these lines one is asked for: where the hardware brings those between

  void fetch() {
    if (--wait > 0 || at >= end) return;
    wait = interval;
    for (int i = 0; i < lines; i += every) __builtin_prefetch(at + 64 * i, 0, 2);
    at += 64 * lines;
  }
};

// A block of the depth that a tile multiplies; it begins the chains, ends them, or both.
struct DotBlock {
  int64_t depth;
  bool begins, ends;
};

// W elements of the weight as f32, all of which exist.
template <class V>
static inline vf load_whole(const V* p) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  if constexpr (std::is_same_v<V, bf16>) {
    // Both lanes read all eight and each puts its four where they belong: an instruction less than widening and
    // shifting, and none that crosses lanes.
    const __m256i halves = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return (vf)_mm256_shuffle_epi8(halves,
                                   _mm256_setr_epi8(-1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7,  //
                                                    -1, -1, 8, 9, -1, -1, 10, 11, -1, -1, 12, 13, -1, -1, 14, 15));
  }
#endif
  return load(p);
}

// Keeps the compiler from loading a value again for each of its uses, which the load ports could not sustain, and from
// moving loads ahead until sums have to leave their registers.
static inline vu in_register(vu value) {
#if defined(__x86_64__) && !defined(__AVX512F__)
  __asm__ volatile("" : "+x"(value));
#endif
  return value;
}

// The products of `columns` rows of the weight, weight_stride apart (rows past the last are the last one again), with
// R rows of activations, inp_stride apart: sums[m * kColumns + j], once the chains end.
template <class Product, bool kRound, int R, int Columns, class T, class V>
static __attribute__((noinline)) void dot_tile(const V* weight, int64_t weight_stride, int columns, const T* inp,
                                               int64_t inp_stride, DotBlock block, vf* chains, float* sums,
                                               DotAhead* ahead_of_all) {
  constexpr int kStep = W * Product::kDepth, kUnroll = dot_unroll(R);
  DotAhead ahead = *ahead_of_all;
  vf acc[R][Columns];
  const V* column[Columns];
  column[0] = weight;
#pragma GCC unroll 8
  for (int j = 1; j < Columns; ++j) column[j] = column[j - 1] + (j < columns ? weight_stride : 0);
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
#pragma GCC unroll 8
    for (int j = 0; j < Columns; ++j) acc[m][j] = vf{};
  }
  if (!block.begins) {
#pragma GCC unroll 8
    for (int m = 0; m < R; ++m) {
#pragma GCC unroll 8
      for (int j = 0; j < Columns; ++j) acc[m][j] = chains[m * kDotPanel + j];
    }
  }
  const auto weight_step = [&](int j, int64_t k, int n) __attribute__((always_inline)) {
    if constexpr (Product::kDepth == 1 && (!kRound || std::is_same_v<V, bf16>)) {
      if (n == kStep) return in_register((vu)load_whole(column[j] + k));
    }
    return in_register(row_steps<Product, V, kRound>(column[j] + k, n));
  };
  const auto inp_step = [&](int m, int64_t k, int n) __attribute__((always_inline)) {
    return in_register(row_steps<Product, T, false>(inp + m * inp_stride + k, n));
  };
  // The fewer operands stay in registers while the others pass.
  const auto step = [&](int64_t k, int n) __attribute__((always_inline)) {
    if constexpr (R > Columns || !kDotStaged) {
      vu b[Columns];
#pragma GCC unroll 8
      for (int j = 0; j < Columns; ++j) b[j] = weight_step(j, k, n);
#pragma GCC unroll 8
      for (int m = 0; m < R; ++m) {
        const vu a = inp_step(m, k, n);
#pragma GCC unroll 8
        for (int j = 0; j < Columns; ++j) acc[m][j] = Product::multiply_add(acc[m][j], a, b[j]);
      }
    } else {
      vu a[R];
#pragma GCC unroll 8
      for (int m = 0; m < R; ++m) a[m] = inp_step(m, k, n);
#pragma GCC unroll 8
      for (int j = 0; j < Columns; ++j) {
        const vu b = weight_step(j, k, n);
#pragma GCC unroll 8
        for (int m = 0; m < R; ++m) acc[m][j] = Product::multiply_add(acc[m][j], a[m], b);
      }
    }
  };
  int64_t k = 0;
  for (; k + kUnroll * kStep <= block.depth; k += kUnroll * kStep) {
    ahead.fetch();
#pragma GCC unroll 2
    for (int i = 0; i < kUnroll; ++i) step(k + i * kStep, kStep);
  }
  for (; k + kStep <= block.depth; k += kStep) step(k, kStep);
  if (k < block.depth) step(k, static_cast<int>(block.depth - k));
  *ahead_of_all = ahead;
  if (!block.ends) {
#pragma GCC unroll 8
    for (int m = 0; m < R; ++m) {
#pragma GCC unroll 8
      for (int j = 0; j < Columns; ++j) chains[m * kDotPanel + j] = acc[m][j];
    }
    return;
  }
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
    const vf total = sum_across<Columns>(acc[m]);
    std::memcpy(sums + m * kColumns, &total, Columns * sizeof(float));
  }
}

// The tile for `rows` rows of Least..R.
template <class Product, bool kRound, int Least, int R, int Columns, class... Arguments>
static inline void run_dot_tile(int rows, Arguments... arguments) {
  if constexpr (R > Least) {
    if (rows < R) return run_dot_tile<Product, kRound, Least, R - 1, Columns>(rows, arguments...);
  }
  dot_tile<Product, kRound, R, Columns>(arguments...);
}

// A product of few rows: out (rows, columns) = inp (rows, depth) * weight (columns, depth)^T. The weight is an address
// of plain elements, or codes (quantized_weight.h); kRound: its values are rounded to bf16.
template <class Product, bool kRound, class T, class V>
class DotProduct {
 public:
  DotProduct(V weight, const T* inp, int64_t rows, int64_t depth)
      : weight_(weight),
        inp_(inp),
        rows_(static_cast<int>(rows)),
        depth_(depth),
        passes_((rows_ + Shape::kRows - 1) / Shape::kRows),
        tile_columns_(rows_ == 1              ? kOneRowColumns
                      : rows_ <= kWideDotRows ? kWideDotColumns
                                              : Shape::kColumns),
        panel_columns_(kDotStaged ? kDotPanel : tile_columns_),
        copies_(kCoded<V> || (kConverts && passes_ > 1)),
        block_(copies_ || depth > (rows_ > 1 ? kDotWholeDepth : kStagedDepth) ? std::min(kDotDepth, depth) : depth),
        staged_(kDotStaged && (rows_ > 1 || !std::is_same_v<T, float>)) {
    // A panel's bytes over the steps that multiply a panel, or over the rows of codes that are copied for it.
    const int64_t step = dot_unroll(rows_) * W * Product::kDepth;
    const int64_t bytes = panel_columns_ * row_bytes();
    const int64_t steps = kCoded<V> ? panel_columns_ * ((depth + block_ - 1) / block_)
                                    : passes_ * (panel_columns_ / tile_columns_) * std::max<int64_t>(1, depth / step);
    const int64_t lines = (bytes + 63) / 64;
    lines_ = static_cast<int>((lines + steps - 1) / steps);
    interval_ = static_cast<int>(std::max<int64_t>(1, steps / lines));
  }

  // Columns first..end, of which `first` starts a panel of kColumns; what comes before column `limit` is fetched ahead.
  // is_staged: whether an earlier call left the rows of inp in this workspace.
  void run(int64_t first, int64_t end, int64_t limit, char* workspace, bool* is_staged, Epilogue epilogue) const {
    auto& s = *reinterpret_cast<Scratch*>(workspace);
    if (staged_ && depth_ <= kStagedDepth && !*is_staged) {
      stage(s.staged, 0, depth_);
      *is_staged = true;
    }
    for (int64_t column = first; column < end; column += kColumns) {
      const int width = static_cast<int>(std::min<int64_t>(kColumns, end - column));
      for (int j = 0; j < width; j += panel_columns_) {
        // While a panel is multiplied, the one after the next is fetched: a panel alone is too short to hide the
        // memory's latency.
        const int64_t next = std::min(column + j + 2 * panel_columns_, limit);
        DotAhead ahead{row(next), row(std::min(next + panel_columns_, limit)), lines_, interval_, interval_};
        multiply_panel(s, column + j, std::min(width - j, panel_columns_), s.sums + j, ahead);
      }
      epilogue(0, rows_, column, width, s.sums);
    }
  }

 private:
  using Element = typename Product::Element;
  using Plain = std::conditional_t<kCoded<V>, Element, std::remove_const_t<std::remove_pointer_t<V>>>;
  using Staged = std::conditional_t<kDotStaged, float, T>;
  using Shape = DotShape<V>;
  template <int I>
  using Int = std::integral_constant<int, I>;

  // Plain elements that every pass would convert are converted once where there are several.
  static constexpr bool kConverts = sizeof(Plain) > sizeof(Element) || (kRound && std::is_same_v<Plain, float>);
  static constexpr int64_t kStagedDepth = 65536;  // of which all is staged at once

  struct Scratch {
    vf chains[kFewRows * kDotPanel];
    float sums[kFewRows * kColumns];
    Element copy[kDotPanel * kDotDepth];
    float staged[kDotStaged ? kFewRows * kStagedDepth : 1];
  };
  static_assert(sizeof(Scratch) <= kWorkspaceBytes, "scratch of few rows");

  int64_t row_bytes() const { return weight_row_bytes(weight_, depth_); }
  const char* row(int64_t f) const { return weight_row(weight_, f, depth_); }

  // Elements begin..end of all rows of inp as f32, one block of the depth after the other: rows whose distance is a
  // multiple of the page would meet in few sets of the first-level cache.
  void stage(float* to, int64_t begin, int64_t end) const {
    for (int64_t k = begin; k < end; k += block_) {
      const int64_t count = std::min(block_, end - k);
      for (int m = 0; m < rows_; ++m, to += count) convert_row(to, inp_ + m * depth_ + k, count);
    }
  }

  // `depth` elements of row f of the weight from k on, as the product multiplies them.
  void copy_row(Element* to, int64_t f, int64_t k, int64_t depth) const {
    if constexpr (kCoded<V>) {
      dequantize_range(to, weight_, f * depth_ + k, depth);
    }
    const auto* from = [&] {
      if constexpr (kCoded<V>) {
        return to;
      } else {
        return weight_ + f * depth_ + k;
      }
    }();
    if constexpr (!kCoded<V> || kRound) {
      for_vectors(0, depth, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
        vf value = load(from + i, lanes);
        if constexpr (kRound) value = widen(round_to_bf16(value));
        store(to + i, value, lanes);
      });
    }
  }

  // `columns` rows of the weight from f on times all rows of inp.
  void multiply_panel(Scratch& s, int64_t f, int columns, float* sums, DotAhead ahead) const {
    for (int64_t k = 0; k < depth_; k += block_) {
      const DotBlock block{std::min(block_, depth_ - k), k == 0, k + block_ >= depth_};
      const Staged* a;
      int64_t stride = depth_;
      if constexpr (kDotStaged) {
        if (!staged_) {
          a = reinterpret_cast<const float*>(inp_) + k;  // one row, of f32
        } else if (depth_ <= kStagedDepth) {
          a = s.staged + rows_ * k;
          stride = block.depth;
        } else {
          stage(s.staged, k, k + block.depth);
          a = s.staged;
          stride = block.depth;
        }
      } else {
        a = inp_ + k;
      }
      if (copies_) {
        DotAhead nothing{};
        for (int j = 0; j < columns; ++j) {
          if constexpr (kCoded<V>) ahead.fetch();
          copy_row(s.copy + j * block_, f + j, k, block.depth);
        }
        multiply_block<false>(s, s.copy, block_, columns, a, stride, block, sums, kCoded<V> ? &nothing : &ahead);
      } else if constexpr (!kCoded<V>) {
        multiply_block<kRound>(s, weight_ + f * depth_ + k, depth_, columns, a, stride, block, sums, &ahead);
      }
    }
  }

  template <bool kRoundElements, class B>
  void multiply_block(Scratch& s, const B* weight, int64_t weight_stride, int columns, const Staged* a,
                      int64_t a_stride, DotBlock block, float* sums, DotAhead* ahead) const {
    for (int j = 0; j < columns; j += tile_columns_) {
      for (int pass = 0; pass < passes_; ++pass) {
        const int m = rows_ * pass / passes_, count = rows_ * (pass + 1) / passes_ - m;
        vf* chains = s.chains + m * kDotPanel + j;
        float* to = sums + m * kColumns + j;
        const B* rows = weight + j * weight_stride;
        const auto run = [&](auto least, auto most, auto width) {
          run_dot_tile<Product, kRoundElements, least, most, width>(
              count, rows, weight_stride, columns - j, a + m * a_stride, a_stride, block, chains, to, ahead);
        };
        // Passes of an equal number of rows, but for one: at least half of the most, where there is more than one pass.
        if (rows_ == 1) {
          run(Int<1>(), Int<1>(), Int<kOneRowColumns>());
        } else if (rows_ <= kWideDotRows) {
          run(Int<2>(), Int<kWideDotRows>(), Int<kWideDotColumns>());
        } else {
          run(Int<(Shape::kRows + 1) / 2>(), Int<Shape::kRows>(), Int<Shape::kColumns>());
        }
      }
    }
  }

  const V weight_;
  const T* const inp_;
  const int rows_;
  const int64_t depth_;
  const int passes_;  // over the rows of inp
  const int tile_columns_, panel_columns_;
  const bool copies_;    // rows of the weight
  const int64_t block_;  // of the depth
  const bool staged_;    // rows of inp
  int lines_, interval_;
};

// out = epilogue(inp (N, depth) * weight (columns, depth)^T) for N up to kFewRows. The epilogue is that of the packed
// products.
template <class Product, bool kRound, class T, class V>
static void dot_product(attune_context* ctx, const T* inp, int64_t N, int64_t depth, int64_t columns, V weight,
                        Epilogue epilogue) {
  const DotProduct<Product, kRound, T, V> product(weight, inp, N, depth);
  Shares shares((columns + kColumns - 1) / kColumns, ctx->pool.threads());
  parallel(ctx, shares.count(), [&](int64_t task, int32_t worker) {
    bool is_staged = false;
    shares.each(task, [&](int64_t panel, int64_t end) {
      const int64_t first = panel * kColumns;
      product.run(first, std::min(first + kColumns, columns), std::min(end * kColumns, columns), ctx->workspace(worker),
                  &is_staged, epilogue);
    });
  });
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
