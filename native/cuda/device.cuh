// The device as kernels see it. The only file that includes CUDA's headers: with nvcc it is a thin layer
// over them; with g++ and ATTUNE_CUDA_EMULATION the same sources run on the CPU (emulation/emulation.h).
//
// Rules that keep both worlds alike:
//   - Blocks have a multiple of 32 threads. Collectives (shuffles, votes, ldmatrix, mma) are of whole warps:
//     every lane calls them, in the same order. No thread returns before a later __syncthreads.
//   - Shared memory comes from shared_memory<T>() alone, sized by launch; never from __shared__ variables,
//     which the emulation could not poison. Lay it out as a struct, or as an array in 16-byte pieces.
//   - Kernels take plain structs and pointers by value.
#ifndef ATTUNE_CUDA_DEVICE_CUH
#define ATTUNE_CUDA_DEVICE_CUH

#if defined(ATTUNE_CUDA_EMULATION)
#include "emulation/emulation.h"
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#endif

#include <cstdint>
#include <type_traits>

#include "checks.h"
#include "context.h"
#include "kernels.h"

namespace attune::cuda {

// ---- numbers -----------------------------------------------------------------------------------

constexpr int kWarp = 32;
constexpr float kInfinity = __builtin_huge_valf();

struct alignas(2) bf16 {
  uint16_t bits;
};

__device__ __forceinline__ float as_float(uint32_t bits) {
#if defined(ATTUNE_CUDA_EMULATION)
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
#else
  return __uint_as_float(bits);
#endif
}

__device__ __forceinline__ uint32_t as_bits(float value) {
#if defined(ATTUNE_CUDA_EMULATION)
  uint32_t out;
  std::memcpy(&out, &value, 4);
  return out;
#else
  return __float_as_uint(value);
#endif
}

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return as_float(static_cast<uint32_t>(x.bits) << 16); }

// Round to nearest even; NaN stays NaN.
__device__ __forceinline__ bf16 to_bf16(float x) {
#if defined(ATTUNE_CUDA_EMULATION)
  uint32_t bits = as_bits(x);
  if (x != x) return {0x7FFF};
  return {static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
#else
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#endif
}

template <class T>
__device__ __forceinline__ T from_float(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    return to_bf16(x);
  }
}

// x as a T would hold it.
template <class T>
__device__ __forceinline__ float rounded(float x) {
  return to_float(from_float<T>(x));
}

// Two bf16 in one register, `low` in the low half: the operand format of mma_bf16.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
#if defined(ATTUNE_CUDA_EMULATION)
  return to_bf16(low).bits | static_cast<uint32_t>(to_bf16(high).bits) << 16;
#else
  uint32_t out;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
#endif
}

__device__ __forceinline__ float low_bf16(uint32_t pair) { return as_float(pair << 16); }
__device__ __forceinline__ float high_bf16(uint32_t pair) { return as_float(pair & 0xFFFF0000u); }

// Rounds to tf32, the operand format of mma_tf32.
__device__ __forceinline__ uint32_t to_tf32(float x) {
#if defined(ATTUNE_CUDA_EMULATION)
  return x != x ? 0x7FFFFFFFu : (as_bits(x) + 0x1000u) & 0xFFFFE000u;
#else
  uint32_t out;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(out) : "f"(x));
  return out;
#endif
}

// 2^x with a relative error of 2^-22, one instruction; -infinity gives 0.
__device__ __forceinline__ float exp2_fast(float x) {
#if defined(ATTUNE_CUDA_EMULATION)
  return ::exp2f(x);
#else
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
#endif
}

// A product that the compiler may not fuse into a sum.
__device__ __forceinline__ float mul_rounded(float a, float b) {
#if defined(ATTUNE_CUDA_EMULATION)
  float product = a * b;
  asm volatile("" : "+x"(product));
  return product;
#else
  return __fmul_rn(a, b);
#endif
}

// ---- threads -----------------------------------------------------------------------------------

__device__ __forceinline__ int lane_id() {
#if defined(ATTUNE_CUDA_EMULATION)
  return static_cast<int>(emulation::current->lane);
#else
  return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % kWarp);
#endif
}

__device__ __forceinline__ int warp_id() {
#if defined(ATTUNE_CUDA_EMULATION)
  return static_cast<int>(emulation::current->warp);
#else
  return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) / kWarp);
#endif
}

