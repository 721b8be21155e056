// The dynamic map of 8-bit moments (Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2022, and
// bitsandbytes' create_dynamic_map): from 1e-7 to 1 seven decades, decade i cut into 2^i equal bins, twice as many
// where there is no sign; a code stands for the middle of its bin, one code each for 0 and 1.
//
// Bins are found without a search: numbered through, with bin j of decade i at 2^i + j, the position of x is the least
// of seven lines, since bins widen tenfold where their number doubles; the middle at position y is the largest of the
// inverse lines, which is that of y's exponent.
#ifndef ATTUNE_DYNAMIC_MAP_H
#define ATTUNE_DYNAMIC_MAP_H

namespace attune {

// X(slope, offset, width, start) for each decade: the position of x in it is x * slope + offset, the x of a position
// position * width + start.
#define ATTUNE_DECADES(X)                             \
  X(1 / 0.9e-6f, 8 / 9.0f, 0.9e-6f, -0.8e-6f)         \
  X(2 / 0.9e-5f, 16 / 9.0f, 0.9e-5f / 2, -0.8e-5f)    \
  X(4 / 0.9e-4f, 32 / 9.0f, 0.9e-4f / 4, -0.8e-4f)    \
  X(8 / 0.9e-3f, 64 / 9.0f, 0.9e-3f / 8, -0.8e-3f)    \
  X(16 / 0.9e-2f, 128 / 9.0f, 0.9e-2f / 16, -0.8e-2f) \
  X(32 / 0.9e-1f, 256 / 9.0f, 0.9e-1f / 32, -0.8e-1f) \
  X(64 / 0.9f, 512 / 9.0f, 0.9f / 64, -0.8f)

// Where 1 is.
constexpr int kDynamicOne = 128;
// The bins of the decade below are a tenth as wide in units of half as many: up to here in its first bin a number is
// nearer to the last bin below.
constexpr float kNearerBelow = 0.2f;
// From this far below 1 on, in bins, 1 is nearer than the middle of the last bin.
constexpr float kNearerOne = 0.25f;
// Of a float.
constexpr int kExponentBits = 0x7F800000;
// Numbers below this share of their block's scale are 0.
constexpr float kLeastShare = 1.0f / (1u << 31);
// The least scale of a block that is not all zeros, the least normal number: others have no finite inverse.
constexpr float kLeastScale = 1.17549435e-38f;

}  // namespace attune

#endif
