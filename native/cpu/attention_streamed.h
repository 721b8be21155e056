// Attention of few new rows over a key/value cache: bound by the memory that the keys and values stream from. Their
// queries, with all heads that share a key/value head, meet each key once. The keys of a sequence are cut into splits,
// so that one long sequence has work for every thread. How they are cut follows from the sequence alone, and the
// partial results of the splits are added in rising order: threads and the rest of the batch change no bit. How many
// heads a task takes is free to follow both, since a head knows nothing of the others.
#ifndef ATTUNE_ATTENTION_STREAMED_H
#define ATTUNE_ATTENTION_STREAMED_H

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "attention_math.h"
#include "attention_pack.h"
#include "attention_tiles.h"
#include "attention_values.h"
#include "context.h"
#include "lane_sums.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Its sizes and names are its own.
namespace streamed {

constexpr int64_t kFewRows = 16;     // (query, head) pairs that share a key/value head: at most this many are few
constexpr int64_t kSplitKeys = 256;  // least keys of a split
constexpr int64_t kMaxSplits = 32;
constexpr int64_t kStep = 64;  // keys of which scores are taken before their values: 16 KiB at D = 128 in bf16
constexpr int64_t kMaxWidth = kMaxD;
constexpr int64_t kTaskHeads = 16;         // key/value heads of one task, at most
constexpr int64_t kStepBytes = 256 << 10;  // of the keys and values of a step, at most: two steps share the L2
// Of a task, at least, in bytes of keys and values: some 10 us, for which a thread is worth waking.
constexpr int64_t kTaskWork = 192 << 10;
static_assert(kStep % W == 0 && kSplitKeys % kStep == 0, "steps of whole vectors");

// What a split leaves of a head: maximum (in units of log2) and sum of each row, then the unnormalised rows.
constexpr int64_t kHeader = 2 * kFewRows;

// Some (query, head) pairs of a sequence, the same for each of some key/value heads: pair p is query p / group
// of head p % group.
struct Item {
  int64_t first;   // number of its first task
  int64_t offset;  // of its partial results, in floats: head by head, split by split. One split has none
  KeyRange keys;
  int64_t splits;
  int64_t groups;       // of its heads, a task each
  int64_t head, heads;  // of keys and values
  int32_t sequence;
  int32_t row, rows;
};
constexpr int64_t kMaxItems = 4096;
constexpr size_t kItemBytes = sizeof(Item) * kMaxItems;
constexpr size_t kPartialBytes = size_t{4} << 20;
constexpr int64_t kPartialFloats = static_cast<int64_t>(kPartialBytes / sizeof(float));

struct Scratch {
  float scores[kFewRows * kStep];
  float rescale[kFewRows];
  float state[kTaskHeads * (kHeader + kFewRows * kMaxWidth)];  // of each head, where no other split needs it
};
static_assert(kPartialBytes + kItemBytes + sizeof(Scratch) <= kWorkspaceBytes, "scratch of cached attention");
static_assert(kMaxSplits * (kHeader + kFewRows * kMaxWidth) <= kPartialFloats, "one head has room");

// Rows of keys and values that are met next, asked for as they lie, a few lines at a time: the memory serves runs
// better than the pieces of one head, and a burst would hold up the loads of this step.
class Ahead {
 public:
  // `rows` rows of `bytes` bytes each, stride bytes apart, in about `parts` parts.
  Ahead(const void* k, const void* v, int64_t rows, int64_t bytes, int64_t stride, int64_t parts)
      : next_{static_cast<const char*>(k), static_cast<const char*>(v)},
        rows_(rows),
        lines_((bytes + 63) / 64),
        stride_(stride),
        part_((rows * lines_ + parts - 1) / parts) {}

  void fetch_part() { fetch(part_); }
  void fetch(int64_t count) {
    for (; rows_ > 0 && count > 0; --count) {
      __builtin_prefetch(next_[0] + 64 * line_, 0, 2);
      __builtin_prefetch(next_[1] + 64 * line_, 0, 2);
      if (++line_ < lines_) continue;
      line_ = 0;
      --rows_;
      next_[0] += stride_;
      next_[1] += stride_;
    }
  }

