// Attention on the device, the arithmetic: tile sizes, shared memory, the grid, and what a query may see.
// Plain C++.
//
// Sizes are chosen for Hopper (228 KiB of shared memory and 65536 registers a multiprocessor) and all fit
// the 99 KiB of the small parts of compute capability 8.6 and 8.9. A warp multiplies 32 rows where its
// accumulators fit 255 registers: each B fragment read from shared memory then feeds two products, and
// reading is what bounds mma.sync here (128 bytes a cycle; a 16x8x16 product reads 256 bytes for 16 rows,
// 128 for 32).
#ifndef ATTUNE_CUDA_ATTENTION_PLAN_H
#define ATTUNE_CUDA_ATTENTION_PLAN_H

#include <cstdint>

#include "context.h"
#include "philox.h"

namespace attune::cuda {

constexpr int kAttentionMaxD = 256;
constexpr float kLn2 = 0.693147180559945309f;
constexpr float kLog2e = 1.44269504088896341f;

// Head sizes are padded with zeros, in shared memory only, to the next of these.
constexpr int padded_head(int64_t D) { return D <= 32 ? 32 : D <= 64 ? 64 : D <= 96 ? 96 : D <= 128 ? 128 : 256; }

// Of the kernels that own tiles: their launch bounds. All have registers and shared memory for two.
constexpr int kBlocksPerMultiprocessor = 2;

// Of the smallest parts that the library runs on, for one block.
constexpr int64_t kSmallestShared = 99 * 1024;

// Which side of the score matrix a block owns; it loops over the other.
enum class Owner { Queries, Keys };

// Forward, bf16. Registers of a thread, accumulators alone: 16 kRowTiles rows of kD + kKeys columns over 32
// lanes, so 160 for D = 128, next to about 90 for fragments, addresses and the generator of dropout: two blocks
// of 4 warps on a multiprocessor. With 64 keys a stage D = 128 spills.
template <int kD, bool kDropout, bool kBias>
struct ForwardTiles {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRowTiles = kD <= 128 ? 2 : 1;  // of 16 queries, per warp
  static constexpr int kOwn = kWarps * 16 * kRowTiles;
  static constexpr int kLoop = kD <= 64 || (kD <= 96 && !kDropout && !kBias) ? 64 : 32;  // keys of one stage
  static constexpr int kStages = 2;
};

// Backward, bf16. kColumns: columns of the gradients that one pass accumulates; where it is less than kD the
// tile is visited once per part. kStep: columns of scores in registers at a time; the pass over keys holds two
// gradients of 32 x 64 at D = 64 and has room for 16, as has the pass over queries at D = 128 beside the generator or
// the sums of a bias.
template <int kD, Owner kOwner, bool kDropout, bool kBias>
struct BackwardTiles {
  static constexpr bool kKeys = kOwner == Owner::Keys;
  static constexpr int kWarps = 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRowTiles = kD <= 64 || (!kKeys && kD <= 128) ? 2 : 1;
  static constexpr int kOwn = kWarps * 16 * kRowTiles;
  static constexpr int kLoop = kD == 256 ? 16 : kD >= 96 && !kKeys ? 32 : 64;
  static constexpr int kStep =
      kLoop < 32 || (kKeys ? kD == 64 : (kD == 128 && (kDropout || kBias)) || (kD == 96 && kDropout && kBias)) ? 16
                                                                                                               : 32;
  static constexpr int kColumns = kKeys && kD == 256 ? 128 : kD;
  static constexpr int kParts = kD / kColumns;
  static constexpr int kStages = 2;
};

// f32: 16 x 16 threads; rows of shared memory are padded by 16 bytes, which keeps reads free of conflicts.
template <int kD>
struct FloatTiles {
  static constexpr int kThreads = 256;
  static constexpr int kOwn = kD <= 64 ? 64 : kD <= 128 ? 32 : 16;
  static constexpr int kLoop = kD <= 128 ? 32 : 16;
  static constexpr int kStride = kD + 4;
  static constexpr int kScoreStride = kLoop + 4;
  // Bits of kept probabilities, a byte for 8 keys of a query.
  static constexpr int64_t kMaskBytes = kOwn * kLoop / 8;
};

// ---- visibility --------------------------------------------------------------------------------------

struct Span {
  int32_t begin, end;
};

ATTUNE_ANY_DEVICE static inline int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
ATTUNE_ANY_DEVICE static inline int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

// A distance that no sequence has.
constexpr int32_t kUnlimited = 1 << 30;

// One sequence: query i stands at i + offset and sees the keys from `behind` behind it to `ahead` ahead of it.
struct Sight {
  int32_t queries, keys, offset;
  int32_t behind, ahead;

  // The keys that query i sees.
  ATTUNE_ANY_DEVICE Span keys_of(int32_t i) const { return keys_of(i, i); }

  // The keys that any of queries i0..i1 (inclusive) sees.
  ATTUNE_ANY_DEVICE Span keys_of(int32_t i0, int32_t i1) const {
    return {larger(0, i0 + offset - behind), smaller(keys, i1 + offset + ahead + 1)};
  }

  // The queries that see any of keys j0..j1 (inclusive).
  ATTUNE_ANY_DEVICE Span queries_of(int32_t j0, int32_t j1) const {
    return {larger(0, j0 - offset - ahead), smaller(queries, j1 - offset + behind + 1)};
  }

  // Whether some pair of queries i0..i1 and keys j0..j1 (inclusive) is hidden from one another, or all are.
  // Rows past the end of the sequence do not count as hidden.
  ATTUNE_ANY_DEVICE bool some_hidden(int32_t i0, int32_t i1, int32_t j0, int32_t j1) const {
    return j1 > i0 + offset + ahead || j0 < i1 + offset - behind;
  }
  ATTUNE_ANY_DEVICE bool all_hidden(int32_t i0, int32_t i1, int32_t j0, int32_t j1) const {
    return j0 > i1 + offset + ahead || j1 < i0 + offset - behind;
  }
  ATTUNE_ANY_DEVICE bool sees(int32_t i, int32_t j) const {
    return j <= i + offset + ahead && j >= i + offset - behind;
  }
};

// How far behind its place a query sees, and as far ahead where attention is not causal.
static inline int32_t behind_of(int64_t window) {
  return window > 0 && window <= kUnlimited ? static_cast<int32_t>(window - 1) : kUnlimited;
}

// ---- the gradient of a relative position bias -----------------------------------------------------------

// Blocks of each head in the pass over queries where it sums dbias: whose tiles they are is fixed, and their sums
// are added in order. Each keeps `strips` rows of 2 reach + 1 floats in the second half of the scratch; 0 where
// they do not fit.
static inline int64_t bias_slots(int64_t H, int64_t reach, int64_t strips) {
  constexpr int64_t kBlocks = 256;
  const int64_t wanted = H < kBlocks ? kBlocks / H : 1, fit = kScratchBytes / 2 / (4 * strips * H * (2 * reach + 1));
  return wanted < fit ? wanted : fit;
}

}  // namespace attune::cuda

#endif
