// Variable-length attention by tiles with online softmax (Dao, FlashAttention-2).
//
// Scores are kept transposed: a tile S^T has a row per key and a lane per query. The softmax over keys
// then runs down the lanes, without a single reduction across a vector, and row statistics (maximum,
// sum, lse, dot(dout, out)) are plain vectors. Masks and dropout are lane-wise too.
//
//   forward    S^T = K Q^T, P^T = exp2(c S^T - m), O = rescaled O + (P^T)^T V
//   backward   S^T again, P^T from lse, dP^T = V dO^T, dS^T = P^T (dP^T - dot(dout, out)),
//              dV += P^T dO, dK += dS^T Q, dQ += (dS^T)^T K
//
// Work is cut by (sequence, group of heads) and, for long sequences, by runs of query blocks. Blocks
// and tiles depend on lengths only, and every sum runs in rising order of its index, so neither
// threads nor the way of cutting change a bit.
#include <cstdint>
#include <cstring>

#include "attention_gemm.h"
#include "attention_math.h"
#include "attention_pack.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "philox_simd.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {
namespace {

constexpr int64_t kMaxD = 256;
constexpr int64_t kTile = 128;          // keys of one score tile: two tiles of 128 x 48 stay near L1
constexpr int64_t kKeys = 1024;         // keys packed at a time
constexpr int64_t kChunkBlocks = 4;     // query blocks of one task
constexpr int64_t kSplitKeys = 256;     // keys of one task where dk and dv are computed apart from dq
constexpr int64_t kTaskWork = 262144;   // multiply-adds per product below which a task takes more heads
constexpr int64_t kScheduled = 16384;   // sequences scheduled at a time
constexpr int kBlockVectors = kBlock / W;
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kLn2 = 0.693147180559945309f;
constexpr float kInfinity = __builtin_inff();

static_assert(kBlock % W == 0 && kTile % 8 == 0 && kKeys % kTile == 0 && kSplitKeys % kTile == 0, "tile grid");

struct Problem {
  const int32_t* cu_q;
  const int32_t* cu_k;
  int64_t q_stride, kv_stride, B, H, Hkv, D;
  float scale;
  bool causal;
  int64_t window;
  Dropout dropout;

  int64_t group() const { return H / Hkv; }
  int64_t vectors() const { return (D + W - 1) / W; }
  int64_t queries(int64_t b) const { return cu_q[b + 1] - cu_q[b]; }
  int64_t keys(int64_t b) const { return cu_k[b + 1] - cu_k[b]; }
  // Scores are exponentiated in base 2. A zero would turn a hidden score of -inf into NaN.
  float log2_scale() const {
    float c = scale * kLog2e;
    return c == 0.0f ? 1e-30f : c;
  }
};

// ---- blocks of queries ---------------------------------------------------------------------------

// Queries are cut into blocks of whole vectors, as even as possible: 60 queries on 16 lanes are 32 + 28.
struct QueryBlocks {
  int64_t queries, lanes, count;
  explicit QueryBlocks(int64_t n) : queries(n), lanes((n + W - 1) / W), count((lanes + kBlockVectors - 1) / kBlockVectors) {}
  int64_t begin(int64_t block) const {
    int64_t first = lanes * block / count * W;
    return first < queries ? first : queries;
  }
};

// The keys that any query of i0..i1-1 sees: a range that starts on a multiple of 8, as the blocks of the
// dropout generator (and the pairs of bf16) do.
struct KeyRange {
  int64_t begin, end;
};
static inline KeyRange visible_keys(const Problem& a, int64_t b, int64_t i0, int64_t i1) {
  int64_t keys = a.keys(b), offset = keys - a.queries(b);
  int64_t begin = 0, end = keys;
  if (a.causal && i1 + offset < end) end = i1 + offset;
  if (a.window > 0 && i0 + offset - a.window + 1 > 0) begin = (i0 + offset - a.window + 1) / 8 * 8;
  return {begin, end > begin ? end : begin};
}

// Sets the scores of hidden (query, key) pairs of a tile to what becomes -inf after scaling.
static inline void hide(const Problem& a, int64_t b, float* scores, int64_t i0, int64_t vectors, int64_t j0, int64_t keys) {
  if (!a.causal && a.window <= 0) return;
  int64_t offset = a.keys(b) - a.queries(b);
  bool above = a.causal && j0 + keys - 1 > i0 + offset;
  bool behind = a.window > 0 && j0 <= i0 + vectors * W - 1 + offset - a.window;
  if (!above && !behind) return;
  const vf hidden = splat(a.log2_scale() > 0.0f ? -kInfinity : kInfinity);
  const int32_t window = static_cast<int32_t>(a.window > 0 && a.window < INT32_MAX / 2 ? a.window : INT32_MAX / 2);
  vi lane;
  for (int i = 0; i < W; ++i) lane[i] = i;
  for (int64_t v = 0; v < vectors; ++v) {
    vi diagonal = lane + static_cast<int32_t>(i0 + v * W + offset);
    vi last = a.causal ? diagonal : vi{} + INT32_MAX;
    vi first = diagonal - (window - 1);
    for (int64_t j = 0; j < keys; ++j) {
      float* cell = scores + j * kBlock + v * W;
      vi key = vi{} + static_cast<int32_t>(j0 + j);
      store(cell, select((key <= last) & (key >= first), load(cell), hidden));
    }
  }
}

// ---- dropout of probabilities --------------------------------------------------------------------

// The multipliers of 8 keys for W queries: each lane runs the generator of its own query, so that a
// word of the block holds two keys of every lane.
class ProbabilityDropout {
 public:
  ProbabilityDropout(const Problem& a, int64_t row, int64_t head)
      : seed_(a.dropout.seed),
        stream_(a.dropout.stream),
        threshold_(static_cast<uint32_t>(a.dropout.threshold) << 16),
        scale_(splat(a.dropout.scale)) {
    vu high;
    for (int i = 0; i < W; ++i) high[i] = static_cast<uint32_t>((row + i) * a.H + head);
    std::memcpy(&even_, &high, sizeof(even_));
    odd_ = even_ >> 32;
  }

