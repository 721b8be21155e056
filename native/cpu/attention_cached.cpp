// Attention of new rows over a key/value cache.
//
// Many new rows of a sequence (a prefill) run through the tiles of attention_forward.h. Few of them are
// bound by the memory that the keys and values stream from: their queries, with all heads that share a
// key/value head, meet each key once. The keys of a sequence are cut into splits, so that one long
// sequence has work for every thread. How they are cut follows from the sequence alone, and the partial
// results of the splits are added in rising order: threads and the rest of the batch change no bit.
#include <cstdint>
#include <cstring>

#include "attention_forward.h"
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {
namespace {

constexpr int64_t kFewRows = 16;    // (query, head) pairs that share a key/value head: at most this many are few
constexpr int64_t kSplitKeys = 256; // least keys of a split
constexpr int64_t kMaxSplits = 32;
constexpr int64_t kStep = 64;       // keys of which scores are taken before their values: 16 KiB at D = 128 in bf16
constexpr int64_t kMaxWidth = kMaxD;
constexpr int kOutVectors = 4;      // of a register block of the values' product
static_assert(kStep % W == 0 && kSplitKeys % kStep == 0, "steps of whole vectors");

// What a split leaves: maximum (in units of log2) and sum of each row, then the unnormalised rows.
constexpr int64_t kHeader = 2 * kFewRows;

struct Item {
  int64_t first;    // number of its first task
  int64_t offset;   // of its partial results, in floats
  KeyRange keys;
  int64_t splits;
  int32_t sequence;
  int32_t kv_head;
  int32_t row, rows;  // (query, head) pairs: pair p is query p / group of head p % group
};
constexpr int64_t kMaxItems = 4096;
constexpr size_t kItemBytes = sizeof(Item) * kMaxItems;
constexpr size_t kPartialBytes = size_t{4} << 20;
constexpr int64_t kPartialFloats = static_cast<int64_t>(kPartialBytes / sizeof(float));

struct Scratch {
  float q[kFewRows * kRowCells];
  float scores[kFewRows * kStep];
  float rescale[kFewRows];
};
static_assert(kPartialBytes + kItemBytes + sizeof(Scratch) <= kWorkspaceBytes, "scratch of cached attention");
static_assert(kMaxSplits * (kHeader + kFewRows * kMaxWidth) <= kPartialFloats, "one item has room");

static inline int64_t keys_per_split(const KeyRange& range, int64_t splits) {
  return round_up((range.end - range.begin + splits - 1) / splits, kStep);
}

template <class Cell, class T>
struct CachedAttention {
  AttentionProblem a;
  T* out;
  const T* q;
  const T* k;
  const T* v;

  int64_t width() const { return a.vectors() * W; }
  int64_t partial_floats() const { return kHeader + kFewRows * width(); }

  bool is_few(int64_t b) const {
    return a.queries(b) > 0 && a.queries(b) < least_tiled(a.group());
  }
  // A single query always streams, however many heads share its keys.
  static int64_t least_tiled(int64_t group) { return kFewRows / group < 1 ? 2 : kFewRows / group + 1; }

  void run(attune_context* ctx) const {
    char* base = ctx->workspace(0);
    auto* partials = reinterpret_cast<float*>(base);
    auto* items = reinterpret_cast<Item*>(base + kPartialBytes);
    int64_t count = 0, tasks = 0, floats = 0;
    auto flush = [&] {
      if (count == 0) return;
      parallel(ctx, tasks, [&](int64_t task, int32_t worker) {
        const Item& item = find(items, count, task);
        auto* scratch = reinterpret_cast<Scratch*>(ctx->workspace(worker) + kPartialBytes + kItemBytes);
        run_split(*scratch, item, task - item.first, partials + item.offset);
      });
      parallel(ctx, count, [&](int64_t i, int32_t) { combine(items[i], partials + items[i].offset); });
      count = tasks = floats = 0;
    };
    for (int64_t b = 0; b < a.B; ++b) {
      if (!is_few(b)) continue;
      const KeyRange range = visible_keys(a, b, 0, a.queries(b));
      int64_t splits = (range.end - range.begin) / kSplitKeys;
      splits = splits < 1 ? 1 : splits > kMaxSplits ? kMaxSplits : splits;
      const int64_t pairs = a.queries(b) * a.group();
      for (int64_t hk = 0; hk < a.Hkv; ++hk) {
        for (int64_t row = 0; row < pairs; row += kFewRows) {
          if (count == kMaxItems || floats + splits * partial_floats() > kPartialFloats) flush();
          const int64_t rows = pairs - row < kFewRows ? pairs - row : kFewRows;
          items[count++] = {tasks, floats, range, splits, static_cast<int32_t>(b), static_cast<int32_t>(hk),
                            static_cast<int32_t>(row), static_cast<int32_t>(rows)};
          tasks += splits;
          floats += splits * partial_floats();
        }
      }
    }
    flush();
  }

 private:
  static const Item& find(const Item* items, int64_t count, int64_t task) {
    int64_t low = 0, high = count;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (items[middle].first <= task ? low : high) = middle;
    }
    return items[low];
  }

  // Offset of pair p's row in q and out, whose rows are `stride` apart.
  int64_t row_of(const Item& item, int64_t p, int64_t stride) const {
    return (a.cu_q[item.sequence] + p / a.group()) * stride + (item.kv_head * a.group() + p % a.group()) * a.D;
  }

  void run_split(Scratch& s, const Item& item, int64_t split, float* partials) const {
    const int64_t size = keys_per_split(item.keys, item.splits);
    const int64_t begin = item.keys.begin + split * size;
    const int64_t end = begin + size < item.keys.end ? begin + size : item.keys.end;
    float* maximum = partials + split * partial_floats();
    float* sum = maximum + kFewRows;
    float* acc = maximum + kHeader;
    for (int64_t m = 0; m < item.rows; ++m) {
      maximum[m] = -kInfinity;
      sum[m] = 0.0f;
      pack_rows<Cell>(s.q + m * kRowCells, q + row_of(item, item.row + m, a.q_stride), 0, 1, a.D);
    }
    std::memset(acc, 0, static_cast<size_t>(item.rows * width()) * sizeof(float));
    const int64_t first = a.first_key[item.sequence];
    for (int64_t j = begin; j < end; j += kStep) {
      const int64_t keys = end - j < kStep ? end - j : kStep;
      const int64_t at = (first + j) * a.kv_stride + item.kv_head * a.D;
      score(s, k + at, v + at, keys, item.rows);
      hide_scores(s, item, j, keys);
      for (int64_t m = 0; m < item.rows; ++m) softmax(s, m, maximum + m, sum + m);
      // The next step's keys are asked for while this one's values are added.
      const int64_t next = end - j - keys < kStep ? end - j - keys : kStep;
      add_values(s, acc, v + at, k + at + keys * a.kv_stride, keys, next, item.rows);
    }
  }

  // scores (rows, kStep) of `keys` keys; their values are asked for. Scores beyond the keys are not written.
  void score(Scratch& s, const T* keys_from, const T* values, int64_t keys, int64_t rows) const {
    constexpr int64_t step = W * Cell::kWidth;
    for (int64_t j = 0; j < keys; j += W) {
      const T* key[W];
      for (int64_t i = 0; i < W; ++i) {
        // Past the end the last key again: its score will be hidden.
        const int64_t at = (j + i < keys ? j + i : keys - 1) * a.kv_stride;
        key[i] = keys_from + at;
        prefetch_row(values + at);
      }
      for (int64_t m = 0; m < rows; ++m) {
        const float* row = s.q + m * kRowCells;
        vf dots[W];
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) dots[i] = vf{};
        int64_t d = 0;
        for (; d + step <= a.D; d += step) {
          const vf cells = load(row + d / Cell::kWidth);
#pragma GCC unroll 16
          for (int i = 0; i < W; ++i) {
            dots[i] = Cell::multiply_add(cells, load_cells(Cell(), key[i] + d, step), dots[i]);
          }
        }
        if (d < a.D) {
          const vf cells = load(row + d / Cell::kWidth);
          for (int i = 0; i < W; ++i) {
            dots[i] = Cell::multiply_add(cells, load_cells(Cell(), key[i] + d, a.D - d), dots[i]);
          }
        }
        transpose(dots);
        for (int half = W / 2; half > 0; half /= 2) {
          for (int i = 0; i < half; ++i) dots[i] += dots[i + half];
        }
        store(s.scores + m * kStep + j, dots[0]);
      }
    }
  }

  // Scales the scores to units of log2; those of keys that a pair does not see, and of none, become -inf.
  void hide_scores(Scratch& s, const Item& item, int64_t j, int64_t keys) const {
    const vf c = splat(a.log2_scale());
    vi lane;
    for (int i = 0; i < W; ++i) lane[i] = i;
    const int64_t offset = a.keys(item.sequence) - a.queries(item.sequence);
    for (int64_t m = 0; m < item.rows; ++m) {
      const int64_t diagonal = (item.row + m) / a.group() + offset;
      const int64_t last = diagonal < j + keys - 1 ? diagonal - j : keys - 1;
      const int64_t from = a.window > 0 ? diagonal - a.window + 1 - j : 0;
      const vi low = vi{} + static_cast<int32_t>(from > 0 ? from : 0);
      const vi high = vi{} + static_cast<int32_t>(last);
      float* scores = s.scores + m * kStep;
      for (int64_t i = 0; i < kStep; i += W) {
        const vi key = lane + static_cast<int32_t>(i);
        store(scores + i, select((key >= low) & (key <= high), load(scores + i) * c, splat(-kInfinity)));
      }
    }
  }

  // Scores of one pair into unnormalised probabilities; updates its maximum and sum and leaves the factor
  // for what was accumulated before.
  static void softmax(Scratch& s, int64_t m, float* maximum, float* sum) {
    float* scores = s.scores + m * kStep;
    vf top = splat(*maximum);
    for (int64_t i = 0; i < kStep; i += W) top = larger(top, load(scores + i));
    const float after = max(top);
    // Nothing visible yet: any finite base keeps -inf - base from being NaN.
    const vf base = splat(after == -kInfinity ? 0.0f : after);
    const float factor = exp2_of<false>(splat(*maximum) - base)[0];
    vf total{};
    for (int64_t i = 0; i < kStep; i += W) {
      vf p = exp2_of<std::is_same_v<T, bf16>>(load(scores + i) - base);
      total += p;
      store(scores + i, p);
    }
    *maximum = after;
    *sum = *sum * factor + ATTUNE_ISA::sum(total);
    s.rescale[m] = factor;
  }

  // acc (rows, width) = rescaled acc + probabilities * values, `rows` at a time in registers.
  void add_values(const Scratch& s, float* acc, const T* values, const T* next_keys, int64_t keys, int64_t next,
                  int64_t rows) const {
    for (int64_t i = 0; i < next; ++i) prefetch_row(next_keys + i * a.kv_stride);
    for (int64_t d = 0; d < a.D; d += kOutVectors * W) {
      const int64_t left = a.D - d;
      for (int64_t m = 0; m < rows; m += 4) {
        const float* p = s.scores + m * kStep;
        float* to = acc + m * width() + d;
        const T* from = values + d;
        switch (rows - m) {
          case 1: value_rows<1>(to, p, s.rescale + m, from, keys, left); break;
          case 2: value_rows<2>(to, p, s.rescale + m, from, keys, left); break;
          case 3: value_rows<3>(to, p, s.rescale + m, from, keys, left); break;
          default: value_rows<4>(to, p, s.rescale + m, from, keys, left); break;
        }
      }
    }
  }

  template <int R>
  void value_rows(float* to, const float* p, const float* rescale, const T* values, int64_t keys, int64_t left) const {
    if (left >= kOutVectors * W) return value_block<R, kOutVectors>(to, p, rescale, values, keys, Full{});
    int64_t d = 0;
    for (; d + W <= left; d += W) value_block<R, 1>(to + d, p, rescale, values + d, keys, Full{});
    if (d < left) value_block<R, 1>(to + d, p, rescale, values + d, keys, First{static_cast<int>(left - d)});
  }

  template <int R, int V, class Lanes>
  void value_block(float* to, const float* p, const float* rescale, const T* values, int64_t keys, Lanes lanes) const {
    vf total[R][V];
    for (int r = 0; r < R; ++r) {
      for (int i = 0; i < V; ++i) total[r][i] = load(to + r * width() + i * W) * rescale[r];
    }
    for (int64_t j = 0; j < keys; ++j) {
      vf value[V];
      for (int i = 0; i < V; ++i) value[i] = load(values + j * a.kv_stride + i * W, lanes);
      for (int r = 0; r < R; ++r) {
        const vf probability = Single::broadcast(p + r * kStep + j);
        for (int i = 0; i < V; ++i) total[r][i] = fma(probability, value[i], total[r][i]);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int i = 0; i < V; ++i) store(to + r * width() + i * W, total[r][i]);
    }
  }

  // Rows of one head lie kv_stride apart, which no hardware prefetcher follows.
  void prefetch_row(const T* row) const {
    constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(T));
    for (int64_t d = 0; d < a.D; d += line) __builtin_prefetch(row + d);
    __builtin_prefetch(row + a.D - 1);
  }

  // The splits of an item, in rising order, into its rows of out.
  void combine(const Item& item, float* partials) const {
    for (int64_t m = 0; m < item.rows; ++m) {
      float* total = partials + kHeader + m * width();
      float maximum = partials[m], sum = partials[kFewRows + m];
      for (int64_t split = 1; split < item.splits; ++split) {
        const float* part = partials + split * partial_floats();
        if (part[m] == -kInfinity) continue;
        const float top = part[m] > maximum ? part[m] : maximum;
        const float before = exp2_of<false>(splat(maximum - top))[0];
        const float here = exp2_of<false>(splat(part[m] - top))[0];
        const float* row = part + kHeader + m * width();
        for (int64_t d = 0; d < width(); d += W) {
          store(total + d, fma(load(row + d), splat(here), load(total + d) * before));
        }
        sum = sum * before + part[kFewRows + m] * here;
        maximum = top;
      }
      const float factor = sum == 0.0f ? 0.0f : 1.0f / sum;
      T* to = out + row_of(item, item.row + m, a.H * a.D);
      for (int64_t d = 0; d < a.D; d += W) store_some(to + d, load(total + d) * factor, a.D - d);
    }
  }
};

