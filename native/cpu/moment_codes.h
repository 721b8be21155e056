// The codes of 8-bit moments (common/dynamic_map.h) in registers.
#ifndef ATTUNE_MOMENT_CODES_H
#define ATTUNE_MOMENT_CODES_H

#include <cstring>

#include "dynamic_map.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// Left to itself the compiler widens bytes one by one.
static inline vi load_codes(const uint8_t* p) {
#if defined(__AVX512F__)
  return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__AVX2__)
  return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  typedef uint8_t vb __attribute__((vector_size(W)));
  vb codes;
  std::memcpy(&codes, p, sizeof(codes));
  return __builtin_convertvector(codes, vi);
#endif
}

// 4 W codes; what is below 0 becomes 0.
static inline void store_codes(uint8_t* p, const vi (&codes)[4]) {
#if defined(__AVX512F__)
  const __m512i low = _mm512_packs_epi32((__m512i)codes[0], (__m512i)codes[1]);
  const __m512i high = _mm512_packs_epi32((__m512i)codes[2], (__m512i)codes[3]);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_si512(p, _mm512_maskz_permutexvar_epi32(0xFFFF, order, _mm512_packus_epi16(low, high)));
#elif defined(__AVX2__)
  const __m256i low = _mm256_packs_epi32((__m256i)codes[0], (__m256i)codes[1]);
  const __m256i high = _mm256_packs_epi32((__m256i)codes[2], (__m256i)codes[3]);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
#else
  for (int i = 0; i < 4 * W; ++i) {
    const int32_t code = codes[i / W][i % W];
    p[i] = static_cast<uint8_t>(code < 0 ? 0 : code);
  }
#endif
}

constexpr int kDecades = 7;
constexpr int kMantissaBits = 0x007FFFFF;  // of a float
// A decade's line from numbers to positions, and that from positions to what bins stand for.
struct Decade {
  float slope, offset, width, start;

  constexpr double position(double x) const { return x * double{slope} + double{offset}; }
};
#define ATTUNE_DECADE(slope, offset, width, start) {slope, offset, width, start},
constexpr Decade kDecade[kDecades] = {ATTUNE_DECADES(ATTUNE_DECADE)};
#undef ATTUNE_DECADE

// ---- numbers to codes
#if defined(__AVX512F__)
// The lines that numbers of one exponent, -31 to 0, can lie on: two at most.
struct BinadeLines {
  alignas(64) float slope[2][32];
  alignas(64) float offset[2][32];

  constexpr explicit BinadeLines(float bins) : slope(), offset() {
    double begin = double{kLeastShare};
    for (int b = 0; b < 32; ++b, begin *= 2) {
      const int at[2] = {least_at(begin), least_at(2 * begin)};
      for (int k = 0; k < 2; ++k) {
        slope[k][b] = bins * kDecade[at[k]].slope;
        offset[k][b] = bins * kDecade[at[k]].offset;
      }
    }
  }

 private:
  static constexpr int least_at(double x) {
    int least = 0;
    for (int i = 1; i < kDecades; ++i) {
      if (kDecade[i].position(x) < kDecade[least].position(x)) least = i;
    }
    return least;
  }
};
template <int Bins>
constexpr BinadeLines kBinadeLines(static_cast<float>(Bins));

static inline vf pick(const float (&table)[32], vu number) {
  return (vf)_mm512_permutex2var_ps(_mm512_load_ps(table), (__m512i)number, _mm512_load_ps(table + 16));
}
#elif defined(__AVX2__)
// Of each decade the slope of its line and of the next one's. Offsets double: their exponents count decades. Behind the
// last line one of its slope lies above it.
struct DecadeLines {
  alignas(32) float slope[2][8];

  constexpr explicit DecadeLines(float bins) : slope() {
    for (int k = 0; k < 2; ++k) {
      for (int i = 0; i < 8; ++i) slope[k][i] = bins * kDecade[i + k < kDecades ? i + k : kDecades - 1].slope;
    }
  }
};
template <int Bins>
constexpr DecadeLines kDecadeLines(static_cast<float>(Bins));