  // Moves to keys 8 * block .. 8 * block + 7 of the sequence.
  void generate(int64_t block) {
    vl c0[2], c1[2], c2[2], c3[2];
    for (int g = 0; g < 2; ++g) {
      c0[g] = vl{} + static_cast<uint64_t>(block);
      c1[g] = g == 0 ? even_ : odd_;
      c2[g] = vl{} + (stream_ & 0xFFFFFFFFu);
      c3[g] = vl{} + (stream_ >> 32);
    }
    philox_rounds<2>(seed_, c0, c1, c2, c3);
    words_[0] = join(c0);
    words_[1] = join(c1);
    words_[2] = join(c2);
    words_[3] = join(c3);
  }

  // 0 or the scale, for key number `lane` of the eight.
  vf multiplier(int lane) const {
    vu word = words_[lane / 2];
    if (lane % 2 == 0) word <<= 16;
    return word >= threshold_ ? scale_ : vf{};
  }

 private:
  static vu join(const vl (&word)[2]) { return (vu)((word[0] & 0xFFFFFFFFu) | (word[1] << 32)); }

  const uint64_t seed_, stream_;
  const uint32_t threshold_;
  const vf scale_;
  vl even_, odd_;
  vu words_[4];
};

// ---- writing probabilities -----------------------------------------------------------------------

// Tiles of probabilities are the A of two kinds of products: summed over keys (forward, dq) and summed
// over queries (dk, dv). With Single one tile serves both.
static inline void store_over_keys(Single, float* tile, int64_t j, vf even, vf odd) {
  store(tile + j * kBlock, even);
  store(tile + (j + 1) * kBlock, odd);
}
static inline void store_over_keys(Single, float* tile, int64_t j, vf even) { store(tile + j * kBlock, even); }

#if defined(__AVX512BF16__)
static inline vf round_pair(vf even, vf odd) {
  alignas(64) static constexpr uint16_t kInterleave[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                           8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
  return (vf)_mm512_maskz_permutexvar_epi16(~__mmask32{0}, _mm512_load_si512(kInterleave), halves);
}
static inline void store_over_keys(Pair, float* tile, int64_t j, vf even, vf odd) {
  store(tile + j / 2 * kBlock, round_pair(even, odd));
}
static inline void store_over_keys(Pair, float* tile, int64_t j, vf even) {
  store(tile + j / 2 * kBlock, round_pair(even, vf{}));
}
#endif

// One vector of one key row into a tile summed over queries; `lane` is its first query.
static inline void store_over_queries(Single, float* row, int64_t lane, vf value) { store(row + lane, value); }
#if defined(__AVX512BF16__)
static inline void store_over_queries(Pair, float* row, int64_t lane, vf value) {
  vh half = round_to_bf16(value);
  std::memcpy(row + lane / 2, &half, sizeof(half));
}
#endif

// ---- forward -------------------------------------------------------------------------------------

struct ForwardScratch {
  float k[kKeys * kRowCells];
  float v[kKeys * kRowCells];
  float q[kMaxD * kBlock];
  float scores[kTile * kBlock];
  float rescale[kBlock];
  float maximum[kChunkBlocks * kBlock];
  float sum[kChunkBlocks * kBlock];
  float out[kChunkBlocks * kBlock * kMaxD];
};

// One tile of scores into unnormalised probabilities, in place; updates the running maximum (in units
// of log2) and sum, and leaves the factor for what was accumulated before.
template <class Cell, bool kDropout>
static inline void softmax_tile(const Problem& a, float* scores, int64_t keys, int64_t vectors, float* maximum, float* sum,
                                float* rescale, int64_t row, int64_t head, int64_t j0) {
  constexpr bool rounded = Cell::kWidth == 2;
  const vf c = splat(a.log2_scale());
  for (int64_t v = 0; v < vectors; ++v) {
    float* column = scores + v * W;
    vf before = load(maximum + v * W);
    vf top[4] = {before, before, before, before};
    int64_t j = 0;
    for (; j + 4 <= keys; j += 4) {
      for (int i = 0; i < 4; ++i) top[i] = larger(top[i], load(column + (j + i) * kBlock) * c);
    }
    for (; j < keys; ++j) top[0] = larger(top[0], load(column + j * kBlock) * c);
    vf after = larger(larger(top[0], top[1]), larger(top[2], top[3]));
    store(maximum + v * W, after);
    // Nothing visible yet: any finite base keeps -inf - base from being NaN.
    vf base = after == -kInfinity ? vf{} : after;
    vf factor = exp2_of<false>(before - base);
    store(rescale + v * W, factor);
    vf total = load(sum + v * W) * factor;

    ProbabilityDropout dropout(a, row + v * W, head);
    auto probability = [&](int64_t key) {
      vf p = exp2_of<rounded>(fma(load(column + key * kBlock), c, -base));
      total += p;
      return p;
    };
    for (j = 0; j + 8 <= keys; j += 8) {
      if constexpr (kDropout) dropout.generate((j0 + j) / 8);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) {
        vf even = probability(j + i);
        vf odd = probability(j + i + 1);
        if constexpr (kDropout) {
          even *= dropout.multiplier(i);
          odd *= dropout.multiplier(i + 1);
        }
        store_over_keys(Cell(), column, j + i, even, odd);
      }
    }
    if (kDropout && j < keys) dropout.generate((j0 + j) / 8);
    for (int i = 0; j < keys; j += 2, i += 2) {
      vf even = probability(j);
      if constexpr (kDropout) even *= dropout.multiplier(i);
      if (j + 1 == keys) {
        store_over_keys(Cell(), column, j, even);
        break;
      }
      vf odd = probability(j + 1);
      if constexpr (kDropout) odd *= dropout.multiplier(i + 1);
      store_over_keys(Cell(), column, j, even, odd);
    }
    store(sum + v * W, total);
  }
}

template <class Cell, class T>
struct Forward {
  Problem a;
  T* out;
  float* lse;
  const T* q;
  const T* k;
  const T* v;

