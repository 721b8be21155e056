// What the tiled attention kernels share: the problem, blocks of queries, masks, dropout and the stores of
// probabilities.
#ifndef ATTUNE_ATTENTION_TILES_H
#define ATTUNE_ATTENTION_TILES_H

#include <cstdint>
#include <cstring>

#include "attention_gemm.h"
#include "attention_math.h"
#include "checks.h"
#include "philox_simd.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kMaxD = 256;
constexpr int64_t kTile = 128;       // keys of one score tile: two tiles of 128 x 48 stay near L1
constexpr int64_t kKeys = 1024;      // keys packed at a time
constexpr int64_t kChunkBlocks = 4;  // query blocks of one task
constexpr int kBlockVectors = kBlock / W;
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kLn2 = 0.693147180559945309f;
constexpr float kInfinity = __builtin_inff();
constexpr int64_t kUnlimited = INT32_MAX / 2;  // a distance that no sequence has

static_assert(kBlock % W == 0 && kTile % 8 == 0 && kKeys % kTile == 0, "tile grid");

struct AttentionProblem {
  const int32_t* cu_q;
  const int32_t* first_key;  // row of the first key of each sequence; B+1 offsets where there is no key_count
  const int32_t* key_count;  // null: the keys of a sequence end where those of the next begin
  int64_t q_stride, kv_stride, B, H, Hkv, D;
  float scale;
  bool causal;
  int64_t window;
  Dropout dropout;
  const float* bias = nullptr;  // (H, 2 reach + 1)
  int64_t reach = 0;

  int64_t group() const { return H / Hkv; }
  int64_t vectors() const { return (D + W - 1) / W; }
  int64_t queries(int64_t b) const { return cu_q[b + 1] - cu_q[b]; }
  int64_t keys(int64_t b) const { return key_count != nullptr ? key_count[b] : first_key[b + 1] - first_key[b]; }
  // The key at which query 0 stands.
  int64_t offset(int64_t b) const { return keys(b) - queries(b); }
  // How far behind and ahead of its place a query sees.
  int64_t behind() const { return window > 0 && window <= kUnlimited ? window - 1 : kUnlimited; }
  int64_t ahead() const { return causal ? 0 : behind(); }
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
  explicit QueryBlocks(int64_t n)
      : queries(n), lanes((n + W - 1) / W), count((lanes + kBlockVectors - 1) / kBlockVectors) {}
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
static inline KeyRange visible_keys(const AttentionProblem& a, int64_t b, int64_t i0, int64_t i1) {
  const int64_t keys = a.keys(b), first = i0 + a.offset(b) - a.behind(), after = i1 + a.offset(b) + a.ahead();
  const int64_t begin = first > 0 ? first / 8 * 8 : 0, end = after < keys ? after : keys;
  return {begin, end > begin ? end : begin};
}

// Sets the scores of hidden (query, key) pairs of a tile to what becomes -inf after scaling.
static inline void hide(const AttentionProblem& a, int64_t b, float* scores, int64_t i0, int64_t vectors, int64_t j0,
                        int64_t keys) {
  if (!a.causal && a.window <= 0) return;
  const int64_t offset = a.offset(b), behind = a.behind(), ahead = a.ahead();
  if (j0 + keys - 1 <= i0 + offset + ahead && j0 >= i0 + vectors * W - 1 + offset - behind) return;
  const vf hidden = splat(a.log2_scale() > 0.0f ? -kInfinity : kInfinity);
  vi lane;
  for (int i = 0; i < W; ++i) lane[i] = i;
  for (int64_t v = 0; v < vectors; ++v) {
    vi diagonal = lane + static_cast<int32_t>(i0 + v * W + offset);
    vi last = diagonal + static_cast<int32_t>(ahead);
    vi first = diagonal - static_cast<int32_t>(behind);
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
  ProbabilityDropout(const AttentionProblem& a, int64_t row, int64_t head)
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

#if defined(ATTUNE_BF16_PAIRS)
static inline void store_over_keys(Pair, float* tile, int64_t j, vf even, vf odd) {
  store(tile + j / 2 * kBlock, round_pair(even, odd));
}
static inline void store_over_keys(Pair, float* tile, int64_t j, vf even) {
  store(tile + j / 2 * kBlock, round_pair(even, vf{}));
}
#endif

// One vector of one key row into a tile summed over queries; `lane` is its first query.
static inline void store_over_queries(Single, float* row, int64_t lane, vf value) { store(row + lane, value); }
#if defined(ATTUNE_BF16_PAIRS)
static inline void store_over_queries(Pair, float* row, int64_t lane, vf value) {
  vh half = round_to_bf16(value);
  std::memcpy(row + lane / 2, &half, sizeof(half));
}
#endif

// ---- checks --------------------------------------------------------------------------------------

static inline attune_status check_attention(const char* op, const AttentionProblem& a) {
  if (a.B == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_offsets(op, "cu_q", a.cu_q, a.B));
  return a.key_count != nullptr ? ATTUNE_OK : check_offsets(op, "cu_k", a.first_key, a.B);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
