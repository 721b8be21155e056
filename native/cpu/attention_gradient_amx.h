// Tiled attention, backward, on matrix tiles. A row of scores is a key, as elsewhere: K and V are A of the scores, Q^T
// and dout^T their B by transposes. Probabilities and gradients of scores are then A of dv and dk where they lie, with
// dout and Q interleaved as B. For dq alone the gradients of scores are transposed; K interleaved is its B.
//
// Keys are taken kTileKeys at a time, on a grid that starts at key 0, and queries kBlock at a time from query 0 on. A
// block of queries looks at the panels of keys from the first that any of its queries sees to the last. All of that
// depends on lengths alone, so neither threads nor the way of cutting change a bit.
#ifndef ATTUNE_ATTENTION_GRADIENT_AMX_H
#define ATTUNE_ATTENTION_GRADIENT_AMX_H

#include <cstdint>
#include <cstring>

#include "amx_block.h"
#include "amx_pack.h"
#include "attention_bias.h"
#include "attention_gradient.h"
#include "attention_math.h"
#include "attention_pack.h"
#include "attention_panels_amx.h"
#include "attention_schedule.h"
#include "attention_tiles.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

class TileBackward {
  static constexpr int64_t kMostPanels = kMaxD / kPanel;
  static constexpr int64_t kKeyPanels = kKeys / kPanel;     // packed at a time
  static constexpr int64_t kQueryPanels = kBlock / kPanel;  // of a block
  static constexpr int64_t kTileKeys = 128;
  static constexpr int64_t kTilePanels = kTileKeys / kPanel;
  static constexpr int64_t kChunkBlocks = 4;  // of a task for dq
  static constexpr int64_t kFetches = 4;      // of rows ahead, for a block of queries besides two a panel of keys
  static constexpr int64_t kQuerySums = 512 * 1024;  // floats
  static_assert(kKeys % kTileKeys == 0, "packed keys end where tiles do");
  static_assert(kQuerySums >= kChunkBlocks * kBlock * kMaxD, "a task for dq has room");

 public:
  using Session = tmm::Session;
  // Arrays start at different places of a page, as far as short sequences fill them: what has one place of the cache
  // pushes out each other, and a load waits for an earlier store that only seems to be of the same address.
  struct Scratch {
    template <class T, int64_t kCount>
    struct Skewed {
      alignas(64) T at[kCount + 11 * 64 / sizeof(T)];
      operator T*() { return at; }
      operator const T*() const { return at; }
    };
    template <int64_t kPanels>
    using Operand = Skewed<char, kPanels * kMostPanels * kStepBytes>;
    Operand<kKeyPanels> k_rows;  // [panel of keys][step of D]
    Operand<kKeyPanels> v_rows;
    Operand<kQueryPanels> q_rows;  // [panel of queries][step of D]
    Operand<kQueryPanels> dout_rows;
    Operand<kQueryPanels> out_rows;
    Operand<kKeyPanels> k_summed;        // [panel of D][step of keys]
    Operand<kQueryPanels> q_transposed;  // [panel of queries][step of D]
    Operand<kQueryPanels> dout_transposed;
    Operand<kQueryPanels> q_summed;  // [panel of D][step of queries]
    Operand<kQueryPanels> dout_summed;
    Skewed<float, kPanel * kBlock> scores[2];  // of a panel of keys, and of the next one
    Skewed<float, kPanel * kBlock> dscores[2];
    // [panel of keys][panel of queries][key][query]
    Skewed<bf16, kTilePanels * kQueryPanels * kPanelFloats> probabilities;
    Skewed<bf16, kTilePanels * kQueryPanels * kPanelFloats> gradients;
    Skewed<char, kQueryPanels * kTilePanels * kStepBytes> gradient_rows;  // [panel of queries][step of keys]
    Skewed<float, kKeyPanels * kMostPanels * kPanelFloats> dk;            // [panel of keys][panel of D][key][column]
    Skewed<float, kKeyPanels * kMostPanels * kPanelFloats> dv;
    Skewed<float, kQuerySums> dq;  // [block of queries][panel of queries][panel of D][query][column]
    alignas(64) float lse[kBlock];
    alignas(64) float dots[kBlock];
    alignas(64) DiagonalSums diagonals;
    bool started[kKeyPanels];  // whether dk and dv of the panel hold something
    bool padded;               // whether the rows past the last ones hold zeros already
  };

