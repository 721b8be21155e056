#include "emulation.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace attune::emulation {

__thread Thread* current;
__thread Block block = {dim3(), dim3(), dim3(), nullptr, 0};

namespace {
thread_local bool capture_is_on = false;
thread_local std::vector<Work> captured;
}  // namespace

bool capturing() { return capture_is_on; }

void begin_capture() { capture_is_on = true; }

std::vector<Work> end_capture() {
  capture_is_on = false;
  return std::exchange(captured, {});
}

const char* submit(Work work) {
  if (!capture_is_on) return work();
  captured.push_back(std::move(work));
  return nullptr;
}

namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kMaxThreads = 1024;
constexpr size_t kStackBytes = size_t{128} << 10;
constexpr size_t kMaxShared = 232448;  // of a Hopper block
constexpr size_t kCanaryBytes = 256;
constexpr unsigned char kPoison = 0xFF;  // NaN as f32 and as bf16, -1 as an index
constexpr unsigned char kCanary = 0xA5;

// ---- context switch ---------------------------------------------------------------------------

#if defined(__x86_64__)
// The registers that the ABI makes the callee keep go onto the stack; the stack pointer is the context.
struct Context {
  void* stack_pointer;
};

extern "C" void attune_emulation_switch(void** from, void* to);
__asm__(
    ".text\n"
    ".type attune_emulation_switch, @function\n"
    ".hidden attune_emulation_switch\n"
    ".globl attune_emulation_switch\n"
    "attune_emulation_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size attune_emulation_switch, .-attune_emulation_switch\n");

inline void switch_to(Context& from, Context& to) { attune_emulation_switch(&from.stack_pointer, to.stack_pointer); }

inline void prepare(Context& context, unsigned char* stack, void (*entry)()) {
  // Six registers, the entry as the return address, and a zero where the entry's own caller would be,
  // which leaves the stack as a call would: 8 below a multiple of 16.
  void** top = reinterpret_cast<void**>(stack + kStackBytes) - 8;
  std::memset(static_cast<void*>(top), 0, 64);
  top[6] = reinterpret_cast<void*>(entry);
  context.stack_pointer = top;
}
#else
struct Context {
  ucontext_t context;
};

inline void switch_to(Context& from, Context& to) { swapcontext(&from.context, &to.context); }

inline void prepare(Context& context, unsigned char* stack, void (*entry)()) {
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = stack;
  context.context.uc_stack.ss_size = kStackBytes;
  context.context.uc_link = nullptr;
  makecontext(&context.context, entry, 0);
}
#endif

// ---- one block ----------------------------------------------------------------------------------

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  int group;
};

struct Fiber : Thread {
  Context context;
  const char* waits_at;  // null: runs or can run
  std::vector<Copy> copies;
  int group;  // the one that the next cp.async joins
  bool done;
};

struct Warp {
  const char* collective;  // of the lanes that wait
  unsigned arrived;
  unsigned generation;
  // Two sets: a lane may enter the next collective while another still reads this one's.
  alignas(64) unsigned char slots[2][kWarp * kSlot];
};

