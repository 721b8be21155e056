// Tiled attention, forward, on matrix tiles: Q and P are A, where they lie; K^T is B by transposes, V by interleaving.
//
// Here a row of scores is a query. Keys are taken kOnlineKeys at a time, on a grid that starts at key 0, with online
// softmax in between; a block of 32 queries looks at the keys from the first that any of its queries sees to the last.
// All of that depends on lengths alone, so neither threads nor the way of cutting change a bit.
#ifndef ATTUNE_ATTENTION_AMX_H
#define ATTUNE_ATTENTION_AMX_H

#include <cstdint>
#include <cstring>

#include "amx_block.h"
#include "amx_pack.h"
#include "attention_bias.h"
#include "attention_math.h"
#include "attention_pack.h"
#include "attention_schedule.h"
#include "attention_tiles.h"
#include "philox_simd.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

class TileForward {
  static constexpr int64_t kOnlineKeys = 512;
  static constexpr int64_t kScoreStride = kOnlineKeys + 16;  // no multiple of a page, nor near one
  static constexpr int64_t kProbabilityStride = kOnlineKeys + 32;
  static constexpr int64_t kMostPanels = kMaxD / kPanel;
  static_assert(kKeys % kOnlineKeys == 0, "packed keys end where online blocks do");

 public:
  static constexpr int64_t kChunkBlocks = 6;  // query blocks of one task
  static int64_t blocks(int64_t queries) { return parts(queries, kPanel); }

  struct Scratch {
    char k[kKeys / kPanel * kMostPanels * kStepBytes];  // [panel of keys][step of D]
    char v[kKeys / kPanel * kMostPanels * kStepBytes];  // [panel of D][step of keys]
    char q[kMostPanels * kStepBytes];
    float scores[kPanel * kScoreStride];
    bf16 probabilities[kPanel * kProbabilityStride];
    uint16_t lanes[kOnlineKeys];  // of the dropout generator
    float maximum[kChunkBlocks * kPanel];
    float sum[kChunkBlocks * kPanel];
    float out[kChunkBlocks * kMostPanels * kPanel * kPanel];
  };

  AttentionProblem a;
  bf16* out;
  float* lse;  // null: not wanted
  const bf16* q;
  const bf16* k;
  const bf16* v;
  int64_t least_queries = 1;  // sequences with fewer are someone else's

  // Query blocks first..last-1 of sequence b, for the queries of key/value heads hk0..hk1-1.
  void run(Scratch& s, int64_t b, int64_t hk0, int64_t hk1, int64_t first, int64_t last) const {
    const tmm::Session session;
    const int64_t queries = a.queries(b), end_query = last * kPanel < queries ? last * kPanel : queries;
    const KeyRange seen = visible_keys(a, b, first * kPanel, end_query);
    const int64_t start = seen.begin / kOnlineKeys * kOnlineKeys;
    for (int64_t hk = hk0; hk < hk1; ++hk) {
      int64_t packed = -1;
      for (int64_t head = hk * a.group(); head < (hk + 1) * a.group(); ++head) {
        int64_t begin = start;
        do {
          const int64_t end = begin + kKeys < seen.end ? begin + kKeys : seen.end;
          if (packed != begin) pack(s, b, hk, begin, end - begin);
          packed = begin;
          for (int64_t block = first; block < last; ++block) {
            attend(s, b, head, block * kPanel, begin, end, block - first, begin == start, end == seen.end);
          }
          begin += kKeys;
        } while (begin < seen.end);
      }
    }
  }

 private:
  int64_t panels() const { return parts(a.D, kPanel); }

  void pack(Scratch& s, int64_t b, int64_t hk, int64_t begin, int64_t count) const {
    const int64_t at = (a.first_key[b] + begin) * a.kv_stride + hk * a.D, steps = parts(count, kPanel);
    for (int64_t j = 0; j < steps * kPanel; j += 16) {
      for (int64_t d = 0; d < panels(); ++d) {
        tile_transposed(s.k + (j / kPanel * panels() + d) * kStepBytes + j % kPanel / 16 * tmm::kBytes,
                        k + at + j * a.kv_stride + d * kPanel, a.kv_stride, tile_part(count - j, 16),
                        tile_part(a.D - d * kPanel, kPanel));
      }
    }
    for (int64_t j = 0; j < steps; ++j) {
      for (int64_t d = 0; d < panels(); ++d) {
        tiles_interleaved(s.v + (d * steps + j) * kStepBytes, v + at + j * kPanel * a.kv_stride + d * kPanel,
                          a.kv_stride, tile_part(count - j * kPanel, kPanel), tile_part(a.D - d * kPanel, kPanel));
      }
    }
  }

