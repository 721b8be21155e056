#include "context.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#if defined(__unix__) || defined(__APPLE__)
#include <sched.h>
#include <sys/mman.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(ATTUNE_HAVE_amx) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "attune_processor.h"
#include "guard.h"
#include "kernels.h"

namespace attune {

namespace {

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

// Longer than the gap between two ops of a step, shorter than anything another process would miss. Told by a clock:
// a pause takes 10 ns on one processor and 60 on the next.
constexpr std::chrono::microseconds kSpin{300};
constexpr int kPauses = 32;  // between two looks at the clock

// The word of a run: its number, a bit that says that it is open, the count of those that joined.
constexpr uint64_t kJoined = 0xffff;
constexpr uint64_t kOpen = 0x10000;
constexpr uint64_t kRun = 0x20000;

void* reserve(size_t bytes, bool huge_pages) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return nullptr;
#if defined(MADV_HUGEPAGE)
  madvise(address, bytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
  (void)huge_pages;
#endif
  return address;
}

}  // namespace

ThreadPool::ThreadPool(int32_t threads)
    : threads_(threads), beds_(new Bed[static_cast<size_t>(threads)]), share_(threads) {
  workers_.reserve(static_cast<size_t>(threads - 1));
  workspaces_.reserve(static_cast<size_t>(threads));
  add_workspace();
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::add_workspace() {
  void* address = reserve(kWorkspaceBytes, true);
  if (address == nullptr) throw std::bad_alloc();
  workspaces_.push_back(static_cast<char*>(address));
}

void ThreadPool::start(int32_t threads) {
  for (int32_t worker = static_cast<int32_t>(workers_.size()) + 1; worker < threads; ++worker) {
    if (workspaces_.size() == static_cast<size_t>(worker)) add_workspace();
    try {
      workers_.emplace_back([this, worker] { work(worker); });
    } catch (const std::system_error& e) {
      throw std::runtime_error("cannot start thread " + std::to_string(worker + 1) + " of " + std::to_string(threads) +
                               ": " + e.what());
    }
  }
}

void ThreadPool::stop() {
  stop_ = true;
  wake(threads_);
  for (auto& thread : workers_) thread.join();
  for (char* workspace : workspaces_) munmap(workspace, kWorkspaceBytes);
}

void ThreadPool::wake(int32_t threads) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (int32_t worker = 1; worker < threads; ++worker) {
    Bed& bed = beds_[static_cast<size_t>(worker)];
    if (bed.taken && !bed.called) {
      bed.called = true;
      bed.wake.notify_one();
    }
  }
}

void ThreadPool::drain(int32_t worker) {
  for (int64_t seen = 0;;) {  // how many tasks were taken, by all, when we last looked
    const int64_t take = shares_ == 0 ? 1 : std::max<int64_t>(1, (count_ - seen) / shares_);
    const int64_t first = next_.fetch_add(take, std::memory_order_relaxed);
    if (first >= count_) return;
    seen = std::min(first + take, count_);
    for (int64_t task = first; task < seen; ++task) task_(task, worker);
  }
}

void ThreadPool::run(int64_t count, TaskRef task, bool alike) {
  if (count <= 0) return;
  int32_t threads = share_.load(std::memory_order_relaxed);
  if (threads == 1 || count == 1) {
    for (int64_t i = 0; i < count; ++i) task(i, 0);
    return;
  }
  if (static_cast<int32_t>(workers_.size()) + 1 < threads) start(threads);
  count_ = count;
  // At least four times a thread, so that one on a slow core does not keep the others waiting.
  shares_ = alike ? int64_t{4} * threads : 0;
  task_ = task;
  next_.store(0, std::memory_order_relaxed);
  finished_.store(0, std::memory_order_relaxed);
  // Sequentially consistent with the sleepers' own order (announce, then look at the run): either a
  // worker sees that the run is open or we see that it sleeps.
  run_.store((run_.load(std::memory_order_relaxed) & ~(kOpen | kJoined)) + kRun + kOpen);
  if (sleeping_.load() > 0) wake(threads);
  drain(0);
  // Who joins from here on finds the run closed.
  uint64_t closed = run_.fetch_and(~kOpen, std::memory_order_acq_rel);
  auto joined = static_cast<int32_t>(closed & kJoined);
  for (int spins = 0; finished_.load(std::memory_order_acquire) != joined; ++spins) {
    pause();
#if defined(__unix__) || defined(__APPLE__)
    // More runnable threads than cores: let the worker that we wait for have this one.
    if ((spins & 1023) == 1023) sched_yield();
#endif
  }
}

void ThreadPool::work(int32_t worker) {
  Bed& bed = beds_[static_cast<size_t>(worker)];
  uint64_t done = 0;  // number of the last run that this worker has joined
  auto is_wanted = [&](uint64_t run) { return (run & kOpen) != 0 && run / kRun != done && !is_left_out(worker); };
  for (;;) {
    const auto tired = std::chrono::steady_clock::now() + kSpin;
    for (int spins = 1; !is_wanted(run_.load(std::memory_order_acquire)) && !is_left_out(worker) && !stop_; ++spins) {
      pause();
      if (spins % kPauses == 0 && std::chrono::steady_clock::now() > tired) break;
    }
    if (!is_wanted(run_.load()) && !stop_) {
      std::unique_lock<std::mutex> lock(mutex_);
      bed.taken = true;
      sleeping_.fetch_add(1);
      bed.wake.wait(lock, [&] { return is_wanted(run_.load()) || bed.called || stop_; });
      sleeping_.fetch_sub(1);
      bed.taken = bed.called = false;
    }
    if (stop_) return;
    // Called too late for a short run: awake, it will be in time for the next one.
    if (!is_wanted(run_.load())) continue;
    uint64_t run = run_.fetch_add(1, std::memory_order_acq_rel);
    if ((run & kOpen) == 0) continue;  // too late; the count of a closed run means nothing
    done = run / kRun;
    drain(worker);
    finished_.fetch_add(1, std::memory_order_acq_rel);
  }
}

namespace {

// What the levels of x86-64 take; other processors have the portable level alone.
#if defined(__x86_64__)
bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
}

// Leaf 7 of CPUID, whose second part tells of bf16: compilers know its names later than its instructions. Every
// processor with bf16 has dot products of bytes (VNNI) as well, unless a hypervisor hides them.
bool has_v4_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1u << 5, kVnni = 1u << 11;
  if (!has_v4() || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (c & kVnni) == 0) return false;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kBf16) != 0;
}