  AttentionProblem a;
  bf16* dq;
  bf16* dk;
  bf16* dv;
  const bf16* dout;
  const bf16* q;
  const bf16* k;
  const bf16* v;
  const bf16* out;
  const float* lse;
  float* dbias;    // null: not wanted
  float* partial;  // slots of dbias (2 reach + 1 floats each), those of the wave

  static int64_t blocks(int64_t queries) { return parts(queries, kBlock); }
  static int64_t chunks(int64_t queries) { return parts(blocks(queries), kChunkBlocks); }
  int64_t row_floats() const { return 2 * a.reach + 1; }
  // Whether a fused task can hold the sequence: all its keys, or else the sums of all its queries.
  bool fits(int64_t b) const {
    return a.keys(b) <= kKeys || a.group() * blocks(a.queries(b)) * block_floats() <= kQuerySums;
  }

  // Gradients of all keys and all queries of sequence b, key/value heads hk0..hk1-1.
  void run_fused(Scratch& s, int64_t b, int64_t hk0, int64_t hk1, int64_t slot) const {
    const int64_t queries = a.queries(b), keys = a.keys(b), group = a.group();
    s.padded = false;
    for (int64_t hk = hk0; hk < hk1; ++hk) {
      HeadAhead ahead;
      if (hk + 1 < hk1 && queries > 0) foresee(ahead, b, hk + 1);
      run<true, true>(s, b, hk, {hk * group, (hk + 1) * group}, {0, blocks(queries)}, {0, keys}, slot, ahead);
      slot += group * chunks(queries);
    }
  }

  // dk and dv of keys begin..end-1 only.
  void run_keys(Scratch& s, int64_t b, int64_t hk, int64_t begin, int64_t end) const {
    s.padded = false;
    run<true, false>(s, b, hk, {hk * a.group(), (hk + 1) * a.group()}, {0, blocks(a.queries(b))}, {begin, end}, 0,
                     HeadAhead());
  }

  // dq of query blocks first..last-1, a chunk, of one head only.
  void run_queries(Scratch& s, int64_t b, int64_t head, int64_t first, int64_t last, int64_t slot) const {
    const int64_t queries = a.queries(b), end = last * kBlock < queries ? last * kBlock : queries;
    const KeyRange seen = visible_keys(a, b, first * kBlock, end);
    s.padded = false;
    run<false, true>(s, b, head / a.group(), {head, head + 1}, {first, last},
                     {seen.begin / kTileKeys * kTileKeys, seen.end}, slot, HeadAhead());
  }

 private:
  struct Range {
    int64_t begin, end;
  };

  int64_t panels() const { return parts(a.D, kPanel); }
  int64_t block_floats() const { return kQueryPanels * panels() * kPanelFloats; }
  // Vectors of queries that are looked at: whole panels where a vector is less than the columns of a tile.
  static int64_t vectors(int rows) { return W < tmm::kRows ? parts(rows, kPanel) * (kPanel / W) : parts(rows, W); }

  // All operands of a key/value head, and where its gradients go.
  void foresee(HeadAhead& ahead, int64_t b, int64_t hk) const {
    const int64_t queries = a.queries(b), keys = a.keys(b), group = a.group(), dense = a.H * a.D;
    const int64_t k_at = a.first_key[b] * a.kv_stride + hk * a.D, q_at = a.cu_q[b] * a.q_stride + hk * group * a.D;
    const int64_t out_at = a.cu_q[b] * dense + hk * group * a.D;
    ahead.add(k + k_at, a.kv_stride, keys, false);
    ahead.add(v + k_at, a.kv_stride, keys, false);
    ahead.add(q + q_at, a.q_stride, queries, false);
    ahead.add(dout + out_at, dense, queries, false);
    ahead.add(out + out_at, dense, queries, false);
    ahead.add(dq + q_at, a.q_stride, queries, true);
    ahead.add(dk + k_at, a.kv_stride, keys, true);
    ahead.add(dv + k_at, a.kv_stride, keys, true);
    ahead.cut(blocks(queries) * (kFetches + 2 * parts(keys, kPanel)), group * a.D * 2);
  }

