// The three products of a linear layer, blocked for caches around the register tile of gemm.h.
//
// Forward and the gradient of the input are one routine: activations times panels of the weight. A task
// owns a group of panels and a chunk of rows and packs its panels from the master weight (which costs
// about a fiftieth of the arithmetic at 800 rows, so that no packed copy is kept). With 32 registers it
// reads the activations where they lie, with 16 it packs them too. The gradient of the weight contracts
// over rows, so both operands are packed.
#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "amx.h"
#include "checks.h"
#include "context.h"
#include "function_ref.h"
#include "gemm.h"
#include "kernels.h"
#include "linear_dot.h"
#include "linear_epilogue.h"
#include "linear_few.h"
#include "pack.h"
#include "quantized_weight.h"
#include "simd.h"
#if defined(ATTUNE_TILES)
#include "linear_amx.h"
#include "linear_amx_few.h"
#include "linear_amx_weight.h"
#endif

namespace attune {
namespace ATTUNE_ISA {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// The depth in equal blocks of at most kMaxSteps: a function of the depth alone, since the blocks
// decide the order of the sums.
int64_t block_depth(int64_t depth, int64_t step_depth, int64_t max_steps) {
  int64_t steps = ceil_div(depth, step_depth);
  int64_t blocks = std::max<int64_t>(1, ceil_div(steps, max_steps));
  return ceil_div(steps, blocks) * step_depth;
}

// Product of a type of activations: bf16 multiplies as f32 where the level has no bf16 instructions.
template <class T>
struct ProductOf {
  using Type = F32Product;
};
#if defined(ATTUNE_BF16_DOTS)
template <>
struct ProductOf<bf16> {
  using Type = Bf16Product;
};
#endif

// Weight values are rounded to the type of the activations.
template <class T>
constexpr bool kRoundWeight = std::is_same_v<T, bf16>&& ProductOf<T>::Type::kDepth == 1;

// ---- rows of activations times a weight -----------------------------------------------------------

// Steps of one block of the depth. Shorter for f32, whose sums otherwise lose more to rounding than those of other
// libraries. A task owns a chunk of rows and a group of panels of columns.
constexpr int64_t kPanelSteps = 1024;
#if defined(__AVX512F__)
// A panel of at most 192 KiB in the L2, past which the rows of A flow.
template <class Product>
constexpr int64_t kBlockSteps = Product::kDepth == 2 ? kPanelSteps : kPanelSteps / 2;
constexpr bool kPackRows = false;
constexpr int64_t kGroupPanels = 1;
constexpr int64_t kChunkRows = 1008;  // of one task; a multiple of 6 and 8
constexpr int64_t kBlockRows = kChunkRows;
constexpr int64_t kLeastRows = 96;  // fewer rows do not pay for packing the panel again
#else
// A tile of 16 registers takes its operands twice as often for the same arithmetic. So a panel of 16 KiB stays in the
// L1 while a packed block of rows, 96 KiB of the L2, passes; and that block serves a group of panels, most of the L2,
// which pays for packing it.
template <class Product>
constexpr int64_t kBlockSteps = kPanelSteps / 4;
constexpr bool kPackRows = true;
constexpr int64_t kGroupPanels = 384 / kColumns;
constexpr int64_t kChunkRows = 1536;
constexpr int64_t kBlockRows = 96;
constexpr int64_t kLeastRows = 192;
static_assert(kBlockRows % kStrip == 0 && kStrip == kRows, "tiles have strips of their own");
#endif

// pack(panels, panel_cells, scratch, column, columns, k, depth) packs a block of B into panels that far apart and has
// scratch for it in f32. Once for a panel.
using Pack = FunctionRef<void(uint32_t* panels, int64_t panel_cells, float* scratch, int64_t column, int64_t columns,
                              int64_t k, int64_t depth)>;

// out = epilogue(a (N, depth) * B (depth, columns)), `block` elements of the depth at a time. touched: the (N, columns)
// arrays that the epilogue reads or writes, null where there is none.
template <class T>
void row_product(attune_context* ctx, const T* a, int64_t N, int64_t depth, int64_t columns, int64_t block, Pack pack,
                 std::initializer_list<const T*> touched, Epilogue epilogue) {
  using Product = typename ProductOf<T>::Type;
  constexpr bool kConvert = !kPackRows && !std::is_same_v<T, typename Product::Element>;
  // Enough tasks to keep every thread busy to the end, but no more packing than that needs.
  const int64_t wanted = 4 * ctx->pool.threads();
  const int64_t panels = ceil_div(columns, kColumns);
  int64_t groups = ceil_div(panels, kGroupPanels);
  const int64_t chunks = std::max(ceil_div(N, kChunkRows), std::min(ceil_div(wanted, groups), N / kLeastRows));
  const int64_t chunk_rows = round_up(ceil_div(N, std::max<int64_t>(chunks, 1)), kRows);
  groups = std::min(panels, std::max(groups, ceil_div(wanted, ceil_div(N, chunk_rows))));
  const int64_t group_panels = ceil_div(panels, groups);
  const int64_t group_columns = group_panels * kColumns;
  groups = ceil_div(columns, group_columns);

  parallel(ctx, groups * ceil_div(N, chunk_rows), [&](int64_t task, int32_t worker) {
    const int64_t first_row = task / groups * chunk_rows;
    const int64_t end_row = std::min(first_row + chunk_rows, N);
    const int64_t first_column = task % groups * group_columns;
    const int64_t end_column = std::min(first_column + group_columns, columns);

    constexpr int64_t kGroupSteps = kPackRows ? kBlockSteps<Product> : kPanelSteps;
    constexpr int64_t kStripCells = kBlockSteps<Product> * kStrip + W;
    constexpr int64_t kRowCells = kPackRows ? kBlockRows / kStrip * kStripCells : kPanelSteps * kRows;
    char* scratch = ctx->workspace(worker);
    auto* group = reinterpret_cast<uint32_t*>(scratch);
    scratch += kGroupSteps * kGroupPanels * kColumns * 4;
    [[maybe_unused]] auto* packed_rows = reinterpret_cast<uint32_t*>(scratch);
    [[maybe_unused]] auto* converted = reinterpret_cast<float*>(scratch);
    scratch += kRowCells * 4;
    auto* sums = reinterpret_cast<float*>(scratch);
    // With several blocks of the depth the sums of the whole chunk wait here between blocks.
    auto* unpacked = sums + kChunkRows * kGroupPanels * kColumns;
    constexpr int64_t kUnpackedCells = kGroupSteps * Product::kDepth * kGroupPanels * kColumns;
    static_assert(4 * ((kGroupSteps + kChunkRows) * kGroupPanels * kColumns + kRowCells + kUnpackedCells) <=
                  kWorkspaceBytes);

    for (int64_t k = 0; k < depth; k += block) {
      const int64_t block_k = std::min(block, depth - k);
      const int64_t steps = block_k / Product::kDepth;
      const bool last = k + block_k == depth;
      pack(group, kGroupSteps * kColumns, unpacked, first_column, end_column - first_column, k, block_k);
      for (int64_t first = first_row; first < end_row; first += kBlockRows) {
        const int64_t end = std::min(first + kBlockRows, end_row);
        if constexpr (kPackRows) {
          pack_strips(packed_rows, kStripCells, a + first * depth + k, depth, end - first, block_k);
        }
        for (int64_t column = first_column; column < end_column; column += kColumns) {
          const int width = static_cast<int>(std::min<int64_t>(kColumns, end_column - column));
          const int vectors = (width + W - 1) / W;
          const uint32_t* panel = group + (column - first_column) * kGroupSteps;
          for (int64_t row = first; row < end; row += kRows) {
            const int rows = static_cast<int>(std::min<int64_t>(kRows, end - row));
            float* tile_sums = sums;
            if (depth > block) tile_sums += (column - first_column) * chunk_rows + (row - first_row) * kColumns;
            Prefetch prefetch;
            if (last) {
              for (size_t i = 0; i < touched.size(); ++i) {
                const T* array = touched.begin()[i];
                if (array != nullptr) {
                  prefetch.arrays[i] = reinterpret_cast<const char*>(array + row * columns + column);
                }
              }
              prefetch.row_bytes = columns * static_cast<int64_t>(sizeof(T));
              prefetch.bytes = width * static_cast<int64_t>(sizeof(T));
            }
            if constexpr (kPackRows) {
              // Each panel's share of the rows that are packed next.
              const bool below = first + kBlockRows < end_row;
              const int64_t next_k = below ? k : k + block_k;
              const int64_t next_row = below ? row + kBlockRows : row - first + first_row;
              if (next_k < depth && next_row + rows <= end_row) {
                const int64_t share = ceil_div(block_k * static_cast<int64_t>(sizeof(T)), 64 * group_panels) * 64;
                const int64_t offset = (column - first_column) / kColumns * share;
                prefetch.later = reinterpret_cast<const char*>(a + next_row * depth + next_k) + offset;
                prefetch.later_row_bytes = depth * static_cast<int64_t>(sizeof(T));
                prefetch.later_bytes = std::min(share, block_k * static_cast<int64_t>(sizeof(T)) - offset);
              }
              const PackedA operand{packed_rows + (row - first) / kStrip * kStripCells, kStrip};
              run_tile<Product>(rows, vectors, operand, panel, steps, tile_sums, kColumns, k > 0, prefetch);
            } else {
              RowMajorA operand;
              if constexpr (kConvert) {
                for (int m = 0; m < rows; ++m) convert_row(converted + m * block, a + (row + m) * depth + k, block_k);
                operand = {reinterpret_cast<const char*>(converted), block * 4, false};
              } else {
                operand = {reinterpret_cast<const char*>(a + row * depth + k), depth * static_cast<int64_t>(sizeof(T)),
                           block_k % Product::kDepth != 0};
              }
              run_tile<Product>(rows, vectors, operand, panel, steps, tile_sums, kColumns, k > 0, prefetch);
            }
            if (last) epilogue(row, rows, column, width, tile_sums);
          }
        }
      }
    }
  });
}

template <class T, class V>
int64_t forward_block(int64_t C) {
  using Product = typename ProductOf<T>::Type;
  const int64_t block = block_depth(C, Product::kDepth, kBlockSteps<Product>);
  // Words of codes do not straddle blocks of the depth, nor do chunks of them straddle scales.
  return kCoded<V> ? round_up(block, 2 * QuantizedLayout::kBlock) : block;
}

// Of up to kFewRows. weight: const float*, const bf16*, or a weight of quantized_weight.h.
template <class T, class V>
void forward_few(attune_context* ctx, const T* inp, V weight, int64_t N, int64_t C, int64_t F, Epilogue epilogue) {
  using Product = typename ProductOf<T>::Type;
#if defined(__AVX512F__)
  if constexpr (kCoded<V>) {
    const CodedWeight<Product, V> coded{weight, kRoundWeight<T>};
    return few_product<Product>(ctx, inp, N, C, F, forward_block<T, V>(C), coded, epilogue);
  }
#endif
  dot_product<Product, kRoundWeight<T>>(ctx, inp, N, C, F, weight, epilogue);
}

template <class T, class V>
void forward_many(attune_context* ctx, const T* inp, V weight, int64_t N, int64_t C, int64_t F,
                  std::initializer_list<const T*> touched, Epilogue epilogue) {
  using Product = typename ProductOf<T>::Type;
  const auto pack = [&](uint32_t* panels, int64_t panel_cells, float* unpacked, int64_t f, int64_t columns, int64_t k,
                        int64_t depth) {
    for (int64_t j = 0; j < columns; j += kColumns) {
      const int width = static_cast<int>(std::min<int64_t>(kColumns, columns - j));
      uint32_t* panel = panels + j / kColumns * panel_cells;
      if constexpr (kCoded<V>) {
        for (int i = 0; i < width; ++i) dequantize_range(unpacked + i * depth, weight, (f + j + i) * C + k, depth);
        pack_transposed<Product, float, kRoundWeight<T>>(panel, unpacked, depth, width, depth);
      } else {
        using Element = std::remove_const_t<std::remove_pointer_t<V>>;
        pack_transposed<Product, Element, kRoundWeight<T>>(panel, weight + (f + j) * C + k, C, width, depth);
      }
    }
  };
  row_product<T>(ctx, inp, N, C, F, forward_block<T, V>(C), pack, touched, epilogue);
}

template <class T, class V, class RowEpilogue>
void forward(attune_context* ctx, const T* inp, V weight, int64_t N, int64_t C, int64_t F,
             std::initializer_list<const T*> touched, const RowEpilogue& epilogue) {
#if defined(ATTUNE_TILES)
  if constexpr (kOnTiles<T>) {
    if (N <= kFewTileRows && C <= kFewTileDepth) return tile_few_product(ctx, inp, N, C, F, weight, epilogue);
  } else if constexpr (std::is_same_v<V, const bf16*>) {
    if (N <= kFewRows && C <= kFewTileDepth) return tile_few_product(ctx, inp, N, C, F, weight, epilogue);
  }
#endif
  if constexpr (!kOnTiles<T>) {
    if (N <= kFewRows) return forward_few(ctx, inp, weight, N, C, F, epilogue);
  }
  if constexpr (kLinearOnTiles<T>) {
    tile_forward(ctx, inp, weight, N, C, F, touched, epilogue);
  } else {
    forward_many(ctx, inp, weight, N, C, F, touched, epilogue);
  }
}

template <class T, class V>
void backward_input(attune_context* ctx, const T* dout, V weight, int64_t N, int64_t C, int64_t F,
                    std::initializer_list<const T*> touched, Epilogue epilogue) {
  using Product = typename ProductOf<T>::Type;
  const int64_t block = block_depth(F, Product::kDepth, kBlockSteps<Product>);
  const auto pack = [&](uint32_t* panels, int64_t panel_cells, float* unpacked, int64_t c, int64_t columns, int64_t k,
                        int64_t depth) {
    const int width = static_cast<int>(columns);
    if constexpr (kCoded<V>) {
      for (int64_t i = 0; i < depth; ++i) dequantize_range(unpacked + i * width, weight, (k + i) * C + c, width);
      pack_interleaved<Product, float, kRoundWeight<T>, kColumns>(panels, panel_cells, unpacked, width, width, depth);
    } else {
      using Element = std::remove_const_t<std::remove_pointer_t<V>>;
      pack_interleaved<Product, Element, kRoundWeight<T>, kColumns>(panels, panel_cells, weight + k * C + c, C, width,
                                                                    depth);
    }
  };
  row_product<T>(ctx, dout, N, F, C, block, pack, touched, epilogue);
}

// ---- gradient of the weight -----------------------------------------------------------------------

#if defined(__AVX512F__)
constexpr int64_t kWeightSteps = 512;   // of the depth (rows of the batch) per block
constexpr int64_t kGroupColumns = 192;  // of dweight per task: their packed panels fill 384 KiB of L2
#else
constexpr int64_t kWeightSteps = 256;
constexpr int64_t kGroupColumns = 384;
#endif
constexpr int64_t kStripRows = 96;  // rows of dweight (columns of dout) packed at a time
constexpr int64_t kStripCells = kWeightSteps * kStrip + W;
static_assert(kGroupColumns % kColumns == 0 && kStripRows % kStrip == 0);
static_assert(4 * (kWeightSteps * kGroupColumns + kStripRows / kStrip * kStripCells + kRows * kColumns) <=
              kWorkspaceBytes);

// dbias (F) (+)= column sums of `depth` rows: eight running sums per column, added pairwise.
template <class T>
void column_sums(float* dbias, const T* dout, int64_t stride, int64_t depth, int64_t columns, bool add) {
  for (int64_t j = 0; j < columns; j += W) {
    const int n = static_cast<int>(std::min<int64_t>(W, columns - j));
    vf part[8] = {};
    for (int64_t k = 0; k < depth; k += 8) {
      const int rows = static_cast<int>(std::min<int64_t>(8, depth - k));
      for (int i = 0; i < rows; ++i) {
        const T* row = dout + (k + i) * stride + j;
        part[i] = part[i] + (n == W ? load(row) : load_n(row, n));
      }
    }
    for (int half = 4; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) part[i] = part[i] + part[i + half];
    }
    vf total = add ? part[0] + load_n(dbias + j, n) : part[0];
    store_n(dbias + j, total, n);
  }
}

template <class T>
void backward_weight(attune_context* ctx, float* dweight, float* dbias, const T* dout, const T* inp, int64_t N,
                     int64_t C, int64_t F, bool accumulate) {
  using Product = typename ProductOf<T>::Type;
  const int64_t block = block_depth(N, Product::kDepth, kWeightSteps);
  const int64_t groups = ceil_div(C, kGroupColumns);
  // Longer tasks pack the columns of inp less often.
  int64_t task_rows = 4 * kStripRows;
  while (task_rows > kStripRows && groups * ceil_div(F, task_rows) < 4 * ctx->pool.threads()) task_rows /= 2;

  parallel(ctx, groups * ceil_div(F, task_rows), [&](int64_t task, int32_t worker) {
    const int64_t first = task / groups * task_rows;
    const int64_t end = std::min(first + task_rows, F);
    const int64_t c = task % groups * kGroupColumns;
    const int64_t group_width = std::min(kGroupColumns, C - c);

    auto* panels = reinterpret_cast<uint32_t*>(ctx->workspace(worker));
    auto* strips = panels + kWeightSteps * kGroupColumns;
    auto* edge = reinterpret_cast<float*>(strips + kStripRows / kStrip * kStripCells);

    for (int64_t k = 0; k < N; k += block) {
      const int64_t depth = std::min(block, N - k);
      const int64_t steps = ceil_div(depth, Product::kDepth);
      const bool add = accumulate || k > 0;
      pack_interleaved<Product, T, false, kColumns>(panels, kWeightSteps * kColumns, inp + k * C + c, C,
                                                    static_cast<int>(group_width), depth);
      for (int64_t f = first; f < end; f += kStripRows) {
        const int strip_rows = static_cast<int>(std::min(kStripRows, end - f));
        pack_interleaved<Product, T, false, kStrip>(strips, kStripCells, dout + k * F + f, F, strip_rows, depth);
        if (c == 0 && dbias != nullptr) column_sums(dbias + f, dout + k * F + f, F, depth, strip_rows, add);
        for (int m = 0; m < strip_rows; m += kRows) {
          const int rows = std::min(kRows, strip_rows - m);
          const PackedA operand{strips + m / kStrip * kStripCells + m % kStrip,
                                strip_width(strip_rows - m / kStrip * kStrip)};
          for (int64_t j = 0; j < group_width; j += kColumns) {
            const int width = static_cast<int>(std::min<int64_t>(kColumns, group_width - j));
            const int vectors = (width + W - 1) / W;
            float* target = dweight + (f + m) * C + c + j;
            if (width % W == 0) {
              const Prefetch prefetch = {{reinterpret_cast<const char*>(target)}, C * 4, width * int64_t{4}};
              run_tile<Product>(rows, vectors, operand, panels + j * kWeightSteps, steps, target, C, add, prefetch);
              continue;
            }
            run_tile<Product>(rows, vectors, operand, panels + j * kWeightSteps, steps, edge, kColumns, false,
                              Prefetch{});
            for (int i = 0; i < rows; ++i) {
              each_vector(width, [&](int v, auto n) {
                vf value = load(edge + i * kColumns + v);
                if (add) value = value + load_lanes(target + i * C + v, n);
                store_lanes(target + i * C + v, value, n);
              });
            }
          }
        }
      }
    }
  });
}

// body(weight as the products take it).
template <class Body>
void with_weight(const void* weight, int64_t F, int64_t C, int32_t weight_dtype, Body&& body) {
  switch (weight_dtype) {
    case ATTUNE_F32: return body(static_cast<const float*>(weight));
    case ATTUNE_BF16: return body(static_cast<const bf16*>(weight));
    case ATTUNE_NF4: return body(Nf4Weight(weight, F, C));
    default: return body(Int8Weight(weight, F, C));
  }
}

}  // namespace