bool has_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAll = 1u << 22 | 1u << 24 | 1u << 25;  // products of bf16, tiles, products of bytes
  return has_v4_bf16() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAll) == kAll;
}
#else
bool has_v3() { return false; }
bool has_v4() { return false; }
bool has_v4_bf16() { return false; }
bool has_tiles() { return false; }
#endif

// Tiles have 8 KiB of state for each thread, which Linux gives to a process that asks for it, once for all threads: the
// first instruction of one that has not asked would end it.
bool may_use_tiles() {
#if defined(ATTUNE_HAVE_amx) && defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}

// The kernels of a level in this build; null where it was built without.
const Kernels* built(int32_t isa) {
  switch (isa) {
#if defined(ATTUNE_HAVE_portable)
    case ATTUNE_ISA_PORTABLE: return &portable::kTable;
#endif
#if defined(ATTUNE_HAVE_v3)
    case ATTUNE_ISA_V3: return &v3::kTable;
#endif
#if defined(ATTUNE_HAVE_v4)
    case ATTUNE_ISA_V4: return &v4::kTable;
#endif
#if defined(ATTUNE_HAVE_v4_bf16)
    case ATTUNE_ISA_V4_BF16: return &v4_bf16::kTable;
#endif
#if defined(ATTUNE_HAVE_amx)
    case ATTUNE_ISA_AMX: return &amx::kTable;
#endif
#if defined(ATTUNE_EMULATED_BASE)
    case ATTUNE_ISA_AMX_EMULATED: return &amx_emulated::kTable;
#endif
    default: return nullptr;
  }
}

// Why this processor does not run a level; null where it does.
const char* missing(int32_t isa) {
  switch (isa) {
    case ATTUNE_ISA_PORTABLE: return nullptr;
    case ATTUNE_ISA_V3: return has_v3() ? nullptr : "this processor has no AVX2";
    case ATTUNE_ISA_V4: return has_v4() ? nullptr : "this processor has no AVX-512 (F, BW, VL, DQ and CD)";
    case ATTUNE_ISA_V4_BF16:
      return has_v4_bf16() ? nullptr
                           : "this processor has no dot products of bf16 and of bytes (avx512_bf16, avx512_vnni)";
    case ATTUNE_ISA_AMX:
      return has_tiles() ? nullptr : "this processor has no matrix tiles of bf16 and of bytes (amx_bf16, amx_int8)";
#if defined(ATTUNE_EMULATED_BASE)
    case ATTUNE_ISA_AMX_EMULATED: return missing(ATTUNE_EMULATED_BASE);
#endif
    default: return nullptr;
  }
}

// Why this machine and build do not run a level; null where they do.
const char* reason_against(int32_t isa) {
  const char* reason = missing(isa);
  if (reason != nullptr) return reason;
  if (isa == ATTUNE_ISA_AMX_EMULATED && built(isa) == nullptr) {
    return "only the tests' library has the emulation of matrix tiles";
  }
  if (built(isa) == nullptr) {
    return "this build leaves it out: a checkout builds the levels that the machine it is built on chooses among, "
           "`mvn package` builds all";
  }
  if (isa == ATTUNE_ISA_AMX && !may_use_tiles()) {
    return "the system refuses this process the matrix tiles (arch_prctl)";
  }
  return nullptr;
}

const Kernels* table_of(int32_t isa) { return reason_against(isa) == nullptr ? built(isa) : nullptr; }

}  // namespace
}  // namespace attune

