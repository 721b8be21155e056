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

// Rows of A and B as fours of signed bytes; C is i32, as bits.
struct ByteProduct {
  alignas(64) int8_t a[16][64];
  alignas(64) int8_t b[16][64];
  alignas(64) uint32_t c[16][16];
};

namespace emulated {
void multiply(TileProduct* product);
void multiply_bytes(ByteProduct* product);
}  // namespace emulated
namespace hardware {
void multiply(TileProduct* product);
void multiply_bytes(ByteProduct* product);
}  // namespace hardware

}  // namespace attune

#endif
