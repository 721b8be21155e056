// One product of tiles, on the emulation or on the processor: compiled twice from rules.cpp.
#ifndef ATTUNE_AMX_RULES_H
#define ATTUNE_AMX_RULES_H

#include <cstdint>

namespace attune {

// Rows of A and B as pairs of bf16; C is f32, as bits.
struct TileProduct {
  alignas(64) uint16_t a[16][32];
  alignas(64) uint16_t b[16][32];
  alignas(64) uint32_t c[16][16];
};

namespace emulated {
void multiply(TileProduct* product);
}
namespace hardware {
void multiply(TileProduct* product);
}

}  // namespace attune

#endif