attune_status linear_fwd(attune_context* ctx, void* out, void* pre, const void* inp, const void* weight,
                         const float* bias, int64_t N, int64_t C, int64_t F, int32_t activation, int32_t dtype,
                         int32_t weight_dtype) {
  if (N == 0) return ATTUNE_OK;
  bool known = false;
  with_type(dtype, [&](auto t) {
    using T = decltype(t);
    const bool streams_pre = pre != nullptr && streams(static_cast<T*>(pre), N, F);
    const std::initializer_list<const T*> touched = {static_cast<T*>(out),
                                                     streams_pre ? nullptr : static_cast<T*>(pre)};
    known = with_fused_activation(activation, [&](auto kind) {
      const ForwardEpilogue<T, kind.value> epilogue{static_cast<T*>(out), static_cast<T*>(pre), bias, F, streams_pre};
      with_weight(weight, F, C, weight_dtype,
                  [&](auto w) { forward(ctx, static_cast<const T*>(inp), w, N, C, F, touched, epilogue); });
    });
  });
  return known ? ATTUNE_OK
               : fail(ATTUNE_INVALID_ARGUMENT, "linear_fwd: activation %d is none that a product fuses", activation);
}

attune_status linear_bwd_input(attune_context* ctx, void* dinp, void* act_out, const void* dout, const void* weight,
                               const void* pre, int64_t N, int64_t C, int64_t F, int32_t activation, int32_t accumulate,
                               int32_t dtype, int32_t weight_dtype) {
  if (N == 0) return ATTUNE_OK;
  bool known = false;
  with_type(dtype, [&](auto t) {
    using T = decltype(t);
    const std::initializer_list<const T*> touched = {static_cast<T*>(dinp), static_cast<T*>(act_out),
                                                     static_cast<const T*>(pre)};
    known = with_fused_activation(activation, [&](auto kind) {
      const BackwardInputEpilogue<T, kind.value> epilogue{static_cast<T*>(dinp), static_cast<T*>(act_out),
                                                          static_cast<const T*>(pre), C, accumulate != 0};
      with_weight(weight, F, C, weight_dtype, [&](auto w) {
        if constexpr (kLinearOnTiles<T>) {
          tile_backward_input(ctx, static_cast<const T*>(dout), w, N, C, F, touched, epilogue);
        } else {
          backward_input(ctx, static_cast<const T*>(dout), w, N, C, F, touched, epilogue);
        }
      });
    });
  });
  return known ? ATTUNE_OK
               : fail(ATTUNE_INVALID_ARGUMENT, "linear_bwd_input: activation %d is none that a product fuses",
                      activation);
}

