// What the files of cuda_op_test share: the two libraries, tensors in three copies, running and comparing.
#pragma once

#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attune_cuda.h"
#include "caller.h"

// ---- the two libraries -----------------------------------------------------------------------------

struct Library {
#define ATTUNE_ENTRY(op) std::function<decltype(attune_##op)> op;
#include "entries.inc"
  decltype(&attune_last_error) last_error;
  attune_context* ctx;
};

inline Library cpu, cuda;
inline decltype(&attune_cuda_check) cuda_check;
inline decltype(&attune_cuda_offsets_stride) cuda_offsets_stride;

// ---- failures ----------------------------------------------------------------------------------------

inline int failures = 0, comparisons = 0;
inline std::string running;

__attribute__((format(printf, 1, 2))) inline void failed(const char* format, ...) {
  if (++failures > 40) return;
  std::printf("FAILED %s: ", running.c_str());
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::printf("\n");
}

__attribute__((format(printf, 1, 2))) inline void now(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  running = text;
}

// ---- tensors -------------------------------------------------------------------------------------------

inline uint64_t random_state = 88172645463325252u;

inline uint32_t random_bits() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return static_cast<uint32_t>(random_state >> 32);
}

inline int64_t random_below(int64_t limit) { return random_bits() % limit; }
inline float random_float(float low, float high) {
  return low + (high - low) * static_cast<float>(random_bits()) * 0x1p-32f;
}

inline bool misaligned = false;  // tensors then begin one element behind a multiple of 16

// A tensor in three copies: for the CPU, and for two runs of the emulated device.
enum Side { kCpu, kCuda, kAgain };
constexpr int kSides = 3;
constexpr size_t kGuard = 64;
constexpr unsigned char kGuardByte = 0x5A;

struct Tensor {
  enum Kind { kF32, kBf16, kI32, kF64, kU8 };

  Tensor(Kind kind_, int64_t count_) : kind(kind_), count(count_) {
    element = kind == kF32 || kind == kI32 ? 4 : kind == kBf16 ? 2 : kind == kF64 ? 8 : 1;
    bytes = static_cast<size_t>(count) * element;
    offset = kGuard + (misaligned ? element : 0);
    for (auto& copy : copies) {
      copy.reset(static_cast<unsigned char*>(std::aligned_alloc(64, (bytes + offset + kGuard + 63) / 64 * 64)),
                 std::free);
      std::memset(copy.get(), kGuardByte, bytes + offset + kGuard);
      std::memset(copy.get() + offset, 0xFF, bytes);
    }
  }

  unsigned char* raw(int side) const { return copies[side].get() + offset; }
  template <class T = void>
  T* at(Side side) const {
    return reinterpret_cast<T*>(raw(side));
  }

  float value(int side, int64_t i) const {
    const unsigned char* from = raw(side) + static_cast<size_t>(i) * element;
    if (kind == kF64) {
      double x;
      std::memcpy(&x, from, 8);
      return static_cast<float>(x);
    }
    if (kind == kI32) {
      int32_t x;
      std::memcpy(&x, from, 4);
      return static_cast<float>(x);
    }
    if (kind == kU8) return static_cast<float>(*from);
    uint32_t bits = 0;
    std::memcpy(kind == kBf16 ? reinterpret_cast<unsigned char*>(&bits) + 2 : reinterpret_cast<unsigned char*>(&bits),
                from, element);
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
  }

  void set(int64_t i, float x) const {
    for (int side = 0; side < kSides; ++side) {
      unsigned char* to = raw(side) + static_cast<size_t>(i) * element;
      if (kind == kI32) {
        int32_t whole = static_cast<int32_t>(x);
        std::memcpy(to, &whole, 4);
      } else if (kind == kU8) {
        *to = static_cast<unsigned char>(x);
      } else {
        uint32_t bits;
        std::memcpy(&bits, &x, 4);
        if (kind == kBf16) bits += 0x7FFFu + ((bits >> 16) & 1u);
        std::memcpy(
            to, kind == kBf16 ? reinterpret_cast<unsigned char*>(&bits) + 2 : reinterpret_cast<unsigned char*>(&bits),
            element);
      }
    }
  }

  const Tensor& fill(float low, float high) const {
    for (int64_t i = 0; i < count; ++i) set(i, random_float(low, high));
    return *this;
  }

  const Tensor& indices(int64_t limit) const {
    for (int64_t i = 0; i < count; ++i) set(i, static_cast<float>(random_below(limit)));
    return *this;
  }

  const Tensor& values(const std::vector<int64_t>& list) const {
    for (size_t i = 0; i < list.size(); ++i) set(static_cast<int64_t>(i), static_cast<float>(list[i]));
    return *this;
  }

  bool guards_intact(int side) const {
    const unsigned char* start = copies[side].get();
    for (size_t i = 0; i < offset; ++i) {
      if (start[i] != kGuardByte) return false;
    }
    for (size_t i = 0; i < kGuard; ++i) {
      if (start[offset + bytes + i] != kGuardByte) return false;
    }
    return true;
  }

  Kind kind;
  int64_t count;
  size_t element, bytes, offset;
  std::shared_ptr<unsigned char> copies[kSides];
};

