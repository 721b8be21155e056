// The context behind every entry: a thread pool, a workspace per thread, one kernel table.
#ifndef ATTUNE_CONTEXT_H
#define ATTUNE_CONTEXT_H

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "../common/step_block.h"
#include "attune_ops.h"
#include "function_ref.h"
#include "status.h"

namespace attune {

struct Kernels;

using TaskRef = FunctionRef<void(int64_t task, int32_t worker)>;

// Scratch of each thread: kernels are blocked so that this constant size is enough.
constexpr size_t kWorkspaceBytes = size_t{8} << 20;

// Threads that run numbered tasks, started when they are first wanted. Which thread runs a task is not
// determined, so a task may depend on nothing but its number (and may use its worker's workspace as
// scratch). Threads spin briefly between runs, since the next op usually follows within microseconds,
// and then sleep.
//
// A run is open while its caller works on it. Workers join an open run if they come in time; the caller
// closes it once there are no more tasks to begin, and waits for those that joined. So nobody ever waits
// for a thread that sleeps or has lost its core, only for one that has work in hand.
class ThreadPool {
 public:
  explicit ThreadPool(int32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int32_t threads() const { return threads_; }
  // How many of the threads, the caller among them, share in the runs that follow; those left out sleep.
  // To be called from any thread, also during a run.
  void share(int32_t threads) { share_.store(threads, std::memory_order_relaxed); }
  // Runs tasks 0..count-1 in that order of starting; returns when all are done. One thread at a time.
  // Tasks that are alike are taken several at once, fewer towards the end: the threads then meet less often at
  // the number of the next one, which costs half a microsecond to take from another core.
  void run(int64_t count, TaskRef task, bool alike = false);
  char* workspace(int32_t worker) const { return workspaces_[static_cast<size_t>(worker)]; }

 private:
  // What a worker sleeps on; guarded by mutex_.
  struct Bed {
    std::condition_variable wake;
    bool taken = false;
    bool called = false;
  };

  void start(int32_t threads);
  void add_workspace();
  void stop();
  void work(int32_t worker);
  void drain(int32_t worker);
  bool is_left_out(int32_t worker) const { return worker >= share_.load(std::memory_order_relaxed); }
  void wake(int32_t threads);

  const int32_t threads_;
  std::vector<std::thread> workers_;
  std::vector<char*> workspaces_;  // of the caller and of each worker
  std::unique_ptr<Bed[]> beds_;
  std::atomic<int32_t> share_;
  // The run in hand: its number, whether it is open, how many workers have joined.
  alignas(64) std::atomic<uint64_t> run_{0};
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<int32_t> finished_{0};
  alignas(64) std::atomic<int32_t> sleeping_{0};
  int64_t count_ = 0;
  int64_t shares_ = 0;  // of the tasks left, one of so many is taken at a time; 0: one task
  TaskRef task_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
};

}  // namespace attune

struct attune_context {
  attune_context(int32_t threads, int32_t isa_level, const attune::Kernels* table)
      : pool(threads), kernels(table), isa(isa_level) {}

  char* workspace(int32_t worker) const { return pool.workspace(worker); }

  attune::ThreadPool pool;
  const attune::Kernels* kernels;
  int32_t isa;
  attune::StepBlock step = attune::kFreshStep;
  std::atomic<bool> entered{false};  // a thread is inside an entry, see guard.h
};

namespace attune {

// Runs body(task, worker) for each task on the pool.
template <class Body>
static inline void parallel(attune_context* ctx, int64_t tasks, Body&& body) {
  ctx->pool.run(tasks, body);
}

// Runs body(begin, end, worker) over chunks of `grain` of the range 0..count. The chunks depend on
// count and grain only, so per-chunk results do not depend on the number of threads.
template <class Body>
static inline void parallel_range(attune_context* ctx, int64_t count, int64_t grain, Body&& body) {
  int64_t chunks = (count + grain - 1) / grain;
  auto run_chunk = [&](int64_t chunk, int32_t worker) {
    int64_t begin = chunk * grain;
    int64_t end = begin + grain < count ? begin + grain : count;
    body(begin, end, worker);
  };
  ctx->pool.run(chunks, run_chunk, true);
}

// The grain of `rows` rows of `width` elements each that a light op wants: all of them where they are some
// microseconds of work, less than another thread takes to notice and to report back.
static inline int64_t grain_or_alone(int64_t rows, int64_t width, int64_t grain) {
  constexpr int64_t kAlone = 32768;  // elements
  return rows * width <= kAlone && grain < rows ? rows : grain;
}

}  // namespace attune

#endif