  template <bool kKeyGradients, bool kQueryGradients>
  void run(Scratch& s, int64_t b, int64_t hk, Range heads, Range range, Range keys, int64_t slot,
           HeadAhead ahead) const {
    const int64_t queries = a.queries(b), count = blocks(queries), count_of_chunks = chunks(queries), dense = a.H * a.D;
    const bool one_part = keys.end - keys.begin <= kKeys;
    // All heads of a short sequence have their operands in the same places.
    const bool in_place = keys.end - keys.begin <= kTileKeys && count == 1;
    s.padded = s.padded && in_place;
    int64_t begin = keys.begin;
    do {
      const int64_t end = begin + kKeys < keys.end ? begin + kKeys : keys.end;
      const int64_t k_at = (a.first_key[b] + begin) * a.kv_stride + hk * a.D;
      gather_panels(s.k_rows, k + k_at, a.kv_stride, end - begin, a.D, s.padded);
      gather_panels(s.v_rows, v + k_at, a.kv_stride, end - begin, a.D, s.padded);
      ahead.fetch();
      if (kQueryGradients) interleave_keys(s, s.k_rows, end - begin);
      std::memset(s.started, 0, static_cast<size_t>(parts(end - begin, kPanel)));
      int64_t at = 0, sums_slot = slot;
      for (int64_t head = heads.begin; head < heads.end; ++head) {
        for (int64_t block = range.begin; block < range.end;) {
          // The blocks of a chunk share a slot of dbias.
          const int64_t chunk = ((block + 1) * count_of_chunks - 1) / count;
          const int64_t chunk_end = count * (chunk + 1) / count_of_chunks;
          float* sums = kQueryGradients ? slot_of(sums_slot++, begin == keys.begin) : nullptr;
          for (; block < chunk_end && block < range.end; ++block) {
            const int64_t row = a.cu_q[b] + block * kBlock;
            if (sees(b, block, begin, end)) {
              const int block_rows = tile_part(queries - block * kBlock, kBlock);
              const int64_t out_at = row * dense + head * a.D;
              gather_panels(s.q_rows, q + row * a.q_stride + head * a.D, a.q_stride, block_rows, a.D, s.padded);
              gather_panels(s.dout_rows, dout + out_at, dense, block_rows, a.D, s.padded);
              gather_panels(s.out_rows, out + out_at, dense, block_rows, a.D, s.padded);
              ahead.fetch();
              pack_queries<kKeyGradients>(s, head, row, block_rows);
              differentiate<kKeyGradients, kQueryGradients>(s, b, head, block, begin, end, s.dq + at, sums, ahead);
              s.padded = in_place;
            }
            if (!kQueryGradients) continue;
            if (end == keys.end) {
              write_queries(dq + row * a.q_stride + head * a.D, s.dq + at, b, block);
            }
            if (!one_part) at += block_floats();
          }
        }
      }
      if (kKeyGradients) {
        write_keys(s, k_at, end - begin);
      }
      begin += kKeys;
    } while (begin < keys.end);
  }

  // A slot of dbias; null where that is not wanted.
  float* slot_of(int64_t slot, bool clear) const {
    if (dbias == nullptr) return nullptr;
    float* sums = partial + slot * row_floats();
    if (clear) std::memset(sums, 0, static_cast<size_t>(row_floats()) * sizeof(float));
    return sums;
  }

  // Whether a block of queries sees any of the keys.
  bool sees(int64_t b, int64_t block, int64_t begin, int64_t end) const {
    const KeyRange range = visible(b, block);
    return range.begin < range.end && range.begin < end && begin < range.end;
  }
  KeyRange visible(int64_t b, int64_t block) const {
    const int64_t queries = a.queries(b), end = (block + 1) * kBlock;
    return visible_keys(a, b, block * kBlock, end < queries ? end : queries);
  }