  // Query blocks first..last-1 of sequence b, for the queries of key/value heads hk0..hk1-1.
  void run(ForwardScratch& s, int64_t b, int64_t hk0, int64_t hk1, int64_t first, int64_t last) const {
    const int64_t keys = a.keys(b);
    for (int64_t hk = hk0; hk < hk1; ++hk) {
      int64_t packed = -1;
      for (int64_t head = hk * a.group(); head < (hk + 1) * a.group(); ++head) {
        int64_t begin = 0;
        do {
          int64_t count = keys - begin < kKeys ? keys - begin : kKeys;
          if (packed != begin) pack(s, b, hk, begin, count);
          packed = begin;
          for (int64_t block = first; block < last; ++block) {
            attend(s, b, head, block, begin, begin + count, static_cast<int>(block - first));
          }
          begin += kKeys;
        } while (begin < keys);
      }
    }
  }

 private:
  void pack(ForwardScratch& s, int64_t b, int64_t hk, int64_t begin, int64_t count) const {
    int64_t at = (a.cu_k[b] + begin) * a.kv_stride + hk * a.D;
    pack_rows<Cell>(s.k, k + at, a.kv_stride, count, a.D);
    pack_summed(Cell(), s.v, v + at, a.kv_stride, count, a.D);
  }