attune_status linear_bwd_weight(attune_context* ctx, float* dweight, float* dbias, double* squares, const void* dout,
                                const void* inp, int64_t N, int64_t C, int64_t F, int32_t accumulate, int32_t dtype) {
  if (N == 0 && accumulate == 0) {
    parallel_range(ctx, F, 64, [&](int64_t begin, int64_t end, int32_t) {
      std::memset(dweight + begin * C, 0, static_cast<size_t>((end - begin) * C) * sizeof(float));
      if (dbias != nullptr) std::memset(dbias + begin, 0, static_cast<size_t>(end - begin) * sizeof(float));
    });
  }
  bool summed = false;
  if (N > 0) {
    with_type(dtype, [&](auto t) {
      using T = decltype(t);
      const T *d = static_cast<const T*>(dout), *i = static_cast<const T*>(inp);
      if constexpr (kLinearOnTiles<T>) {
        summed = tile_backward_weight(ctx, dweight, dbias, squares, d, i, N, C, F, accumulate != 0);
      } else {
        backward_weight(ctx, dweight, dbias, d, i, N, C, F, accumulate != 0);
      }
    });
  }
  return squares == nullptr || summed ? ATTUNE_OK : sum_of_squares(ctx, squares, dweight, F * C);
}

}  // namespace ATTUNE_ISA
}  // namespace attune
