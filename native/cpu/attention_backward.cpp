// Tiled attention, backward: see attention.cpp for how it is cut into tiles and tasks.
//
// The gradient of a relative position bias is summed over all sequences. Every (sequence, head, chunk of query blocks)
// has a slot of its own for what it adds, which is a task or part of one however the work is cut; the slots are added
// in rising order. Where they have no room together, tasks run in waves: a running sum does not know of them.
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "attention_bias.h"
#include "attention_gemm.h"
#include "attention_gradient.h"
#include "attention_pack.h"
#include "attention_schedule.h"
#include "attention_tiles.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"
#if defined(ATTUNE_TILES)
#include "attention_gradient_amx.h"
#endif

namespace attune {
namespace ATTUNE_ISA {

namespace {

constexpr int64_t kSplitKeys = 256;  // keys of one task where dk and dv are computed apart from dq
static_assert(kSplitKeys % kTile == 0, "tile grid");

struct BackwardScratch {
  float k[kKeys * kRowCells];  // as A of the scores; with Single also as B of dq
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
  DiagonalSums diagonals;
  float lse[kBlock];
  float dots[kBlock];
  float dq[kChunkBlocks * kBlock * kMaxD];
};

template <class Cell, class T>
struct Backward {
  using Scratch = BackwardScratch;
  using Session = typename Cell::Session;

  AttentionProblem a;
  T* dq;
  T* dk;
  T* dv;
  const T* dout;
  const T* q;
  const T* k;
  const T* v;
  const T* out;
  const float* lse;
  float* dbias;    // null: not wanted
  float* partial;  // slots of dbias (2 reach + 1 floats each), those of the wave

  static int64_t blocks(int64_t queries) { return QueryBlocks(queries).count; }
  static int64_t chunks(int64_t queries) { return parts(blocks(queries), kChunkBlocks); }
  int64_t row_floats() const { return 2 * a.reach + 1; }
  // Whether a fused task can hold the sequence.
  bool fits(int64_t b) const { return a.keys(b) <= kKeys; }

  // Gradients of all keys (at most kKeys) and all queries of sequence b, key/value heads hk0..hk1-1.
  void run_fused(BackwardScratch& s, int64_t b, int64_t hk0, int64_t hk1, int64_t slot) const {
    for (int64_t hk = hk0; hk < hk1; ++hk) {
      keys_task<true>(s, b, hk, 0, a.keys(b), slot);
      slot += a.group() * chunks(a.queries(b));
    }
  }

  // dk and dv of keys begin..end-1 only.
  void run_keys(BackwardScratch& s, int64_t b, int64_t hk, int64_t begin, int64_t end) const {
    keys_task<false>(s, b, hk, begin, end, 0);
  }

  // dq of query blocks first..last-1 of one head only.
  void run_queries(BackwardScratch& s, int64_t b, int64_t head, int64_t first, int64_t last, int64_t slot) const {
    const QueryBlocks blocks(a.queries(b));
    const KeyRange seen = visible_keys(a, b, blocks.begin(first), blocks.begin(last));
    const int64_t hk = head / a.group();
    float* sums = clear_slot(slot);
    int64_t begin = seen.begin / kTile * kTile;
    do {
      const int64_t end = begin + kKeys < seen.end ? begin + kKeys : seen.end;
      pack_keys(s, b, hk, begin, end, true);
      for (int64_t block = first; block < last; ++block) {
        differentiate<false, true>(s, b, head, block, begin, end, static_cast<int>(block - first), true,
                                   end == seen.end, sums);
      }
      begin += kKeys;
    } while (begin < seen.end);
  }

 private:
  float* clear_slot(int64_t slot) const {
    if (dbias == nullptr) return nullptr;
    float* sums = partial + slot * row_floats();
    std::memset(sums, 0, static_cast<size_t>(row_floats()) * sizeof(float));
    return sums;
  }

  template <bool kQueries>
  void keys_task(BackwardScratch& s, int64_t b, int64_t hk, int64_t begin, int64_t end, int64_t slot) const {
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
    const int64_t count = chunks(a.queries(b));
    for (int64_t head = hk * a.group(); head < (hk + 1) * a.group(); ++head) {
      for (int64_t chunk = 0; chunk < count; ++chunk) {
        float* sums = kQueries ? clear_slot(slot++) : nullptr;
        for (int64_t block = blocks.count * chunk / count; block < blocks.count * (chunk + 1) / count; ++block) {
          differentiate<true, kQueries>(s, b, head, block, begin, end, 0, started, true, sums);
          started = true;
        }
      }
    }
    for (int64_t j = begin; j < end; ++j) {
      int64_t at = (a.first_key[b] + j) * a.kv_stride + hk * a.D;
      const float* dk_row = s.dk + (j - begin) * width;
      const float* dv_row = s.dv + (j - begin) * width;
      for (int64_t d = 0; d < a.D; d += W) {
        store_some(dk + at + d, load(dk_row + d) * a.scale, a.D - d);
        store_some(dv + at + d, load(dv_row + d), a.D - d);
      }
    }
  }

