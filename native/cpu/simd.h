// A small vector type over the compiler's vector extensions: one source, one instruction-set level
// per compilation. Everything is static inline and lives in the level's namespace, so that no two
// levels share a symbol.
#ifndef ATTUNE_SIMD_H
#define ATTUNE_SIMD_H

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "attune_ops.h"

// Products of bf16 are dot products of pairs (vdpbf16ps) where there is nothing better. Not beside matrix tiles: the
// processors that have those multiply f32 nearly twice as fast.
#if defined(__AVX512BF16__) && !defined(__AMX_BF16__) && !defined(ATTUNE_EMULATE_TILES)
#define ATTUNE_BF16_DOTS 1
#endif

namespace attune {
namespace ATTUNE_ISA {

#if defined(__AVX512F__)
constexpr int W = 16;  // lanes of f32
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float vf __attribute__((vector_size(W * 4)));
typedef int32_t vi __attribute__((vector_size(W * 4)));
typedef uint32_t vu __attribute__((vector_size(W * 4)));
typedef uint16_t vh __attribute__((vector_size(W * 2)));

// bfloat16 as stored. A type of its own, so that overloads tell it from an integer.
struct bf16 {
  uint16_t bits;
};

static inline vf splat(float value) { return vf{} + value; }

// ---- scalar conversions
static inline float to_float(float value) { return value; }
static inline float to_float(bf16 value) {
  uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}
// Round to nearest, ties to even; NaN stays NaN.
static inline bf16 to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}
static inline void from_float(float* out, float value) { *out = value; }
static inline void from_float(bf16* out, float value) { *out = to_bf16(value); }

// ---- loads and stores of W elements, unaligned
static inline vf load(const float* p) {
  vf out;
  std::memcpy(&out, p, sizeof(out));
  return out;
}
static inline void store(float* p, vf value) { std::memcpy(p, &value, sizeof(value)); }

static inline vf load(const bf16* p) {
#if defined(__AVX512F__)
  return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16);
#elif defined(__AVX2__)
  return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 16);
#else
  vh half;
  std::memcpy(&half, p, sizeof(half));
  return (vf)(__builtin_convertvector(half, vu) << 16);
#endif
}

static inline vh round_to_bf16(vf value) {
#if defined(__AVX512BF16__)
  return (vh)_mm512_cvtneps_pbh((__m512)value);
#else
  vu bits = (vu)value;
  vu rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  vu quiet = (bits >> 16) | 0x40u;
  vi nan = value != value;
  vu out = (vu)(((vi)rounded & ~nan) | ((vi)quiet & nan));
#if defined(__AVX512F__)
  return (vh)_mm512_cvtepi32_epi16((__m512i)out);
#else
  return __builtin_convertvector(out, vh);
#endif
#endif
}
static inline void store(bf16* p, vf value) {
  vh half = round_to_bf16(value);
  std::memcpy(p, &half, sizeof(half));
}

#if defined(__AVX512BF16__)
// Lanes of two bf16: `even` in the low halves, `odd` in the high ones.
static inline vf round_pair(vf even, vf odd) {
  alignas(64) static constexpr uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                           21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                           11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
  return (vf)_mm512_maskz_permutexvar_epi16(~__mmask32{0}, _mm512_load_si512(kInterleave), halves);
}
#endif

// ---- the first n (< W) lanes; the others read as zero and are not written
template <class T>
static inline vf load_n(const T* p, int n) {
#if defined(__AVX512F__)
  __mmask16 mask = static_cast<__mmask16>((1u << n) - 1u);
  if constexpr (sizeof(T) == 4) {
    return (vf)_mm512_maskz_loadu_ps(mask, p);
  } else {
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16);
  }
#else
  T buffer[W] = {};
  std::memcpy(buffer, p, sizeof(T) * static_cast<size_t>(n));
  return load(buffer);
#endif
}
template <class T>
static inline void store_n(T* p, vf value, int n) {
#if defined(__AVX512F__)
  __mmask16 mask = static_cast<__mmask16>((1u << n) - 1u);
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_ps(p, mask, (__m512)value);
  } else {
    _mm256_mask_storeu_epi16(p, mask, (__m256i)round_to_bf16(value));
  }
#else
  T buffer[W];
  store(buffer, value);
  std::memcpy(p, buffer, sizeof(T) * static_cast<size_t>(n));
#endif
}

// ---- arithmetic
static inline vf select(vi mask, vf yes, vf no) { return mask ? yes : no; }
// a > b ? a : b: of a NaN and a number, whichever is b. (Zero-masking forms under a full mask are the
// plain instructions; the plain forms trip GCC bug 105593.)
static inline vf vmax(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_max_ps(0xFFFF, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return select(a > b, a, b);
#endif
}
static inline vf vmin(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_min_ps(0xFFFF, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return select(a < b, a, b);
#endif
}
static inline vf vabs(vf a) { return (vf)((vu)a & 0x7FFFFFFFu); }
static inline vf fma(vf a, vf b, vf c) { return a * b + c; }  // contracted: -ffp-contract=fast

// Lanes combined in a fixed order: lane i with lane i + half, for ever smaller halves.
typedef float vf4 __attribute__((vector_size(16)));
typedef float vf8 __attribute__((vector_size(32)));
template <class Combine>
static inline float reduce(vf value, Combine&& combine) {
#if defined(__AVX2__)
#if defined(__AVX512F__)
  vf8 eight = combine(__builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7),
                      __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15));
#else
  vf8 eight = value;
#endif
  vf4 four =
      combine(__builtin_shufflevector(eight, eight, 0, 1, 2, 3), __builtin_shufflevector(eight, eight, 4, 5, 6, 7));
#else
  vf4 four = value;
#endif
  vf4 two = combine(four, __builtin_shufflevector(four, four, 2, 3, 2, 3));
  vf4 one = combine(two, __builtin_shufflevector(two, two, 1, 1, 1, 1));
  return one[0];
}
static inline float sum(vf value) {
  return reduce(value, [](auto a, auto b) { return a + b; });
}
// NaN lanes may or may not show.
static inline float max(vf value) {
  return reduce(value, [](auto a, auto b) { return b > a ? b : a; });
}