  // The rows of Q of a block, where they lie or, where they are no whole tiles, copied.
  TileRows query_rows(Scratch& s, const bf16* from, int rows) const {
    const int64_t pitch = a.q_stride * 2;
    if (rows == kPanel && a.D % kPanel == 0 && pitch % kPageBytes != 0) {
      return {reinterpret_cast<const char*>(from), reinterpret_cast<const char*>(from + 16 * a.q_stride), pitch, 64};
    }
    for (int64_t d = 0; d < panels(); ++d) {
      for (int half = 0; half < 2; ++half) {
        tile_of_rows(s.q + d * kStepBytes + half * tmm::kBytes, from + half * 16 * a.q_stride + d * kPanel, a.q_stride,
                     tile_part(rows - half * 16, 16), tile_part(a.D - d * kPanel, kPanel));
      }
    }
    return packed_rows(s.q);
  }

  // The query block at i0 against keys begin..end-1, which are packed. Starts its state on the first keys and writes
  // the result on the last.
  void attend(Scratch& s, int64_t b, int64_t head, int64_t i0, int64_t begin, int64_t end, int64_t slot,
              bool first_keys, bool last_keys) const {
    const int rows = tile_part(a.queries(b) - i0, kPanel);
    const int64_t row = a.cu_q[b] + i0, steps = parts(end - begin, kPanel);
    float* maximum = s.maximum + slot * kPanel;
    float* sum = s.sum + slot * kPanel;
    float* acc = s.out + slot * kMostPanels * kPanel * kPanel;
    if (first_keys) {
      for (int r = 0; r < kPanel; ++r) maximum[r] = -kInfinity, sum[r] = 0.0f;
    }
    const KeyRange range = visible_keys(a, b, i0, i0 + rows);
    const int64_t from = range.begin > begin ? range.begin : begin, to = range.end < end ? range.end : end;
    if (from < to) {
      const TileRows queries = query_rows(s, q + row * a.q_stride + head * a.D, rows);
      for (int64_t j0 = from / kPanel * kPanel; j0 < to;) {
        const int64_t grid_end = (j0 / kOnlineKeys + 1) * kOnlineKeys, j1 = grid_end < to ? grid_end : to;
        const int64_t key_panels = parts(j1 - j0, kPanel);
        const auto nothing = [] {};
        for (int64_t p = 0; p < key_panels; ++p) {
          tile_block(queries, rows, s.k + ((j0 - begin) / kPanel + p) * panels() * kStepBytes, panels(), nullptr,
                     s.scores + p * kPanel, kScoreStride, nothing);
        }
        const bool started = j0 > range.begin;
        for (int r = 0; r < rows; ++r) {
          const float factor =
              softmax_row(s, b, head, i0 + r, r, j0, j1 - j0, key_panels * kPanel, maximum + r, sum + r);
          if (started && factor != 1.0f) rescale(acc + r * kPanel, factor);
        }
        const char* probabilities = reinterpret_cast<const char*>(s.probabilities);
        const TileRows weights{probabilities, probabilities + 16 * kProbabilityStride * 2, kProbabilityStride * 2, 64};
        for (int64_t d = 0; d < panels(); ++d) {
          float* sums = acc + d * kPanel * kPanel;
          tile_block(weights, rows, s.v + (d * steps + (j0 - begin) / kPanel) * kStepBytes, key_panels,
                     started ? sums : nullptr, sums, kPanel, nothing);
        }
        j0 = j1;
      }
    }
    if (last_keys) finish(acc, maximum, sum, head, row, rows, range.begin < range.end);
  }

  void rescale(float* acc_row, float factor) const {
    for (int64_t d = 0; d < panels(); ++d) {
      float* at = acc_row + d * kPanel * kPanel;
      for (int64_t i = 0; i < kPanel; i += W) store(at + i, load(at + i) * splat(factor));
    }
  }

