// The matrix tiles of AMX, as functions of constant tile numbers. All eight tiles have 16 rows of 64 bytes: 16 x 16
// sums of f32 or of i32, 16 x 16 pairs of bf16, or 16 x 16 fours of signed bytes. ATTUNE_TILES says that a level has
// them.
//
//   product: C[m][n] += sum over pairs k of A[m][k] . B[k][n]
//   product_of_bytes: the same over fours, in integers, modulo 2^32
//
// Where ATTUNE_EMULATE_TILES is given they are plain C++ with the bits of the hardware, so that everything above them
// is tested on machines that have none. The rules, each of which shows in results: bf16 operands and the accumulator
// count subnormals as zero; the even and the odd halves of the pairs are two chains of fused multiply-adds that start
// at zero, in rising order, and every result is rounded to nearest even and flushed to zero where subnormal; then even
// + odd, then the accumulator + that, each flushed. MXCSR plays no part.
//
// Instructions are asm of our own: the intrinsics of GCC 12 do not say that a load of a tile reads memory, so that
// stores of what it loads may be moved behind it, nor that ldtilecfg reads all of its 64 bytes.
#ifndef ATTUNE_AMX_H
#define ATTUNE_AMX_H

#include <type_traits>

#include "simd.h"

#if defined(__AMX_BF16__) || defined(ATTUNE_EMULATE_TILES)
#define ATTUNE_TILES 1
#endif

namespace attune {
namespace ATTUNE_ISA {

// Whether tensors of this type are operands of tiles as they are; and whether the products of a linear layer are done
// on tiles, be it in parts (amx_parts.h).
#if defined(ATTUNE_TILES)
template <class T>
constexpr bool kOnTiles = std::is_same_v<T, bf16>;
template <class T>
constexpr bool kLinearOnTiles = kOnTiles<T> || std::is_same_v<T, float>;
#else
template <class T>
constexpr bool kOnTiles = false;
template <class T>
constexpr bool kLinearOnTiles = false;
#endif

}  // namespace ATTUNE_ISA
}  // namespace attune

#if defined(ATTUNE_TILES)

#include <cmath>
#include <cstdint>
#include <cstring>

namespace attune {
namespace ATTUNE_ISA {
namespace tmm {

constexpr int kRows = 16;   // of a tile
constexpr int kDepth = 32;  // bf16 in one of them
constexpr int kByteDepth = 64;
constexpr int64_t kBytes = 1024;

#if !defined(ATTUNE_EMULATE_TILES)

struct alignas(64) Config {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Config) == 64, "what ldtilecfg reads");
alignas(64) constexpr Config kConfig;

static inline void configure() { __asm__ volatile("ldtilecfg %0" : : "m"(kConfig) : "memory"); }
static inline void release() { __asm__ volatile("tilerelease" : : : "memory"); }
template <int T>
static inline void zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(T));
}
// 16 rows of 64 bytes, `pitch` bytes apart.
template <int T>
static inline void load(const void* from, int64_t pitch) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(pitch), "i"(T) : "memory");
}
// The same for what passes through: it does not push out of the L1 what stays.
template <int T>
static inline void load_passing(const void* from, int64_t pitch) {
  __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(pitch), "i"(T) : "memory");
}
template <int T>
static inline void store(void* to, int64_t pitch) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(pitch), "i"(T) : "memory");
}
template <int C, int A, int B>
static inline void product() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}
template <int C, int A, int B>
static inline void product_of_bytes() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

#else

struct Tile {
  alignas(64) uint8_t row[kRows][64];
};
struct Registers {
  Tile tile[8];
};
static inline Registers& registers() {
  static thread_local Registers registers{};
  return registers;
}

static inline void configure() { registers() = Registers{}; }
static inline void release() {}
template <int T>
static inline void zero() {
  registers().tile[T] = Tile{};
}
template <int T>
static inline void load(const void* from, int64_t pitch) {
  Tile& tile = registers().tile[T];
  for (int r = 0; r < kRows; ++r) std::memcpy(tile.row[r], static_cast<const char*>(from) + r * pitch, 64);
}
template <int T>
static inline void load_passing(const void* from, int64_t pitch) {
  load<T>(from, pitch);
}
template <int T>
static inline void store(void* to, int64_t pitch) {
  const Tile& tile = registers().tile[T];
  for (int r = 0; r < kRows; ++r) std::memcpy(static_cast<char*>(to) + r * pitch, tile.row[r], 64);
}

static inline float flushed(float x) { return std::fabs(x) < 1.17549435e-38f ? std::copysign(0.0f, x) : x; }
// x * y + sum, rounded once. The product has 16 bits, so that in f64 it is exact and the sum differs from the exact one
// only where rounding it to f32 does not see that.
static inline float multiply_add(float x, float y, float sum) {
  return flushed(static_cast<float>(static_cast<double>(x) * static_cast<double>(y) + static_cast<double>(sum)));
}
// The halves of a row's pairs.
static inline void widen_pairs(const uint8_t* row, float (&even)[16], float (&odd)[16]) {
  uint32_t pairs[16];
  std::memcpy(pairs, row, 64);
  for (int i = 0; i < 16; ++i) {
    const uint32_t low = pairs[i] << 16, high = pairs[i] & 0xFFFF0000u;
    std::memcpy(&even[i], &low, 4);
    std::memcpy(&odd[i], &high, 4);
    even[i] = flushed(even[i]);
    odd[i] = flushed(odd[i]);
  }
}
template <int C, int A, int B>
static void product() {
  Registers& s = registers();
  float b_even[16][16], b_odd[16][16];
  for (int k = 0; k < 16; ++k) widen_pairs(s.tile[B].row[k], b_even[k], b_odd[k]);
  for (int m = 0; m < kRows; ++m) {
    float a_even[16], a_odd[16], even[16] = {}, odd[16] = {}, c[16];
    widen_pairs(s.tile[A].row[m], a_even, a_odd);
    for (int k = 0; k < 16; ++k) {
      for (int n = 0; n < 16; ++n) {
        even[n] = multiply_add(a_even[k], b_even[k][n], even[n]);
        odd[n] = multiply_add(a_odd[k], b_odd[k][n], odd[n]);
      }
    }
    std::memcpy(c, s.tile[C].row[m], 64);
    for (int n = 0; n < 16; ++n) c[n] = flushed(flushed(c[n]) + flushed(even[n] + odd[n]));
    std::memcpy(s.tile[C].row[m], c, 64);
  }
}
template <int C, int A, int B>
static void product_of_bytes() {
  Registers& s = registers();
  for (int m = 0; m < kRows; ++m) {
    uint32_t c[16];
    std::memcpy(c, s.tile[C].row[m], 64);
    for (int k = 0; k < 64; ++k) {
      const int a = static_cast<int8_t>(s.tile[A].row[m][k]);
      const uint8_t* b = s.tile[B].row[k / 4] + k % 4;
      for (int n = 0; n < 16; ++n) c[n] += static_cast<uint32_t>(a * static_cast<int8_t>(b[4 * n]));
    }
    std::memcpy(s.tile[C].row[m], c, 64);
  }
}

#endif

// The tiles of this thread, for the length of a task. Other libraries that a thread calls configure and release them
// too, and a thread whose tiles are in use costs more to switch; both instructions together take less than 0.1 us.
class Session {
 public:
  Session() { configure(); }
  ~Session() { release(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

}  // namespace tmm
}  // namespace ATTUNE_ISA
}  // namespace attune

#endif

#endif
