// Disentangled attention (He et al., DeBERTa, 2021) on the tiles of attention.cpp.
//
// The terms of positions are products with the rows of positions that a chunk of queries and a chunk of keys can
// meet, at most kPlaces of them: C (queries, places) = Q PosKey^T and K (keys, places) = K PosQuery^T. The score of
// query i and key j begins with C[i][place] + K[j][place] of the offset i - j. Around offset 0 neighbouring offsets
// have neighbouring places, so that a vector of offsets is a plain load; farther out, where buckets are wide, it is a
// gather. Lanes of a tile are queries: rows of K lie along them, those of C across and pass through a transpose.
//
//   forward    S^T = places(C, K) + K Q^T, then as in attention
//   backward   dS^T as in attention; dC, dK from dS^T by place; dQ += dC PosKey, dPosKey += dC^T Q,
//              dKeys += dK PosQuery, dPosQuery += dK^T Keys
//
// A task of the backward pass is a head of a group of sequences, which has sums of its own for the positions. Groups
// depend on lengths only, and every sum runs in rising order, so threads change no bit.
#include <cstdint>
#include <cstring>

#include "attention_forward.h"
#include "attention_gemm.h"
#include "attention_gradient.h"
#include "attention_math.h"
#include "attention_pack.h"
#include "attention_tiles.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

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

struct DisentangledForwardScratch {
  float k[kChunk * kRowCells];
  float v[kChunk * kRowCells];
  float q[kMaxD * kBlock];
  float q_rows[kBlock * kRowCells];
  float scores[kTile * kBlock];
  float rescale[kBlock];
  float query_logits[kBlock * kPlaces];
  float key_logits[kChunk * kPlaces];
  PackedPositions pos_key, pos_query;
  float maximum[kChunk + kBlock];
  float sum[kChunk + kBlock];
  float out[(kChunk + kBlock) * kMaxD];
};
static_assert(sizeof(DisentangledForwardScratch) <= kWorkspaceBytes, "forward scratch");

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

// ---- forward -------------------------------------------------------------------------------------

template <class Cell, class T>
struct DisentangledForward : Disentangled<Cell, T> {
  using Base = Disentangled<Cell, T>;
  using Base::a;
  T* out;
  float* lse;

  DisentangledForward(const Base& base, T* out_rows, float* lse_rows) : Base(base), out(out_rows), lse(lse_rows) {}

  void run(DisentangledForwardScratch& s, int64_t b, int64_t head) const {
    const int64_t length = a.queries(b);
    for (int64_t first = 0; first < length; first += kChunk) {
      const int64_t last = first + kChunk < length ? first + kChunk : length;
      for (int64_t begin = 0; begin < length; begin += kChunk) {
        chunk(s, b, head, first, last, begin, begin + kChunk < length ? begin + kChunk : length);
      }
      finish(s, b, head, first, last);
    }
  }