// The machine of one OS thread, kept from launch to launch.
struct Device {
  Device() {
    stacks = static_cast<unsigned char*>(mmap(nullptr, kMaxThreads * kStackBytes, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (stacks == MAP_FAILED) throw std::bad_alloc();
    shared = static_cast<unsigned char*>(std::aligned_alloc(1024, kMaxShared + 1024));
    if (shared == nullptr) {
      munmap(stacks, kMaxThreads * kStackBytes);
      throw std::bad_alloc();
    }
    fibers.resize(kMaxThreads);
    warps.resize(kMaxThreads / kWarp);
    ready.reserve(kMaxThreads);
  }
  ~Device() {
    munmap(stacks, kMaxThreads * kStackBytes);
    std::free(shared);
  }

  unsigned random(unsigned limit) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>(((seed >> 33) * limit) >> 31);
  }

  unsigned char* stacks;
  unsigned char* shared;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::vector<Fiber*> ready;
  Context scheduler;
  Body body;
  unsigned threads, finished, at_barrier;
  uint64_t seed = 0x9E3779B97F4A7C15u;  // runs on over the launches
  bool any_order, faulted;
  char message[400];
};

Device& device() {
  thread_local Device instance;
  return instance;
}

// The fast path of device(): set by run.
__thread Device* machine;

Fiber* self() { return static_cast<Fiber*>(current); }

// Takes the thread that runs next. In every other block any thread; in the others the one that became ready
// last, so that one warp runs as far ahead of the rest as barriers let it, which random picks hardly ever do.
Fiber* take_ready(Device& d) {
  if (d.any_order) std::swap(d.ready[d.random(static_cast<unsigned>(d.ready.size()))], d.ready.back());
  Fiber* next = d.ready.back();
  d.ready.pop_back();
  return next;
}

// Hands over to a thread that can run; to the scheduler where none can.
void yield_from(Fiber* from) {
  Device& d = *machine;
  if (d.ready.empty()) {
    switch_to(from->context, d.scheduler);
  } else {
    Fiber* next = take_ready(d);
    current = next;
    if (next != from) switch_to(from->context, next->context);
  }
}

// Makes all threads ready, those of a random warp last.
void release_all(Device& d) {
  const unsigned first = d.random(d.threads / kWarp) * kWarp;
  for (unsigned i = 0; i < d.threads; ++i) {
    Fiber& fiber = d.fibers[(first + i) % d.threads];
    fiber.waits_at = nullptr;
    d.ready.push_back(&fiber);
  }
}

void land(const Copy& copy) {
  if (copy.from != nullptr) {
    std::memcpy(copy.to, copy.from, copy.bytes);
  } else {
    std::memset(copy.to, 0, copy.bytes);
  }
}

void land(Fiber* fiber, int last_group) {
  size_t kept = 0;
  for (const Copy& copy : fiber->copies) {
    if (copy.group <= last_group) {
      land(copy);
    } else {
      fiber->copies[kept++] = copy;
    }
  }
  fiber->copies.resize(kept);
}

void fiber_main() {
  machine->body.call(machine->body.object);
  Fiber* fiber = self();
  land(fiber, fiber->group);
  fiber->done = true;
  ++machine->finished;
  yield_from(fiber);
  std::abort();  // a finished fiber is never resumed
}

// Why threads are left over when none can run.
void report_deadlock(Device& d) {
  for (unsigned t = 0; t < d.threads; ++t) {
    const Fiber& fiber = d.fibers[t];
    if (fiber.done) continue;
    std::snprintf(d.message, sizeof(d.message),
                  "block (%u,%u,%u): thread %u waits at %s for threads that never come (%u of %u have ended)",
                  block.index.x, block.index.y, block.index.z, t, fiber.waits_at, d.finished, d.threads);
    d.faulted = true;
    return;
  }
}

void run_block(Device& d) {
  std::memset(d.shared, kPoison, block.shared_bytes);
  std::memset(d.shared + block.shared_bytes, kCanary, kCanaryBytes);
  d.finished = d.at_barrier = 0;
  d.ready.clear();
  for (unsigned w = 0; w < d.threads / kWarp; ++w) d.warps[w].arrived = 0;
  for (unsigned t = 0; t < d.threads; ++t) {
    Fiber& fiber = d.fibers[t];
    fiber.index = dim3(t % block.dim.x, t / block.dim.x % block.dim.y, t / block.dim.x / block.dim.y);
    fiber.lane = t % kWarp;
    fiber.warp = t / kWarp;
    fiber.copies.clear();
    fiber.group = 0;
    fiber.done = false;
    prepare(fiber.context, d.stacks + t * kStackBytes, fiber_main);
  }
  d.any_order = d.random(2) == 0;
  release_all(d);
  Fiber* first = take_ready(d);
  current = first;
  switch_to(d.scheduler, first->context);
  if (d.faulted) return;
  if (d.finished < d.threads) {
    report_deadlock(d);
    return;
  }
  for (size_t i = 0; i < kCanaryBytes; ++i) {
    if (d.shared[block.shared_bytes + i] != kCanary) {
      std::snprintf(d.message, sizeof(d.message),
                    "block (%u,%u,%u) wrote %zu bytes past its %zu bytes of shared memory", block.index.x,
                    block.index.y, block.index.z, i, block.shared_bytes);
      d.faulted = true;
      return;
    }
  }
}

}  // namespace

void fault(const char* format, ...) {
  Device& d = *machine;
  int at = std::snprintf(d.message, sizeof(d.message), "block (%u,%u,%u) thread (%u,%u,%u): ", block.index.x,
                         block.index.y, block.index.z, current->index.x, current->index.y, current->index.z);
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(d.message + at, sizeof(d.message) - static_cast<size_t>(at), format, arguments);
  va_end(arguments);
  d.faulted = true;
  switch_to(self()->context, d.scheduler);
  std::abort();  // fibers of a faulted launch are never resumed
}

