// Dropout masks, vectorised: many Philox blocks at a time, as 16-bit lanes and as multipliers.
// Equal to the scalar twin in philox.h word for word.
//
//   Dropout mask(ctx, p, seed, stream);            constants of one op's mask
//   dropout_lanes(seed, stream, block, n, out);    8 random u16 per block, blocks block..block+n-1
//   mask.multiplier(lanes)                         vf of 0 or scale from W lanes
//   DropoutCursor at(mask); at.multiplier(e)       the same for elements e..e+W-1 of a tensor, any e;
//                                                  cheap where e rises
#ifndef ATTUNE_PHILOX_SIMD_H
#define ATTUNE_PHILOX_SIMD_H

#include <cmath>
#include <cstdint>
#include <cstring>

#include "context.h"
#include "philox.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// One vector of 64-bit lanes carries PW blocks: words live in the low halves, so that the 32x32->64
// products need no shuffles; the high halves hold garbage that no product reads.
constexpr int PW = W / 2;
typedef uint64_t vl __attribute__((vector_size(PW * 8)));

// Zero-masking forms of the AVX-512 intrinsics under a full mask compile to the plain instruction; the
// plain forms make GCC 12 warn of an uninitialised value inside its own header (GCC bug 105593).
static inline vl mul_low_halves(vl a, vl b) {
#if defined(__AVX512F__)
  return (vl)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (vl)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (vl)__builtin_ia32_pmuludq128((int __attribute__((vector_size(16))))a,
                                       (int __attribute__((vector_size(16))))b);
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

// The ten rounds on G independent groups of counters, which hide the latency of the products. Words come
// back in the low halves.
template <int G>
static inline void philox_rounds(uint64_t seed, vl (&c0)[G], vl (&c1)[G], vl (&c2)[G], vl (&c3)[G]) {
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  const vl m0 = vl{} + uint64_t{0xD2511F53u};
  const vl m1 = vl{} + uint64_t{0xCD9E8D57u};
  for (int round = 0; round < 10; ++round) {
    vl key0 = vl{} + uint64_t{k0}, key1 = vl{} + uint64_t{k1};
    for (int g = 0; g < G; ++g) {
      vl p0 = mul_low_halves(c0[g], m0);
      vl p1 = mul_low_halves(c2[g], m1);
      c0[g] = (p1 >> 32) ^ c1[g] ^ key0;
      c1[g] = p1;
      c2[g] = (p0 >> 32) ^ c3[g] ^ key1;
      c3[g] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

// Writes blocks index..index+G*PW-1.
template <int G>
static inline void philox_groups(uint64_t seed, uint64_t stream, uint64_t index, uint16_t* out) {
  // Lane 2i carries block i and lane 2i+1 block PW/2 + i: unpacking then yields the blocks in order.
  vl offset;
  for (int i = 0; i < PW / 2; ++i) {
    offset[2 * i] = static_cast<uint64_t>(i);
    offset[2 * i + 1] = static_cast<uint64_t>(PW / 2 + i);
  }
  vl c0[G], c1[G], c2[G], c3[G];
  for (int g = 0; g < G; ++g) {
    c0[g] = offset + (index + static_cast<uint64_t>(g * PW));
    c1[g] = c0[g] >> 32;
    c2[g] = vl{} + (stream & 0xFFFFFFFFu);
    c3[g] = vl{} + (stream >> 32);
  }
  philox_rounds<G>(seed, c0, c1, c2, c3);
  for (int g = 0; g < G; ++g) {
    vl words01 = (c0[g] & 0xFFFFFFFFu) | (c1[g] << 32);
    vl words23 = (c2[g] & 0xFFFFFFFFu) | (c3[g] << 32);
    uint16_t* to = out + g * PW * 8;
#if defined(__AVX512F__)
    _mm512_storeu_si512(to, _mm512_maskz_unpacklo_epi64(0xFF, (__m512i)words01, (__m512i)words23));
    _mm512_storeu_si512(to + 32, _mm512_maskz_unpackhi_epi64(0xFF, (__m512i)words01, (__m512i)words23));
#elif defined(__AVX2__)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_unpacklo_epi64((__m256i)words01, (__m256i)words23));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 16), _mm256_unpackhi_epi64((__m256i)words01, (__m256i)words23));
#else
    for (int i = 0; i < PW; ++i) {
      int lane = i < PW / 2 ? 2 * i : 2 * (i - PW / 2) + 1;
      uint32_t words[4] = {static_cast<uint32_t>(words01[lane]), static_cast<uint32_t>(words01[lane] >> 32),
                           static_cast<uint32_t>(words23[lane]), static_cast<uint32_t>(words23[lane] >> 32)};
      for (int word = 0; word < 4; ++word) {
        to[i * 8 + 2 * word] = static_cast<uint16_t>(words[word]);
        to[i * 8 + 2 * word + 1] = static_cast<uint16_t>(words[word] >> 16);
      }
    }
#endif
  }
}

// out receives 8 random u16 per block, for blocks first..first+count-1 exactly.
static inline void dropout_lanes(uint64_t seed, uint64_t stream, uint64_t first, int64_t count, uint16_t* out) {
  int64_t block = 0;
  for (; block + 2 * PW <= count; block += 2 * PW) {
    philox_groups<2>(seed, stream, first + static_cast<uint64_t>(block), out + block * 8);
  }
  for (; block + PW <= count; block += PW) {
    philox_groups<1>(seed, stream, first + static_cast<uint64_t>(block), out + block * 8);
  }
  if (block < count) {
    uint16_t rest[PW * 8];
    philox_groups<1>(seed, stream, first + static_cast<uint64_t>(block), rest);
    std::memcpy(out + block * 8, rest, static_cast<size_t>(count - block) * 16);
  }
}

struct Dropout {
  uint64_t seed, stream;
  int32_t threshold;  // an element is dropped when its 16 bits are below it
  float scale;        // of the kept elements

  Dropout(const attune_context* ctx, float p, int64_t seed_bits, int64_t stream_bits)
      : seed(static_cast<uint64_t>(seed_bits)),
        stream(static_cast<uint64_t>(stream_bits) + static_cast<uint64_t>(ctx->step.stream_base)),
        threshold(dropout_threshold(p)),
        scale(dropout_scale(threshold)) {}

  // A probability that rounds to zero sixteenth-bits drops nothing.
  bool on() const { return threshold > 0; }

  float multiplier_of(uint16_t lane) const { return lane < threshold ? 0.0f : scale; }

  // W multipliers from W lanes.
  vf multiplier(const uint16_t* lanes) const {
#if defined(__AVX512F__)
    __m512i bits = _mm512_maskz_cvtepu16_epi32(0xFFFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes)));
    return (vf)_mm512_maskz_mov_ps(_mm512_cmpge_epi32_mask(bits, _mm512_set1_epi32(threshold)), _mm512_set1_ps(scale));
#else
#if defined(__AVX2__)
    vi bits = (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes)));
#else
    vh half;
    std::memcpy(&half, lanes, sizeof(half));
    vi bits = __builtin_convertvector(half, vi);
#endif
    return (vf)((bits >= threshold) & (vi)splat(scale));
#endif
  }
};

// Multipliers of W consecutive elements of a tensor under the element-wise convention of attune_ops.h
// (element e: lane e % 8 of block e / 8). Keeps a window of lanes, so that rising positions cost one
// generation per window.
class DropoutCursor {
 public:
  explicit DropoutCursor(const Dropout& mask) : mask_(mask) {}

  vf multiplier(uint64_t element) {
    if (element < begin_ || element + W > begin_ + kLanes || empty_) {
      begin_ = element & ~uint64_t{7};
      philox_groups<kGroups>(mask_.seed, mask_.stream, begin_ / 8, lanes_);
      empty_ = false;
    }
    return mask_.multiplier(lanes_ + (element - begin_));
  }

 private:
  static constexpr int kGroups = 2 * 16 / W;  // 128 lanes at every level
  static constexpr uint64_t kLanes = kGroups * PW * 8;
  const Dropout mask_;
  uint64_t begin_ = 0;
  bool empty_ = true;
  uint16_t lanes_[kLanes];
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