inline Tensor f32(int64_t count) { return Tensor(Tensor::kF32, count); }
inline Tensor i32(int64_t count) { return Tensor(Tensor::kI32, count); }
inline Tensor of(int32_t dtype, int64_t count) {
  return Tensor(dtype == ATTUNE_F32 ? Tensor::kF32 : Tensor::kBf16, count);
}

// ---- running and comparing ----------------------------------------------------------------------------

inline Library& library_of(Side side) { return side == kCpu ? cpu : cuda; }

// Runs the op on every side.
inline void run(const std::function<attune_status(Library&, Side)>& op) {
  for (Side side : {kCpu, kCuda, kAgain}) {
    Library& library = library_of(side);
    attune_status status = op(library, side);
    if (status == ATTUNE_OK && side != kCpu) {
      status = cuda_check(cuda.ctx);
    }
    if (status != ATTUNE_OK) failed("%s: %s", side == kCpu ? "CPU" : "CUDA", library.last_error());
  }
}

// Whether bf16 results are one unit in the last place apart.
inline bool neighbours(const Tensor& tensor, int64_t i) {
  if (tensor.kind != Tensor::kBf16) return false;
  int16_t bits[2];
  std::memcpy(&bits[0], tensor.raw(kCpu) + 2 * i, 2);
  std::memcpy(&bits[1], tensor.raw(kCuda) + 2 * i, 2);
  return std::abs(bits[0] - bits[1]) <= 1;
}

// Every element within `relative` of the CPU's, where elements below `scale` count as that large. bf16
// results may also be neighbours: two correct sums can round apart.
inline void same(const char* name, const Tensor& tensor, double relative, double scale = 1) {
  ++comparisons;
  for (int side = 0; side < kSides; ++side) {
    if (!tensor.guards_intact(side)) failed("%s: %s wrote outside", name, side == kCpu ? "CPU" : "CUDA");
  }
  if (std::memcmp(tensor.raw(kCuda), tensor.raw(kAgain), tensor.bytes) != 0) {
    int64_t i = 0;
    while (std::memcmp(tensor.raw(kCuda) + i * static_cast<int64_t>(tensor.element),
                       tensor.raw(kAgain) + i * static_cast<int64_t>(tensor.element), tensor.element) == 0)
      ++i;
    failed("%s[%lld] is %g, then %g: not repeatable", name, static_cast<long long>(i),
           static_cast<double>(tensor.value(kCuda, i)), static_cast<double>(tensor.value(kAgain, i)));
  }
  for (int64_t i = 0; i < tensor.count; ++i) {
    const double expected = static_cast<double>(tensor.value(kCpu, i)),
                 got = static_cast<double>(tensor.value(kCuda, i));
    if (std::isnan(expected) && std::isnan(got)) continue;
    if (expected == got) continue;
    const double size = std::fmax(std::fabs(expected), std::fabs(got));
    if (!(std::fabs(expected - got) <= relative * std::fmax(size, scale)) && !neighbours(tensor, i)) {
      failed("%s[%lld of %lld] is %.9g, must be %.9g", name, static_cast<long long>(i),
             static_cast<long long>(tensor.count), got, expected);
      return;
    }
  }
}

constexpr double kTight = 4e-6;  // of f32 sums
constexpr int32_t kTypes[] = {ATTUNE_F32, ATTUNE_BF16};
constexpr int32_t kActivations[] = {
    ATTUNE_ACT_NONE,    ATTUNE_ACT_GELU,       ATTUNE_ACT_GELU_TANH, ATTUNE_ACT_TANH,         ATTUNE_ACT_RELU,
    ATTUNE_ACT_SILU,    ATTUNE_ACT_QUICK_GELU, ATTUNE_ACT_GELU_10,   ATTUNE_ACT_SIGMOID,      ATTUNE_ACT_MISH,
    ATTUNE_ACT_LAPLACE, ATTUNE_ACT_LEAKY_RELU, ATTUNE_ACT_RELU6,     ATTUNE_ACT_RELU_SQUARED, ATTUNE_ACT_HARD_SWISH};
inline const char* type_name(int32_t dtype) { return dtype == ATTUNE_F32 ? "f32" : "bf16"; }

// ---- definitions of ops in double, for those whose CPU kernels work in other ways -------------------------

inline float element_of(const void* tensor, int64_t i, int32_t dtype) {
  if (dtype == ATTUNE_F32) return static_cast<const float*>(tensor)[i];
  uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(tensor)[i]) << 16;
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

inline void put_element(void* tensor, int64_t i, int32_t dtype, double value) {
  float x = static_cast<float>(value);
  if (dtype == ATTUNE_F32) {
    static_cast<float*>(tensor)[i] = x;
  } else {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    static_cast<uint16_t*>(tensor)[i] = static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
  }
}

// ---- the groups of ops, one file each ---------------------------------------------------------------------

void element_wise_ops();
void norm_ops();
void embedding_ops();
void cross_entropy_ops();
void loss_ops();
void relative_bias_ops();
void optimizer_ops();
void decoder_ops();
void lora_ops();
void attention_cached_ops();
void quantize_ops();

// What holds for the library as a whole: bad indices, the step block, empty tensors.
void library_rules();

// Put the definitions in the place of the CPU's kernels.
void define_lora(Library* library);
void define_attention_cached(Library* library);
void define_quantize(Library* library);