  void interleave_keys(Scratch& s, const char* k_rows, int64_t count) const {
    const int64_t steps = parts(count, kPanel);
    for (int64_t j = 0; j < steps; ++j) {
      for (int64_t d = 0; d < panels(); ++d) {
        interleave_panel(s.k_summed + (d * steps + j) * kStepBytes, k_rows + (j * panels() + d) * kStepBytes,
                         tile_part(count - j * kPanel, kPanel), s.padded);
      }
    }
  }

  template <bool kSummed>
  void pack_queries(Scratch& s, int64_t head, int64_t row, int rows) const {
    const int64_t steps = parts(rows, kPanel);
    for (int64_t i = 0; i < steps; ++i) {
      const int count = tile_part(rows - i * kPanel, kPanel);
      for (int64_t d = 0; d < panels(); ++d) {
        const int64_t at = (i * panels() + d) * kStepBytes, summed = (d * steps + i) * kStepBytes;
        transpose_panel(s.q_transposed + at, s.q_rows + at, count);
        transpose_panel(s.dout_transposed + at, s.dout_rows + at, count);
        if (!kSummed) continue;
        interleave_panel(s.q_summed + summed, s.q_rows + at, count, s.padded);
        interleave_panel(s.dout_summed + summed, s.dout_rows + at, count, s.padded);
      }
    }
    const int64_t queries = a.cu_q[a.B] - a.cu_q[0];
    const float* lse_at = lse + head * queries + row - a.cu_q[0];
    prefetch(lse_at + queries);
    prefetch(lse_at + queries + rows - 1);
    load_lse(s.lse, lse_at, rows, vectors(rows));
    dot_panels(s.dots, s.dout_rows, s.out_rows, vectors(rows), a.D);
  }

  // One packed block of queries against the packed keys begin..end-1, of which it sees some. Adds to `acc`, which is of
  // dq. `sums`: of dbias, or null.
  template <bool kKeyGradients, bool kQueryGradients>
  void differentiate(Scratch& s, int64_t b, int64_t head, int64_t block, int64_t begin, int64_t end, float* acc,
                     float* sums, HeadAhead& ahead) const {
    const int64_t i0 = block * kBlock;
    const int rows = tile_part(a.queries(b) - i0, kBlock);
    const int64_t query_panels = parts(rows, kPanel), all_steps = parts(end - begin, kPanel);
    const KeyRange range = visible(b, block);
    const int64_t from = (range.begin > begin ? range.begin : begin) / kPanel * kPanel;
    const int64_t to = range.end < end ? range.end : end;
    for (int64_t j0 = from; j0 < to;) {
      const int64_t grid_end = (j0 / kTileKeys + 1) * kTileKeys, j1 = grid_end < to ? grid_end : to;
      const int64_t key_panels = parts(j1 - j0, kPanel), panel0 = (j0 - begin) / kPanel;
      score(s, b, head, i0, rows, panel0, j0, tile_part(j1 - j0, kPanel), 0);
      for (int64_t p = 0; p < key_panels; ++p) {
        const int64_t j = j0 + p * kPanel;
        // The products of the next panel keep the tiles busy meanwhile.
        if (p + 1 < key_panels) {
          score(s, b, head, i0, rows, panel0 + p + 1, j + kPanel, tile_part(j1 - j - kPanel, kPanel),
                static_cast<int>((p + 1) % 2));
        }
        ahead.fetch();
        softmax<kQueryGradients>(s, b, head, i0, rows, p, j, tile_part(j1 - j, kPanel), sums);
        ahead.fetch();
      }
      if (kKeyGradients) {
        for (int64_t p = 0; p < key_panels; ++p) {
          // Rows of keys that this block does not see, but others may, are written too.
          const int keys = tile_part(end - begin - (panel0 + p) * kPanel, kPanel);
          bool& started = s.started[panel0 + p];
          for (int64_t d = 0; d < panels(); ++d) {
            const int64_t at = ((panel0 + p) * panels() + d) * kPanelFloats, operand = p * kQueryPanels * kPanelFloats;
            const bool wide = a.D - d * kPanel > tmm::kRows;
            panel_product(packed_rows(reinterpret_cast<const char*>(s.probabilities + operand)), keys > tmm::kRows,
                          s.dout_summed + d * query_panels * kStepBytes, wide, query_panels,
                          started ? s.dv + at : nullptr, s.dv + at, kPanel);
            panel_product(packed_rows(reinterpret_cast<const char*>(s.gradients + operand)), keys > tmm::kRows,
                          s.q_summed + d * query_panels * kStepBytes, wide, query_panels, started ? s.dk + at : nullptr,
                          s.dk + at, kPanel);
          }
          started = true;
        }
      }
      ahead.fetch();
      if (kQueryGradients) {
        for (int64_t i = 0; i < query_panels; ++i) {
          for (int64_t d = 0; d < panels(); ++d) {
            float* at = acc + (i * panels() + d) * kPanelFloats;
            panel_product(packed_rows(s.gradient_rows + i * kTilePanels * kStepBytes), rows - i * kPanel > tmm::kRows,
                          s.k_summed + (d * all_steps + panel0) * kStepBytes, a.D - d * kPanel > tmm::kRows, key_panels,
                          j0 > range.begin ? at : nullptr, at, kPanel);
          }
        }
      }
      ahead.fetch();
      j0 = j1;
    }
  }