  // One query block against keys begin..end-1, which are packed. Starts its state on the first keys and
  // writes the result on the last.
  void attend(ForwardScratch& s, int64_t b, int64_t head, int64_t block, int64_t begin, int64_t end, int slot) const {
    const QueryBlocks blocks(a.queries(b));
    const int64_t i0 = blocks.begin(block), i1 = blocks.begin(block + 1), rows = i1 - i0;
    const int64_t vectors = (rows + W - 1) / W, width = a.vectors() * W;
    float* maximum = s.maximum + slot * kBlock;
    float* sum = s.sum + slot * kBlock;
    float* acc = s.out + slot * kBlock * kMaxD;
    const int64_t row = a.cu_q[b] + i0;
    if (begin == 0) {
      for (int64_t i = 0; i < vectors * W; i += W) {
        store(maximum + i, splat(-kInfinity));
        store(sum + i, vf{});
      }
    }
    KeyRange range = visible_keys(a, b, i0, i1);
    int64_t from = range.begin > begin ? range.begin : begin;
    int64_t to = range.end < end ? range.end : end;
    if (from < to) pack_transposed<Cell>(s.q, q + row * a.q_stride + head * a.D, a.q_stride, rows, vectors, a.D);
    for (int64_t j0 = from; j0 < to;) {
      int64_t j1 = (j0 / kTile + 1) * kTile < to ? (j0 / kTile + 1) * kTile : to;
      product<Cell, kRowCells, 1>(s.scores, kBlock, s.k + (j0 - begin) * kRowCells, s.q, kBlock, j1 - j0, vectors,
                                  a.D / Cell::kWidth, false);
      hide(a, b, s.scores, i0, vectors, j0, j1 - j0);
      if (a.dropout.on()) {
        softmax_tile<Cell, true>(a, s.scores, j1 - j0, vectors, maximum, sum, s.rescale, row, head, j0);
      } else {
        softmax_tile<Cell, false>(a, s.scores, j1 - j0, vectors, maximum, sum, s.rescale, row, head, j0);
      }
      bool started = j0 > range.begin;
      if (started) {
        for (int64_t r = 0; r < rows; ++r) {
          vf factor = splat(s.rescale[r]);
          for (int64_t d = 0; d < width; d += W) store(acc + r * width + d, load(acc + r * width + d) * factor);
        }
      }
      product<Cell, 1, kBlock>(acc, width, s.scores, s.v + (j0 - begin) / Cell::kWidth * kRowCells, kRowCells, rows,
                               a.vectors(), (j1 - j0 + Cell::kWidth - 1) / Cell::kWidth, started);
      j0 = j1;
    }
    if (end < a.keys(b)) return;

    const int64_t queries = a.cu_q[a.B] - a.cu_q[0];
    for (int64_t v = 0; v < vectors; ++v) {
      vf total = load(sum + v * W);
      vf top = load(maximum + v * W);
      vf value = top == -kInfinity ? top : fma(top, splat(kLn2), log_of(total));
      store_some(lse + head * queries + row - a.cu_q[0] + v * W, value, rows - v * W);
      store(sum + v * W, total == 0.0f ? vf{} : 1.0f / total);
    }
    for (int64_t r = 0; r < rows; ++r) {
      T* to_row = out + ((row + r) * a.H + head) * a.D;
      vf factor = splat(sum[r]);
      for (int64_t d = 0; d < a.D; d += W) {
        // A block without a visible key has an accumulator that nothing has written.
        vf value = range.begin < range.end ? load(acc + r * width + d) * factor : vf{};
        store_some(to_row + d, value, a.D - d);
      }
    }
  }
};

// ---- backward ------------------------------------------------------------------------------------

struct BackwardScratch {
  float k[kKeys * kRowCells];         // as A of the scores; with Single also as B of dq
  float v[kKeys * kRowCells];
  float k_summed[kKeys / 2 * kRowCells];  // as B of dq with Pair
  float dk[kKeys * kMaxD];
  float dv[kKeys * kMaxD];
  float q[kMaxD * kBlock];
  float dout[kMaxD * kBlock];
  float q_rows[kBlock * kRowCells];
  float dout_rows[kBlock * kRowCells];
  float scores[kTile * kBlock];
  float dscores[kTile * kBlock];
  float dscores_pairs[kTile / 2 * kBlock];  // dscores as A of dq with Pair
  float lse[kBlock];
  float dots[kBlock];
  float dq[kChunkBlocks * kBlock * kMaxD];
};

// scores -> probabilities (with dropout), dscores (holding dP^T) -> gradients of the scaled scores.
template <class Cell, bool kDropout>
static inline void softmax_tile_bwd(const Problem& a, float* scores, float* dscores, float* dscores_pairs, int64_t keys,
                                    int64_t vectors, const float* lse, const float* dots, int64_t row, int64_t head,
                                    int64_t j0) {
  constexpr bool rounded = Cell::kWidth == 2;
  const vf c = splat(a.log2_scale());
  for (int64_t v = 0; v < vectors; ++v) {
    const vf base = load(lse + v * W);
    const vf dot = load(dots + v * W);
    ProbabilityDropout dropout(a, row + v * W, head);
    auto gradient = [&](int64_t key, int lane) {
      float* score = scores + key * kBlock;
      float* dscore = dscores + key * kBlock;
      vf p = exp2_of<rounded>(fma(load(score + v * W), c, -base));
      vf dp = load(dscore + v * W);
      vf kept = p;
      if constexpr (kDropout) {
        vf multiplier = dropout.multiplier(lane);
        kept *= multiplier;
        dp *= multiplier;
      }
      vf ds = p * (dp - dot);
      store_over_queries(Cell(), score, v * W, kept);
      store_over_queries(Cell(), dscore, v * W, ds);
      return ds;
    };
    int64_t j = 0;
    for (; j + 8 <= keys; j += 8) {
      if constexpr (kDropout) dropout.generate((j0 + j) / 8);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) {
        vf even = gradient(j + i, i);
        vf odd = gradient(j + i + 1, i + 1);
        if constexpr (rounded) store_over_keys(Cell(), dscores_pairs + v * W, j + i, even, odd);
      }
    }
    if (kDropout && j < keys) dropout.generate((j0 + j) / 8);
    for (int i = 0; j < keys; j += 2, i += 2) {
      vf even = gradient(j, i);
      vf odd = j + 1 < keys ? gradient(j + 1, i + 1) : vf{};
      if constexpr (rounded) store_over_keys(Cell(), dscores_pairs + v * W, j, even, odd);
    }
  }
}

template <class Cell, class T>
struct Backward {
  Problem a;
  T* dq;
  T* dk;
  T* dv;
  const T* dout;
  const T* q;
  const T* k;
  const T* v;
  const T* out;
  const float* lse;

  // Gradients of all keys (at most kKeys) and all queries of sequence b, key/value heads hk0..hk1-1.
  void run_fused(BackwardScratch& s, int64_t b, int64_t hk0, int64_t hk1) const {
    for (int64_t hk = hk0; hk < hk1; ++hk) keys_task<true>(s, b, hk, 0, a.keys(b));
  }

  // dk and dv of keys begin..end-1 only.
  void run_keys(BackwardScratch& s, int64_t b, int64_t hk, int64_t begin, int64_t end) const {
    keys_task<false>(s, b, hk, begin, end);
  }

