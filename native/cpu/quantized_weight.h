// Weights in 4 or 8 bits (quantized_layout.h), read back: whole ranges for packing, words of codes for
// products of few rows. Elements and blocks are counted row-major over the whole weight.
#ifndef ATTUNE_QUANTIZED_WEIGHT_H
#define ATTUNE_QUANTIZED_WEIGHT_H

#include <cstdint>
#include <cstring>

#include "lanes.h"
#include "quantized_layout.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// The 16 values of 4-bit NormalFloat (Dettmers et al., 2023, appendix E).
alignas(64) constexpr float kNf4[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

// The values of the codes in the low four bits of each lane.
static inline vf nf4_values(vu codes) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_permutexvar_ps(0xFFFF, (__m512i)codes, _mm512_load_ps(kNf4));
#elif defined(__AVX2__)
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(kNf4), (__m256i)codes);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_load_ps(kNf4 + 8), (__m256i)codes);
  return (vf)_mm256_blendv_ps(low, high, (__m256)(codes << 28));
#else
  vf out;
  for (int i = 0; i < W; ++i) out[i] = kNf4[codes[i] & 15u];
  return out;
#endif
}

// A part of the layout: only its distance from the first byte is a multiple of 64.
static inline float read_f32(const uint8_t* part, int64_t index) {
  float value;
  std::memcpy(&value, part + 4 * index, sizeof(value));
  return value;
}

struct Nf4Weight {
  static constexpr int32_t kType = ATTUNE_NF4;
  static constexpr int kElements = 8;  // of a 32-bit word

  const uint8_t* codes;
  const uint8_t* scale_codes;
  const uint8_t* outer_scales;
  float offset;
  int64_t C;

  Nf4Weight(const void* weight, int64_t F, int64_t columns) : codes(static_cast<const uint8_t*>(weight)), C(columns) {
    const QuantizedLayout layout(F, columns, kType);
    scale_codes = codes + layout.scales;
    outer_scales = codes + layout.outer_scales;
    offset = read_f32(codes + layout.offset, 0);
  }

  float scale(int64_t block) const {
    const float code = static_cast<float>(scale_codes[block] - 127) / 127.0f;
    return offset + code * read_f32(outer_scales, block / QuantizedLayout::kScaleBlock);
  }
  const char* words(int64_t element) const { return reinterpret_cast<const char*>(codes + element / 2); }
  int64_t row_bytes() const { return C / 2; }

  // Element `i` of each lane's word, unscaled.
  static vf value(vu word, int i) { return nf4_values(word >> (4 * i)); }

  // W elements from `element`, which is even, unscaled; n of them exist.
  vf values(int64_t element, int n) const {
    uint8_t bytes[W / 2] = {};
    std::memcpy(bytes, codes + element / 2, static_cast<size_t>((n + 1) / 2));
    vu lanes;
    for (int i = 0; i < W; ++i) lanes[i] = static_cast<uint32_t>(bytes[i / 2]) >> (i % 2 * 4);
    return nf4_values(lanes);
  }
};

struct Int8Weight {
  static constexpr int32_t kType = ATTUNE_INT8;
  static constexpr int kElements = 4;

  const uint8_t* codes;
  const uint8_t* scales;
  int64_t C;

  Int8Weight(const void* weight, int64_t F, int64_t columns)
      : codes(static_cast<const uint8_t*>(weight)),
        scales(codes + QuantizedLayout(F, columns, kType).scales),
        C(columns) {}

  float scale(int64_t block) const { return read_f32(scales, block); }
  const char* words(int64_t element) const { return reinterpret_cast<const char*>(codes + element); }
  int64_t row_bytes() const { return C; }

  static vf value(vu word, int i) { return __builtin_convertvector((vi)(word << (24 - 8 * i)) >> 24, vf); }

  vf values(int64_t element, int n) const {
    typedef int8_t bytes_of_lanes __attribute__((vector_size(W)));
    bytes_of_lanes bytes = {};
    std::memcpy(&bytes, codes + element, static_cast<size_t>(n));
    return __builtin_convertvector(bytes, vf);
  }
};

// Elements begin .. begin + count of a weight as f32 (or rounded to bf16); begin is even.
template <class Weight, class T>
static inline void dequantize_range(T* to, const Weight& weight, int64_t begin, int64_t count) {
  constexpr int64_t kBlock = QuantizedLayout::kBlock;
  static_assert(kBlock % W == 0, "vectors that start a block end in it");
  const int64_t end = begin + count;
  for (int64_t at = begin; at < end;) {
    const int64_t block = at / kBlock;
    const int64_t block_end = (block + 1) * kBlock < end ? (block + 1) * kBlock : end;
    const vf scale = splat(weight.scale(block));
    for_vectors(at, block_end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      int n = W;
      if constexpr (!decltype(lanes)::full) n = lanes.n;
      store(to + (i - begin), weight.values(i, n) * scale, lanes);
    });
    at = block_end;
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