extern "C" {

int32_t attune_best_isa(void) {
  for (int32_t isa = ATTUNE_ISA_AMX; isa > ATTUNE_ISA_PORTABLE; --isa) {
    if (attune::table_of(isa) != nullptr) return isa;
  }
  return ATTUNE_ISA_PORTABLE;
}

int32_t attune_has_isa(int32_t isa) { return attune::table_of(isa) != nullptr ? 1 : 0; }

const char* attune_processor(void) {
  static thread_local char text[64];
  text[0] = 0;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) != 0) {
    char maker[13] = {};
    std::memcpy(maker, &b, 4);
    std::memcpy(maker + 4, &d, 4);
    std::memcpy(maker + 8, &c, 4);
    if (__get_cpuid(1, &a, &b, &c, &d) != 0) {
      // The makers' rule: the extended fields count where the short ones have run out.
      unsigned family = (a >> 8) & 0xf;
      unsigned model = (a >> 4) & 0xf;
      if (family == 0x6 || family == 0xf) model += ((a >> 16) & 0xf) << 4;
      if (family == 0xf) family += (a >> 20) & 0xff;
      std::snprintf(text, sizeof text, "%s %u/%u", maker, family, model);
    }
  }
#endif
  return text;
}

double attune_peak(attune_context* ctx, int32_t dtype) {
  double best = 0;
  attune_status status = attune::guard("peak", ctx, [&]() -> attune_status {
    constexpr int kRounds = 5;
    constexpr int64_t kSteps = 50000;  // a part of a millisecond
    // Of all levels, whichever the context runs: a slow one leaves much of the hardware unused.
    for (int32_t isa = attune_best_isa(); isa >= ATTUNE_ISA_PORTABLE; --isa) {
      const attune::Kernels* table = attune::table_of(isa);
      for (int round = 0; table != nullptr && round < kRounds; ++round) {
        auto begin = std::chrono::steady_clock::now();
        const double operations = table->peak(ctx, kSteps, dtype);
        std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
        best = std::max(best, operations / seconds.count());
      }
    }
    return ATTUNE_OK;
  });
  return status == ATTUNE_OK ? best : 0;
}

