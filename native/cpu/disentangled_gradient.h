// The backward pass of disentangled attention (disentangled_attention.cpp): a head of a group of sequences at a time.
#ifndef ATTUNE_DISENTANGLED_GRADIENT_H
#define ATTUNE_DISENTANGLED_GRADIENT_H

#include <cstdint>
#include <cstring>

#include "attention_gradient.h"
#include "context.h"
#include "disentangled.h"

namespace attune {
namespace ATTUNE_ISA {

struct DisentangledBackwardScratch {
  float k[kChunk * kRowCells];
  float v[kChunk * kRowCells];
  float k_summed[kChunk * kRowCells];
  float dk[kChunk * kMaxD];
  float dv[kChunk * kMaxD];
  float q[kMaxD * kBlock];
  float dout[kMaxD * kBlock];
  float q_rows[kBlock * kRowCells];
  float q_summed[kBlock * kRowCells];
  float dout_summed[kBlock * kRowCells];
  float scores[kTile * kBlock];
  float dscores[kTile * kBlock];
  float dscores_pairs[kTile / 2 * kBlock];
  float gradients[kTile * kBlock];
  float query_logits[kBlock * kPlaces];
  float key_logits[kChunk * kPlaces];
  float dquery_logits[kBlock * kPlaces];
  float dkey_logits[kChunk * kPlaces];
  PackedPositions pos_key, pos_query;
  float pos_key_summed[kPlaces * kRowCells];
  float pos_query_summed[kPlaces * kRowCells];
  float packed[kBlock * kRowCells];
  float lse[kBlock];
  float dots[kBlock];
};
static_assert(sizeof(DisentangledBackwardScratch) <= kWorkspaceBytes, "backward scratch");

// Keeps the gradients of a tile's scores as they are: [key][kBlock].
struct TileGradients {
  float* tile;
  void add(int64_t j, int64_t v, vf gradient) { store(tile + j * kBlock + v * W, gradient); }
};

// Rows of logits as the A of a product summed over places: [row][kRowCells].
static inline void pack_over_places(Single, float* tile, const float* logits, int64_t rows, int64_t places) {
  pack_rows<Single>(tile, logits, kPlaces, rows, places);
}
// And as that of one summed over rows: [row][kRowCells], a cell per place.
static inline void pack_over_rows(Single, float*, const float*, int64_t, int64_t) {}

#if defined(ATTUNE_BF16_PAIRS)
static inline void pack_over_places(Pair, float* tile, const float* logits, int64_t rows, int64_t places) {
  for (int64_t r = 0; r < rows; ++r) {
    auto* to = reinterpret_cast<bf16*>(tile + r * kRowCells);
    for (int64_t p = 0; p < places; p += W) store(to + p, load_some(logits + r * kPlaces + p, places - p));
    if (places % 2 != 0) to[places] = bf16{0};
  }
}
static inline void pack_over_rows(Pair, float* tile, const float* logits, int64_t rows, int64_t places) {
  for (int64_t r = 0; r < rows; r += 2) {
    const float* row = logits + r * kPlaces;
    for (int64_t p = 0; p < places; p += W) {
      const vf odd = r + 1 < rows ? load(row + kPlaces + p) : vf{};
      store(tile + r / 2 * kRowCells + p, round_pair(load(row + p), odd));
    }
  }
}
#endif

template <class Cell, class T>
struct DisentangledBackward : Disentangled<Cell, T> {
  using Base = Disentangled<Cell, T>;
  using Base::a;
  T* dq;
  T* dk;
  T* dv;
  const T* dout;
  const T* out;
  const float* lse;
  float* dq_sums;  // (N, H, width): of a head and a sequence in one piece

  explicit DisentangledBackward(const Base& base) : Base(base) {}

