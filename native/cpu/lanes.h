// Loops over rows of any length: the body is written once and compiled for a full vector and for the
// remainder.
//
//   for_vectors(begin, end, [&](int64_t i, auto lanes) ATTUNE_INLINE_BODY {
//     store(out + i, load(inp + i, lanes) * 2.0f, lanes);
//   });
#ifndef ATTUNE_LANES_H
#define ATTUNE_LANES_H

#include <cstdint>

#include "simd.h"

// A lambda called from two places would otherwise become a function, its captures memory.
#define ATTUNE_INLINE_BODY __attribute__((always_inline))

namespace attune {
namespace ATTUNE_ISA {

struct Full {
  static constexpr bool full = true;
};
struct First {
  static constexpr bool full = false;
  int n;  // 1..W-1
};

template <class Body>
static inline __attribute__((always_inline)) void for_vectors(int64_t begin, int64_t end, Body&& body) {
  int64_t i = begin;
  for (; i + W <= end; i += W) body(i, Full{});
  if (i < end) body(i, First{static_cast<int>(end - i)});
}

template <class T>
static inline vf load(const T* p, Full) {
  return load(p);
}
template <class T>
static inline vf load(const T* p, First lanes) {
  return load_n(p, lanes.n);
}
template <class T>
static inline void store(T* p, vf value, Full) {
  store(p, value);
}
template <class T>
static inline void store(T* p, vf value, First lanes) {
  store_n(p, value, lanes.n);
}

// value in the valid lanes, `other` or zero in the rest: for reductions.
static inline vf fill(vf value, float, Full) { return value; }
static inline vf fill(vf value, float other, First lanes) {
  vi index;
  for (int i = 0; i < W; ++i) index[i] = i;
  return select(index < lanes.n, value, splat(other));
}
static inline vf keep(vf value, Full) { return value; }
static inline vf keep(vf value, First lanes) { return fill(value, 0.0f, lanes); }

// A product that must not be fused into a sum: where its twin was rounded before, and the two are to
// cancel exactly.
static inline vf rounded(vf product) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(product));
#elif defined(__x86_64__)
  __asm__("" : "+x"(product));
#elif defined(__aarch64__)
  __asm__("" : "+w"(product));
#endif
  return product;
}

static inline vf widen(vh half) {
#if defined(__AVX512F__)
  return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)half), 16);
#elif defined(__AVX2__)
  return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32((__m128i)half), 16);
#else
  return (vf)(__builtin_convertvector(half, vu) << 16);
#endif
}

// Stores value where p is not null and returns what a load would give back.
template <class Lanes>
static inline vf store_rounded(float* p, vf value, Lanes lanes) {
  if (p != nullptr) store(p, value, lanes);
  return value;
}
template <class Lanes>
static inline vf store_rounded(bf16* p, vf value, Lanes lanes) {
  vh half = round_to_bf16(value);
  if (p != nullptr) {
    if constexpr (Lanes::full) {
      std::memcpy(p, &half, sizeof(half));
    } else {
      store(p, value, lanes);
    }
  }
  return widen(half);
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