attune_context* attune_context_open(int32_t threads, int32_t isa) {
  if (threads < 1 || threads > 4096) {
    attune::fail(ATTUNE_INVALID_ARGUMENT, "threads is %d, must be 1..4096", threads);
    return nullptr;
  }
  int32_t level = isa == ATTUNE_ISA_BEST ? attune_best_isa() : isa;
  const attune::Kernels* table = attune::table_of(level);
  if (table == nullptr) {
    attune::fail(ATTUNE_UNSUPPORTED, "%s", attune::reason_against(level));
    return nullptr;
  }
  try {
    return new attune_context(threads, level, table);
  } catch (const std::exception& e) {
    attune::fail(ATTUNE_OUT_OF_MEMORY, "cannot open a context with %d threads: %s", threads, e.what());
    return nullptr;
  }
}

attune_status attune_context_close(attune_context* ctx) {
  if (ctx->entered.exchange(true, std::memory_order_acquire)) {
    return attune::fail(ATTUNE_BUSY, "the context is closed while another thread is using it");
  }
  delete ctx;
  return ATTUNE_OK;
}

attune_status attune_context_share(attune_context* ctx, int32_t threads) {
  if (threads < 1 || threads > ctx->pool.threads()) {
    return attune::fail(ATTUNE_INVALID_ARGUMENT, "threads is %d, must be 1..%d", threads, ctx->pool.threads());
  }
  ctx->pool.share(threads);
  return ATTUNE_OK;
}

int32_t attune_context_isa(const attune_context* ctx) { return ctx->isa; }
int32_t attune_context_threads(const attune_context* ctx) { return ctx->pool.threads(); }

int64_t attune_buffer_alloc(int64_t bytes, int32_t huge_pages) {
  if (bytes <= 0) {
    attune::fail(ATTUNE_INVALID_ARGUMENT, "cannot allocate %lld bytes", static_cast<long long>(bytes));
    return 0;
  }
  void* address = attune::reserve(static_cast<size_t>(bytes), huge_pages != 0);
  if (address == nullptr) {
    attune::fail(ATTUNE_OUT_OF_MEMORY, "cannot reserve %lld bytes", static_cast<long long>(bytes));
    return 0;
  }
  return static_cast<int64_t>(reinterpret_cast<intptr_t>(address));
}

attune_status attune_buffer_free(int64_t address, int64_t bytes) {
  if (munmap(reinterpret_cast<void*>(static_cast<intptr_t>(address)), static_cast<size_t>(bytes)) != 0) {
    return attune::fail(ATTUNE_INVALID_ARGUMENT, "not an allocation: %lld bytes at %llx", static_cast<long long>(bytes),
                        static_cast<unsigned long long>(address));
  }
  return ATTUNE_OK;
}

attune_status attune_buffer_advise(int64_t address, int64_t bytes, int32_t huge_pages) {
#if defined(MADV_HUGEPAGE)
  constexpr int64_t page = 4096;
  int64_t begin = (address + page - 1) / page * page;
  int64_t end = (address + bytes) / page * page;
  // A hint: a kernel built without huge pages refuses it, and nothing is lost.
  if (begin < end) {
    madvise(reinterpret_cast<void*>(begin), static_cast<size_t>(end - begin),
            huge_pages != 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  }
#else
  (void)address, (void)bytes, (void)huge_pages;
#endif
  return ATTUNE_OK;
}

attune_status attune_buffer_discard(int64_t address, int64_t bytes) {
#if defined(__linux__)
  // Only whole pages inside the range are given back; the rest is zeroed by hand.
  constexpr int64_t page = 4096;
  int64_t begin = (address + page - 1) / page * page;
  int64_t end = (address + bytes) / page * page;
  if (begin < end) {
    std::memset(reinterpret_cast<void*>(address), 0, static_cast<size_t>(begin - address));
    std::memset(reinterpret_cast<void*>(end), 0, static_cast<size_t>(address + bytes - end));
    if (madvise(reinterpret_cast<void*>(begin), static_cast<size_t>(end - begin), MADV_DONTNEED) == 0) return ATTUNE_OK;
  }
#endif
  std::memset(reinterpret_cast<void*>(static_cast<intptr_t>(address)), 0, static_cast<size_t>(bytes));
  return ATTUNE_OK;
}

}  // extern "C"