  // Gradients of a head of sequence b; adds to those of the positions (P, width), unscaled.
  void run(DisentangledBackwardScratch& s, int64_t b, int64_t head, float* dpos_key, float* dpos_query) const {
    const int64_t length = a.queries(b), width = this->width();
    float* dq_rows = dq_sums + ((a.cu_q[b] - a.cu_q[0]) * a.H + head * length) * width;
    std::memset(dq_rows, 0, static_cast<size_t>(length * width) * sizeof(float));
    for (int64_t begin = 0; begin < length; begin += kChunk) {
      const int64_t end = begin + kChunk < length ? begin + kChunk : length, keys = end - begin;
      const int64_t key_row = a.cu_q[b] + begin;
      const T* key_rows = this->at(this->k, key_row, head);
      pack_rows<Cell>(s.k, key_rows, a.kv_stride, keys, a.D);
      pack_rows<Cell>(s.v, this->at(this->v, key_row, head), a.kv_stride, keys, a.D);
      if (Cell::kWidth == 2) pack_summed(Cell(), s.k_summed, key_rows, a.kv_stride, keys, a.D);
      std::memset(s.dk, 0, static_cast<size_t>(keys * width) * sizeof(float));
      std::memset(s.dv, 0, static_cast<size_t>(keys * width) * sizeof(float));
      for (int64_t first = 0; first < length; first += kChunk) {
        chunk(s, b, head, first, first + kChunk < length ? first + kChunk : length, begin, end, dq_rows + first * width,
              dpos_key, dpos_query);
      }
      for (int64_t j = 0; j < keys; ++j) {
        const int64_t to = (key_row + j) * a.kv_stride + head * a.D;
        for (int64_t d = 0; d < a.D; d += W) {
          store_some(dk + to + d, load(s.dk + j * width + d) * a.scale, a.D - d);
          store_some(dv + to + d, load(s.dv + j * width + d), a.D - d);
        }
      }
    }
    for (int64_t i = 0; i < length; ++i) {
      T* to = dq + (a.cu_q[b] + i) * a.q_stride + head * a.D;
      for (int64_t d = 0; d < a.D; d += W) store_some(to + d, load(dq_rows + i * width + d) * a.scale, a.D - d);
    }
  }

 private:
  // The tile of rows of which products are summed over rows.
  static const float* summed(const float* rows, const float* pairs) { return Cell::kWidth == 2 ? pairs : rows; }

  // Queries first..last-1 against keys begin..end-1, which are packed.
  void chunk(DisentangledBackwardScratch& s, int64_t b, int64_t head, int64_t first, int64_t last, int64_t begin,
             int64_t end, float* dq_rows, float* dpos_key, float* dpos_query) const {
    const int64_t keys = end - begin, width = this->width();
    const PlaceRange range = this->range(first, last, begin, end);
    const int64_t logit_bytes = range.count * static_cast<int64_t>(sizeof(float));
    if (this->pos_query != nullptr) {
      this->pack_positions(s.pos_query, this->pos_query, range, head);
      this->multiply(s.key_logits, s.k, keys, s.pos_query, range, range);
      pack_summed(Cell(), s.pos_query_summed, this->pos_query + range.first * this->pos_stride + head * a.D,
                  this->pos_stride, range.count, a.D);
      for (int64_t j = 0; j < keys; ++j) std::memset(s.dkey_logits + j * kPlaces, 0, static_cast<size_t>(logit_bytes));
    }
    if (this->pos_key != nullptr) {
      this->pack_positions(s.pos_key, this->pos_key, range, head);
      pack_summed(Cell(), s.pos_key_summed, this->pos_key + range.first * this->pos_stride + head * a.D,
                  this->pos_stride, range.count, a.D);
    }
    const QueryBlocks blocks(last - first);
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int64_t at = blocks.begin(block);
      differentiate(s, b, head, first + at, blocks.begin(block + 1) - at, begin, end, range, dq_rows + at * width,
                    dpos_key);
    }
    if (this->pos_query == nullptr) return;
    for (int64_t j = 0; j < keys; j += kBlock) {
      const int64_t count = keys - j < kBlock ? keys - j : kBlock;
      add_position_gradients(s, s.dk + j * width, dpos_query, s.dkey_logits + j * kPlaces, count, range,
                             s.pos_query_summed, summed(s.k + j * kRowCells, s.k_summed + j / 2 * kRowCells));
    }
  }