  void pack_keys(BackwardScratch& s, int64_t b, int64_t hk, int64_t begin, int64_t end, bool queries) const {
    int64_t at = (a.first_key[b] + begin) * a.kv_stride + hk * a.D;
    pack_rows<Cell>(s.k, k + at, a.kv_stride, end - begin, a.D);
    pack_rows<Cell>(s.v, v + at, a.kv_stride, end - begin, a.D);
    if (queries && Cell::kWidth == 2) pack_summed(Cell(), s.k_summed, k + at, a.kv_stride, end - begin, a.D);
  }

  // One query block against the packed keys begin..end-1. dk and dv are added to where `started`; dq is written on the
  // last keys. `sums`: of dbias, or null.
  template <bool kKeyGradients, bool kQueryGradients>
  void differentiate(BackwardScratch& s, int64_t b, int64_t head, int64_t block, int64_t begin, int64_t end, int slot,
                     bool started, bool last_keys, float* sums) const {
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
      const bool biased = a.bias != nullptr;
      if (biased) start_scores(a, b, head, s.scores, i0, vectors, j0, keys);
      product<Cell, kRowCells, 1>(s.scores, kBlock, s.k + at * kRowCells, s.q, kBlock, keys, vectors, cells, biased);
      product<Cell, kRowCells, 1>(s.dscores, kBlock, s.v + at * kRowCells, s.dout, kBlock, keys, vectors, cells, false);
      hide(a, b, s.scores, i0, vectors, j0, keys);
      auto softmax = [&](auto& taker) {
        softmax_bwd<Cell>(a, s.scores, s.dscores, s.dscores_pairs, taker, keys, vectors, s.lse, s.dots, row, head, j0);
      };
      if (sums != nullptr) {
        s.diagonals.clear(vectors, keys);
        softmax(s.diagonals);
        s.diagonals.add_to(sums, a, b, i0, j0);
      } else {
        NoSums nothing;
        softmax(nothing);
      }
      if (kKeyGradients) {
        int64_t k_cells = (rows + Cell::kWidth - 1) / Cell::kWidth;
        product<Cell, kBlock, 1>(s.dv + at * width, width, s.scores, s.dout_rows, kRowCells, keys, a.vectors(), k_cells,
                                 started);
        product<Cell, kBlock, 1>(s.dk + at * width, width, s.dscores, s.q_rows, kRowCells, keys, a.vectors(), k_cells,
                                 started);
      }
      if (kQueryGradients) {
        bool pairs = Cell::kWidth == 2;
        product<Cell, 1, kBlock>(acc, width, pairs ? s.dscores_pairs : s.dscores,
                                 pairs ? s.k_summed + at / 2 * kRowCells : s.k + at * kRowCells, kRowCells, rows,
                                 a.vectors(), (keys + Cell::kWidth - 1) / Cell::kWidth, j0 > range.begin);
      }
      j0 = j1;
    }
    if (!kQueryGradients || !last_keys) return;
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
    load_lse(s.lse, lse + head * queries + row - a.cu_q[0], rows, vectors);
  }
};

// The backward pass of tensors of this type, on vectors or on matrix tiles.
#if defined(ATTUNE_TILES)
template <class Cell, class T>
using BackwardOf = std::conditional_t<kOnTiles<T>, TileBackward, Backward<Cell, T>>;
#else
template <class Cell, class T>
using BackwardOf = Backward<Cell, T>;
#endif

template <class Op>
static void run_backward(attune_context* ctx, const Op& op) {
  using Scratch = typename Op::Scratch;
  static_assert(sizeof(Scratch) + kScheduleBytes <= kWorkspaceBytes, "backward scratch");
  // The partial gradients of the bias lie in worker 0's workspace behind its scratch.
  constexpr int64_t slot_floats =
      static_cast<int64_t>((kWorkspaceBytes - kScheduleBytes - sizeof(Scratch)) / sizeof(float));
  static_assert(slot_floats >= 2 * 65535 + 1, "the longest row of a bias has room");
  const AttentionProblem& a = op.a;
  // Slots of a wave.
  const int64_t room = op.dbias != nullptr ? slot_floats / op.row_floats() : kUnlimited;
  for (int64_t begin = 0; begin < a.B; begin += kScheduled) {
    Schedule schedule(ctx, a, begin, begin + kScheduled < a.B ? begin + kScheduled : a.B);
    // A fused task does the five products of one key/value head; split tasks do seven, in smaller
    // pieces. Few heads on many threads, or more keys than a task can hold, take the second way. Both
    // give the same bits.
    int64_t share = schedule.total_work() * a.Hkv / ctx->pool.threads();
    bool split_all = 5 * schedule.largest_work() > 8 * share;
    auto chunks = [&](const Entry& entry) { return op.chunks(a.queries(entry.sequence)); };
    auto splits = [&](const Entry& entry) {
      return split_all || !op.fits(entry.sequence) || a.group() * chunks(entry) > room;
    };
    int64_t slots = 0;
    for (Entry& entry : schedule) {
      const int64_t of_head = a.group() * chunks(entry);
      if (!splits(entry) && entry.heads * of_head > room) entry.heads = static_cast<int32_t>(room / of_head);
      entry.slot = slots;
      slots += a.Hkv * of_head;
    }
    int64_t tasks = schedule.number([&](const Entry& entry) {
      if (!splits(entry)) return parts(a.Hkv, entry.heads);
      return a.Hkv * parts(a.keys(entry.sequence), kSplitKeys) + a.H * chunks(entry);
    });
    // The first slot that a task, or one after it, fills.
    auto slot_of = [&](int64_t task) {
      if (task == tasks) return slots;
      const Entry& entry = schedule.find(task);
      const int64_t number = task - entry.first;
      if (!splits(entry)) return entry.slot + number * entry.heads * a.group() * chunks(entry);
      const int64_t key_tasks = a.Hkv * parts(a.keys(entry.sequence), kSplitKeys);
      return entry.slot + (number > key_tasks ? number - key_tasks : 0);
    };
    auto run = [&](int64_t task, int32_t worker, int64_t first_slot) {
      Scratch& scratch = *reinterpret_cast<Scratch*>(ctx->workspace(worker));
      [[maybe_unused]] const typename Op::Session session;
      const Entry& entry = schedule.find(task);
      int64_t b = entry.sequence, number = task - entry.first, slot = slot_of(task) - first_slot;
      if (!splits(entry)) {
        int64_t heads = number * entry.heads;
        op.run_fused(scratch, b, heads, heads + entry.heads < a.Hkv ? heads + entry.heads : a.Hkv, slot);
        return;
      }
      int64_t keys = a.keys(b), key_parts = parts(keys, kSplitKeys);
      if (number < a.Hkv * key_parts) {
        int64_t from = number % key_parts * kSplitKeys;
        op.run_keys(scratch, b, number / key_parts, from, from + kSplitKeys < keys ? from + kSplitKeys : keys);
        return;
      }
      number -= a.Hkv * key_parts;
      const int64_t blocks = op.blocks(a.queries(b)), count = chunks(entry), chunk = number % count;
      op.run_queries(scratch, b, number / count, blocks * chunk / count, blocks * (chunk + 1) / count, slot);
    };
    for (int64_t first = 0; first < tasks;) {
      const int64_t first_slot = slot_of(first);
      const bool all = slots - first_slot <= room;
      int64_t after = all ? tasks : first + 1, end = tasks;  // the wave ends in after..end
      while (after < end) {
        const int64_t middle = (after + end + 1) / 2;
        if (slot_of(middle) - first_slot <= room) {
          after = middle;
        } else {
          end = middle - 1;
        }
      }
      parallel(ctx, after - first, [&](int64_t task, int32_t worker) { run(first + task, worker, first_slot); });
      if (op.dbias != nullptr) {
        const int64_t last_slot = slot_of(after);
        parallel(ctx, a.H, [&](int64_t head, int32_t) {
          float* to = op.dbias + head * op.row_floats();
          for (const Entry& entry : schedule) {
            const int64_t count = chunks(entry), slot = entry.slot + head * count;
            for (int64_t i = slot > first_slot ? slot : first_slot; i < slot + count && i < last_slot; ++i) {
              const float* from = op.partial + (i - first_slot) * op.row_floats();
              for_vectors(0, op.row_floats(), [&](int64_t o, auto lanes) ATTUNE_INLINE_BODY {
                store(to + o, load(to + o, lanes) + load(from + o, lanes), lanes);
              });
            }
          }
        });
      }
      first = after;
    }
  }
}

}  // namespace

attune_status attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, float* dbias, const void* dout,
                            const void* q, const void* k, const void* v, const float* bias, const void* out,
                            const float* lse, const int32_t* cu_q, const int32_t* cu_k, int64_t q_stride,
                            int64_t kv_stride, int64_t B, int64_t, int64_t H, int64_t Hkv, int64_t D, int64_t reach,
                            float scale, int32_t causal, int64_t window, float p, int64_t seed, int64_t stream,
                            int32_t dtype) {
  const AttentionProblem a{
      cu_q, cu_k, nullptr, q_stride, kv_stride, B, H, Hkv, D, scale, causal != 0, window, Dropout(ctx, p, seed, stream),
      bias, reach};
  ATTUNE_CHECK(check_attention("attention_bwd", a));
  auto run = [&](auto cell, auto element) {
    using T = decltype(element);
    using Op = BackwardOf<decltype(cell), T>;
    run_backward(ctx, Op{a, static_cast<T*>(dq), static_cast<T*>(dk), static_cast<T*>(dv), static_cast<const T*>(dout),
                         static_cast<const T*>(q), static_cast<const T*>(k), static_cast<const T*>(v),
                         static_cast<const T*>(out), lse, dbias,
                         reinterpret_cast<float*>(ctx->workspace(0) + sizeof(typename Op::Scratch))});
  };
  if (dtype == ATTUNE_F32) {
    run(Single(), float());
    return ATTUNE_OK;
  }
#if defined(ATTUNE_BF16_DOTS)
  if (D % 2 == 0) {
    run(Pair(), bf16());
    return ATTUNE_OK;
  }
#endif
  run(Single(), bf16());
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