static constexpr bool offsets_double() {
  for (int i = 1; i < kDecades; ++i) {
    if (kDecade[i].offset != 2 * kDecade[i - 1].offset) return false;
  }
  return true;
}
static_assert(offsets_double(), "the offset of a decade is found by its exponent");

// The decade of x or the one below: three tenths of a decade less than what the upper half of its bits says of its
// logarithm, at least 0.
static inline vu decade_below(vf x) {
  constexpr int kPerDecade = 154;                    // 2^16 over the 425 such halves of a decade
  constexpr int kStart = 127 * 128 - 67 * 425 / 10;  // at 1 seven decades, less three tenths, are passed
  const __m256i half = _mm256_srli_epi32((__m256i)x, 16);
  return (vu)_mm256_mulhi_epu16(_mm256_subs_epu16(half, _mm256_set1_epi32(kStart)), _mm256_set1_epi32(kPerDecade));
}

static inline vf pick(const float (&table)[8], vu number) {
  return (vf)_mm256_permutevar8x32_ps(_mm256_load_ps(table), (__m256i)number);
}
#endif

// max(|x|, kLeastShare): kLeast where x is no number.
static inline vf magnitude(vf x) {
#if defined(__AVX512F__)
  constexpr int kMostWithoutSigns = 0xB;
  return (vf)_mm512_maskz_range_ps(0xFFFF, (__m512)x, (__m512)splat(kLeastShare), kMostWithoutSigns);
#else
  return vmax(vabs(x), splat(kLeastShare));
#endif
}

// Where x, kLeastShare to 1, is among the bins; Bins: of the lowest decade.
template <int Bins>
static inline vf position(vf x) {
#if defined(__AVX512F__)
  const BinadeLines& lines = kBinadeLines<Bins>;
  const vu binade = (vu)x >> 23;
  return vmin(fma(x, pick(lines.slope[0], binade), pick(lines.offset[0], binade)),
              fma(x, pick(lines.slope[1], binade), pick(lines.offset[1], binade)));
#elif defined(__AVX2__)
  const DecadeLines& lines = kDecadeLines<Bins>;
  const vu decade = decade_below(x);
  const vu offset = (vu)splat(Bins * kDecade[0].offset) + (decade << 23);
  return vmin(fma(x, pick(lines.slope[0], decade), (vf)offset),
              fma(x, pick(lines.slope[1], decade), (vf)(offset + (1u << 23))));
#else
  vf y = fma(x, splat(Bins * kDecade[0].slope), splat(Bins * kDecade[0].offset));
  for (int i = 1; i < kDecades; ++i) {
    y = vmin(y, fma(x, splat(Bins * kDecade[i].slope), splat(Bins * kDecade[i].offset)));
  }
  return y;
#endif
}

// The bin whose middle is nearest, `one` from where 1 is.
static inline vi nearest(vf y, int32_t one) {
  // Below this the exponent is that of the decade below.
  const vi crossed = (vi)y ^ (vi)(y - kNearerBelow);
  const vi bin = __builtin_convertvector(y, vi);
  const vf from_one = splat(static_cast<float>(one) - kNearerOne);
#if defined(__AVX512F__)
  const __mmask16 is_below = _mm512_test_epi32_mask((__m512i)crossed, _mm512_set1_epi32(kExponentBits));
  const __m512i code = _mm512_mask_sub_epi32((__m512i)bin, is_below, (__m512i)bin, _mm512_set1_epi32(1));
  const __mmask16 is_one = _mm512_cmp_ps_mask((__m512)y, (__m512)from_one, _CMP_GE_OQ);
  return (vi)_mm512_mask_mov_epi32(code, is_one, _mm512_set1_epi32(one));
#else
  return y >= from_one ? vi{} + one : bin + (crossed > kMantissaBits);
#endif
}

