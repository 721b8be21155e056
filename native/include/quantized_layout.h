// Where the parts of a quantized weight lie (attune_quantize): shared by the CPU and the CUDA kernels.
#ifndef ATTUNE_QUANTIZED_LAYOUT_H
#define ATTUNE_QUANTIZED_LAYOUT_H

#include <cstdint>

#include "attune_ops.h"

namespace attune {

// Offsets in bytes; `bytes` is 0 for an unknown type or a bad shape.
struct QuantizedLayout {
  static constexpr int64_t kBlock = 64;        // elements per scale
  static constexpr int64_t kScaleBlock = 256;  // NF4: scales per second-level scale

  int64_t blocks = 0;        // scales
  int64_t scales = 0;        // INT8: f32; NF4: u8 codes
  int64_t outer_scales = 0;  // NF4 only: f32
  int64_t offset = 0;        // NF4 only: f32
  int64_t bytes = 0;

  QuantizedLayout(int64_t F, int64_t C, int32_t dtype) {
    if (F < 1 || C < 1 || C % kBlock != 0 || F > INT64_MAX / 8 / C) return;
    blocks = F * (C / kBlock);
    if (dtype == ATTUNE_INT8) {
      scales = align(F * C);
      bytes = scales + align(4 * blocks);
    } else if (dtype == ATTUNE_NF4) {
      scales = align(F * C / 2);
      outer_scales = scales + align(blocks);
      offset = outer_scales + align(4 * ((blocks + kScaleBlock - 1) / kScaleBlock));
      bytes = offset + align(4);
    }
  }

 private:
  static constexpr int64_t align(int64_t bytes) { return (bytes + 63) / 64 * 64; }
};

}  // namespace attune

#endif