  // A row of scores, `keys` of them from key j0 on, into unnormalised probabilities, zeros up to `width`. Updates the
  // running maximum (in units of log2) and sum; returns the factor for what was accumulated before.
  float softmax_row(Scratch& s, int64_t b, int64_t head, int64_t i, int r, int64_t j0, int64_t keys, int64_t width,
                    float* maximum, float* sum_of_row) const {
    float* scores = s.scores + r * kScoreStride;
    bf16* probabilities = s.probabilities + r * kProbabilityStride;
    vi lane;
    for (int l = 0; l < W; ++l) lane[l] = l;
    vf c = splat(a.log2_scale());
    if (a.bias != nullptr || is_hidden(b, i, j0, keys)) {
      bias_and_hide(scores, b, head, i, j0, keys, lane);
      c = splat(1.0f);
    }
    const auto score = [&](int64_t j) {
      const vf x = load(scores + j) * c;
      return j + W <= keys ? x : select(lane < static_cast<int32_t>(keys - j), x, splat(-kInfinity));
    };
    vf top = splat(*maximum);
    for (int64_t j = 0; j < keys; j += W) top = larger(top, score(j));
    const float after = max(top);
    // Nothing visible yet: any finite base keeps -inf - base from being NaN.
    const float base = after == -kInfinity ? 0.0f : after;
    const float factor = exp2_of<false>(splat(*maximum - base))[0];
    *maximum = after;

    if (a.dropout.on()) {
      // j0 is a multiple of 8.
      const auto element = static_cast<uint32_t>((a.cu_q[b] + i) * a.H + head);
      dropout_lanes(a.dropout.seed, a.dropout.stream, uint64_t{element} << 32 | static_cast<uint64_t>(j0 / 8),
                    parts(keys, 8), s.lanes);
    }
    vf total{};
    for (int64_t j = 0; j < keys; j += W) {
      vf p = exp2_of<true>(score(j) - base);
      total += p;
      if (a.dropout.on()) p *= a.dropout.multiplier(s.lanes + j);
      store(probabilities + j, p);
    }
    for (int64_t j = parts(keys, W) * W; j < width; j += W) store(probabilities + j, vf{});
    *sum_of_row = *sum_of_row * factor + sum(total);
    return factor;
  }

  // Whether query i sees some of these keys only.
  bool is_hidden(int64_t b, int64_t i, int64_t j0, int64_t keys) const {
    const int64_t place = i + a.offset(b);
    return (a.causal || a.window > 0) && (j0 < place - a.behind() || j0 + keys - 1 > place + a.ahead());
  }

  // Scores into units of log2, with the bias; -inf for hidden keys.
  void bias_and_hide(float* scores, int64_t b, int64_t head, int64_t i, int64_t j0, int64_t keys, vi lane) const {
    const int64_t place = i + a.offset(b);
    const bool hides = is_hidden(b, i, j0, keys);
    const vf c = splat(a.log2_scale());
    const vi last = vi{} + static_cast<int32_t>(place + a.ahead()),
             first = vi{} + static_cast<int32_t>(place - a.behind());
    const float* biases = a.bias == nullptr ? nullptr : a.bias + head * (2 * a.reach + 1);
    for (int64_t j = 0; j < keys; j += W) {
      vf x = load(scores + j) * c;
      if (biases != nullptr) {
        const int64_t offset = j0 + j - place;
        vf values;
        if (offset >= -a.reach && offset + W - 1 <= a.reach) {
          values = load(biases + a.reach + offset);
        } else {
          for (int l = 0; l < W; ++l) values[l] = biases[bias_place(a.reach, offset + l)];
        }
        x = fma(values, splat(kLog2e), x);
      }
      if (hides) {
        const vi key = lane + static_cast<int32_t>(j0 + j);
        x = select((key <= last) & (key >= first), x, splat(-kInfinity));
      }
      store(scores + j, x);
    }
  }

  void finish(const float* acc, const float* maximum, float* sum, int64_t head, int64_t row, int rows,
              bool has_keys) const {
    const int64_t queries = a.cu_q[a.B] - a.cu_q[0];
    for (int r = 0; r < rows; r += W) {
      const vf total = load(sum + r), top = load(maximum + r);
      if (lse != nullptr) {
        vf value = select(top == splat(-kInfinity), top, fma(top, splat(kLn2), log_of(total)));
        value = select(total != total, total, value);  // a maximum and a logarithm may lose it
        store_some(lse + head * queries + row - a.cu_q[0] + r, value, rows - r);
      }
      store(sum + r, select(total == splat(0.0f), vf{}, 1.0f / total));
    }
    for (int r = 0; r < rows; ++r) {
      bf16* to = out + ((row + r) * a.H + head) * a.D;
      const vf factor = splat(sum[r]);
      for (int64_t d = 0; d < a.D; d += W) {
        // A block without a visible key has an accumulator that nothing has written.
        const vf value = has_keys ? load(acc + d / kPanel * kPanel * kPanel + r * kPanel + d % kPanel) * factor : vf{};
        store_some(to + d, value, a.D - d);
      }
    }
  }
};
static_assert(sizeof(TileForward::Scratch) + kScheduleBytes <= kWorkspaceBytes, "forward scratch on tiles");

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