 private:
  // Queries first..last-1 against keys begin..end-1.
  void chunk(DisentangledForwardScratch& s, int64_t b, int64_t head, int64_t first, int64_t last, int64_t begin,
             int64_t end) const {
    const int64_t key_row = a.cu_q[b] + begin, keys = end - begin;
    pack_rows<Cell>(s.k, this->at(this->k, key_row, head), a.kv_stride, keys, a.D);
    pack_summed(Cell(), s.v, this->at(this->v, key_row, head), a.kv_stride, keys, a.D);
    const PlaceRange range = this->range(first, last, begin, end);
    if (this->pos_query != nullptr) {
      this->pack_positions(s.pos_query, this->pos_query, range, head);
      this->multiply(s.key_logits, s.k, keys, s.pos_query, range, range);
    }
    if (this->pos_key != nullptr) this->pack_positions(s.pos_key, this->pos_key, range, head);
    const QueryBlocks blocks(last - first);
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int64_t at = blocks.begin(block), i0 = first + at, rows = blocks.begin(block + 1) - at;
      const int64_t vectors = (rows + W - 1) / W, row = a.cu_q[b] + i0;
      float* maximum = s.maximum + at;
      float* sum = s.sum + at;
      float* acc = s.out + at * this->width();
      if (begin == 0) {
        for (int64_t i = 0; i < vectors * W; i += W) {
          store(maximum + i, splat(-kInfinity));
          store(sum + i, vf{});
        }
      }
      const T* queries = this->at(this->q, row, head);
      pack_transposed<Cell>(s.q, queries, a.q_stride, rows, vectors, a.D);
      if (this->pos_key != nullptr) {
        pack_rows<Cell>(s.q_rows, queries, a.q_stride, rows, a.D);
        this->multiply(s.query_logits, s.q_rows, rows, s.pos_key, range, this->range(i0, i0 + rows, begin, end));
      }
      for (int64_t j0 = begin; j0 < end; j0 += kTile) {
        const int64_t count = end - j0 < kTile ? end - j0 : kTile, from = j0 - begin;
        this->start_scores(s.scores, s.query_logits, s.key_logits + from * kPlaces, range.first, i0, rows, vectors, j0,
                           count);
        product<Cell, kRowCells, 1>(s.scores, kBlock, s.k + from * kRowCells, s.q, kBlock, count, vectors,
                                    this->cells(), true);
        if (a.dropout.on()) {
          softmax_tile<Cell, true>(a, s.scores, count, vectors, maximum, sum, s.rescale, row, head, j0);
        } else {
          softmax_tile<Cell, false>(a, s.scores, count, vectors, maximum, sum, s.rescale, row, head, j0);
        }
        if (j0 > 0) {
          for (int64_t r = 0; r < rows; ++r) {
            float* acc_row = acc + r * this->width();
            for (int64_t d = 0; d < this->width(); d += W) store(acc_row + d, load(acc_row + d) * s.rescale[r]);
          }
        }
        product<Cell, 1, kBlock>(acc, this->width(), s.scores, s.v + from / Cell::kWidth * kRowCells, kRowCells, rows,
                                 a.vectors(), (count + Cell::kWidth - 1) / Cell::kWidth, j0 > 0);
      }
    }
  }

  void finish(const DisentangledForwardScratch& s, int64_t b, int64_t head, int64_t first, int64_t last) const {
    const int64_t N = a.cu_q[a.B] - a.cu_q[0], row = a.cu_q[b] + first;
    for (int64_t r = 0; r < last - first; r += W) {
      const vf total = load(s.sum + r), top = load(s.maximum + r);
      store_some(lse + head * N + row - a.cu_q[0] + r, fma(top, splat(kLn2), log_of(total)), last - first - r);
      for (int64_t i = 0; i < W && r + i < last - first; ++i) {
        T* to = out + ((row + r + i) * a.H + head) * a.D;
        const vf factor = splat(1.0f / total[i]);
        for (int64_t d = 0; d < a.D; d += W) {
          store_some(to + d, load(s.out + (r + i) * this->width() + d) * factor, a.D - d);
        }
      }
    }
  }
};

// ---- backward ------------------------------------------------------------------------------------

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

// The group of each sequence: groups are runs of sequences of about the same work.
class Groups {
 public:
  Groups(const int32_t* cu, int64_t B, int64_t groups) : cu_(cu), B_(B), groups_(groups) {
    for (int64_t b = 0; b < B; ++b) total_ += work(b);
  }

  // Calls body(b) for the sequences of a group, in rising order.
  template <class Body>
  void each(int64_t group, Body&& body) const {
    double before = 0;
    for (int64_t b = 0; b < B_; ++b) {
      const double share = total_ > 0 ? before / total_ * static_cast<double>(groups_) : 0;
      if (static_cast<int64_t>(share) == group || (share >= static_cast<double>(groups_) && group == groups_ - 1)) {
        body(b);
      }
      before += work(b);
    }
  }

 private:
  double work(int64_t b) const {
    const auto length = static_cast<double>(cu_[b + 1] - cu_[b]);
    return length * length;
  }

  const int32_t* cu_;
  int64_t B_, groups_;
  double total_ = 0;
};

static attune_status check_disentangled(const char* op, const AttentionProblem& a, const int32_t* places, int64_t reach,
                                        int64_t P) {
  if (a.B == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_offsets(op, "cu_seqlens", a.cu_q, a.B));
  ATTUNE_CHECK(check_indices(op, "places", places, 2 * reach + 1, P));
  // So that a range of offsets has no more places than it has offsets.
  for (int64_t i = 0; i < 2 * reach; ++i) {
    const int64_t step = int64_t{places[i + 1]} - places[i];
    ATTUNE_REQUIRE(step == 0 || step == 1, "%s: places[%lld] is %d, must be %d or one more (the one before)", op,
                   ll(i + 1), places[i + 1], places[i]);
  }
  return ATTUNE_OK;
}

// Calls body with the cells and the type of elements that a call's products have.
template <class Body>
static void with_cells(int32_t dtype, int64_t D, Body&& body) {
  if (dtype == ATTUNE_F32) {
    body(Single(), float());
    return;
  }
#if defined(ATTUNE_BF16_PAIRS)
  if (D % 2 == 0) {
    body(Pair(), bf16());
    return;
  }
#else
  (void)D;
#endif
  body(Single(), bf16());
}

}  // namespace

