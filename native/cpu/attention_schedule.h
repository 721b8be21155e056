// The order of the tasks of the tiled attention kernels.
#ifndef ATTUNE_ATTENTION_SCHEDULE_H
#define ATTUNE_ATTENTION_SCHEDULE_H

#include <cstdint>

#include "attention_tiles.h"
#include "context.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kScheduled = 16384;  // sequences scheduled at a time
constexpr int64_t kTaskWork = 262144;  // multiply-adds per product below which a task takes more heads
constexpr int64_t kThreadTasks = 16;   // of each thread, some, where tasks are worth their overhead
constexpr size_t kScheduleBytes = size_t{1} << 19;

struct Entry {
  int64_t first;  // number of its first task
  int64_t work;   // multiply-adds of one product of one key/value head
  int64_t slot;   // of its partial gradients of the bias
  int32_t sequence;
  int32_t heads;  // key/value heads per task
};
static_assert(sizeof(Entry) * kScheduled <= kScheduleBytes, "schedule");

// The sequences, the longest first so that threads finish together, with as many heads per task as
// make a task worth its overhead, or as leave every thread enough tasks: the rows of the next head are best known to
// the task that has it. Lives at the end of the caller's workspace, behind the scratch.
class Schedule {
 public:
  Schedule(attune_context* ctx, const AttentionProblem& a, int64_t begin, int64_t end)
      : entries_(reinterpret_cast<Entry*>(ctx->workspace(0) + kWorkspaceBytes) - kScheduled), count_(end - begin) {
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t b = begin + i, span = a.window > 0 ? a.behind() + a.ahead() + 1 : a.keys(b);
      const int64_t work = a.group() * a.queries(b) * (span < a.keys(b) ? span : a.keys(b)) * a.D;
      entries_[i] = {0, work, 0, static_cast<int32_t>(b), 0};
    }
    const int64_t share = total_work() * a.Hkv / (kThreadTasks * ctx->pool.threads());
    const int64_t least = share > kTaskWork ? share : kTaskWork;
    for (Entry& entry : *this) {
      const int64_t heads = entry.work > 0 ? (least + entry.work - 1) / entry.work : a.Hkv;
      entry.heads = static_cast<int32_t>(heads < a.Hkv ? heads : a.Hkv);
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

  Entry* begin() { return entries_; }
  Entry* end() { return entries_ + count_; }

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

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
