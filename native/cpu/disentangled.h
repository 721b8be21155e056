// What both passes of disentangled attention share: places of offsets, rows of positions, and the scores that come of
// them (disentangled_attention.cpp).
#ifndef ATTUNE_DISENTANGLED_H
#define ATTUNE_DISENTANGLED_H

#include <cstdint>
#include <cstring>

#include "attention_gemm.h"
#include "attention_math.h"
#include "attention_pack.h"
#include "attention_tiles.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kChunk = 256;   // queries, and keys, that meet at a time
constexpr int64_t kPlaces = 576;  // rows of positions that they can need
static_assert(kChunk % kTile == 0 && kChunk <= kKeys, "tile grid");
static_assert(2 * kChunk + 2 * W <= kPlaces && kPlaces % kBlock == 0, "offsets of two chunks, in whole blocks");

// Rows of positions by the offset of a query from a key.
class Places {
 public:
  Places(const int32_t* rows, int64_t reach) : middle_(rows + reach), reach_(reach) {
    while (last_ < reach && middle_[last_ + 1] == middle_[last_] + 1) ++last_;
    while (first_ > -reach && middle_[first_ - 1] == middle_[first_] - 1) --first_;
  }

  int32_t of(int64_t offset) const { return middle_[offset < -reach_ ? -reach_ : offset > reach_ ? reach_ : offset]; }

  // Whether W offsets from this one on have places in a row.
  bool is_run(int64_t offset) const { return offset >= first_ && offset + W - 1 <= last_; }

  vi from(int64_t offset) const {
    vi out;
    if (offset >= -reach_ && offset + W - 1 <= reach_) {
      std::memcpy(&out, middle_ + offset, sizeof(out));
    } else {
      for (int i = 0; i < W; ++i) out[i] = of(offset + i);
    }
    return out;
  }

 private:
  const int32_t* middle_;
  int64_t reach_;
  int64_t first_ = 0, last_ = 0;
};

static inline vf gather(const float* row, vi at) {
#if defined(__AVX512F__)
  return (vf)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xFFFF, (__m512i)at, row, 4);
#elif defined(__AVX2__)
  return (vf)_mm256_i32gather_ps(row, (__m256i)at, 4);
#else
  vf out;
  for (int i = 0; i < W; ++i) out[i] = row[at[i]];
  return out;
#endif
}

// `count` rows of positions from `first` on.
struct PlaceRange {
  int32_t first;
  int64_t count;
};

// Rows of logits by place, kPlaces apart.
struct Logits {
  const Places& places;
  int32_t first;

  vf at(const float* row, int64_t offset) const {
    return places.is_run(offset) ? load(row + places.of(offset) - first) : gather(row, places.from(offset) - first);
  }

  void add(float* row, int64_t offset, vf gradient) const {
    if (places.is_run(offset)) {
      float* to = row + places.of(offset) - first;
      store(to, load(to) + gradient);
      return;
    }
    const vi at = places.from(offset) - first;
    for (int i = 0; i < W; ++i) row[at[i]] += gradient[i];
  }
};

// Positions as the B of the products that give logits: blocks of kBlock rows, lanes are rows.
struct PackedPositions {
  float cells[kPlaces * kMaxD];
};

template <class Cell, class T>
struct Disentangled {
  AttentionProblem a;
  const T* q;
  const T* k;
  const T* v;
  const T* pos_key;    // null: no such term
  const T* pos_query;  // null: no such term
  int64_t pos_stride;
  Places places;

  int64_t cells() const { return a.D / Cell::kWidth; }
  int64_t width() const { return a.vectors() * W; }
  const T* at(const T* rows, int64_t row, int64_t head) const { return rows + row * a.q_stride + head * a.D; }

  // The places of queries i0..i1-1 and keys j0..j1-1, and of what fills up their last vectors.
  PlaceRange range(int64_t i0, int64_t i1, int64_t j0, int64_t j1) const {
    const int32_t least = places.of(i0 - (j1 - 1) - (W - 1)), most = places.of(i1 - 1 + (W - 1) - j0);
    return {least, int64_t{most} - least + 1};
  }

  // Rows of positions of a head as the B of logits.
  void pack_positions(PackedPositions& packed, const T* positions, PlaceRange range, int64_t head) const {
    for (int64_t p = 0; p < range.count; p += kBlock) {
      const int64_t rows = range.count - p < kBlock ? range.count - p : kBlock;
      pack_transposed<Cell>(packed.cells + p * kMaxD, positions + (range.first + p) * pos_stride + head * a.D,
                            pos_stride, rows, (rows + W - 1) / W, a.D);
    }
  }

  // logits (rows, places) of packed rows, for `wanted`, which lies in the range that is packed.
  void multiply(float* logits, const float* rows_packed, int64_t rows, const PackedPositions& packed, PlaceRange range,
                PlaceRange wanted) const {
    const int64_t from = wanted.first - range.first, to = from + wanted.count;
    for (int64_t p = from / kBlock * kBlock; p < to; p += kBlock) {
      const int64_t count = range.count - p < kBlock ? range.count - p : kBlock;
      product<Cell, kRowCells, 1>(logits + p, kPlaces, rows_packed, packed.cells + p * kMaxD, kBlock, rows,
                                  (count + W - 1) / W, cells(), false);
    }
  }

  // Where the sums of the scores of a tile begin: `rows` queries from i0 on, keys from j0 on; rows of logits are those
  // of i0 and of j0.
  void start_scores(float* scores, const float* query_logits, const float* key_logits, int32_t first_place, int64_t i0,
                    int64_t rows, int64_t vectors, int64_t j0, int64_t keys) const {
    const Logits logits{places, first_place};
    for (int64_t v = 0; v < vectors; ++v) {
      for (int64_t j = 0; j < keys; j += W) {
        vf block[W];
        for (int r = 0; r < W; ++r) {
          const int64_t row = v * W + r;
          // Offsets rise where keys fall: element x is of key j + W - 1 - x.
          block[r] = pos_key != nullptr && row < rows
                         ? logits.at(query_logits + row * kPlaces, i0 + row - (j0 + j) - (W - 1))
                         : vf{};
        }
        if (pos_key != nullptr) transpose(block);
        for (int64_t key = j; key < j + W && key < keys; ++key) {
          vf score = block[j + W - 1 - key];
          if (pos_query != nullptr) score += logits.at(key_logits + key * kPlaces, i0 + v * W - (j0 + key));
          store(scores + key * kBlock + v * W, score);
        }
      }
    }
  }
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