  void write_queries(bf16* to, const float* acc, int64_t b, int64_t block) const {
    const int64_t rows = tile_part(a.queries(b) - block * kBlock, kBlock);
    // A block without a visible key has sums that nothing has written.
    const KeyRange range = visible(b, block);
    for (int64_t i = 0; i < parts(rows, kPanel); ++i) {
      write_panels(to + i * kPanel * a.q_stride, a.q_stride, acc + i * panels() * kPanelFloats,
                   tile_part(rows - i * kPanel, kPanel), a.D, a.scale, range.begin < range.end);
    }
  }

  void write_keys(const Scratch& s, int64_t to, int64_t keys) const {
    for (int64_t i = 0; i < parts(keys, kPanel); ++i) {
      const int rows = tile_part(keys - i * kPanel, kPanel);
      const int64_t from = i * panels() * kPanelFloats, at = to + i * kPanel * a.kv_stride;
      write_panels(dk + at, a.kv_stride, s.dk + from, rows, a.D, a.scale, s.started[i]);
      write_panels(dv + at, a.kv_stride, s.dv + from, rows, a.D, 1.0f, s.started[i]);
    }
  }

  // The scores of a panel of keys, and the gradients of its probabilities, into buffer `buffer`.
  void score(Scratch& s, int64_t b, int64_t head, int64_t i0, int rows, int64_t panel, int64_t j0, int keys,
             int buffer) const {
    float* scores = s.scores[buffer];
    const bool biased = a.bias != nullptr;
    if (biased) start_scores(a, b, head, scores, i0, vectors(rows), j0, keys);
    const TileRows k_rows = packed_rows(s.k_rows + panel * panels() * kStepBytes);
    const TileRows v_rows = packed_rows(s.v_rows + panel * panels() * kStepBytes);
    for (int64_t i = 0; i < rows; i += kPanel) {
      const bool wide = is_wide(rows - i);
      const int64_t at = i / kPanel * panels() * kStepBytes;
      panel_product(k_rows, keys > tmm::kRows, s.q_transposed + at, wide, panels(), biased ? scores + i : nullptr,
                    scores + i, kBlock);
      panel_product(v_rows, keys > tmm::kRows, s.dout_transposed + at, wide, panels(), nullptr, s.dscores[buffer] + i,
                    kBlock);
    }
  }

  // Scores of panel p of a tile, whose keys begin with j0, into the operands of the other products.
  template <bool kQueryGradients>
  void softmax(Scratch& s, int64_t b, int64_t head, int64_t i0, int rows, int64_t p, int64_t j0, int keys,
               float* sums) const {
    float* scores = s.scores[p % 2];
    hide(a, b, scores, i0, vectors(rows), j0, keys);
    if (sums != nullptr) {
      s.diagonals.clear(vectors(rows), keys);
      softmax_panels<kQueryGradients>(s, s.diagonals, head, a.cu_q[b] + i0, rows, p, j0, keys);
      s.diagonals.add_to(sums, a, b, i0, j0);
    } else {
      NoSums nothing;
      softmax_panels<kQueryGradients>(s, nothing, head, a.cu_q[b] + i0, rows, p, j0, keys);
    }
  }

