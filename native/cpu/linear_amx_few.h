// Forward of a linear layer for few rows on matrix tiles: the weight is A, which needs no packing, and the activations
// are B, rows of f32 in three parts (amx_parts.h), which a weight of bf16 meets exactly. In bf16 elements are the
// chains of linear_amx.h; in f32 the parts of a step follow one another, the smallest first.
#ifndef ATTUNE_LINEAR_AMX_FEW_H
#define ATTUNE_LINEAR_AMX_FEW_H

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "amx.h"
#include "amx_block.h"
#include "amx_pack.h"
#include "amx_parts.h"
#include "context.h"
#include "function_ref.h"
#include "linear_amx.h"
#include "linear_dot.h"
#include "quantized_weight.h"
#include "shares.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kFewTileRows = 64;      // four tiles of B
constexpr int64_t kFewTileDepth = 32768;  // of activations in tile order: 4 MiB for 64 rows
constexpr int64_t kFewPanel = 64;         // columns of out that the epilogue takes at a time
constexpr int64_t kFewSteps = 8;          // of a weight that is copied: 32 KiB

struct FewTileScratch {
  char inp[kFewTileRows * kFewTileDepth * 2];  // or three parts of 16 rows
  char weight[kFewPanel / 16][kFewSteps * tmm::kBytes];
  float sums[kFewTileRows * kFewPanel];
};
static_assert(sizeof(FewTileScratch) <= kWorkspaceBytes, "scratch of few rows on tiles");

// inp (rows, depth) times rows of the weight (columns, depth). Sums are those of the product transposed: kA tiles of
// the weight times kB of activations.
template <class T, class V>
class FewTileProduct {
 public:
  FewTileProduct(const T* inp, int64_t rows, int64_t depth, int64_t columns, const V& weight)
      : inp_(inp),
        weight_(weight),
        rows_(rows),
        depth_(depth),
        columns_(columns),
        steps_((depth + tmm::kDepth - 1) / tmm::kDepth) {}

  // The activations in tile order, for the panels that follow in this scratch.
  void stage(FewTileScratch& s) const {
    for (int64_t m = 0; m < rows_; m += 16) {
      for (int64_t k = 0; k < steps_; ++k) {
        const T* from = inp_ + m * depth_ + k * tmm::kDepth;
        const int rows = tile_part(rows_ - m, 16), n = tile_part(depth_ - k * tmm::kDepth, tmm::kDepth);
        char* to = s.inp + (m / 16 * steps_ + k) * tmm::kBytes;
        if constexpr (kOnTiles<T>) {
          tile_transposed(to, from, depth_, rows, n);
        } else {
          neighbours_transposed(to, steps_ * tmm::kBytes, from, depth_, rows, n);
        }
      }
    }
  }

  // The sums of columns f.. of out, kFewPanel of them. What comes before column `end` is fetched.
  void panel(FewTileScratch& s, int64_t f, int64_t end) const {
    const int64_t bytes = kFewPanel * row_bytes(), next = std::min(f + kFewPanel, end);
    // With each tile of the weight, or with each row of codes that is copied: the memory rests at no time, and no burst
    // keeps the tiles from their loads.
    const int64_t copies = steps_ / kCodedSteps * kFewPanel;
    const int64_t fetches = kCoded<V> ? copies : steps_ * (kFewPanel / 16), lines = (bytes + 63) / 64;
    const int64_t at_once = (lines + fetches - 1) / fetches;
    const int interval = static_cast<int>(std::max<int64_t>(1, fetches / lines));
    // A third of the lines is asked for, which occupies fewer of the buffers that the tiles' own lines come through.
    const int every = kCoded<V> ? 1 : 3;
    DotAhead ahead{row(next), row(std::min(next + kFewPanel, end)), static_cast<int>(at_once), interval, interval,
                   every};
    if constexpr (kOnTiles<T>) {
      switch ((rows_ + 15) / 16) {
        case 1: return tiles<4, 1>(s, f, ahead);
        case 2: return tiles<2, 2>(s, f, ahead);
        case 3: return tiles<1, 3>(s, f, ahead);
        default: return tiles<1, 4>(s, f, ahead);
      }
    } else {
      tiles<2, 1>(s, f, ahead);
    }
  }

