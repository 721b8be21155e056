// A CUDA device made of one CPU thread: what device.cuh needs so that the kernel sources compile with
// g++ and run. A test instrument, never shipped.
//
// Blocks run one after another. The threads of a block are fibers, which hand over to one another only
// where CUDA orders them: at __syncthreads and at the collectives of a warp. Which fiber continues is
// random, or the one that tears furthest ahead, and differs from launch to launch, so that a missing barrier
// shows as results that differ. What
// real hardware would only corrupt is an error here:
//   - a barrier or collective that some thread never reaches, or that lanes of one warp call differently;
//   - a block that writes past its shared memory (reading past it, or reading what nobody wrote, gives NaN);
//   - cp.async or ldmatrix addresses that are not aligned or not in shared memory;
//   - any access whose address is not a multiple of its size, where the sources are compiled for that.
// cp.async lands at once or only at its wait, so that a missing wait shows, and a copy onto what is still read.
// Not emulated: memory ordering between blocks, bank conflicts, speed.
#ifndef ATTUNE_CUDA_EMULATION_H
#define ATTUNE_CUDA_EMULATION_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace attune::emulation {

// What a thread can see of itself.
struct Thread {
  dim3 index;
  unsigned lane, warp;
};

struct Block {
  dim3 index, dim, grid;
  unsigned char* shared;
  size_t shared_bytes;
};

// __thread: constant initialisation, so that no access runs a guard.
extern __thread Thread* current;
extern __thread Block block;

// Runs body() as every thread of every block. Returns null, or what went wrong.
struct Body {
  const void* object;
  void (*call)(const void* object);
};
const char* run(dim3 grid, dim3 block_dim, size_t shared_bytes, Body body);

// One launch, fill or copy. Null or what went wrong, as of `run`.
using Work = std::function<const char*()>;
// Runs work now, or keeps it where a capture is on.
const char* submit(Work work);
// Capture: what is submitted between the two is kept, in order.
bool capturing();
void begin_capture();
std::vector<Work> end_capture();

// Ends the launch with a message; does not return.
[[noreturn]] void fault(const char* format, ...) __attribute__((format(printf, 1, 2)));

void synchronize_block();

// All 32 lanes of a warp meet; each leaves up to 64 bytes and can then read those of all, kSlot apart,
// until it enters the next collective. Lanes that call different collectives are a fault.
constexpr size_t kSlot = 64;
const unsigned char* exchange(const char* collective, const void* value, size_t bytes);

// cp.async: kept until the wait for its group.
void copy_async(void* shared, const void* global, size_t bytes);
void copy_commit();
void copy_wait(int groups_left);

void check_shared(const char* what, const void* address, size_t bytes);

}  // namespace attune::emulation

#define threadIdx (::attune::emulation::current->index)
#define blockIdx (::attune::emulation::block.index)
#define blockDim (::attune::emulation::block.dim)
#define gridDim (::attune::emulation::block.grid)

static inline void __syncthreads() { ::attune::emulation::synchronize_block(); }
static inline void __syncwarp() { ::attune::emulation::exchange("__syncwarp", nullptr, 0); }
static inline void __threadfence() {}

static inline int atomicCAS(int* address, int expected, int desired) {
  int old = *address;
  if (old == expected) *address = desired;
  return old;
}
static inline int atomicAdd(int* address, int value) {
  int old = *address;
  *address += value;
  return old;
}

#endif