  template <bool kQueryGradients, class Sums>
  void softmax_panels(Scratch& s, Sums& taker, int64_t head, int64_t row, int rows, int64_t p, int64_t j0,
                      int keys) const {
    for (int i = 0; i < rows; i += kPanel) {
      const int64_t at = (p * kQueryPanels + i / kPanel) * kPanelFloats;
      bf16* gradients = s.gradients + at;
      const bool wide = is_wide(rows - i);
      for (int64_t lane = 0; lane < kPanel; lane += 2 * W) {
        const Lanes lanes{s.scores[p % 2] + i + lane,
                          s.dscores[p % 2] + i + lane,
                          s.probabilities + at + lane,
                          gradients + lane,
                          s.lse + i + lane,
                          s.dots + i + lane,
                          (i + lane) / W};
        if (wide) {
          a.dropout.on() ? softmax_lanes<2, true>(lanes, taker, head, row + i + lane, j0, keys)
                         : softmax_lanes<2, false>(lanes, taker, head, row + i + lane, j0, keys);
        } else {
          a.dropout.on() ? softmax_lanes<1, true>(lanes, taker, head, row + i + lane, j0, keys)
                         : softmax_lanes<1, false>(lanes, taker, head, row + i + lane, j0, keys);
        }
      }
      for (int64_t j = keys; j < kPanel && !s.padded; ++j) {
        store_row(reinterpret_cast<char*>(s.probabilities + at + j * kPanel), pairs{});
        store_row(reinterpret_cast<char*>(gradients + j * kPanel), pairs{});
      }
      if (!kQueryGradients) continue;
      tiles_of_columns(s.gradient_rows + (i / kPanel * kTilePanels + p) * kStepBytes, gradients, kPanel, kPanel,
                       kPanel);
    }
  }

  // Two vectors of queries of a panel, or one and zeros: with kBlock floats to a key, and kPanel elements.
  struct Lanes {
    const float* scores;
    const float* dscores;
    bf16* probabilities;
    bf16* gradients;
    const float* lse;
    const float* dots;
    int64_t vector;  // number of the first one in the block
  };

  template <int kVectors, bool kDropout, class Sums>
  void softmax_lanes(const Lanes& lanes, Sums& taker, int64_t head, int64_t row, int64_t j0, int keys) const {
    const vf c = splat(a.log2_scale());
    const vf base[2] = {load(lanes.lse), load(lanes.lse + W)}, dot[2] = {load(lanes.dots), load(lanes.dots + W)};
    ProbabilityDropout dropout[2] = {{a, row, head}, {a, row + W, head}};
    const auto differentiate_key = [&](int64_t j, int lane) ATTUNE_INLINE_BODY {
      vf kept[2] = {}, gradient[2] = {};
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const vf p = exp2_of<true>(fma(load(lanes.scores + j * kBlock + v * W), c, -base[v]));
        vf dp = load(lanes.dscores + j * kBlock + v * W);
        kept[v] = p;
        if constexpr (kDropout) {
          const vf multiplier = dropout[v].multiplier(lane);
          kept[v] *= multiplier;
          dp *= multiplier;
        }
        gradient[v] = p * (dp - dot[v]);
        taker.add(j, lanes.vector + v, gradient[v]);
      }
      store_two(lanes.probabilities + j * kPanel, kept[0], kept[1]);
      store_two(lanes.gradients + j * kPanel, gradient[0], gradient[1]);
    };
    int j = 0;
    for (; j + 8 <= keys; j += 8) {
      if constexpr (kDropout) {
        for (int v = 0; v < kVectors; ++v) dropout[v].generate((j0 + j) / 8);
      }
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) differentiate_key(j + i, i);
    }
    if (j == keys) return;
    if constexpr (kDropout) {
      for (int v = 0; v < kVectors; ++v) dropout[v].generate((j0 + j) / 8);
    }
    for (int i = 0; j < keys; ++j, ++i) differentiate_key(j, i);
  }
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