void synchronize_block() {
  Device& d = *machine;
  Fiber* fiber = self();
  fiber->waits_at = "__syncthreads";
  if (++d.at_barrier == d.threads) {
    d.at_barrier = 0;
    release_all(d);
  }
  yield_from(fiber);
}

const unsigned char* exchange(const char* collective, const void* value, size_t bytes) {
  Device& d = *machine;
  Fiber* fiber = self();
  Warp& warp = d.warps[fiber->warp];
  unsigned char* slots = warp.slots[warp.generation & 1];
  if (bytes > 0) std::memcpy(slots + fiber->lane * kSlot, value, bytes);
  if (warp.arrived != 0 && std::strcmp(warp.collective, collective) != 0) {
    fault("lane %u calls %s while others of its warp are at %s", fiber->lane, collective, warp.collective);
  }
  warp.collective = collective;
  fiber->waits_at = collective;
  if (++warp.arrived == kWarp) {
    warp.arrived = 0;
    ++warp.generation;
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      Fiber& peer = d.fibers[fiber->warp * kWarp + lane];
      peer.waits_at = nullptr;
      if (&peer != fiber) d.ready.push_back(&peer);
    }
    // The last one goes on at once: one switch less for each collective.
    return slots;
  }
  yield_from(fiber);
  return slots;
}

void check_shared(const char* what, const void* address, size_t bytes) {
  const unsigned char* at = static_cast<const unsigned char*>(address);
  if (at < block.shared || at + bytes > block.shared + block.shared_bytes) {
    fault("%s: %zu bytes at offset %td of %zu bytes of shared memory", what, bytes, at - block.shared,
          block.shared_bytes);
  }
  if ((at - block.shared) % 16 != 0) fault("%s: shared offset %td is not a multiple of 16", what, at - block.shared);
}

void copy_async(void* shared, const void* global, size_t bytes) {
  check_shared("cp.async", shared, bytes);
  if (reinterpret_cast<uintptr_t>(global) % 16 != 0)
    fault("cp.async: global address %p is not a multiple of 16", global);
  Fiber* fiber = self();
  const Copy copy{shared, global, bytes, fiber->group};
  // Late, a copy shows who reads before the wait; at once, what it overwrites before all have read it.
  if (machine->random(2) == 0) {
    fiber->copies.push_back(copy);
  } else {
    land(copy);
  }
}

void copy_commit() { ++self()->group; }

void copy_wait(int groups_left) { land(self(), self()->group - 1 - groups_left); }

// What GCC and Clang call under -fsanitize=alignment, with which the kernels are compiled: an access of so many
// bytes at once that its address does not fit.
struct Mismatch {
  const char* file;
  uint32_t line, column;
  const void* type;
  unsigned char log_alignment, kind;
};
extern "C" __attribute__((visibility("hidden"))) void __ubsan_handle_type_mismatch_v1(const Mismatch* access,
                                                                                      uintptr_t address);
void __ubsan_handle_type_mismatch_v1(const Mismatch* access, uintptr_t address) {
  const unsigned alignment = 1u << access->log_alignment;
  if (current != nullptr) {
    fault("%s:%u: access at %p, which is not a multiple of %u", access->file, access->line,
          reinterpret_cast<void*>(address), alignment);
  }
  std::fprintf(stderr, "%s:%u: access at %p, which is not a multiple of %u\n", access->file, access->line,
               reinterpret_cast<void*>(address), alignment);
  std::abort();
}

const char* run(dim3 grid, dim3 block_dim, size_t shared_bytes, Body body) {
  Device& d = device();
  machine = &d;
  d.faulted = false;
  d.threads = block_dim.x * block_dim.y * block_dim.z;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7FFFFFFFu || grid.y > 65535 || grid.z > 65535 ||
      d.threads == 0 || d.threads > kMaxThreads || d.threads % kWarp != 0 || shared_bytes > kMaxShared) {
    std::snprintf(d.message, sizeof(d.message), "cannot launch a grid (%u,%u,%u) of blocks (%u,%u,%u) with %zu bytes",
                  grid.x, grid.y, grid.z, block_dim.x, block_dim.y, block_dim.z, shared_bytes);
    return d.message;
  }
  d.body = body;
  block = {dim3(0, 0, 0), block_dim, grid, d.shared, shared_bytes};
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        block.index = dim3(x, y, z);
        run_block(d);
        current = nullptr;
        if (d.faulted) return d.message;
      }
    }
  }
  return nullptr;
}

}  // namespace attune::emulation