// Dynamic shared memory of the block, 128-byte aligned.
template <class T = unsigned char>
__device__ __forceinline__ T* shared_memory() {
#if defined(ATTUNE_CUDA_EMULATION)
  return reinterpret_cast<T*>(emulation::block.shared);
#else
  extern __shared__ __align__(128) unsigned char attune_shared_memory[];
  return reinterpret_cast<T*>(attune_shared_memory);
#endif
}

// The value of another lane; T has 4 or 8 bytes.
template <class T>
__device__ __forceinline__ T shuffle(T value, int lane) {
#if defined(ATTUNE_CUDA_EMULATION)
  T out;
  const unsigned char* slots = emulation::exchange("shuffle", &value, sizeof(T));
  std::memcpy(&out, slots + static_cast<size_t>(lane & (kWarp - 1)) * emulation::kSlot, sizeof(T));
  return out;
#else
  return __shfl_sync(0xFFFFFFFFu, value, lane);
#endif
}

template <class T>
__device__ __forceinline__ T shuffle_xor(T value, int mask) {
#if defined(ATTUNE_CUDA_EMULATION)
  return shuffle(value, lane_id() ^ mask);
#else
  return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
#endif
}

// The value of the lane `distance` below; lanes without one keep their own.
template <class T>
__device__ __forceinline__ T shuffle_up(T value, int distance) {
#if defined(ATTUNE_CUDA_EMULATION)
  int lane = lane_id() - distance;
  return shuffle(value, lane < 0 ? lane_id() : lane);
#else
  return __shfl_up_sync(0xFFFFFFFFu, value, distance);
#endif
}

// Bit i: the predicate of lane i.
__device__ __forceinline__ uint32_t ballot(bool predicate) {
#if defined(ATTUNE_CUDA_EMULATION)
  uint32_t mine = predicate, out = 0;
  const unsigned char* slots = emulation::exchange("ballot", &mine, sizeof(mine));
  for (int lane = 0; lane < kWarp; ++lane) {
    out |= static_cast<uint32_t>(slots[static_cast<size_t>(lane) * emulation::kSlot]) << lane;
  }
  return out;
#else
  return __ballot_sync(0xFFFFFFFFu, predicate);
#endif
}

__device__ __forceinline__ bool any(bool predicate) { return ballot(predicate) != 0; }
__device__ __forceinline__ bool all(bool predicate) { return ballot(predicate) == 0xFFFFFFFFu; }

// Number of set bits, and the lowest one (-1: none).
__device__ __forceinline__ int count_bits(uint32_t bits) {
#if defined(ATTUNE_CUDA_EMULATION)
  return __builtin_popcount(bits);
#else
  return __popc(bits);
#endif
}

__device__ __forceinline__ int lowest_bit(uint32_t bits) {
#if defined(ATTUNE_CUDA_EMULATION)
  return __builtin_ffs(static_cast<int>(bits)) - 1;
#else
  return __ffs(static_cast<int>(bits)) - 1;
#endif
}

// ---- asynchronous copies (sm_80) ------------------------------------------------------------------

// Starts to copy 16 bytes from global to shared memory, past L1; zeros where not `valid` (then `global`
// is not read). Both addresses are 16-byte aligned.
__device__ __forceinline__ void cp_async16(void* shared, const void* global, bool valid = true) {
#if defined(ATTUNE_CUDA_EMULATION)
  emulation::copy_async(shared, valid ? global : nullptr, 16);
#else
  uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
#endif
}

__device__ __forceinline__ void cp_async_commit() {
#if defined(ATTUNE_CUDA_EMULATION)
  emulation::copy_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most kGroupsLeft of this thread's groups are on their way. Other threads see the data
// after a barrier that follows.
template <int kGroupsLeft>
__device__ __forceinline__ void cp_async_wait() {
#if defined(ATTUNE_CUDA_EMULATION)
  emulation::copy_wait(kGroupsLeft);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroupsLeft) : "memory");
#endif
}

// ---- tensor cores (sm_80) ---------------------------------------------------------------------------
// In all fragments, with g = lane / 4 and t = lane % 4; pairs of bf16 have the lower index in the low half.