  // dq of query blocks first..last-1 of one head only.
  void run_queries(BackwardScratch& s, int64_t b, int64_t head, int64_t first, int64_t last) const {
    const int64_t keys = a.keys(b), hk = head / a.group();
    int64_t begin = 0;
    do {
      int64_t end = keys - begin < kKeys ? keys : begin + kKeys;
      pack_keys(s, b, hk, begin, end, true);
      for (int64_t block = first; block < last; ++block) {
        differentiate<false, true>(s, b, head, block, begin, end, static_cast<int>(block - first), true);
      }
      begin = end;
    } while (begin < keys);
  }

 private:
  template <bool kQueries>
  void keys_task(BackwardScratch& s, int64_t b, int64_t hk, int64_t begin, int64_t end) const {
    const int64_t width = a.vectors() * W;
    const QueryBlocks blocks(a.queries(b));
    pack_keys(s, b, hk, begin, end, kQueries);
    // Without masks the first block writes every row; otherwise it may skip some.
    const bool masked = a.causal || a.window > 0 || blocks.count == 0;
    if (masked) {
      std::memset(s.dk, 0, static_cast<size_t>((end - begin) * width) * 4);
      std::memset(s.dv, 0, static_cast<size_t>((end - begin) * width) * 4);
    }
    bool started = masked;
    for (int64_t head = hk * a.group(); head < (hk + 1) * a.group(); ++head) {
      for (int64_t block = 0; block < blocks.count; ++block) {
        differentiate<true, kQueries>(s, b, head, block, begin, end, 0, started);
        started = true;
      }
    }
    for (int64_t j = begin; j < end; ++j) {
      int64_t at = (a.cu_k[b] + j) * a.kv_stride + hk * a.D;
      const float* dk_row = s.dk + (j - begin) * width;
      const float* dv_row = s.dv + (j - begin) * width;
      for (int64_t d = 0; d < a.D; d += W) {
        store_some(dk + at + d, load(dk_row + d) * a.scale, a.D - d);
        store_some(dv + at + d, load(dv_row + d), a.D - d);
      }
    }
  }

  void pack_keys(BackwardScratch& s, int64_t b, int64_t hk, int64_t begin, int64_t end, bool queries) const {
    int64_t at = (a.cu_k[b] + begin) * a.kv_stride + hk * a.D;
    pack_rows<Cell>(s.k, k + at, a.kv_stride, end - begin, a.D);
    pack_rows<Cell>(s.v, v + at, a.kv_stride, end - begin, a.D);
    if (queries && Cell::kWidth == 2) pack_summed(Cell(), s.k_summed, k + at, a.kv_stride, end - begin, a.D);
  }

  // One query block against the packed keys begin..end-1. dk and dv are added to where `started`.
  template <bool kKeyGradients, bool kQueryGradients>
  void differentiate(BackwardScratch& s, int64_t b, int64_t head, int64_t block, int64_t begin, int64_t end, int slot,
                     bool started) const {
    const QueryBlocks blocks(a.queries(b));
    const int64_t i0 = blocks.begin(block), i1 = blocks.begin(block + 1), rows = i1 - i0;
    const int64_t vectors = (rows + W - 1) / W, width = a.vectors() * W, cells = a.D / Cell::kWidth;
    const int64_t row = a.cu_q[b] + i0;
    float* acc = s.dq + slot * kBlock * kMaxD;
    KeyRange range = visible_keys(a, b, i0, i1);
    int64_t from = range.begin > begin ? range.begin : begin;
    int64_t to = range.end < end ? range.end : end;
    if (from < to) pack_queries<kKeyGradients>(s, head, row, rows, vectors);
    for (int64_t j0 = from; j0 < to;) {
      int64_t j1 = (j0 / kTile + 1) * kTile < to ? (j0 / kTile + 1) * kTile : to;
      int64_t keys = j1 - j0, at = j0 - begin;
      product<Cell, kRowCells, 1>(s.scores, kBlock, s.k + at * kRowCells, s.q, kBlock, keys, vectors, cells, false);
      product<Cell, kRowCells, 1>(s.dscores, kBlock, s.v + at * kRowCells, s.dout, kBlock, keys, vectors, cells, false);
      hide(a, b, s.scores, i0, vectors, j0, keys);
      if (a.dropout.on()) {
        softmax_tile_bwd<Cell, true>(a, s.scores, s.dscores, s.dscores_pairs, keys, vectors, s.lse, s.dots, row, head, j0);
      } else {
        softmax_tile_bwd<Cell, false>(a, s.scores, s.dscores, s.dscores_pairs, keys, vectors, s.lse, s.dots, row, head, j0);
      }
      if (kKeyGradients) {
        int64_t k_cells = (rows + Cell::kWidth - 1) / Cell::kWidth;
        product<Cell, kBlock, 1>(s.dv + at * width, width, s.scores, s.dout_rows, kRowCells, keys, a.vectors(), k_cells, started);
        product<Cell, kBlock, 1>(s.dk + at * width, width, s.dscores, s.q_rows, kRowCells, keys, a.vectors(), k_cells, started);
      }
      if (kQueryGradients) {
        bool pairs = Cell::kWidth == 2;
        product<Cell, 1, kBlock>(acc, width, pairs ? s.dscores_pairs : s.dscores,
                                 pairs ? s.k_summed + at / 2 * kRowCells : s.k + at * kRowCells, kRowCells, rows,
                                 a.vectors(), (keys + Cell::kWidth - 1) / Cell::kWidth, j0 > range.begin);
      }
      j0 = j1;
    }
    if (!kQueryGradients || end < a.keys(b)) return;
    for (int64_t r = 0; r < rows; ++r) {
      T* to_row = dq + (row + r) * a.q_stride + head * a.D;
      for (int64_t d = 0; d < a.D; d += W) {
        // A block without a visible key has an accumulator that nothing has written.
        vf value = range.begin < range.end ? load(acc + r * width + d) * a.scale : vf{};
        store_some(to_row + d, value, a.D - d);
      }
    }
  }