 private:
  // A block of codes at a time: tiles that are made meet the activations before they leave the L1.
  static constexpr int64_t kCodedSteps = QuantizedLayout::kBlock / tmm::kDepth;

  int64_t row_bytes() const { return weight_row_bytes(weight_, depth_); }
  const char* row(int64_t f) const { return weight_row(weight_, f, depth_); }

  template <int kA, int kB>
  void tiles(FewTileScratch& s, int64_t f, DotAhead& ahead) const {
    const int64_t width = std::min(kFewPanel, columns_ - f);
    for (int64_t j = 0; j < width; j += 16 * kA) {
      multiply<kA, kB>(s, f + j, ahead);
      keep<0, kA, kB>(s, j);
    }
  }

  // Whether rows of the weight serve as tiles where they lie.
  bool in_place() const {
    return std::is_same_v<V, const bf16*> && depth_ % tmm::kDepth == 0 && row_bytes() % kPageBytes != 0;
  }

  template <int kA, int kB>
  void multiply(FewTileScratch& s, int64_t f, DotAhead& ahead) const {
    tmm::zero<0>();
    tmm::zero<1>();
    tmm::zero<2>();
    tmm::zero<3>();
    const bool whole = columns_ - f >= 16 * kA && in_place();
    const int64_t most = whole ? steps_ : kCoded<V> ? kCodedSteps : kFewSteps;
    for (int64_t k = 0; k < steps_; k += most) {
      const int64_t steps = std::min(most, steps_ - k);
      const char* a[kA];
      for (int i = 0; i < kA; ++i) {
        a[i] = whole ? row(f + 16 * i) + k * 64 : s.weight[i];
        if (!whole) copy(s.weight[i], f + 16 * i, k, steps, ahead);
      }
      const char* b = s.inp + k * tmm::kBytes;
      for (int64_t step = 0; step < steps; ++step, b += tmm::kBytes) {
        if constexpr (kOnTiles<T>) {
          multiply_step<kA, kB>(a, whole ? row_bytes() : 64, b, ahead);
        } else {
          multiply_parts(a, whole ? row_bytes() : 64, b, ahead);
        }
        for (int i = 0; i < kA; ++i) a[i] += whole ? 64 : tmm::kBytes;
      }
    }
  }

  static inline void look_ahead(DotAhead& ahead) {
    if constexpr (!kCoded<V>) ahead.fetch();
  }

  // Sums i * kB + j of tile i of the weight, in register 4 or 5, and tile j of activations, in 6 or 7.
  template <int kA, int kB>
  inline __attribute__((always_inline)) void multiply_step(const char* const (&a)[kA], int64_t pitch, const char* b,
                                                           DotAhead& ahead) const {
    const int64_t next = steps_ * tmm::kBytes;
    tmm::load<6>(b, 64);
    tmm::load_passing<4>(a[0], pitch);
    tmm::product<0, 4, 6>();
    look_ahead(ahead);
    if constexpr (kB > 1) {
      tmm::load<7>(b + next, 64);
      tmm::product<1, 4, 7>();
    }
    if constexpr (kB > 2) {
      tmm::load<6>(b + 2 * next, 64);
      tmm::product<2, 4, 6>();
    }
    if constexpr (kB > 3) {
      tmm::load<7>(b + 3 * next, 64);
      tmm::product<3, 4, 7>();
    }
    if constexpr (kA > 1) {
      tmm::load_passing<5>(a[1], pitch);
      tmm::product<kB, 5, 6>();
      if constexpr (kB > 1) tmm::product<kB + 1, 5, 7>();
      look_ahead(ahead);
    }
    if constexpr (kA > 2) {
      tmm::load_passing<4>(a[2], pitch);
      tmm::product<2, 4, 6>();
      look_ahead(ahead);
      tmm::load_passing<5>(a[3], pitch);
      tmm::product<3, 5, 6>();
      look_ahead(ahead);
    }
  }