static inline vf vsqrt(vf a) {
#if defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)a);
#else
  vf out;
  for (int i = 0; i < W; ++i) out[i] = __builtin_sqrtf(a[i]);
  return out;
#endif
}

// exp: x = n ln2 + r, |r| <= ln2 / 2, degree-6 polynomial (Cephes expf); about 1 ulp. Below -87.3 the
// result is 0 (no subnormals), above 88.7 infinity; NaN stays NaN.
static inline vf vexp(vf x) {
  const vf log2e = splat(1.44269504088896341f);
  vf clamped = vmin(splat(89.0f), vmax(splat(-88.0f), x));
#if defined(__AVX512F__)
  vf n = (vf)_mm512_roundscale_ps((__m512)(clamped * log2e), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  vf shifted = fma(clamped, log2e, splat(12582912.0f));  // 1.5 * 2^23: rounds to an integer
  vf n = shifted - splat(12582912.0f);
#endif
  vf r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p * r, r, r) + 1.0f;
#if defined(__AVX512F__)
  __mmask16 normal = _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(-87.33654f), _CMP_NLT_UQ);
  return (vf)_mm512_maskz_scalef_ps(normal, (__m512)p, (__m512)n);
#else
  // 2^n in two factors: n = 128 would overflow the exponent field of one.
  vi exponent = __builtin_convertvector(n, vi);
  vi high = exponent >> 1;
  vi low = exponent - high;
  vf out = p * (vf)((high + 127) << 23) * (vf)((low + 127) << 23);
  out = select(x < splat(-87.33654f), splat(0.0f), out);
  return select(x != x, x, out);
#endif
}

// 2^x for x <= 0: 0 below -126, NaN stays NaN. For arguments that are products anyway, so that vexp's
// exact reduction would buy nothing; relative error 1e-7 + 4e-8 |x|.
static inline vf vexp2_negative(vf x) {
#if defined(__AVX512F__)
  vf n = (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  vf r = x - n;
#else
  vf clamped = vmax(splat(-127.0f), x);
  vf shifted = clamped + splat(12582912.0f);
  vf r = clamped - (shifted - splat(12582912.0f));
#endif
  vf p = splat(1.3276471736e-3f);  // minimax
  p = fma(p, r, splat(9.6755415402e-3f));
  p = fma(p, r, splat(5.5507132761e-2f));
  p = fma(p, r, splat(2.4022119720e-1f));
  p = fma(p, r, splat(6.9314696706e-1f));
  p = fma(p, r, splat(1.0000000717f));
#if defined(__AVX512F__)
  __mmask16 normal = _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(-126.0f), _CMP_NLT_UQ);
  return (vf)_mm512_maskz_scalef_ps(normal, (__m512)p, (__m512)n);
#else
  // The integer sits in the low bits of `shifted`.
  vf scale = (vf)(((vi)shifted << 23) + (127 << 23));
  return select(x < splat(-126.0f), splat(0.0f), p * scale);
#endif
}

// erf by a rational approximation on [-3.92, 3.92] (the coefficients of Eigen and XLA); beyond it is
// +-1 to f32 precision. Error below 4 ulp.
static inline vf verf(vf x) {
  vf c = vmin(vmax(x, splat(-3.832506856900711f)), splat(3.832506856900711f));
  vf s = c * c;
  vf p = splat(-2.72614225801306e-10f);
  p = fma(p, s, splat(2.77068142495902e-08f));
  p = fma(p, s, splat(-2.10102402082508e-06f));
  p = fma(p, s, splat(-5.69250639462346e-05f));
  p = fma(p, s, splat(-7.34990630326855e-04f));
  p = fma(p, s, splat(-2.95459980854025e-03f));
  p = fma(p, s, splat(-1.60960333262415e-02f));
  vf q = splat(-1.45660718464996e-05f);
  q = fma(q, s, splat(-2.13374055278905e-04f));
  q = fma(q, s, splat(-1.68282697438203e-03f));
  q = fma(q, s, splat(-7.37332916720468e-03f));
  q = fma(q, s, splat(-1.42647390514189e-02f));
  // Exactly +-1 beyond, so that a large negative input of GELU gives 0.
  vf one = select(x < splat(0.0f), splat(-1.0f), splat(1.0f));
  vf out = select(vabs(x) >= splat(3.832506856900711f), one, c * p / q);
  return select(x != x, x, out);
}

// tanh: an odd polynomial up to 0.625 (Cephes tanhf), 1 - 2t / (1 + t) with t = exp(-2|x|) beyond,
// where little cancels. Below 2 ulp.
static inline vf vtanh(vf x) {
  vf a = vabs(x);
  vf t = vexp(splat(-2.0f) * a);
  vf big = 1.0f - (t + t) / (1.0f + t);
  vf s = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = fma(p, s, splat(2.06390887954e-2f));
  p = fma(p, s, splat(-5.37397155531e-2f));
  p = fma(p, s, splat(1.33314422036e-1f));
  p = fma(p, s, splat(-3.33332819422e-1f));
  vf small = fma(p * s, a, a);
  vf magnitude = select(a < splat(0.625f), small, big);
  return select(x < splat(0.0f), -magnitude, magnitude);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
