// Memory access in pieces of 16 bytes, and the loops of element-wise kernels.
#ifndef ATTUNE_CUDA_VECTORS_CUH
#define ATTUNE_CUDA_VECTORS_CUH

#include "device.cuh"
#include "plans.h"

namespace attune::cuda {

// V neighbours, loaded and stored at once.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T at[V];
};

template <int V, class T>
__device__ __forceinline__ void load(float (&out)[V], const T* from) {
  if constexpr (sizeof(T) * V > 16) {
    // f32 beside bf16: two accesses of 16 bytes.
    float first[V / 2], second[V / 2];
    load<V / 2>(first, from);
    load<V / 2>(second, from + V / 2);
#pragma unroll
    for (int i = 0; i < V / 2; ++i) {
      out[i] = first[i];
      out[V / 2 + i] = second[i];
    }
  } else {
    const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(from);
#pragma unroll
    for (int i = 0; i < V; ++i) out[i] = to_float(pack.at[i]);
  }
}

template <int V, class T>
__device__ __forceinline__ void store(T* to, const float (&values)[V]) {
  if constexpr (sizeof(T) * V > 16) {
    float first[V / 2], second[V / 2];
#pragma unroll
    for (int i = 0; i < V / 2; ++i) {
      first[i] = values[i];
      second[i] = values[V / 2 + i];
    }
    store<V / 2>(to, first);
    store<V / 2>(to + V / 2, second);
  } else if constexpr (std::is_same_v<T, bf16> && V % 2 == 0) {
    Pack<uint32_t, V / 2> pack;
#pragma unroll
    for (int i = 0; i < V / 2; ++i) pack.at[i] = pack_bf16(values[2 * i], values[2 * i + 1]);
    *reinterpret_cast<Pack<uint32_t, V / 2>*>(to) = pack;
  } else {
    Pack<T, V> pack;
#pragma unroll
    for (int i = 0; i < V; ++i) pack.at[i] = from_float<T>(values[i]);
    *reinterpret_cast<Pack<T, V>*>(to) = pack;
  }
}

// Elements of T in 16 bytes.
template <class T>
constexpr int kVector = 16 / static_cast<int>(sizeof(T));

// Whether every address can be accessed in 16 bytes; null addresses are not accessed at all.
template <class... Pointers>
static inline bool aligned16(const Pointers*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) | ... | 0) & 15) == 0;
}

// The pieces of this thread in a row of K elements that may begin anywhere: body(width, k) for elements
// k..k+width-1. Whole vectors between the first and the last multiple of 16 bytes, single elements outside.
template <int V, class T, class Body>
__device__ __forceinline__ void for_row_pieces(const T* row, int64_t K, int thread, int threads, Body&& body) {
  using One = std::integral_constant<int, 1>;
  if constexpr (V == 1) {
    for (int64_t k = thread; k < K; k += threads) body(One{}, k);
  } else {
    int64_t head = static_cast<int64_t>((-reinterpret_cast<uintptr_t>(row) & 15) / sizeof(T));
    if (head > K) head = K;
    const int64_t vectors = (K - head) / V, tail = head + vectors * V;
    if (thread < head) body(One{}, static_cast<int64_t>(thread));
    for (int64_t i = thread; i < vectors; i += threads) body(std::integral_constant<int, V>{}, head + i * V);
    if (tail + thread < K) body(One{}, tail + thread);
  }
}

// a / b; 64-bit division is a subroutine on the device, and most operands are short.
__device__ __forceinline__ int64_t quotient(int64_t a, int64_t b) {
  if (((a | b) >> 32) == 0) return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
  return a / b;
}

// Element-wise kernels: body.run<V>(i) does elements i..i+V-1. Blocks of kFlatThreads threads stride over
// the vectors; the few elements behind the last whole vector follow one by one.
constexpr int kFlatThreads = 256;

template <int V, class Body>
__device__ __forceinline__ void flat_loop(const Body& body, int64_t count) {
  const int64_t threads = static_cast<int64_t>(gridDim.x) * kFlatThreads;
  const int64_t self = static_cast<int64_t>(blockIdx.x) * kFlatThreads + threadIdx.x;
  const int64_t vectors = count / V;
  for (int64_t i = self; i < vectors; i += threads) body.template run<V>(i * V);
  if constexpr (V > 1) {
    for (int64_t i = vectors * V + self; i < count; i += threads) body.template run<1>(i);
  }
}

template <int V, class Body>
__global__ void __launch_bounds__(kFlatThreads) flat(Body body, int64_t count) {
  flat_loop<V>(body, count);
}

// Blocks of a flat kernel over `pieces` vectors: 8 of 256 threads fill a multiprocessor.
static inline dim3 flat_grid(const attune_context* ctx, int64_t pieces) {
  const int64_t most = static_cast<int64_t>(ctx->multiprocessors) * 8;
  return dim3(static_cast<unsigned>(min_of(most, max_of(1, ceil_div(pieces, kFlatThreads)))));
}

template <int V, class Body>
attune_status launch_flat(attune_context* ctx, const Body& body, int64_t count, bool vectors) {
  return vectors ? launch(ctx, flat<V, Body>, flat_grid(ctx, ceil_div(count, V)), kFlatThreads, 0, body, count)
                 : launch(ctx, flat<1, Body>, flat_grid(ctx, count), kFlatThreads, 0, body, count);
}

}  // namespace attune::cuda

#endif
