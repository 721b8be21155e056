// What the forms of lora_bwd share: its operands, and what is cut alike.
#ifndef ATTUNE_LORA_H
#define ATTUNE_LORA_H

#include <cstdint>

#include "context.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kMaxRank = 256;

// Workspace: the partial sums of dlow in worker 0's first half, scratch of each worker in the second.
constexpr size_t kPartialBytes = kWorkspaceBytes / 2;

// As attune_lora_bwd names them.
template <class T>
struct LoraGradients {
  T* dlow;
  float* dup;
  const T* dout;
  const T* low;
  const float* up;
  int64_t N, F, R, out_stride, low_stride;
  float scale;
  bool accumulate;
};

// Columns f.. of dout and of dup, and some rows.
struct LoraPart {
  int64_t f, columns, first_row, end_row;
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