  template <bool kKeyGradients>
  void pack_queries(BackwardScratch& s, int64_t head, int64_t row, int64_t rows, int64_t vectors) const {
    const int64_t queries = a.cu_q[a.B] - a.cu_q[0], dense = a.H * a.D;
    const T* q_from = q + row * a.q_stride + head * a.D;
    const T* dout_from = dout + row * dense + head * a.D;
    pack_transposed<Cell>(s.q, q_from, a.q_stride, rows, vectors, a.D);
    pack_transposed<Cell>(s.dout, dout_from, dense, rows, vectors, a.D);
    if (kKeyGradients) {
      pack_summed(Cell(), s.q_rows, q_from, a.q_stride, rows, a.D);
      pack_summed(Cell(), s.dout_rows, dout_from, dense, rows, a.D);
    }
    row_dots(s.dots, dout_from, dense, out + row * dense + head * a.D, dense, rows, vectors, a.D);
    const float* lse_from = lse + head * queries + row - a.cu_q[0];
    for (int64_t v = 0; v < vectors; ++v) {
      // Lanes without a query, and queries that see no key, get probability exp2(-inf) = 0.
      vf value = load_some(lse_from + v * W, rows - v * W) * kLog2e;
      vi used;
      for (int i = 0; i < W; ++i) used[i] = v * W + i < rows ? -1 : 0;
      used &= value != -kInfinity;
      store(s.lse + v * W, select(used, value, splat(kInfinity)));
    }
  }
};

static_assert(sizeof(ForwardScratch) + (1 << 19) <= kWorkspaceBytes, "forward scratch");
static_assert(sizeof(BackwardScratch) + (1 << 19) <= kWorkspaceBytes, "backward scratch");

// ---- scheduling ----------------------------------------------------------------------------------

struct Entry {
  int64_t first;   // number of its first task
  int64_t work;    // multiply-adds of one product of one key/value head
  int32_t sequence;
  int32_t heads;   // key/value heads per task
};
static_assert(sizeof(Entry) * kScheduled <= (1 << 19), "schedule");

// The sequences, the longest first so that threads finish together, with as many heads per task as
// make a task worth its overhead. Lives at the end of the caller's workspace, behind the scratch.
class Schedule {
 public:
  Schedule(attune_context* ctx, const Problem& a, int64_t begin, int64_t end)
      : entries_(reinterpret_cast<Entry*>(ctx->workspace(0) + kWorkspaceBytes) - kScheduled), count_(end - begin) {
    for (int64_t i = 0; i < count_; ++i) {
      int64_t b = begin + i, work = a.group() * a.queries(b) * a.keys(b) * a.D;
      int64_t heads = work > 0 ? (kTaskWork + work - 1) / work : a.Hkv;
      entries_[i] = {0, work, static_cast<int32_t>(b), static_cast<int32_t>(heads < a.Hkv ? heads : a.Hkv)};
    }
    sort();
  }

  // Numbers the tasks: tasks_of(entry) for each sequence. Returns how many there are.
  template <class TasksOf>
  int64_t number(TasksOf&& tasks_of) {
    int64_t total = 0;
    for (int64_t i = 0; i < count_; ++i) {
      entries_[i].first = total;
      total += tasks_of(entries_[i]);
    }
    return total;
  }

  const Entry& find(int64_t task) const {
    int64_t low = 0, high = count_;
    while (high - low > 1) {
      int64_t middle = (low + high) / 2;
      (entries_[middle].first <= task ? low : high) = middle;
    }
    return entries_[low];
  }

  int64_t total_work() const {
    int64_t total = 0;
    for (int64_t i = 0; i < count_; ++i) total += entries_[i].work;
    return total;
  }
  int64_t largest_work() const { return count_ > 0 ? entries_[0].work : 0; }

 private:
  // Shell sort: std::sort would share template code between instruction-set levels.
  void sort() {
    int64_t gap = 1;
    while (gap < count_ / 3) gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3) {
      for (int64_t i = gap; i < count_; ++i) {
        Entry entry = entries_[i];
        int64_t at = i;
        for (; at >= gap && entries_[at - gap].work < entry.work; at -= gap) entries_[at] = entries_[at - gap];
        entries_[at] = entry;
      }
    }
  }

  Entry* const entries_;
  const int64_t count_;
};

static inline int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }

template <class Cell, class T>
static void run_forward(attune_context* ctx, const Forward<Cell, T>& op) {
  const Problem& a = op.a;
  for (int64_t begin = 0; begin < a.B; begin += kScheduled) {
    Schedule schedule(ctx, a, begin, begin + kScheduled < a.B ? begin + kScheduled : a.B);
    int64_t tasks = schedule.number([&](const Entry& entry) {
      return parts(a.Hkv, entry.heads) * parts(QueryBlocks(a.queries(entry.sequence)).count, kChunkBlocks);
    });
    parallel(ctx, tasks, [&](int64_t task, int32_t worker) {
      const Entry& entry = schedule.find(task);
      QueryBlocks blocks(a.queries(entry.sequence));
      int64_t chunks = parts(blocks.count, kChunkBlocks);
      int64_t heads = (task - entry.first) / chunks * entry.heads, chunk = (task - entry.first) % chunks;
      op.run(*reinterpret_cast<ForwardScratch*>(ctx->workspace(worker)), entry.sequence, heads,
             heads + entry.heads < a.Hkv ? heads + entry.heads : a.Hkv, blocks.count * chunk / chunks,
             blocks.count * (chunk + 1) / chunks);
    });
  }
}

template <class Cell, class T>
static void run_backward(attune_context* ctx, const Backward<Cell, T>& op) {
  const Problem& a = op.a;
  for (int64_t begin = 0; begin < a.B; begin += kScheduled) {
    Schedule schedule(ctx, a, begin, begin + kScheduled < a.B ? begin + kScheduled : a.B);
    // A fused task does the five products of one key/value head; split tasks do seven, in smaller
    // pieces. Few heads on many threads, or more keys than a task can hold, take the second way. Both
    // give the same bits.
    int64_t share = schedule.total_work() * a.Hkv / ctx->pool.threads();
    bool split_all = 5 * schedule.largest_work() > 8 * share;
    auto splits = [&](const Entry& entry) { return split_all || a.keys(entry.sequence) > kKeys; };
    int64_t tasks = schedule.number([&](const Entry& entry) {
      if (!splits(entry)) return parts(a.Hkv, entry.heads);
      return a.Hkv * parts(a.keys(entry.sequence), kSplitKeys) +
             a.H * parts(QueryBlocks(a.queries(entry.sequence)).count, kChunkBlocks);
    });
    parallel(ctx, tasks, [&](int64_t task, int32_t worker) {
      BackwardScratch& scratch = *reinterpret_cast<BackwardScratch*>(ctx->workspace(worker));
      const Entry& entry = schedule.find(task);
      int64_t b = entry.sequence, number = task - entry.first;
      if (!splits(entry)) {
        int64_t heads = number * entry.heads;
        op.run_fused(scratch, b, heads, heads + entry.heads < a.Hkv ? heads + entry.heads : a.Hkv);
        return;
      }
      int64_t keys = a.keys(b), key_parts = parts(keys, kSplitKeys);
      if (number < a.Hkv * key_parts) {
        int64_t from = number % key_parts * kSplitKeys;
        op.run_keys(scratch, b, number / key_parts, from, from + kSplitKeys < keys ? from + kSplitKeys : keys);
        return;
      }
      number -= a.Hkv * key_parts;
      QueryBlocks blocks(a.queries(b));
      int64_t chunks = parts(blocks.count, kChunkBlocks);
      int64_t chunk = number % chunks;
      op.run_queries(scratch, b, number / chunks, blocks.count * chunk / chunks, blocks.count * (chunk + 1) / chunks);
    });
  }
}

// ---- entries -------------------------------------------------------------------------------------

// Offsets that start at 0 or later and do not fall.
static attune_status check_offsets(const char* op, const char* name, const int32_t* offsets, int64_t B) {
  ATTUNE_CHECK(check_pointer(op, name, offsets));
  ATTUNE_REQUIRE(offsets[0] >= 0, "%s: %s[0] is %d, must be at least 0", op, name, offsets[0]);
  for (int64_t b = 0; b < B; ++b) {
    ATTUNE_REQUIRE(offsets[b + 1] >= offsets[b], "%s: %s[%lld] is %d, must be at least %d (the one before)", op, name,
                   ll(b + 1), offsets[b + 1], offsets[b]);
  }
  return ATTUNE_OK;
}

static attune_status check(const char* op, const Problem& a, float p, int32_t dtype) {
  ATTUNE_CHECK(check_dtype(op, "dtype", dtype));
  ATTUNE_REQUIRE(a.B >= 0 && a.B <= INT32_MAX, "%s: B is %lld, must be 0..2^31-1", op, ll(a.B));
  ATTUNE_REQUIRE(a.D >= 1 && a.D <= kMaxD, "%s: D is %lld, must be 1..%lld", op, ll(a.D), ll(kMaxD));
  ATTUNE_REQUIRE(a.Hkv >= 1, "%s: Hkv is %lld, must be at least 1", op, ll(a.Hkv));
  ATTUNE_REQUIRE(a.H >= 1 && a.H % a.Hkv == 0, "%s: H is %lld, must be a multiple of Hkv, which is %lld", op, ll(a.H),
                 ll(a.Hkv));
  ATTUNE_REQUIRE(a.q_stride >= a.H * a.D, "%s: q_stride is %lld, must be at least %lld (elements of a row)", op,
                 ll(a.q_stride), ll(a.H * a.D));
  ATTUNE_REQUIRE(a.kv_stride >= a.Hkv * a.D, "%s: kv_stride is %lld, must be at least %lld (elements of a row)", op,
                 ll(a.kv_stride), ll(a.Hkv * a.D));
  ATTUNE_CHECK(check_finite(op, "scale", a.scale));
  ATTUNE_CHECK(check_count(op, "window", a.window));
  ATTUNE_CHECK(check_probability(op, "p", p));
  if (a.B == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_offsets(op, "cu_q", a.cu_q, a.B));
  return check_offsets(op, "cu_k", a.cu_k, a.B);
}

}  // namespace

