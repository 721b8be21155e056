// Weights in 4 or 8 bits (quantized_layout.h), read back: whole ranges for packing, words of codes for
// products of few rows. Elements and blocks are counted row-major over the whole weight.
#ifndef ATTUNE_QUANTIZED_WEIGHT_H
#define ATTUNE_QUANTIZED_WEIGHT_H

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lanes.h"
#include "nf4.h"
#include "quantized_layout.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

alignas(64) constexpr Nf4Table kNf4;

// The values of the codes in the low four bits of each lane.
static inline vf nf4_values(vu codes) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_permutexvar_ps(0xFFFF, (__m512i)codes, _mm512_load_ps(kNf4.value));
#elif defined(__AVX2__)
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(kNf4.value), (__m256i)codes);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_load_ps(kNf4.value + 8), (__m256i)codes);
  return (vf)_mm256_blendv_ps(low, high, (__m256)(codes << 28));
#else
  vf out;
  for (int i = 0; i < W; ++i) out[i] = kNf4.value[codes[i] & 15u];
  return out;
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
// Byte `plane` of the 16 values, in both 128-bit lanes: a table for shuffles of bytes.
struct Nf4Plane {
  alignas(32) uint8_t bytes[32];
  constexpr explicit Nf4Plane(int plane) : bytes() {
    for (int i = 0; i < 32; ++i) {
      bytes[i] = static_cast<uint8_t>(__builtin_bit_cast(uint32_t, kNf4.value[i % 16]) >> (8 * plane));
    }
  }
};
constexpr Nf4Plane kNf4Planes[4] = {Nf4Plane(0), Nf4Plane(1), Nf4Plane(2), Nf4Plane(3)};

// The values of 32 codes in 16 bytes, scaled, in order. Tables of bytes beat tables of floats, whose lookups cross
// lanes and hold eight of the sixteen values only.
static inline void nf4_values_of_32(float* to, const uint8_t* codes, vf scale) {
  const auto plane = [](int i) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(kNf4Planes[i].bytes)); };
  // Four codes of each eight to the lower lane and four to the upper one, where the interleaving below leaves them.
  const __m256i spread = _mm256_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1,  //
                                          2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15, -1);
  const __m256i packed = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  const __m256i pairs = _mm256_shuffle_epi8(packed, spread);
  const __m256i index = _mm256_and_si256(_mm256_or_si256(pairs, _mm256_slli_epi16(pairs, 4)), _mm256_set1_epi8(15));
  const __m256i byte0 = _mm256_shuffle_epi8(plane(0), index), byte1 = _mm256_shuffle_epi8(plane(1), index);
  const __m256i byte2 = _mm256_shuffle_epi8(plane(2), index), byte3 = _mm256_shuffle_epi8(plane(3), index);
  const __m256i low0 = _mm256_unpacklo_epi8(byte0, byte1), high0 = _mm256_unpacklo_epi8(byte2, byte3);
  const __m256i low1 = _mm256_unpackhi_epi8(byte0, byte1), high1 = _mm256_unpackhi_epi8(byte2, byte3);
  store(to, (vf)_mm256_unpacklo_epi16(low0, high0) * scale);
  store(to + 8, (vf)_mm256_unpackhi_epi16(low0, high0) * scale);
  store(to + 16, (vf)_mm256_unpacklo_epi16(low1, high1) * scale);
  store(to + 24, (vf)_mm256_unpackhi_epi16(low1, high1) * scale);
}
#endif

// A part of the layout: only its distance from the first byte is a multiple of 64.
static inline float read_f32(const uint8_t* part, int64_t index) {
  float value;
  std::memcpy(&value, part + 4 * index, sizeof(value));
  return value;
}

// Codes in 4 or 8 bits, as against an address of plain elements.
template <class V>
constexpr bool kCoded = !std::is_pointer_v<V>;

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
#if defined(__AVX512F__)
    if (n == W) {
      // Each byte twice, and the upper half of the second: the table takes the low four bits of a lane.
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + element / 2));
      const __m512i twice = _mm512_cvtepu8_epi32(_mm_unpacklo_epi8(bytes, bytes));
      return nf4_values((vu)_mm512_srlv_epi32(twice, _mm512_set1_epi64(int64_t{4} << 32)));
    }
#endif
    uint8_t bytes[W / 2] = {};
    std::memcpy(bytes, codes + element / 2, static_cast<size_t>((n + 1) / 2));
    vu lanes;
    for (int i = 0; i < W; ++i) lanes[i] = static_cast<uint32_t>(bytes[i / 2]) >> (i % 2 * 4);
    return nf4_values(lanes);
  }

  // The values of a block, scaled.
  void block(float* to, int64_t block) const {
    const vf scaled = splat(scale(block));
#if defined(__AVX2__) && !defined(__AVX512F__)
    const uint8_t* from = codes + block * (QuantizedLayout::kBlock / 2);
    for (int64_t i = 0; i < QuantizedLayout::kBlock; i += 32) nf4_values_of_32(to + i, from + i / 2, scaled);
#else
    const int64_t first = block * QuantizedLayout::kBlock;
    for (int64_t i = 0; i < QuantizedLayout::kBlock; i += W) store(to + i, values(first + i, W) * scaled);
#endif
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
#if defined(__AVX512F__)
    if (n == W) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + element));
      return (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
    }
#endif
    typedef int8_t bytes_of_lanes __attribute__((vector_size(W)));
    bytes_of_lanes bytes = {};
    std::memcpy(&bytes, codes + element, static_cast<size_t>(n));
    return __builtin_convertvector(bytes, vf);
  }

  void block(float* to, int64_t block) const {
    const vf scaled = splat(scale(block));
    const int64_t first = block * QuantizedLayout::kBlock;
#pragma GCC unroll 8
    for (int64_t i = 0; i < QuantizedLayout::kBlock; i += W) {
#if defined(__AVX2__) && !defined(__AVX512F__)
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + first + i));
      store(to + i, (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)) * scaled);
#else
      store(to + i, values(first + i, W) * scaled);
#endif
    }
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
    if constexpr (std::is_same_v<T, float>) {
      if (block_end - at == kBlock) {
        weight.block(to + (at - begin), block);
        at = block_end;
        continue;
      }
    }
    const vf scale = splat(weight.scale(block));
    for_vectors(at, block_end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
      int n = W;
      if constexpr (!decltype(lanes)::full) n = lanes.n;
      store(to + (i - begin), weight.values(i, n) * scale, lanes);
    });
    at = block_end;
  }
}

// Row f of a weight of rows of `depth`, of plain elements or codes, where it lies in memory, and the bytes of one.
template <class V>
static inline const char* weight_row(const V& weight, int64_t f, int64_t depth) {
  if constexpr (kCoded<V>) {
    return weight.words(f * depth);
  } else {
    return reinterpret_cast<const char*>(weight + f * depth);
  }
}
template <class V>
static inline int64_t weight_row_bytes(const V& weight, int64_t depth) {
  if constexpr (kCoded<V>) {
    return weight.row_bytes();
  } else {
    return depth * static_cast<int64_t>(sizeof(*weight));
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