// Four 8x8 matrices of bf16 from shared memory. Lane i gives the address of row i % 8 of matrix i / 8
// (16 bytes, 16-byte aligned); out[m] receives row g, columns 2t and 2t+1 of matrix m.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&out)[4], const void* row) {
#if defined(ATTUNE_CUDA_EMULATION)
  emulation::check_shared("ldmatrix", row, 16);
  const unsigned char* slots = emulation::exchange("ldmatrix", &row, sizeof(row));
  int lane = lane_id();
  for (int matrix = 0; matrix < 4; ++matrix) {
    const unsigned char* from;
    std::memcpy(&from, slots + static_cast<size_t>(8 * matrix + lane / 4) * emulation::kSlot, sizeof(from));
    std::memcpy(&out[matrix], from + 4 * (lane % 4), 4);
  }
#else
  uint32_t from = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(from)
               : "memory");
#endif
}

// The same, transposed: out[m] receives rows 2t and 2t+1 of column g of matrix m.
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&out)[4], const void* row) {
#if defined(ATTUNE_CUDA_EMULATION)
  emulation::check_shared("ldmatrix.trans", row, 16);
  const unsigned char* slots = emulation::exchange("ldmatrix.trans", &row, sizeof(row));
  int lane = lane_id();
  for (int matrix = 0; matrix < 4; ++matrix) {
    uint16_t pair[2];
    for (int half = 0; half < 2; ++half) {
      const unsigned char* from;
      std::memcpy(&from, slots + static_cast<size_t>(8 * matrix + 2 * (lane % 4) + half) * emulation::kSlot,
                  sizeof(from));
      std::memcpy(&pair[half], from + 2 * (lane / 4), 2);
    }
    out[matrix] = pair[0] | static_cast<uint32_t>(pair[1]) << 16;
  }
#else
  uint32_t from = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(from)
               : "memory");
#endif
}

// d (16x8) += a (16x16) * b (16x8), bf16 operands, f32 accumulators.
//   a[0] (g; 2t, 2t+1)  a[1] (g+8; 2t, 2t+1)  a[2] (g; 2t+8, 2t+9)  a[3] (g+8; 2t+8, 2t+9)
//   b0 (2t, 2t+1; g)    b1 (2t+8, 2t+9; g)    d[0], d[1] (g; 2t, 2t+1)    d[2], d[3] (g+8; 2t, 2t+1)
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
#if defined(ATTUNE_CUDA_EMULATION)
  uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
  const unsigned char* slots = emulation::exchange("mma_bf16", mine, sizeof(mine));
  const int g = lane_id() / 4, t = lane_id() % 4;
  auto word = [&](int lane, int i) {
    uint32_t out;
    std::memcpy(&out, slots + static_cast<size_t>(lane) * emulation::kSlot + 4 * i, 4);
    return out;
  };
  for (int s = 0; s < 4; ++s) {
    for (int half = 0; half < 2; ++half) {
      uint32_t upper = word(4 * g + s, 2 * half), lower = word(4 * g + s, 2 * half + 1);
      for (int n = 0; n < 2; ++n) {
        uint32_t column = word(4 * (2 * t + n) + s, 4 + half);
        d[n] += low_bf16(upper) * low_bf16(column) + high_bf16(upper) * high_bf16(column);
        d[2 + n] += low_bf16(lower) * low_bf16(column) + high_bf16(lower) * high_bf16(column);
      }
    }
  }
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// d (16x8) += a (16x8) * b (8x8), tf32 operands (see to_tf32), f32 accumulators.
//   a[0] (g; t)  a[1] (g+8; t)  a[2] (g; t+4)  a[3] (g+8; t+4)    b0 (t; g)  b1 (t+4; g)    d as above
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
#if defined(ATTUNE_CUDA_EMULATION)
  uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
  const unsigned char* slots = emulation::exchange("mma_tf32", mine, sizeof(mine));
  const int g = lane_id() / 4, t = lane_id() % 4;
  auto value = [&](int lane, int i) {
    uint32_t out;
    std::memcpy(&out, slots + static_cast<size_t>(lane) * emulation::kSlot + 4 * i, 4);
    return as_float(out & 0xFFFFE000u);
  };
  for (int k = 0; k < 8; ++k) {
    for (int n = 0; n < 2; ++n) {
      float b = value(4 * (2 * t + n) + k % 4, 4 + k / 4);
      d[n] += value(4 * g + k % 4, k / 4 * 2) * b;
      d[2 + n] += value(4 * g + k % 4, k / 4 * 2 + 1) * b;
    }
  }
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// ---- errors that only the device can see -------------------------------------------------------------

