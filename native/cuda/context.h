// The context behind every entry of the CUDA library, and the front of its workspace.
#ifndef ATTUNE_CUDA_CONTEXT_H
#define ATTUNE_CUDA_CONTEXT_H

#include <atomic>
#include <cstdint>

#include "../common/step_block.h"
#include "attune_cuda.h"

namespace attune::cuda {

// The first bad index that a kernel met since the last check. `op` and `argument` name it (see index_error).
struct ErrorWord {
  int32_t taken;  // 0: none
  int32_t op;
  int32_t argument;
  int32_t value;
  int64_t position;
  int64_t limit;
};

// A `limit` that says: the element is a NaN or an infinity.
constexpr int64_t kNotFinite = -1;

// What lies at the front of the workspace; scratch begins at kScratchOffset.
struct Front {
  StepBlock step;
  alignas(64) ErrorWord error;
};

constexpr int64_t kScratchOffset = 256;
constexpr int64_t kScratchBytes = int64_t{64} << 20;
constexpr int64_t kWorkspaceBytes = kScratchOffset + kScratchBytes;
static_assert(sizeof(Front) <= kScratchOffset, "scratch begins behind the front");

}  // namespace attune::cuda

struct attune_context {
  int32_t device;
  int32_t multiprocessors;
  int64_t max_shared_bytes;  // of one block
  void* stream;
  char* workspace;
  const char* op;                    // that runs, for messages
  std::atomic<bool> entered{false};  // a thread is inside an entry, see guard.h

  attune::cuda::Front* front() const { return reinterpret_cast<attune::cuda::Front*>(workspace); }
  attune::StepBlock* step() const { return &front()->step; }
  // kScratchBytes, 256-byte aligned, garbage at the start of every op.
  template <class T = char>
  T* scratch() const {
    return reinterpret_cast<T*>(workspace + attune::cuda::kScratchOffset);
  }
};

#endif