  void differentiate(DisentangledBackwardScratch& s, int64_t b, int64_t head, int64_t i0, int64_t rows, int64_t begin,
                     int64_t end, PlaceRange range, float* dq_rows, float* dpos_key) const {
    const int64_t vectors = (rows + W - 1) / W, width = this->width(), row = a.cu_q[b] + i0;
    const int64_t N = a.cu_q[a.B] - a.cu_q[0], dense = a.H * a.D;
    const T* queries = this->at(this->q, row, head);
    const T* dout_rows = dout + row * dense + head * a.D;
    pack_transposed<Cell>(s.q, queries, a.q_stride, rows, vectors, a.D);
    pack_transposed<Cell>(s.dout, dout_rows, dense, rows, vectors, a.D);
    pack_rows<Cell>(s.q_rows, queries, a.q_stride, rows, a.D);
    if (Cell::kWidth == 2) pack_summed(Cell(), s.q_summed, queries, a.q_stride, rows, a.D);
    pack_summed(Cell(), s.dout_summed, dout_rows, dense, rows, a.D);
    row_dots(s.dots, dout_rows, dense, out + row * dense + head * a.D, dense, rows, vectors, a.D);
    load_lse(s.lse, lse + head * N + row - a.cu_q[0], rows, vectors);
    const float* q_summed = summed(s.q_rows, s.q_summed);
    PlaceRange met = range;
    if (this->pos_key != nullptr) {
      met = this->range(i0, i0 + rows, begin, end);
      this->multiply(s.query_logits, s.q_rows, rows, s.pos_key, range, met);
      // What lies before a pair of places in the pack is the other of the pair.
      met.count += (met.first - range.first) % 2;
      met.first -= (met.first - range.first) % 2;
      for (int64_t r = 0; r < rows; ++r) {
        std::memset(s.dquery_logits + r * kPlaces + met.first - range.first, 0,
                    static_cast<size_t>(met.count) * sizeof(float));
      }
    }
    const int64_t row_cells = (rows + Cell::kWidth - 1) / Cell::kWidth;
    for (int64_t j0 = begin; j0 < end; j0 += kTile) {
      const int64_t keys = end - j0 < kTile ? end - j0 : kTile, from = j0 - begin;
      this->start_scores(s.scores, s.query_logits, s.key_logits + from * kPlaces, range.first, i0, rows, vectors, j0,
                         keys);
      product<Cell, kRowCells, 1>(s.scores, kBlock, s.k + from * kRowCells, s.q, kBlock, keys, vectors, this->cells(),
                                  true);
      product<Cell, kRowCells, 1>(s.dscores, kBlock, s.v + from * kRowCells, s.dout, kBlock, keys, vectors,
                                  this->cells(), false);
      TileGradients gradients{s.gradients};
      softmax_bwd<Cell>(a, s.scores, s.dscores, s.dscores_pairs, gradients, keys, vectors, s.lse, s.dots, row, head,
                        j0);
      scatter(s, range.first, i0, rows, vectors, j0, keys, s.dkey_logits + from * kPlaces);
      product<Cell, kBlock, 1>(s.dv + from * width, width, s.scores, s.dout_summed, kRowCells, keys, a.vectors(),
                               row_cells, true);
      product<Cell, kBlock, 1>(s.dk + from * width, width, s.dscores, q_summed, kRowCells, keys, a.vectors(), row_cells,
                               true);
      product<Cell, 1, kBlock>(dq_rows, width, summed(s.dscores, s.dscores_pairs),
                               summed(s.k + from * kRowCells, s.k_summed + from / 2 * kRowCells), kRowCells, rows,
                               a.vectors(), (keys + Cell::kWidth - 1) / Cell::kWidth, true);
    }
    if (this->pos_key != nullptr) {
      const int64_t skipped = met.first - range.first;
      add_position_gradients(s, dq_rows, dpos_key, s.dquery_logits + skipped, rows, met,
                             s.pos_key_summed + skipped / Cell::kWidth * kRowCells, q_summed);
    }
  }

  // The gradients of a tile's scores to those of the logits.
  void scatter(DisentangledBackwardScratch& s, int32_t first_place, int64_t i0, int64_t rows, int64_t vectors,
               int64_t j0, int64_t keys, float* dkey_logits) const {
    const Logits logits{this->places, first_place};
    for (int64_t v = 0; v < vectors; ++v) {
      if (this->pos_query != nullptr) {
        for (int64_t j = 0; j < keys; ++j) {
          logits.add(dkey_logits + j * kPlaces, i0 + v * W - (j0 + j), load(s.gradients + j * kBlock + v * W));
        }
      }
      if (this->pos_key == nullptr) continue;
      for (int64_t j = 0; j < keys; j += W) {
        vf block[W];
        for (int x = 0; x < W; ++x) {
          const int64_t key = j + W - 1 - x;
          block[x] = key < keys ? load(s.gradients + key * kBlock + v * W) : vf{};
        }
        transpose(block);
        for (int64_t row = v * W; row < v * W + W && row < rows; ++row) {
          logits.add(s.dquery_logits + row * kPlaces, i0 + row - (j0 + j) - (W - 1), block[row - v * W]);
        }
      }
    }
  }

  // dcontent (rows, width) += dlogits times positions, dpositions (P, width) += dlogits^T times content.
  void add_position_gradients(DisentangledBackwardScratch& s, float* dcontent, float* dpositions, const float* dlogits,
                              int64_t rows, PlaceRange range, const float* positions, const float* content) const {
    const int64_t width = this->width();
    for (int64_t p = 0; p < range.count; p += kChunk) {
      const int64_t count = range.count - p < kChunk ? range.count - p : kChunk;
      pack_over_places(Cell(), s.packed, dlogits + p, rows, count);
      product<Cell, kRowCells, 1>(dcontent, width, s.packed, positions + p / Cell::kWidth * kRowCells, kRowCells, rows,
                                  a.vectors(), (count + Cell::kWidth - 1) / Cell::kWidth, true);
      pack_over_rows(Cell(), s.packed, dlogits + p, rows, count);
      product<Cell, 1, kRowCells>(dpositions + (range.first + p) * width, width, s.packed, content, kRowCells, count,
                                  a.vectors(), (rows + Cell::kWidth - 1) / Cell::kWidth, true);
    }
  }
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