  // Two tiles of the weight, in registers 2 and 3, and the parts of one of activations, in 4 to 6.
  inline __attribute__((always_inline)) void multiply_parts(const char* const (&a)[2], int64_t pitch, const char* b,
                                                            DotAhead& ahead) const {
    const int64_t next = steps_ * tmm::kBytes;
    tmm::load<6>(b + 2 * next, 64);
    tmm::load_passing<2>(a[0], pitch);
    tmm::product<0, 2, 6>();
    look_ahead(ahead);
    tmm::load_passing<3>(a[1], pitch);
    tmm::product<1, 3, 6>();
    look_ahead(ahead);
    tmm::load<5>(b + next, 64);
    tmm::product<0, 2, 5>();
    tmm::product<1, 3, 5>();
    tmm::load<4>(b, 64);
    tmm::product<0, 2, 4>();
    tmm::product<1, 3, 4>();
  }

  // Steps k.. of 16 rows of the weight as tiles; rows past the last are zero.
  void copy(char* to, int64_t f, int64_t k, int64_t steps, [[maybe_unused]] DotAhead& ahead) const {
    const int rows = tile_part(columns_ - f, 16);
    const int64_t begin = k * tmm::kDepth;
    if constexpr (kCoded<V>) {
      constexpr int64_t kBlock = QuantizedLayout::kBlock;
      static_assert(kBlock % tmm::kDepth == 0 && tmm::kDepth % W == 0, "a block of codes is whole steps");
      for (int i = 0; i < 16; ++i) {
        ahead.fetch();
        const int64_t element = (f + i) * depth_ + begin;
        const vf scale = i < rows ? splat(weight_.scale(element / kBlock)) : vf{};
        for (int64_t e = 0; e < kBlock; e += W) {
          auto* const row = reinterpret_cast<bf16*>(to + e / tmm::kDepth * tmm::kBytes + 64 * i);
          store(row + e % tmm::kDepth, i < rows ? weight_.values(element + e, W) * scale : vf{});
        }
      }
    } else {
      for (int64_t i = 0; i < steps; ++i) {
        tile_of_rows(to + i * tmm::kBytes, weight_ + f * depth_ + begin + i * tmm::kDepth, depth_, rows,
                     tile_part(depth_ - begin - i * tmm::kDepth, tmm::kDepth));
      }
    }
  }

  // The sums in registers kTile.. into rows of out.
  template <int kTile, int kA, int kB>
  static void keep(FewTileScratch& s, int64_t j) {
    pairs sums[16];
    tmm::store<kTile>(sums, 64);
    transpose_pairs(sums);
    float* to = s.sums + kTile % kB * 16 * kFewPanel + j + kTile / kB * 16;
    for (int m = 0; m < 16; ++m) store_row(reinterpret_cast<char*>(to + m * kFewPanel), sums[m]);
    if constexpr (kTile + 1 < kA * kB) keep<kTile + 1, kA, kB>(s, j);
  }

  const T* const inp_;
  const V weight_;
  const int64_t rows_, depth_, columns_, steps_;
};

// out = epilogue(inp (N, depth) * weight (columns, depth)^T), 64 columns of a row at a time.
template <class T, class V>
static void tile_few_product(attune_context* ctx, const T* inp, int64_t N, int64_t depth, int64_t columns,
                             const V& weight, Epilogue epilogue) {
  const FewTileProduct<T, V> product(inp, N, depth, columns, weight);
  Shares shares((columns + kFewPanel - 1) / kFewPanel, ctx->pool.threads());
  parallel(ctx, shares.count(), [&](int64_t task, int32_t worker) {
    auto& s = *reinterpret_cast<FewTileScratch*>(ctx->workspace(worker));
    const tmm::Session session;
    bool is_staged = false;
    shares.each(task, [&](int64_t panel, int64_t end) {
      if (!is_staged) product.stage(s);
      is_staged = true;
      const int64_t f = panel * kFewPanel;
      product.panel(s, f, std::min(end * kFewPanel, columns));
      for (int64_t m = 0; m < N; ++m) epilogue(m, 1, f, tile_part(columns - f, kFewPanel), s.sums + m * kFewPanel);
    });
    end_streaming();
  });
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