 private:
  const char* next_[2];
  int64_t rows_, lines_, stride_, part_, line_ = 0;
};

static inline int64_t keys_per_split(const KeyRange& range, int64_t splits) {
  return round_up((range.end - range.begin + splits - 1) / splits, kStep);
}

template <class Cell, class T>
struct Attention {
  AttentionProblem a;
  T* out;
  const T* q;
  const T* k;
  const T* v;

  static constexpr int64_t kBlockColumns = W * Cell::kWidth;
  int64_t width() const { return round_up(a.D, kBlockColumns); }
  int64_t state_floats(int64_t rows) const { return kHeader + rows * width(); }

  bool is_few(int64_t b) const { return a.queries(b) > 0 && a.queries(b) < least_tiled(a.group()); }
  // A single query always streams, however many heads share its keys.
  static int64_t least_tiled(int64_t group) { return kFewRows / group < 1 ? 2 : kFewRows / group + 1; }

  KeyRange keys_of(int64_t b) const { return visible_keys(a, b, 0, a.queries(b)); }
  // Of one key/value head, as if in bytes: beyond a few rows the arithmetic takes longer than the memory.
  int64_t work(int64_t keys, int64_t rows) const {
    return keys * a.D * 2 * static_cast<int64_t>(sizeof(T)) * (rows + 3) / 4;
  }

  void run(attune_context* ctx) const {
    char* base = ctx->workspace(0);
    auto* partials = reinterpret_cast<float*>(base);
    auto* items = reinterpret_cast<Item*>(base + kPartialBytes);
    int64_t total = 0;
    for (int64_t b = 0; b < a.B; ++b) {
      if (!is_few(b)) continue;
      const KeyRange range = keys_of(b);
      total += a.Hkv * work(range.end - range.begin, a.queries(b) * a.group());
    }
    const int64_t share = total / (4 * ctx->pool.threads());
    const int64_t task_work = share > kTaskWork ? share : kTaskWork;

    const int64_t step_bytes = kStep * a.D * 2 * static_cast<int64_t>(sizeof(T));
    int64_t most_heads = kStepBytes / step_bytes;
    most_heads = most_heads < 1 ? 1 : most_heads > kTaskHeads ? kTaskHeads : most_heads;

    int64_t count = 0, tasks = 0, floats = 0, here = 0;
    auto flush = [&] {
      if (count == 0) return;
      // Tasks in turn of one thread fetch ahead of each other.
      parallel_range(ctx, tasks, here <= task_work ? tasks : (tasks * task_work + here - 1) / here,
                     [&](int64_t begin, int64_t end, int32_t worker) {
                       auto* scratch = reinterpret_cast<Scratch*>(ctx->workspace(worker) + kPartialBytes + kItemBytes);
                       Task task = find(items, count, begin);
                       Ahead first = ahead_of(task, 0, 1);
                       first.fetch_part();
                       for (int64_t i = begin; i < end; ++i) {
                         const Task next = i + 1 < end ? find(items, count, i + 1) : Task{};
                         run_task(*scratch, task, next, partials + task.item->offset);
                         task = next;
                       }
                     });
      // A quarter of a task's bytes: they are written, read and written again.
      if (floats > 0) {
        parallel_range(ctx, count, count * (kTaskWork / 16) / floats + 1, [&](int64_t begin, int64_t end, int32_t) {
          for (int64_t i = begin; i < end; ++i) combine(items[i], partials + items[i].offset);
        });
      }
      count = tasks = floats = here = 0;
    };
    for (int64_t b = 0; b < a.B; ++b) {
      if (!is_few(b)) continue;
      const KeyRange range = keys_of(b);
      const int64_t keys = range.end - range.begin;
      int64_t splits = keys / kSplitKeys;
      splits = splits < 1 ? 1 : splits > kMaxSplits ? kMaxSplits : splits;
      const int64_t pairs = a.queries(b) * a.group();
      for (int64_t row = 0; row < pairs; row += kFewRows) {
        const int64_t rows = pairs - row < kFewRows ? pairs - row : kFewRows;
        const int64_t head_floats = splits > 1 ? splits * state_floats(rows) : 0;
        const int64_t most = splits > 1 ? kPartialFloats / head_floats : a.Hkv;
        for (int64_t head = 0; head < a.Hkv; head += most) {
          const int64_t heads = a.Hkv - head < most ? a.Hkv - head : most;
          if (count == kMaxItems || floats + heads * head_floats > kPartialFloats) flush();
          const int64_t head_work = work(keys_per_split(range, splits), rows);
          int64_t wanted = head_work == 0 ? most_heads : task_work / head_work;
          wanted = wanted < 1 ? 1 : wanted > most_heads ? most_heads : wanted;
          const int64_t groups = (heads + wanted - 1) / wanted;
          items[count++] = {tasks,
                            floats,
                            range,
                            splits,
                            groups,
                            head,
                            heads,
                            static_cast<int32_t>(b),
                            static_cast<int32_t>(row),
                            static_cast<int32_t>(rows)};
          tasks += splits * groups;
          floats += heads * head_floats;
          here += heads * work(keys, rows);
        }
      }
    }
    flush();
  }

