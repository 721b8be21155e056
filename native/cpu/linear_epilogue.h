// What the products of a linear layer make of their sums, a row or a tile at a time.
#ifndef ATTUNE_LINEAR_EPILOGUE_H
#define ATTUNE_LINEAR_EPILOGUE_H

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "activation.h"
#include "amx.h"
#include "gemm.h"
#include "linear_few.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// body(offset, lanes) for each vector of n columns.
template <class Body>
static inline __attribute__((always_inline)) void each_vector(int n, Body&& body) {
  if (n == kColumns) {
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; j += W) body(j, std::integral_constant<int, W>{});
    return;
  }
  int j = 0;
  for (; j + W <= n; j += W) body(j, std::integral_constant<int, W>{});
  if (j < n) body(j, n - j);
}

template <class T, class Lanes>
static inline vf load_lanes(const T* p, Lanes n) {
  if constexpr (std::is_same_v<Lanes, int>)
    return load_n(p, n);
  else
    return load(p);
}
template <class T, class Lanes>
static inline void store_lanes(T* p, vf value, Lanes n) {
  if constexpr (std::is_same_v<Lanes, int>)
    store_n(p, value, n);
  else
    store(p, value);
}

// value as T stores it.
template <class T>
static inline vf as_stored(vf value) {
  if constexpr (std::is_same_v<T, bf16>) {
    vh half = round_to_bf16(value);
    bf16 bits[W];
    std::memcpy(bits, &half, sizeof(bits));
    return load(bits);
  } else {
    return value;
  }
}

// Whether tiles write whole rows of blocks, as of many rows: few rows of f32 are taken a panel of the weight at a time.
template <class T>
static inline bool forward_on_tiles(int64_t N) {
  return kOnTiles<T> || (kLinearOnTiles<T> && N > kFewRows);
}

// Whether an array with N rows of so many elements takes whole lines past the caches, as tiles write them.
template <class T>
static inline bool streams(const T* array, int64_t N, int64_t columns) {
  const bool whole_lines = columns * static_cast<int64_t>(sizeof(T)) % 64 == 0;
  return forward_on_tiles<T>(N) && whole_lines && reinterpret_cast<uintptr_t>(array) % 64 == 0;
}
template <class T, class Lanes>
static inline void stream_lanes(T* p, vf value, Lanes n) {
#if defined(__AVX512BF16__)
  if constexpr (!std::is_same_v<Lanes, int>) {
    if constexpr (std::is_same_v<T, bf16>) {
      return _mm256_stream_si256(reinterpret_cast<__m256i*>(p), (__m256i)round_to_bf16(value));
    } else {
      return _mm512_stream_ps(p, (__m512)value);
    }
  }
#endif
  store_lanes(p, value, n);
}

// What forward makes of sums: out, and where asked for what goes into the activation. As an Epilogue, or as the tiles'
// own, which they call between two of their steps.
template <class T, int kActivation>
struct ForwardEpilogue {
  T* out;
  T* pre;
  const float* bias;
  int64_t F;
  bool streams_pre;  // which nothing reads before the backward pass
  Activation<kActivation, T, kOnTiles<T>> activation{};

  void operator()(int64_t row, int rows, int64_t f, int width, const float* sums) const {
    for (int m = 0; m < rows; ++m) {
      const float* from = sums + m * kColumns;
      T* out_row = out + (row + m) * F + f;
      T* pre_row = pre == nullptr ? nullptr : pre + (row + m) * F + f;
      each_vector(width, [&](int j, auto n) {
        vf value = load(from + j);
        if (bias != nullptr) value = value + load_lanes(bias + f + j, n);
        if (pre_row != nullptr) {
          if (streams_pre) {
            stream_lanes(pre_row + j, value, n);
          } else {
            store_lanes(pre_row + j, value, n);
          }
        }
        if constexpr (kActivation != ATTUNE_ACT_NONE) value = activation.value(as_stored<T>(value));
        store_lanes(out_row + j, value, n);
      });
    }
  }
};

// The same for the gradient of the input, times the derivative of the activation that the input is the result of.
template <class T, int kActivation>
struct BackwardInputEpilogue {
  T* dinp;
  T* act_out;
  const T* pre;
  int64_t C;
  bool accumulate;
  Activation<kActivation, T, kOnTiles<T>> activation{};

  void operator()(int64_t row, int rows, int64_t c, int width, const float* sums) const {
    for (int m = 0; m < rows; ++m) {
      const float* from = sums + m * kColumns;
      const int64_t at = (row + m) * C + c;
      each_vector(width, [&](int j, auto n) {
        vf value = load(from + j);
        if (pre != nullptr) {
          const vf x = load_lanes(pre + at + j, n);
          vf slope;
          if (act_out == nullptr) {
            slope = activation.derivative(x);
          } else {
            vf activated;
            activation.value_and_derivative(x, &activated, &slope);
            store_lanes(act_out + at + j, activated, n);
          }
          if constexpr (kActivation != ATTUNE_ACT_NONE) value = value * slope;
        }
        if (accumulate) value = value + load_lanes(dinp + at + j, n);
        store_lanes(dinp + at + j, value, n);
      });
    }
  }
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