attune_status disentangled_attention_fwd(attune_context* ctx, void* out, float* lse, const void* q, const void* k,
                                         const void* v, const void* pos_key, const void* pos_query,
                                         const int32_t* places, const int32_t* cu_seqlens, int64_t, int64_t stride,
                                         int64_t pos_stride, int64_t B, int64_t, int64_t H, int64_t D, int64_t P,
                                         int64_t reach, float scale, float p, int64_t seed, int64_t stream,
                                         int32_t dtype) {
  const AttentionProblem a{
      cu_seqlens, cu_seqlens, nullptr, stride, stride, B, H, H, D, scale, false, 0, Dropout(ctx, p, seed, stream)};
  ATTUNE_CHECK(check_disentangled("disentangled_attention_fwd", a, places, reach, P));
  with_cells(dtype, D, [&](auto cell, auto element) {
    using Cell = decltype(cell);
    using T = decltype(element);
    const Disentangled<Cell, T> base{a,
                                     static_cast<const T*>(q),
                                     static_cast<const T*>(k),
                                     static_cast<const T*>(v),
                                     static_cast<const T*>(pos_key),
                                     static_cast<const T*>(pos_query),
                                     pos_stride,
                                     Places(places, reach)};
    const DisentangledForward<Cell, T> forward(base, static_cast<T*>(out), lse);
    parallel(ctx, B * H, [&](int64_t task, int32_t worker) {
      [[maybe_unused]] const typename Cell::Session session;
      forward.run(*reinterpret_cast<DisentangledForwardScratch*>(ctx->workspace(worker)), task / H, task % H);
    });
  });
  return ATTUNE_OK;
}

attune_status disentangled_attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, void* dpos_key,
                                         void* dpos_query, float* scratch, const void* dout, const void* q,
                                         const void* k, const void* v, const void* pos_key, const void* pos_query,
                                         const void* out, const float* lse, const int32_t* places,
                                         const int32_t* cu_seqlens, int64_t N, int64_t stride, int64_t pos_stride,
                                         int64_t B, int64_t, int64_t H, int64_t D, int64_t P, int64_t reach,
                                         int64_t groups, float scale, float p, int64_t seed, int64_t stream,
                                         int32_t dtype) {
  const AttentionProblem a{
      cu_seqlens, cu_seqlens, nullptr, stride, stride, B, H, H, D, scale, false, 0, Dropout(ctx, p, seed, stream)};
  ATTUNE_CHECK(check_disentangled("disentangled_attention_bwd", a, places, reach, P));
  with_cells(dtype, D, [&](auto cell, auto element) {
    using Cell = decltype(cell);
    using T = decltype(element);
    DisentangledBackward<Cell, T> backward(Disentangled<Cell, T>{
        a, static_cast<const T*>(q), static_cast<const T*>(k), static_cast<const T*>(v), static_cast<const T*>(pos_key),
        static_cast<const T*>(pos_query), pos_stride, Places(places, reach)});
    backward.dq = static_cast<T*>(dq);
    backward.dk = static_cast<T*>(dk);
    backward.dv = static_cast<T*>(dv);
    backward.dout = static_cast<const T*>(dout);
    backward.out = static_cast<const T*>(out);
    backward.lse = lse;
    // Of a group and head: dpos_key, then dpos_query.
    const int64_t sums = P * backward.width();
    backward.dq_sums = scratch + groups * H * 2 * sums;
    const Groups grouped(cu_seqlens, B, groups);
    parallel(ctx, groups * H, [&](int64_t task, int32_t worker) {
      [[maybe_unused]] const typename Cell::Session session;
      float* slot = scratch + task * 2 * sums;
      std::memset(slot, 0, static_cast<size_t>(2 * sums) * sizeof(float));
      grouped.each(task / H, [&](int64_t b) {
        backward.run(*reinterpret_cast<DisentangledBackwardScratch*>(ctx->workspace(worker)), b, task % H, slot,
                     slot + sums);
      });
    });
    parallel(ctx, H * P, [&](int64_t task, int32_t) {
      const int64_t head = task % H, place = task / H, at = place * pos_stride + head * D;
      for (int64_t kind = 0; kind < 2; ++kind) {
        T* to = static_cast<T*>(kind == 0 ? dpos_key : dpos_query);
        if (to == nullptr) continue;
        for (int64_t d = 0; d < D; d += W) {
          vf total{};
          for (int64_t group = 0; group < groups; ++group) {
            total += load(scratch + ((group * H + head) * 2 + kind) * sums + place * backward.width() + d);
          }
          store_some(to + at + d, total * scale, D - d);
        }
      }
    });
  });
  (void)N;
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