// With a sign: 127 is 0, 127 + j bin j, 127 - j its negative, 255 is 1. -1 has no code: it becomes -1 here, which is
// stored as the next to it, 0.
constexpr int kSignedZero = 127;
static inline vi encode_signed(vf x) {
  const vi j = nearest(position<1>(magnitude(x)), kDynamicOne);
#if defined(__AVX2__) && !defined(__AVX512F__)
  return (vi)_mm256_sign_epi32((__m256i)j, (__m256i)x) + kSignedZero;
#else
  const vi sign = (vi)x >> 31;
  return (j ^ sign) + (kSignedZero - sign);
#endif
}

// Without a sign: 0 is 0, j - 1 bin j, 255 is 1. x is a multiple of `positive`. What is above 0 never becomes 0: a
// second moment that vanishes beside a first one that does not would make a step of any size.
static inline vi encode_unsigned(vf x, vf positive) {
  const vi code = nearest(position<2>(vmax(x, splat(kLeastShare))), 2 * kDynamicOne) - 1;
  const vu least = (vu)positive < 1u ? (vu)positive : vu{} + 1u;
  return code > (vi)least ? code : (vi)least;
}

// ---- codes to numbers
// From positions to what bins stand for, by the position's exponent. Those of 1/2 to 1 stand for 0,
// those from 128 on for 1. Where vectors are short the two share a line, whose ends are cut.
constexpr int kExponents = W < 8 ? 8 : W;
struct ExponentLines {
  alignas(64) float width[kExponents];
  alignas(64) float start[kExponents];

  constexpr ExponentLines() : width(), start() {
    for (int i = 0; i < kDecades; ++i) {
      width[(127 + i) % kExponents] = kDecade[i].width;
      start[(127 + i) % kExponents] = kDecade[i].start;
    }
    constexpr int kOne = (127 + kDecades) % kExponents;
    width[kOne] = kExponents < 16 ? 1.0f : 0.0f;
    start[kOne] = kExponents < 16 ? -1.0f : 1.0f;
  }
};
constexpr ExponentLines kExponentLines;

// The same for the bins of a block.
class BlockLines {
 public:
  explicit BlockLines(float scale) : most(splat(scale)) {
    for (int i = 0; i < kVectors; ++i) {
      width[i] = load(kExponentLines.width + i * W) * scale;
      start[i] = load(kExponentLines.start + i * W) * scale;
    }
  }

  inline __attribute__((always_inline)) vf of_signed(vi code) const {
    const vf j = __builtin_convertvector(code - kSignedZero, vf);
    const vf x = middle(vabs(j) + 0.5f);
    return (vf)((vu)x | ((vu)j & 0x80000000u));
  }
  inline __attribute__((always_inline)) vf of_unsigned(vi code) const {
    return middle(fma(__builtin_convertvector(code, vf), splat(0.5f), splat(0.75f)));
  }

 private:
  static constexpr int kVectors = kExponents / W;

  inline __attribute__((always_inline)) vf middle(vf y) const {
    const vu exponent = (vu)y >> 23;
    const vf x = fma(y, pick(width, exponent), pick(start, exponent));
    return kExponents < 16 ? vmin(vmax(x, splat(0.0f)), most) : x;
  }

  static inline vf pick(const vf (&table)[kVectors], vu number) {
#if defined(__AVX512F__)
    return (vf)_mm512_maskz_permutexvar_ps(0xFFFF, (__m512i)number, (__m512)table[0]);
#elif defined(__AVX2__)
    return (vf)_mm256_permutevar8x32_ps((__m256)table[0], (__m256i)number);
#else
    vf out;
    for (int i = 0; i < W; ++i) out[i] = reinterpret_cast<const float*>(table)[number[i] % 8];
    return out;
#endif
  }

  vf most;
  vf width[kVectors], start[kVectors];
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
