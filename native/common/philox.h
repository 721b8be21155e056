// Philox4x32-10 (Salmon et al., SC 2011), counter-based: twin of dev.attune.core.Philox, and the rule
// by which dropout reads it. Shared by the kernels of all devices.
#ifndef ATTUNE_COMMON_PHILOX_H
#define ATTUNE_COMMON_PHILOX_H

#include <cmath>
#include <cstdint>

#include "any_device.h"

namespace attune {

struct PhiloxBlock {
  uint32_t word[4];
};

ATTUNE_ANY_DEVICE static inline PhiloxBlock philox(uint64_t seed, uint64_t stream, uint64_t index) {
  uint32_t c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c0 = n0;
    c1 = static_cast<uint32_t>(p1);
    c2 = n2;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// An element is dropped when its 16 random bits are below the threshold of its probability.
static inline int32_t dropout_threshold(float p) {
  return p >= 1.0f ? 65536 : static_cast<int32_t>(std::floor(p * 65536.0f + 0.5f));
}

// Of the kept elements.
static inline float dropout_scale(int32_t threshold) {
  return threshold >= 65536 ? 0.0f : 65536.0f / static_cast<float>(65536 - threshold);
}

}  // namespace attune

#endif