template <class Cell, class T>
static void run_cached(attune_context* ctx, const AttentionProblem& a, void* out, const void* q, const void* k,
                       const void* v) {
  const CachedAttention<Cell, T> few{a, static_cast<T*>(out), static_cast<const T*>(q), static_cast<const T*>(k),
                                     static_cast<const T*>(v)};
  run_forward(ctx, AttentionForward<Cell, T>{a, few.out, nullptr, few.q, few.k, few.v,
                                             CachedAttention<Cell, T>::least_tiled(a.group())});
  few.run(ctx);
}

attune_status check_cached(const char* op, const AttentionProblem& a, int32_t dtype) {
  ATTUNE_CHECK(check_attention(op, a, 0.0f, dtype));
  for (int64_t b = 0; b < a.B; ++b) {
    ATTUNE_REQUIRE(a.first_key[b] >= 0, "%s: k_start[%lld] is %d, must be at least 0", op, ll(b), a.first_key[b]);
    ATTUNE_REQUIRE(a.key_count[b] >= a.queries(b), "%s: k_count[%lld] is %d, must be at least %lld, its queries", op,
                   ll(b), a.key_count[b], ll(a.queries(b)));
  }
  return ATTUNE_OK;
}

}  // namespace

attune_status attention_cached_fwd(attune_context* ctx, void* out, const void* q, const void* k_cache,
                                   const void* v_cache, const int32_t* cu_q, const int32_t* k_start,
                                   const int32_t* k_count, int64_t q_stride, int64_t kv_stride, int64_t B, int64_t H,
                                   int64_t Hkv, int64_t D, float scale, int64_t window, int32_t dtype) {
  const char* op = "attention_cached_fwd";
  if (B > 0) {
    ATTUNE_CHECK(check_pointer(op, "k_start", k_start));
    ATTUNE_CHECK(check_pointer(op, "k_count", k_count));
  }
  const AttentionProblem a{cu_q, k_start, k_count, q_stride, kv_stride, B, H, Hkv, D, scale, true, window,
                           Dropout(0.0f, 0, 0)};
  ATTUNE_CHECK(check_cached(op, a, dtype));
  if (B == 0 || cu_q[B] == cu_q[0]) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer(op, "out", out));
  ATTUNE_CHECK(check_pointer(op, "q", q));
  ATTUNE_CHECK(check_pointer(op, "k_cache", k_cache));
  ATTUNE_CHECK(check_pointer(op, "v_cache", v_cache));
  if (dtype == ATTUNE_F32) {
    run_cached<Single, float>(ctx, a, out, q, k_cache, v_cache);
    return ATTUNE_OK;
  }
#if defined(__AVX512BF16__)
  if (D % 2 == 0) {
    run_cached<Pair, bf16>(ctx, a, out, q, k_cache, v_cache);
    return ATTUNE_OK;
  }
#endif
  run_cached<Single, bf16>(ctx, a, out, q, k_cache, v_cache);
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