// Records a bad index unless an earlier one is waiting. `limit` is exclusive.
__device__ __forceinline__ void record_bad_index(ErrorWord* error, Op op, Index argument, int64_t position,
                                                 int32_t value, int64_t limit) {
  if (atomicCAS(&error->taken, 0, 1) == 0) {
    error->op = static_cast<int32_t>(op);
    error->argument = static_cast<int32_t>(argument);
    error->position = position;
    error->value = value;
    error->limit = limit;
  }
}

// ---- host side -----------------------------------------------------------------------------------

#if !defined(ATTUNE_CUDA_EMULATION)
// Whether an error that a call reports is of work enqueued earlier: the host runs ahead, and the call at which a fault
// of the device surfaces had no part in it. No call succeeds from then on.
static inline bool is_fault_of_device(cudaError_t error) {
  switch (error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure: return true;
    default: return false;
  }
}

// The status for an error of a call that is itself no more than refused; it is reported here, and so not to whoever
// asks next.
static inline attune_status status_of(cudaError_t error) {
  cudaGetLastError();
  return is_fault_of_device(error) ? ATTUNE_DEVICE_LOST : ATTUNE_INTERNAL;
}
#endif

// Runs a kernel on the context's stream. Arguments are converted to the kernel's parameters.
template <class... Parameters, class... Arguments>
attune_status launch(attune_context* ctx, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                     Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument for each parameter of the kernel");
  static_assert((std::is_trivially_copyable_v<Parameters> && ...), "parameters are copied to the device byte by byte");
#if defined(ATTUNE_CUDA_EMULATION)
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> parameters;
  } call{kernel, std::tuple<Parameters...>(static_cast<Parameters>(arguments)...)};
  const char* failure = emulation::submit([call, grid, block, shared_bytes] {
    return emulation::run(grid, block, shared_bytes, {&call, [](const void* object) {
                                                        const Call* c = static_cast<const Call*>(object);
                                                        std::apply(c->kernel, c->parameters);
                                                      }});
  });
  if (failure != nullptr) return fail(ATTUNE_INTERNAL, "%s: %s", ctx->op, failure);
#else
  const void* function = reinterpret_cast<const void*>(kernel);
  if (shared_bytes > 48 * 1024) {
    cudaError_t error =
        cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (error != cudaSuccess) {
      return fail(status_of(error), "%s: %zu bytes of shared memory: %s", ctx->op, shared_bytes,
                  cudaGetErrorString(error));
    }
  }
  struct Launcher {
    const void* function;
    dim3 grid, block;
    size_t shared_bytes;
    cudaStream_t stream;
    // The converted copies live until the launch has read them.
    cudaError_t operator()(Parameters... parameters) const {
      void* addresses[] = {static_cast<void*>(&parameters)..., nullptr};
      return cudaLaunchKernel(function, grid, block, addresses, shared_bytes, stream);
    }
  };
  cudaError_t error = Launcher{function, grid, block, shared_bytes,
                               static_cast<cudaStream_t>(ctx->stream)}(static_cast<Parameters>(arguments)...);
  if (error != cudaSuccess) {
    return fail(status_of(error), "%s: launch of a grid (%u,%u,%u) of blocks (%u,%u,%u) with %zu bytes: %s", ctx->op,
                grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes, cudaGetErrorString(error));
  }
#endif
  return ATTUNE_OK;
}

// The type of the elements that dtype names, for kernels: body(T{}).
template <class Body>
attune_status with_type(int32_t dtype, Body&& body) {
  return dtype == ATTUNE_F32 ? body(float{}) : body(bf16{});
}

static inline int64_t element_bytes(int32_t dtype) { return dtype == ATTUNE_F32 ? 4 : 2; }

// ---- runtime calls ---------------------------------------------------------------------------------
// Each returns ATTUNE_OK, or ATTUNE_DEVICE_LOST and a message.

attune_status use_device(attune_context* ctx);
attune_status device_limits(attune_context* ctx);
attune_status synchronize(attune_context* ctx);
attune_status set_bytes(attune_context* ctx, void* out, int value, int64_t bytes);
attune_status copy_bytes(attune_context* ctx, void* out, const void* inp, int64_t bytes);
// Waits for the stream.
attune_status read_back(attune_context* ctx, void* host, const void* device, int64_t bytes);

}  // namespace attune::cuda

#endif