 private:
  // One split of a group of an item's heads, which are counted from the item's first.
  struct Task {
    const Item* item = nullptr;
    int64_t split, head_begin, head_end;
    int64_t begin, end;  // keys
  };

  static Task find(const Item* items, int64_t count, int64_t task) {
    int64_t low = 0, high = count;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (items[middle].first <= task ? low : high) = middle;
    }
    const Item& item = items[low];
    const int64_t split = (task - item.first) / item.groups, group = (task - item.first) % item.groups;
    const int64_t size = keys_per_split(item.keys, item.splits), begin = item.keys.begin + split * size;
    return {&item,
            split,
            item.heads * group / item.groups,
            item.heads * (group + 1) / item.groups,
            begin,
            begin + size < item.keys.end ? begin + size : item.keys.end};
  }

  // Where keys and values of key j of the task's first head lie.
  int64_t first_of(const Task& task, int64_t j) const {
    return (a.first_key[task.item->sequence] + j) * a.kv_stride + (task.item->head + task.head_begin) * a.D;
  }

  // The step of the task's keys that starts `from` keys after its first.
  Ahead ahead_of(const Task& task, int64_t from, int64_t parts) const {
    const int64_t left = task.end - task.begin - from, keys = left < kStep ? left : kStep;
    const int64_t at = first_of(task, task.begin + from), size = static_cast<int64_t>(sizeof(T));
    return Ahead(k + at, v + at, keys, (task.head_end - task.head_begin) * a.D * size, a.kv_stride * size, parts);
  }

  // Offset of pair p's row in q and out, whose rows are `stride` apart.
  int64_t row_of(const Item& item, int64_t head, int64_t p, int64_t stride) const {
    return (a.cu_q[item.sequence] + p / a.group()) * stride + (head * a.group() + p % a.group()) * a.D;
  }