attune_status attention_fwd(attune_context* ctx, void* out, float* lse, const void* q, const void* k, const void* v,
                            const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride, int64_t kv_stride, int64_t B,
                            int64_t H, int64_t Hkv, int64_t D, float scale, int32_t causal, int64_t window, float p,
                            int64_t seed, int64_t stream, int32_t dtype) {
  Problem a{cu_q, cu_k, q_stride, kv_stride, B, H, Hkv, D, scale, causal != 0, window, Dropout(p, seed, stream)};
  ATTUNE_CHECK(check("attention_fwd", a, p, dtype));
  if (B > 0 && cu_q[B] > cu_q[0]) {
    ATTUNE_CHECK(check_pointer("attention_fwd", "out", out));
    ATTUNE_CHECK(check_pointer("attention_fwd", "lse", lse));
    ATTUNE_CHECK(check_pointer("attention_fwd", "q", q));
    if (cu_k[B] > cu_k[0]) {
      ATTUNE_CHECK(check_pointer("attention_fwd", "k", k));
      ATTUNE_CHECK(check_pointer("attention_fwd", "v", v));
    }
  }
  if (dtype == ATTUNE_F32) {
    run_forward(ctx, Forward<Single, float>{a, static_cast<float*>(out), lse, static_cast<const float*>(q),
                                            static_cast<const float*>(k), static_cast<const float*>(v)});
    return ATTUNE_OK;
  }
  auto run = [&](auto cell) {
    run_forward(ctx, Forward<decltype(cell), bf16>{a, static_cast<bf16*>(out), lse, static_cast<const bf16*>(q),
                                                   static_cast<const bf16*>(k), static_cast<const bf16*>(v)});
  };
#if defined(__AVX512BF16__)
  if (D % 2 == 0) {
    run(Pair());
    return ATTUNE_OK;
  }
#endif
  run(Single());
  return ATTUNE_OK;
}

attune_status attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, const void* dout, const void* q,
                            const void* k, const void* v, const void* out, const float* lse, const int32_t* cu_q,
                            const int32_t* cu_k, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t H, int64_t Hkv,
                            int64_t D, float scale, int32_t causal, int64_t window, float p, int64_t seed,
                            int64_t stream, int32_t dtype) {
  Problem a{cu_q, cu_k, q_stride, kv_stride, B, H, Hkv, D, scale, causal != 0, window, Dropout(p, seed, stream)};
  ATTUNE_CHECK(check("attention_bwd", a, p, dtype));
  if (B > 0 && cu_q[B] > cu_q[0]) {
    ATTUNE_CHECK(check_pointer("attention_bwd", "dq", dq));
    ATTUNE_CHECK(check_pointer("attention_bwd", "dout", dout));
    ATTUNE_CHECK(check_pointer("attention_bwd", "q", q));
    ATTUNE_CHECK(check_pointer("attention_bwd", "out", out));
    ATTUNE_CHECK(check_pointer("attention_bwd", "lse", lse));
  }
  if (B > 0 && cu_k[B] > cu_k[0]) {
    ATTUNE_CHECK(check_pointer("attention_bwd", "dk", dk));
    ATTUNE_CHECK(check_pointer("attention_bwd", "dv", dv));
    ATTUNE_CHECK(check_pointer("attention_bwd", "k", k));
    ATTUNE_CHECK(check_pointer("attention_bwd", "v", v));
  }
  if (dtype == ATTUNE_F32) {
    run_backward(ctx, Backward<Single, float>{a, static_cast<float*>(dq), static_cast<float*>(dk), static_cast<float*>(dv),
                                              static_cast<const float*>(dout), static_cast<const float*>(q),
                                              static_cast<const float*>(k), static_cast<const float*>(v),
                                              static_cast<const float*>(out), lse});
    return ATTUNE_OK;
  }
  auto run = [&](auto cell) {
    run_backward(ctx, Backward<decltype(cell), bf16>{a, static_cast<bf16*>(dq), static_cast<bf16*>(dk), static_cast<bf16*>(dv),
                                                     static_cast<const bf16*>(dout), static_cast<const bf16*>(q),
                                                     static_cast<const bf16*>(k), static_cast<const bf16*>(v),
                                                     static_cast<const bf16*>(out), lse});
  };
#if defined(__AVX512BF16__)
  if (D % 2 == 0) {
    run(Pair());
    return ATTUNE_OK;
  }
#endif
  run(Single());
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
