// Dropout masks: the convention of attune_ops.h, eight elements (one block of the generator) at a time.
#ifndef ATTUNE_CUDA_DROPOUT_CUH
#define ATTUNE_CUDA_DROPOUT_CUH

#include "../common/philox.h"
#include "device.cuh"

namespace attune::cuda {

struct Dropout {
  uint64_t seed, stream;
  const StepBlock* step;
  int32_t threshold;  // an element is dropped when its 16 bits are below it
  float scale;        // of the kept elements

  Dropout(const attune_context* ctx, float p, int64_t seed_bits, int64_t stream_bits)
      : seed(static_cast<uint64_t>(seed_bits)),
        stream(static_cast<uint64_t>(stream_bits)),
        step(ctx->step()),
        threshold(dropout_threshold(p)),
        scale(dropout_scale(threshold)) {}

  // A probability that rounds to zero sixteenth-bits drops nothing.
  __host__ __device__ bool on() const { return threshold > 0; }

  __device__ __forceinline__ PhiloxBlock block(uint64_t index) const {
    return philox(seed, stream + static_cast<uint64_t>(step->stream_base), index);
  }

  __device__ __forceinline__ float multiplier(const PhiloxBlock& block, int lane) const {
    const uint32_t word = block.word[lane / 2];
    return static_cast<int32_t>(lane % 2 == 0 ? word & 0xFFFFu : word >> 16) < threshold ? 0.0f : scale;
  }

  // values *= the multipliers of elements e..e+V-1; V is 8 and e a multiple of 8, or V is 1.
  template <int V>
  __device__ __forceinline__ void apply(float (&values)[V], int64_t e) const {
    static_assert(V == 8 || V == 1, "a whole block or one element");
    const PhiloxBlock random = block(static_cast<uint64_t>(e) / 8);
    if constexpr (V == 8) {
#pragma unroll
      for (int k = 0; k < 8; ++k) values[k] = mul_rounded(values[k], multiplier(random, k));
    } else {
      // No indexing by a variable: it would put the block into memory.
      const int lane = static_cast<int>(e % 8);
      const uint32_t word =
          lane < 4 ? (lane < 2 ? random.word[0] : random.word[1]) : (lane < 6 ? random.word[2] : random.word[3]);
      const int32_t bits = static_cast<int32_t>(lane % 2 == 0 ? word & 0xFFFFu : word >> 16);
      values[0] = mul_rounded(values[0], bits < threshold ? 0.0f : scale);
    }
  }
};

}  // namespace attune::cuda

#endif