  // Steps of the keys are the outer loop: the heads of a row lie side by side. `next`: whose first keys are to be
  // in the cache at the end, if there is one.
  void run_task(Scratch& s, const Task& task, const Task& next, float* partials) const {
    const Item& item = *task.item;
    const int64_t floats = state_floats(item.rows), heads = task.head_end - task.head_begin;
    float* states = s.state;
    int64_t state_stride = floats;
    if (item.splits > 1) {
      states = partials + (task.head_begin * item.splits + task.split) * floats;
      state_stride = item.splits * floats;
    }
    for (int64_t head = 0; head < heads; ++head) {
      float* state = states + head * state_stride;
      for (int64_t m = 0; m < item.rows; ++m) {
        state[m] = -kInfinity;
        state[kFewRows + m] = 0.0f;
      }
      std::memset(state + kHeader, 0, static_cast<size_t>(item.rows * width()) * sizeof(float));
    }
    for (int64_t j = task.begin; j < task.end; j += kStep) {
      const int64_t keys = task.end - j < kStep ? task.end - j : kStep;
      const int64_t parts = heads * ((keys + W - 1) / W + 2);
      Ahead ahead = j + kStep < task.end   ? ahead_of(task, j + kStep - task.begin, parts)
                    : next.item != nullptr ? ahead_of(next, 0, parts)
                                           : Ahead(nullptr, nullptr, 0, 0, 0, 1);
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t hk = item.head + task.head_begin + head, at = first_of(task, j) + head * a.D;
        float* state = states + head * state_stride;
        score(s, item, hk, k + at, keys, ahead);
        hide_scores(s, item, j, keys);
        ahead.fetch_part();
        for (int64_t m = 0; m < item.rows; ++m) softmax(s, m, state + m, state + kFewRows + m);
        ahead.fetch_part();
        add_values(s, state + kHeader, v + at, keys, item.rows);
      }
    }
    if (item.splits > 1) return;
    const int64_t first_head = item.head + task.head_begin;
    for (int64_t head = 0; head < heads; ++head) write(item, first_head + head, states + head * floats);
  }

  // scores (rows, kStep) of `keys` keys. Scores beyond the keys are not written.
  void score(Scratch& s, const Item& item, int64_t head, const T* keys_from, int64_t keys, Ahead& ahead) const {
    for (int64_t j = 0; j < keys; j += W) {
      ahead.fetch_part();
      const T* key[W];
      // Past the end the last key again: its score will be hidden.
      for (int64_t i = 0; i < W; ++i) key[i] = keys_from + (j + i < keys ? j + i : keys - 1) * a.kv_stride;
      for (int64_t m = 0; m < item.rows; ++m) {
        const T* row = q + row_of(item, head, item.row + m, a.q_stride);
        vf dots[W];
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) dots[i] = vf{};
        int64_t d = 0;
        for (; d + kBlockColumns <= a.D; d += kBlockColumns) {
          const vf cells = load_cells(Cell(), row + d, kBlockColumns);
#pragma GCC unroll 16
          for (int i = 0; i < W; ++i) {
            dots[i] = Cell::multiply_add(cells, load_cells(Cell(), key[i] + d, kBlockColumns), dots[i]);
          }
        }
        if (d < a.D) {
          const vf cells = load_cells(Cell(), row + d, a.D - d);
#pragma GCC unroll 16
          for (int i = 0; i < W; ++i) {
            dots[i] = Cell::multiply_add(cells, load_cells(Cell(), key[i] + d, a.D - d), dots[i]);
          }
        }
        store(s.scores + m * kStep + j, sum_across<W>(dots));
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

  // Scores of one pair into unnormalised probabilities, as cells; updates its maximum and sum and leaves the
  // factor for what was accumulated before.
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
      store_probability(Cell(), scores, i, p);
    }
    *maximum = after;
    *sum = *sum * factor + ATTUNE_ISA::sum(total);
    s.rescale[m] = factor;
  }

  // acc (rows, width) = rescaled acc + probabilities * values, as many rows as registers hold at a time.
  void add_values(const Scratch& s, float* acc, const T* values, int64_t keys, int64_t rows) const {
    for (int64_t m = 0; m < rows; m += kRowsAtOnce) {
      run_value_rows<kRowsAtOnce>(rows - m, acc + m * width(), s.scores + m * kStep, s.rescale + m, values, keys);
    }
  }

  // `rows` rows, or R of them.
  template <int R>
  void run_value_rows(int64_t rows, float* to, const float* p, const float* rescale, const T* values,
                      int64_t keys) const {
    if constexpr (R > 1) {
      if (rows < R) return run_value_rows<R - 1>(rows, to, p, rescale, values, keys);
    }
    constexpr int kBlocks = (R * 4 <= kSums ? 4 : 2) / Cell::kWidth;
    int64_t d = 0;
    for (; d + kBlocks * kBlockColumns <= a.D; d += kBlocks * kBlockColumns) {
      value_block<R, kBlocks>(to + d, p, rescale, values + d, keys, std::integral_constant<int64_t, kBlockColumns>{});
    }
    for (; d + kBlockColumns <= a.D; d += kBlockColumns) {
      value_block<R, 1>(to + d, p, rescale, values + d, keys, std::integral_constant<int64_t, kBlockColumns>{});
    }
    if (d < a.D) value_block<R, 1>(to + d, p, rescale, values + d, keys, a.D - d);
  }

  // `columns`: that a block has.
  template <int R, int Blocks, class Columns>
  void value_block(float* to, const float* p, const float* rescale, const T* values, int64_t keys,
                   Columns columns) const {
    constexpr int kParts = Cell::kWidth;
    vf total[R][Blocks * kParts];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int i = 0; i < Blocks * kParts; ++i) total[r][i] = load(to + r * width() + i * W) * rescale[r];
    }
    for (int64_t j = 0; j < keys; j += kParts) {
#pragma GCC unroll 4
      for (int block = 0; block < Blocks; ++block) {
        vf cells[kParts];
        value_cells(Cell(), cells, values + j * a.kv_stride + block * kBlockColumns, a.kv_stride, keys - j, columns);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const vf probability = Cell::broadcast(p + r * kStep + j / kParts);
#pragma GCC unroll 2
          for (int i = 0; i < kParts; ++i) {
            vf& sum = total[r][block * kParts + i];
            sum = Cell::multiply_add(probability, cells[i], sum);
          }
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int i = 0; i < Blocks * kParts; ++i) store(to + r * width() + i * W, total[r][i]);
    }
  }

  // The splits of an item's heads, in rising order, into their rows of out.
  void combine(const Item& item, float* partials) const {
    if (item.splits == 1) return;
    const int64_t floats = state_floats(item.rows);
    for (int64_t head = 0; head < item.heads; ++head) {
      float* total = partials + head * item.splits * floats;
      for (int64_t m = 0; m < item.rows; ++m) {
        float& maximum = total[m];
        float& sum = total[kFewRows + m];
        float* row = total + kHeader + m * width();
        for (int64_t split = 1; split < item.splits; ++split) {
          const float* part = total + split * floats;
          if (part[m] == -kInfinity) continue;
          const float top = part[m] > maximum ? part[m] : maximum;
          const float before = exp2_of<false>(splat(maximum - top))[0];
          const float here = exp2_of<false>(splat(part[m] - top))[0];
          const float* from = part + kHeader + m * width();
          for (int64_t d = 0; d < width(); d += W) {
            store(row + d, fma(load(from + d), splat(here), load(row + d) * before));
          }
          sum = sum * before + part[kFewRows + m] * here;
          maximum = top;
        }
      }
      write(item, item.head + head, total);
    }
  }

  // A head's rows of out, normalised.
  void write(const Item& item, int64_t head, const float* state) const {
    for (int64_t m = 0; m < item.rows; ++m) {
      const float sum = state[kFewRows + m];
      const float factor = sum == 0.0f ? 0.0f : 1.0f / sum;
      const float* from = state + kHeader + m * width();
      T* to = out + row_of(item, head, item.row + m, a.H * a.D);
      for (int64_t d = 0; d < a.D; d += kBlockColumns) {
        vf block[Cell::kWidth];
        for (int i = 0; i < Cell::kWidth; ++i) block[i] = load(from + d + i * W) * factor;
        order_columns(Cell(), block);
        for (int i = 0; i < Cell::kWidth && d + i * W < a.D; ++i) store_some(to + d + i * W, block[i], a.D - d - i * W);
      }
    }
  }
};

}  // namespace streamed
}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
