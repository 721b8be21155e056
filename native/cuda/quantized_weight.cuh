// Weights in 4 or 8 bits, read back: neighbouring elements, counted row-major over the whole weight.
#ifndef ATTUNE_CUDA_QUANTIZED_WEIGHT_CUH
#define ATTUNE_CUDA_QUANTIZED_WEIGHT_CUH

#include "../common/nf4.h"
#include "quantized_layout.h"
#include "vectors.cuh"

namespace attune::cuda {

// Number i of the f32 of a packed weight, which may lie on any byte as its codes may: then they pass in bytes. A weight
// that is read in vectors (V > 1) is aligned, and they with it.
template <int V>
__device__ __forceinline__ float read_f32(const uint8_t* from, int64_t i) {
  if constexpr (V > 1) {
    return reinterpret_cast<const float*>(from)[i];
  } else {
    from += 4 * i;
    return as_float(from[0] | static_cast<uint32_t>(from[1]) << 8 | static_cast<uint32_t>(from[2]) << 16 |
                    static_cast<uint32_t>(from[3]) << 24);
  }
}

__device__ __forceinline__ void write_f32(uint8_t* to, int64_t i, float value) {
  to += 4 * i;
#pragma unroll
  for (int byte = 0; byte < 4; ++byte) to[byte] = static_cast<uint8_t>(as_bits(value) >> 8 * byte);
}

struct Int8Values {
  const int8_t* codes;
  const uint8_t* scales;

  Int8Values(const void* weight, const QuantizedLayout& layout)
      : codes(static_cast<const int8_t*>(weight)), scales(static_cast<const uint8_t*>(weight) + layout.scales) {}

  // Elements i..i+V-1 of one block; of several, i is a multiple of V.
  template <int V>
  __device__ __forceinline__ void get(float (&x)[V], int64_t i) const {
    const Pack<int8_t, V> pack = *reinterpret_cast<const Pack<int8_t, V>*>(codes + i);
    const float scale = read_f32<V>(scales, i / QuantizedLayout::kBlock);
#pragma unroll
    for (int k = 0; k < V; ++k) x[k] = static_cast<float>(pack.at[k]) * scale;
  }
};

struct Nf4Values {
  static constexpr size_t kSharedBytes = 16 * sizeof(float);

  const uint8_t* nibbles;
  const uint8_t* scale_codes;
  const uint8_t* outer_scales;
  const uint8_t* offset;
  const float* table = nullptr;  // in shared memory, one value in each bank
  float mean = 0.0f;             // what lies at offset

  Nf4Values(const void* weight, const QuantizedLayout& layout) : nibbles(static_cast<const uint8_t*>(weight)) {
    scale_codes = nibbles + layout.scales;
    outer_scales = nibbles + layout.outer_scales;
    offset = nibbles + layout.offset;
  }

  // Puts the table into kSharedBytes of shared memory, to be followed by a barrier, and reads the offset.
  __device__ __forceinline__ void stage(float* shared, const Nf4Table& values) {
    if (threadIdx.x < 16) shared[threadIdx.x] = values.value[threadIdx.x];
    table = shared;
    mean = read_f32<1>(offset, 0);
  }

  // As of Int8Values.
  template <int V>
  __device__ __forceinline__ void get(float (&x)[V], int64_t i) const {
    const int64_t block = i / QuantizedLayout::kBlock;
    const float share = (static_cast<float>(scale_codes[block]) - 127.0f) / 127.0f;
    const float scale = fmaf(share, read_f32<V>(outer_scales, block / QuantizedLayout::kScaleBlock), mean);
    if constexpr (V == 1) {
      const int byte = nibbles[i / 2];
      x[0] = table[i % 2 == 0 ? byte & 15 : byte >> 4] * scale;
    } else {
      const Pack<uint8_t, V / 2> pack = *reinterpret_cast<const Pack<uint8_t, V / 2>*>(nibbles + i / 2);
#pragma unroll
      for (int k = 0; k < V / 2; ++k) {
        x[2 * k] = table[pack.at[k] & 15] * scale;
        x[2 * k + 1] = table[pack.at[k] >> 4] * scale;
      }
    }
  }
};

}  // namespace attune::cuda

#endif
