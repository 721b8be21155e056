// The CUDA kernels, on the emulated device, against the CPU kernels: one C ABI, two libraries.
//   cuda_op_test CPU_LIBRARY EMULATED_LIBRARY
// Every case runs on random inputs in f32 and bf16, at sizes around the edges of vectors, warps and blocks,
// with aligned and with misaligned addresses. Outputs start as NaN patterns, lie between guard bytes, and must
// come out twice with the same bits although the emulated device orders its threads differently each time.
// Prints the failures; the exit status is 1 where there are any.
#include <dlfcn.h>

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
#include "quantized_layout.h"

namespace {

// ---- the two libraries -----------------------------------------------------------------------------

struct Library {
#define ATTUNE_ENTRY(op, parameters, arguments) decltype(&attune_##op) op;
#include "entries.inc"
  decltype(&attune_last_error) last_error;
  attune_context* ctx;
};

void* symbol(void* handle, const char* name) {
  void* address = dlsym(handle, name);
  if (address == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
  return address;
}

template <class Function>
Function entry(void* handle, const char* name) {
  return reinterpret_cast<Function>(symbol(handle, name));
}

void* open_library(const char* path, Library* library) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
#define ATTUNE_ENTRY(op, parameters, arguments) library->op = entry<decltype(library->op)>(handle, "attune_" #op);
#include "entries.inc"
  library->last_error = entry<decltype(library->last_error)>(handle, "attune_last_error");
  return handle;
}

Library cpu, cuda;
decltype(&attune_cuda_check) cuda_check;
decltype(&attune_cuda_set_step) cuda_set_step;
decltype(&attune_cuda_clip) cuda_clip;
decltype(&attune_cuda_adamw_captured) cuda_adamw_captured;

// ---- failures ----------------------------------------------------------------------------------------

int failures = 0, comparisons = 0;
std::string running;

__attribute__((format(printf, 1, 2))) void failed(const char* format, ...) {
  if (++failures > 40) return;
  std::printf("FAILED %s: ", running.c_str());
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::printf("\n");
}

__attribute__((format(printf, 1, 2))) void now(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  running = text;
}

// ---- tensors -------------------------------------------------------------------------------------------

uint64_t random_state = 88172645463325252u;

uint32_t random_bits() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return static_cast<uint32_t>(random_state >> 32);
}

int64_t random_below(int64_t limit) { return random_bits() % limit; }
float random_float(float low, float high) { return low + (high - low) * static_cast<float>(random_bits()) * 0x1p-32f; }

bool misaligned = false;  // tensors then begin one element behind a multiple of 16

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

Tensor f32(int64_t count) { return Tensor(Tensor::kF32, count); }
Tensor i32(int64_t count) { return Tensor(Tensor::kI32, count); }
Tensor of(int32_t dtype, int64_t count) { return Tensor(dtype == ATTUNE_F32 ? Tensor::kF32 : Tensor::kBf16, count); }

// ---- running and comparing ----------------------------------------------------------------------------

Library& library_of(Side side) { return side == kCpu ? cpu : cuda; }

// Runs the op on every side.
void run(const std::function<attune_status(Library&, Side)>& op) {
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
bool neighbours(const Tensor& tensor, int64_t i) {
  if (tensor.kind != Tensor::kBf16) return false;
  int16_t bits[2];
  std::memcpy(&bits[0], tensor.raw(kCpu) + 2 * i, 2);
  std::memcpy(&bits[1], tensor.raw(kCuda) + 2 * i, 2);
  return std::abs(bits[0] - bits[1]) <= 1;
}

// Every element within `relative` of the CPU's, where elements below `scale` count as that large. bf16
// results may also be neighbours: two correct sums can round apart.
void same(const char* name, const Tensor& tensor, double relative, double scale = 1) {
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
const int32_t kTypes[] = {ATTUNE_F32, ATTUNE_BF16};
const int32_t kActivations[] = {ATTUNE_ACT_NONE, ATTUNE_ACT_GELU, ATTUNE_ACT_GELU_TANH,
                                ATTUNE_ACT_TANH, ATTUNE_ACT_RELU, ATTUNE_ACT_SILU};
const char* type_name(int32_t dtype) { return dtype == ATTUNE_F32 ? "f32" : "bf16"; }

// ---- ops --------------------------------------------------------------------------------------------------

void element_wise(int64_t n) {
  for (int32_t dtype : kTypes) {
    for (int32_t activation : kActivations) {
      now("activation %d, %lld, %s%s", activation, static_cast<long long>(n), type_name(dtype),
          misaligned ? ", misaligned" : "");
      Tensor inp = of(dtype, n), dout = of(dtype, n), out = of(dtype, n), dinp = of(dtype, n), sum = of(dtype, n);
      inp.fill(-6, 6);
      dout.fill(-1, 1);
      sum.fill(-1, 1);
      run([&](Library& l, Side s) { return l.activation_fwd(l.ctx, out.at(s), inp.at(s), n, activation, dtype); });
      run([&](Library& l, Side s) {
        return l.activation_bwd(l.ctx, dinp.at(s), dout.at(s), inp.at(s), n, activation, 0, dtype);
      });
      run([&](Library& l, Side s) {
        return l.activation_bwd(l.ctx, sum.at(s), dout.at(s), inp.at(s), n, activation, 1, dtype);
      });
      same("out", out, 1e-6);
      same("dinp", dinp, 1e-6);
      same("dinp added", sum, 1e-6);
    }
    now("dropout %lld %s%s", static_cast<long long>(n), type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor inp = of(dtype, n), out = of(dtype, n), kept = of(dtype, n);
    inp.fill(-2, 2);
    run([&](Library& l, Side s) { return l.dropout(l.ctx, out.at(s), inp.at(s), n, 0.3f, 12345678901, 77, dtype); });
    run([&](Library& l, Side s) { return l.dropout(l.ctx, kept.at(s), inp.at(s), n, 0.0f, 1, 2, dtype); });
    same("out", out, 1e-7);
    same("out with p = 0", kept, 0);
    for (int32_t to : kTypes) {
      now("cast %lld %s -> %s", static_cast<long long>(n), type_name(dtype), type_name(to));
      Tensor plain = of(to, n), added = of(to, n);
      added.fill(-1, 1);
      run([&](Library& l, Side s) { return l.cast(l.ctx, plain.at(s), inp.at(s), n, 0, to, dtype); });
      run([&](Library& l, Side s) { return l.cast(l.ctx, added.at(s), inp.at(s), n, 1, to, dtype); });
      same("out", plain, 0);
      same("out added", added, 0);
    }
    now("mse %lld %s", static_cast<long long>(n), type_name(dtype));
    Tensor targets = f32(n), losses = f32(n), dpred = of(dtype, n);
    targets.fill(-2, 2);
    run([&](Library& l, Side s) {
      return l.mse(l.ctx, losses.at<float>(s), dpred.at(s), inp.at(s), targets.at<float>(s), n, 0.25f, dtype);
    });
    same("losses", losses, 1e-7);
    same("dpred", dpred, 1e-7);
  }
  now("memory %lld", static_cast<long long>(n));
  Tensor inp = f32(n), out = f32(n), zero = f32(n);
  inp.fill(-1, 1);
  run([&](Library& l, Side s) { return l.copy(l.ctx, out.at(s), inp.at(s), n * 4); });
  run([&](Library& l, Side s) { return l.fill_zero(l.ctx, zero.at(s), n * 4); });
  same("copy", out, 0);
  same("zero", zero, 0);
}

void layer_norm(int64_t N, int64_t C, float p_inp, float p_out, bool residual, bool extra, bool accumulate) {
  for (int32_t dtype : kTypes) {
    now("layer_norm N=%lld C=%lld p=%g,%g residual=%d extra=%d accumulate=%d %s%s", static_cast<long long>(N),
        static_cast<long long>(C), static_cast<double>(p_inp), static_cast<double>(p_out), residual, extra, accumulate,
        type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor inp = of(dtype, N * C), res = of(dtype, N * C), sum = of(dtype, N * C), out = of(dtype, N * C);
    Tensor weight = f32(C), bias = f32(C), mean = f32(N), rstd = f32(N);
    inp.fill(-2, 3);
    res.fill(-1, 1);
    weight.fill(0.5, 1.5);
    bias.fill(-1, 1);
    run([&](Library& l, Side s) {
      return l.layer_norm_fwd(l.ctx, out.at(s), sum.at(s), mean.at<float>(s), rstd.at<float>(s), inp.at(s),
                              residual ? res.at(s) : nullptr, weight.at<float>(s), bias.at<float>(s), N, C, 1e-5f,
                              p_inp, p_out, 42, 9, dtype);
    });
    same("sum", sum, 1e-7);
    same("mean", mean, kTight);
    same("rstd", rstd, kTight);
    same("out", out, kTight * 4);
    Tensor dout = of(dtype, N * C), more = of(dtype, N * C), dinp = of(dtype, N * C), dres = of(dtype, N * C);
    Tensor dweight = f32(C), dbias = f32(C);
    dout.fill(-1, 1);
    more.fill(-1, 1);
    if (accumulate) {
      dres.fill(-1, 1);
      dweight.fill(-1, 1);
      dbias.fill(-1, 1);
    }
    // Backward of the CPU's own sum on every side, so that only backward is compared.
    for (int side = 1; side < kSides; ++side) {
      std::memcpy(sum.raw(side), sum.raw(kCpu), sum.bytes);
      std::memcpy(mean.raw(side), mean.raw(kCpu), mean.bytes);
      std::memcpy(rstd.raw(side), rstd.raw(kCpu), rstd.bytes);
    }
    run([&](Library& l, Side s) {
      return l.layer_norm_bwd(l.ctx, dinp.at(s), residual ? dres.at(s) : nullptr, dweight.at<float>(s),
                              dbias.at<float>(s), dout.at(s), extra ? more.at(s) : nullptr, sum.at(s),
                              mean.at<float>(s), rstd.at<float>(s), weight.at<float>(s), N, C, p_inp, p_out, 42, 9,
                              accumulate, accumulate, dtype);
    });
    same("dinp", dinp, kTight * 4);
    if (residual) same("dresidual", dres, kTight * 4);
    same("dweight", dweight, kTight * 4, std::sqrt(static_cast<double>(N)) + 1);
    same("dbias", dbias, kTight * 4, std::sqrt(static_cast<double>(N)) + 1);
  }
}

void rms_norm(int64_t N, int64_t G, int64_t C, int64_t gap, bool residual, bool extra) {
  const int64_t stride = G * C + gap;
  for (int32_t dtype : kTypes) {
    now("rms_norm N=%lld G=%lld C=%lld gap=%lld residual=%d extra=%d %s%s", static_cast<long long>(N),
        static_cast<long long>(G), static_cast<long long>(C), static_cast<long long>(gap), residual, extra,
        type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor inp = of(dtype, N * stride), res = of(dtype, N * C), sum = of(dtype, N * C), out = of(dtype, N * stride);
    Tensor weight = f32(C), rstd = f32(N * G), dout = of(dtype, N * stride), more = of(dtype, N * stride);
    Tensor dinp = of(dtype, N * stride), dweight = f32(C), added = f32(C);
    inp.fill(-2, 3);
    res.fill(-1, 1);
    weight.fill(0.5, 1.5);
    dout.fill(-1, 1);
    more.fill(-1, 1);
    added.fill(-1, 1);
    run([&](Library& l, Side s) {
      return l.rms_norm_fwd(l.ctx, out.at(s), residual ? sum.at(s) : nullptr, rstd.at<float>(s), inp.at(s),
                            residual ? res.at(s) : nullptr, weight.at<float>(s), N, G, C, stride, stride, 1e-6f, dtype);
    });
    same("out", out, kTight);
    same("rstd", rstd, kTight);
    if (residual) same("sum", sum, 1e-7);
    const Tensor& saved = residual && gap == 0 ? sum : inp;
    for (int side = 1; side < kSides; ++side) {
      std::memcpy(saved.raw(side), saved.raw(kCpu), saved.bytes);
      std::memcpy(rstd.raw(side), rstd.raw(kCpu), rstd.bytes);
    }
    for (const Tensor* dw : {static_cast<const Tensor*>(&dweight), static_cast<const Tensor*>(&added)}) {
      run([&](Library& l, Side s) {
        return l.rms_norm_bwd(l.ctx, dinp.at(s), dw->at<float>(s), dout.at(s), extra ? more.at(s) : nullptr,
                              saved.at(s), rstd.at<float>(s), weight.at<float>(s), N, G, C, stride, stride,
                              dw == &added, dtype);
      });
      same("dinp", dinp, kTight * 4);
      same("dweight", *dw, kTight * 4, std::sqrt(static_cast<double>(N * G)) + 1);
    }
    run([&](Library& l, Side s) {
      return l.rms_norm_bwd(l.ctx, dinp.at(s), nullptr, dout.at(s), extra ? dinp.at(s) : nullptr, saved.at(s),
                            rstd.at<float>(s), weight.at<float>(s), N, G, C, stride, stride, 0, dtype);
    });
    same("dinp with a frozen weight", dinp, kTight * 8);
  }
}

void embedding(int64_t N, int64_t C, int64_t V, bool all) {
  for (int32_t dtype : kTypes) {
    now("embedding N=%lld C=%lld V=%lld all=%d %s%s", static_cast<long long>(N), static_cast<long long>(C),
        static_cast<long long>(V), all, type_name(dtype), misaligned ? ", misaligned" : "");
    const int64_t P = 17, T = 2;
    Tensor word = f32(V * C), position = f32(P * C), type = f32(T * C), out = of(dtype, N * C), dout = of(dtype, N * C);
    Tensor ids = i32(N), positions = i32(N), types = i32(N);
    word.fill(-1, 1);
    position.fill(-1, 1);
    type.fill(-1, 1);
    dout.fill(-1, 1);
    ids.indices(V);
    positions.indices(P);
    types.indices(T);
    run([&](Library& l, Side s) {
      return l.embedding_fwd(l.ctx, out.at(s), word.at<float>(s), all ? position.at<float>(s) : nullptr,
                             all ? type.at<float>(s) : nullptr, ids.at<int32_t>(s), positions.at<int32_t>(s),
                             types.at<int32_t>(s), N, C, V, P, T, dtype);
    });
    same("out", out, 1e-7);
    run([&](Library& l, Side s) {
      return l.embedding_bwd(l.ctx, word.at<float>(s), all ? position.at<float>(s) : nullptr,
                             all ? type.at<float>(s) : nullptr, dout.at(s), ids.at<int32_t>(s),
                             positions.at<int32_t>(s), types.at<int32_t>(s), N, C, dtype);
    });
    const double size = std::sqrt(static_cast<double>(N)) + 1;
    same("dword", word, kTight, size);
    same("dposition", position, kTight, size);
    same("dtype_table", type, kTight, size);
    run([&](Library& l, Side s) { return l.zero_rows(l.ctx, word.at<float>(s), ids.at<int32_t>(s), N / 2, C); });
    same("zeroed", word, kTight, size);
    Tensor sum = Tensor(Tensor::kF64, 1);
    run([&](Library& l, Side s) {
      return l.sum_of_squares_rows(l.ctx, sum.at<double>(s), word.at<float>(s), ids.at<int32_t>(s), N, C);
    });
    same("sum of squares of rows", sum, 1e-5);
  }
}

void pooling(const std::vector<int64_t>& lengths, int64_t C) {
  for (int32_t dtype : kTypes) {
    const int64_t B = static_cast<int64_t>(lengths.size());
    std::vector<int64_t> starts{0};
    for (int64_t length : lengths) starts.push_back(starts.back() + length);
    const int64_t N = starts.back();
    now("pooling N=%lld C=%lld %s%s", static_cast<long long>(N), static_cast<long long>(C), type_name(dtype),
        misaligned ? ", misaligned" : "");
    Tensor cu = i32(B + 1), inp = of(dtype, N * C), out = of(dtype, B * C), dinp = of(dtype, N * C);
    cu.values(starts);
    inp.fill(-1, 1);
    run([&](Library& l, Side s) {
      return l.mean_pool_fwd(l.ctx, out.at(s), inp.at(s), cu.at<int32_t>(s), B, C, dtype);
    });
    same("mean", out, kTight);
    for (int accumulate = 0; accumulate < 2; ++accumulate) {
      run([&](Library& l, Side s) {
        return l.mean_pool_bwd(l.ctx, dinp.at(s), out.at(s), cu.at<int32_t>(s), B, C, accumulate, dtype);
      });
      same("mean dinp", dinp, kTight);
    }
    const int64_t M = (N + 1) / 2;
    Tensor rows = i32(M), gathered = of(dtype, M * C);
    for (int64_t m = 0; m < M; ++m) rows.set(m, static_cast<float>((m * 2 + 1) % N));
    run([&](Library& l, Side s) {
      return l.gather_rows_fwd(l.ctx, gathered.at(s), inp.at(s), rows.at<int32_t>(s), M, C, dtype);
    });
    same("gathered", gathered, 0);
    for (int accumulate = 0; accumulate < 2; ++accumulate) {
      run([&](Library& l, Side s) {
        return l.gather_rows_bwd(l.ctx, dinp.at(s), gathered.at(s), rows.at<int32_t>(s), N, M, C, accumulate, dtype);
      });
      same("scattered", dinp, 1e-7);
    }
  }
}

void cross_entropy(int64_t N, int64_t K, float smoothing, float size) {
  for (int32_t dtype : kTypes) {
    now("cross_entropy N=%lld K=%lld smoothing=%g %s%s", static_cast<long long>(N), static_cast<long long>(K),
        static_cast<double>(smoothing), type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor logits = of(dtype, N * K), dlogits = of(dtype, N * K), losses = f32(N), labels = i32(N), index = i32(N);
    logits.fill(-size, size);
    labels.indices(K);
    if (N > 2) labels.set(N - 2, -100);
    run([&](Library& l, Side s) {
      return l.cross_entropy(l.ctx, losses.at<float>(s), dlogits.at(s), logits.at(s), labels.at<int32_t>(s), N, K, -100,
                             smoothing, 0.125f, dtype);
    });
    same("losses", losses, kTight);
    same("dlogits", dlogits, kTight, 0.125);
    run([&](Library& l, Side s) { return l.argmax(l.ctx, index.at<int32_t>(s), logits.at(s), N, K, dtype); });
    same("argmax", index, 0);
    // In place, and without a gradient.
    run([&](Library& l, Side s) {
      return l.cross_entropy(l.ctx, losses.at<float>(s), nullptr, logits.at(s), labels.at<int32_t>(s), N, K, -100,
                             smoothing, 0.125f, dtype);
    });
    same("losses alone", losses, kTight);
    run([&](Library& l, Side s) {
      return l.cross_entropy(l.ctx, losses.at<float>(s), logits.at(s), logits.at(s), labels.at<int32_t>(s), N, K, -100,
                             smoothing, 0.125f, dtype);
    });
    same("dlogits in place", logits, kTight, 0.125);
    same("losses in place", losses, kTight);
  }
}

void extreme_logits() {
  const float inf = INFINITY;
  const std::vector<std::vector<float>> rows = {
      {-inf, -inf, 1, -inf, -inf}, {3e38f, -3e38f, 3e38f, 0, 1}, {-inf, -inf, -inf, -inf, -inf}, {NAN, 1, 2, 3, 4},
      {inf, 1, 2, 3, 4},           {2, 5, 5, -0.0f, 0.0f},       {-0.0f, 0.0f, -1, -1, -1},      {1e-40f, 0, 0, 0, 0}};
  for (int32_t dtype : kTypes) {
    now("extreme logits %s", type_name(dtype));
    const int64_t N = static_cast<int64_t>(rows.size()), K = 5;
    Tensor logits = of(dtype, N * K), dlogits = of(dtype, N * K), losses = f32(N), labels = i32(N), index = i32(N);
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t k = 0; k < K; ++k) logits.set(n * K + k, rows[static_cast<size_t>(n)][static_cast<size_t>(k)]);
      labels.set(n, 2);
    }
    run([&](Library& l, Side s) {
      return l.cross_entropy(l.ctx, losses.at<float>(s), dlogits.at(s), logits.at(s), labels.at<int32_t>(s), N, K, -100,
                             0, 1, dtype);
    });
    same("losses", losses, kTight);
    same("dlogits", dlogits, kTight);
    run([&](Library& l, Side s) { return l.argmax(l.ctx, index.at<int32_t>(s), logits.at(s), N, K, dtype); });
    same("argmax", index, 0);
  }
}

void optimizers(int64_t n) {
  now("optimizers %lld%s", static_cast<long long>(n), misaligned ? ", misaligned" : "");
  Tensor weight = f32(n), m = f32(n), v = f32(n), grad = f32(n), shadow = of(ATTUNE_BF16, n);
  weight.fill(-1, 1);
  m.fill(-0.1f, 0.1f);
  v.fill(0, 0.1f);
  grad.fill(-1, 1);
  run([&](Library& l, Side s) {
    return l.adamw(l.ctx, weight.at<float>(s), m.at<float>(s), v.at<float>(s), shadow.at(s), grad.at<float>(s), n,
                   1e-2f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.1f, 0.001f, 0.5f);
  });
  same("adamw weight", weight, 1e-6);
  same("adamw m", m, 1e-7);
  same("adamw v", v, 1e-7);
  same("adamw shadow", shadow, 1e-6);
  // The captured twin: bit for bit the plain op with the values of the step block.
  Tensor sum = Tensor(Tensor::kF64, 1);
  run([&](Library& l, Side s) { return l.sum_of_squares(l.ctx, sum.at<double>(s), grad.at<float>(s), n); });
  same("sum of squares", sum, 1e-7);
  double norm = 0;
  if (cuda_clip(cuda.ctx, sum.at<double>(kCuda), 1, 0.5f, 0.25f, &norm) != ATTUNE_OK)
    failed("clip: %s", cuda.last_error());
  const double expected = std::sqrt(*sum.at<double>(kCuda)) * 0.5;
  if (!(std::fabs(norm - expected) <= 1e-12 * expected)) failed("clip: norm is %g, must be %g", norm, expected);
  const float clipped = static_cast<float>(0.5 * std::fmin(1, 0.25 / (norm + 1e-6)));
  if (cuda_set_step(cuda.ctx, 0, 2e-2f, 0.2f, 0.002f) != ATTUNE_OK) failed("set_step: %s", cuda.last_error());
  run([&](Library& l, Side s) {
    return s == kCuda ? cuda_adamw_captured(l.ctx, weight.at<float>(s), m.at<float>(s), v.at<float>(s), shadow.at(s),
                                            grad.at<float>(s), n, 0.9f, 0.999f, 1e-8f, 0.01f)
                      : l.adamw(l.ctx, weight.at<float>(s), m.at<float>(s), v.at<float>(s), shadow.at(s),
                                grad.at<float>(s), n, 2e-2f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.2f, 0.002f, clipped);
  });
  same("captured weight", weight, 1e-6);
  same("captured shadow", shadow, 1e-6);
  Tensor buffer = f32(n);
  for (int step = 0; step < 3; ++step) {
    run([&](Library& l, Side s) {
      return l.sgd(l.ctx, weight.at<float>(s), buffer.at<float>(s), shadow.at(s), grad.at<float>(s), n, 1e-2f,
                   step == 2 ? 0.0f : 0.9f, 0.01f, step, step == 0, 0.5f);
    });
    same("sgd weight", weight, 1e-6);
    same("sgd buffer", buffer, 1e-6);
    same("sgd shadow", shadow, 1e-6);
  }
}

void adamw_rows(int64_t V, int64_t C, float decay) {
  now("adamw_rows V=%lld C=%lld%s", static_cast<long long>(V), static_cast<long long>(C),
      misaligned ? ", misaligned" : "");
  Tensor weight = f32(V * C), m = f32(V * C), v = f32(V * C), grad = f32(V * C), state = Tensor(Tensor::kU8, V);
  weight.fill(-1, 1);
  m.fill(-0.1f, 0.1f);
  v.fill(0, 0.1f);
  grad.fill(-1, 1);
  state.indices(3);
  run([&](Library& l, Side s) {
    return l.adamw_rows(l.ctx, weight.at<float>(s), m.at<float>(s), v.at<float>(s), grad.at<float>(s),
                        state.at<uint8_t>(s), V, C, 1e-2f, 0.9f, 0.999f, 1e-8f, decay, 0.1f, 0.001f, 0.5f);
  });
  same("weight", weight, 1e-6);
  same("m", m, 1e-7);
  same("v", v, 1e-7);
}

void gated(int64_t N, int64_t F) {
  for (int32_t dtype : kTypes) {
    for (int32_t activation : {ATTUNE_ACT_SILU, ATTUNE_ACT_GELU}) {
      now("gated N=%lld F=%lld %d %s%s", static_cast<long long>(N), static_cast<long long>(F), activation,
          type_name(dtype), misaligned ? ", misaligned" : "");
      Tensor inp = of(dtype, N * 2 * F), out = of(dtype, N * F), dout = of(dtype, N * F), dinp = of(dtype, N * 2 * F);
      Tensor again = of(dtype, N * F);
      inp.fill(-3, 3);
      dout.fill(-1, 1);
      run([&](Library& l, Side s) { return l.gated_fwd(l.ctx, out.at(s), inp.at(s), N, F, activation, dtype); });
      same("out", out, 1e-6);
      run([&](Library& l, Side s) {
        return l.gated_bwd(l.ctx, dinp.at(s), again.at(s), dout.at(s), inp.at(s), N, F, activation, dtype);
      });
      same("dinp", dinp, 2e-6);
      same("out again", again, 1e-6);
      run([&](Library& l, Side s) {
        return l.gated_bwd(l.ctx, inp.at(s), dout.at(s), dout.at(s), inp.at(s), N, F, activation, dtype);
      });
      same("dinp in place", inp, 2e-6);
      same("out over dout", dout, 1e-6);
    }
  }
}

void rope(int64_t N, int64_t H, int64_t D, int64_t rotary, int64_t gap) {
  for (int32_t dtype : kTypes) {
    now("rope N=%lld H=%lld D=%lld rotary=%lld %s%s", static_cast<long long>(N), static_cast<long long>(H),
        static_cast<long long>(D), static_cast<long long>(rotary), type_name(dtype), misaligned ? ", misaligned" : "");
    const int64_t P = 11, stride = H * D + gap;
    Tensor inp = of(dtype, N * stride), table = f32(P * rotary), positions = i32(N);
    inp.fill(-2, 2);
    table.fill(-1, 1);
    positions.indices(P);
    for (int inverse = 0; inverse < 2; ++inverse) {
      run([&](Library& l, Side s) {
        return l.rope(l.ctx, inp.at(s), table.at<float>(s), positions.at<int32_t>(s), N, H, D, rotary, stride, P,
                      inverse, dtype);
      });
      same("rotated", inp, 1e-6);
    }
  }
}

void kv_cache(int64_t N, int64_t width, int64_t gap) {
  for (int32_t dtype : kTypes) {
    now("kv_cache_write N=%lld width=%lld %s%s", static_cast<long long>(N), static_cast<long long>(width),
        type_name(dtype), misaligned ? ", misaligned" : "");
    const int64_t rows_in_cache = 2 * N + 3;
    Tensor k = of(dtype, N * (width + gap)), v = of(dtype, N * (width + gap)), rows = i32(N);
    Tensor k_cache = of(dtype, rows_in_cache * width), v_cache = of(dtype, rows_in_cache * width);
    k.fill(-1, 1);
    v.fill(-1, 1);
    for (int64_t n = 0; n < N; ++n) rows.set(n, static_cast<float>(2 * n + 1));
    run([&](Library& l, Side s) {
      return l.kv_cache_write(l.ctx, k_cache.at(s), v_cache.at(s), k.at(s), v.at(s), rows.at<int32_t>(s), N, width,
                              width + gap, width, dtype);
    });
    same("k cache", k_cache, 0);
    same("v cache", v_cache, 0);
  }
}

// ---- definitions, for ops whose CPU kernels work in other ways -------------------------------------------

float element_of(const void* tensor, int64_t i, int32_t dtype) {
  if (dtype == ATTUNE_F32) return static_cast<const float*>(tensor)[i];
  uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(tensor)[i]) << 16;
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

void put_element(void* tensor, int64_t i, int32_t dtype, double value) {
  float x = static_cast<float>(value);
  if (dtype == ATTUNE_F32) {
    static_cast<float*>(tensor)[i] = x;
  } else {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    static_cast<uint16_t*>(tensor)[i] = static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
  }
}

attune_status defined_lora_fwd(attune_context*, void* out, const void* low, const float* up, int64_t N, int64_t F,
                               int64_t R, int64_t out_stride, int64_t low_stride, float scale, int32_t dtype) {
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t f = 0; f < F; ++f) {
      double sum = 0;
      for (int64_t r = 0; r < R; ++r) {
        sum += static_cast<double>(element_of(low, n * low_stride + r, dtype)) * static_cast<double>(up[f * R + r]);
      }
      const int64_t at = n * out_stride + f;
      put_element(out, at, dtype, static_cast<double>(element_of(out, at, dtype)) + static_cast<double>(scale) * sum);
    }
  }
  return ATTUNE_OK;
}

attune_status defined_lora_bwd(attune_context*, void* dlow, float* dup, const void* dout, const void* low,
                               const float* up, int64_t N, int64_t F, int64_t R, int64_t out_stride, int64_t low_stride,
                               float scale, int32_t accumulate, int32_t dtype) {
  std::vector<double> sums(static_cast<size_t>(F * R));
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t r = 0; r < R; ++r) {
      double sum = 0;
      for (int64_t f = 0; f < F; ++f) {
        const double d = static_cast<double>(element_of(dout, n * out_stride + f, dtype));
        sum += d * static_cast<double>(up[f * R + r]);
        sums[static_cast<size_t>(f * R + r)] += d * static_cast<double>(element_of(low, n * low_stride + r, dtype));
      }
      put_element(dlow, n * low_stride + r, dtype, static_cast<double>(scale) * sum);
    }
  }
  for (int64_t i = 0; i < F * R; ++i) {
    dup[i] = static_cast<float>((accumulate != 0 ? static_cast<double>(dup[i]) : 0) +
                                static_cast<double>(scale) * sums[static_cast<size_t>(i)]);
  }
  return ATTUNE_OK;
}

attune_status defined_attention_cached(attune_context*, void* out, const void* q, const void* k_cache,
                                       const void* v_cache, const int32_t* cu_q, const int32_t* k_start,
                                       const int32_t* k_count, int64_t q_stride, int64_t kv_stride, int64_t B,
                                       int64_t H, int64_t Hkv, int64_t D, float scale, int64_t window, int32_t dtype) {
  for (int64_t b = 0; b < B; ++b) {
    const int64_t rows = cu_q[b + 1] - cu_q[b];
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t h = 0; h < H; ++h) {
        const int64_t end = k_count[b] - rows + i + 1, begin = window > 0 && end > window ? end - window : 0;
        const int64_t at_q = (cu_q[b] + i) * q_stride + h * D, in_row = h / (H / Hkv) * D;
        std::vector<double> scores, sums(static_cast<size_t>(D));
        double top = -INFINITY, weight = 0;
        for (int64_t j = begin; j < end; ++j) {
          double score = 0;
          for (int64_t d = 0; d < D; ++d) {
            score += static_cast<double>(element_of(q, at_q + d, dtype)) *
                     static_cast<double>(element_of(k_cache, (k_start[b] + j) * kv_stride + in_row + d, dtype));
          }
          scores.push_back(score * static_cast<double>(scale));
          top = std::fmax(top, scores.back());
        }
        for (int64_t j = begin; j < end; ++j) {
          const double p = std::exp(scores[static_cast<size_t>(j - begin)] - top);
          weight += p;
          for (int64_t d = 0; d < D; ++d) {
            sums[static_cast<size_t>(d)] +=
                p * static_cast<double>(element_of(v_cache, (k_start[b] + j) * kv_stride + in_row + d, dtype));
          }
        }
        for (int64_t d = 0; d < D; ++d) {
          put_element(out, ((cu_q[b] + i) * H + h) * D + d, dtype,
                      weight > 0 ? sums[static_cast<size_t>(d)] / weight : 0);
        }
      }
    }
  }
  return ATTUNE_OK;
}

const float kNf4[16] = {-1.0f,
                        -0.6961928009986877f,
                        -0.5250730514526367f,
                        -0.39491748809814453f,
                        -0.28444138169288635f,
                        -0.18477343022823334f,
                        -0.09105003625154495f,
                        0.0f,
                        0.07958029955625534f,
                        0.16093020141124725f,
                        0.24611230194568634f,
                        0.33791524171829224f,
                        0.44070982933044434f,
                        0.5626170039176941f,
                        0.7229568362236023f,
                        1.0f};

attune_status defined_quantize(attune_context*, void* out, const void* inp, int64_t F, int64_t C, int32_t inp_dtype,
                               int32_t out_dtype) {
  const attune::QuantizedLayout layout(F, C, out_dtype);
  auto* bytes = static_cast<uint8_t*>(out);
  std::vector<float> scales;
  double total = 0;
  for (int64_t block = 0; block < layout.blocks; ++block) {
    float most = 0;
    for (int64_t i = 0; i < 64; ++i) most = std::fmax(most, std::fabs(element_of(inp, block * 64 + i, inp_dtype)));
    scales.push_back(most);
    total += static_cast<double>(most);
    for (int64_t i = block * 64; i < block * 64 + 64; ++i) {
      const float x = element_of(inp, i, inp_dtype);
      if (out_dtype == ATTUNE_INT8) {
        const float scale = most / 127.0f;
        bytes[i] = static_cast<uint8_t>(static_cast<int8_t>(scale > 0 ? std::nearbyint(x / scale) : 0));
        std::memcpy(bytes + layout.scales + 4 * block, &scale, 4);
      } else {
        const float y = most > 0 ? x / most : 0;
        int best = 0;
        for (int code = 1; code < 16; ++code) {
          if (std::fabs(y - kNf4[code]) < std::fabs(y - kNf4[best])) best = code;
        }
        bytes[i / 2] = static_cast<uint8_t>(i % 2 == 0 ? best : bytes[i / 2] | best << 4);
      }
    }
  }
  if (out_dtype == ATTUNE_INT8) return ATTUNE_OK;
  const float offset = static_cast<float>(total / static_cast<double>(layout.blocks));
  std::memcpy(bytes + layout.offset, &offset, 4);
  for (int64_t first = 0; first < layout.blocks; first += 256) {
    const int64_t end = first + 256 < layout.blocks ? first + 256 : layout.blocks;
    float outer = 0;
    for (int64_t i = first; i < end; ++i) outer = std::fmax(outer, std::fabs(scales[static_cast<size_t>(i)] - offset));
    std::memcpy(bytes + layout.outer_scales + first / 256 * 4, &outer, 4);
    for (int64_t i = first; i < end; ++i) {
      const float x = scales[static_cast<size_t>(i)] - offset;
      bytes[layout.scales + i] = static_cast<uint8_t>((outer > 0 ? std::nearbyint(x / outer * 127.0f) : 0) + 127);
    }
  }
  return ATTUNE_OK;
}

attune_status defined_dequantize(attune_context*, void* out, const void* inp, int64_t F, int64_t C, int32_t out_dtype,
                                 int32_t inp_dtype) {
  const attune::QuantizedLayout layout(F, C, inp_dtype);
  const auto* bytes = static_cast<const uint8_t*>(inp);
  auto float_at = [&](int64_t at) {
    float x;
    std::memcpy(&x, bytes + at, 4);
    return static_cast<double>(x);
  };
  for (int64_t i = 0; i < F * C; ++i) {
    if (inp_dtype == ATTUNE_INT8) {
      put_element(out, i, out_dtype, static_cast<int8_t>(bytes[i]) * float_at(layout.scales + i / 64 * 4));
    } else {
      const double scale = float_at(layout.offset) + (bytes[layout.scales + i / 64] - 127) / 127.0 *
                                                         float_at(layout.outer_scales + i / 64 / 256 * 4);
      put_element(out, i, out_dtype,
                  static_cast<double>(kNf4[i % 2 == 0 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4]) * scale);
    }
  }
  return ATTUNE_OK;
}

void lora(int64_t N, int64_t F, int64_t R, int64_t gap) {
  for (int32_t dtype : kTypes) {
    now("lora N=%lld F=%lld R=%lld %s%s", static_cast<long long>(N), static_cast<long long>(F),
        static_cast<long long>(R), type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor out = of(dtype, N * (F + gap)), low = of(dtype, N * (R + gap)), up = f32(F * R),
           dlow = of(dtype, N * (R + gap));
    Tensor dup = f32(F * R);
    out.fill(-1, 1);
    low.fill(-1, 1);
    up.fill(-1, 1);
    run([&](Library& l, Side s) {
      return l.lora_fwd(l.ctx, out.at(s), low.at(s), up.at<float>(s), N, F, R, F + gap, R + gap, 0.5f, dtype);
    });
    same("out", out, kTight, std::sqrt(static_cast<double>(R)));
    for (int accumulate = 0; accumulate < 2; ++accumulate) {
      for (int side = 1; side < kSides; ++side) std::memcpy(out.raw(side), out.raw(kCpu), out.bytes);
      run([&](Library& l, Side s) {
        return l.lora_bwd(l.ctx, dlow.at(s), dup.at<float>(s), out.at(s), low.at(s), up.at<float>(s), N, F, R, F + gap,
                          R + gap, 0.5f, accumulate, dtype);
      });
      same("dlow", dlow, kTight, std::sqrt(static_cast<double>(F)));
      same("dup", dup, kTight, std::sqrt(static_cast<double>(N)));
    }
  }
}

void dora(int64_t N, int64_t F, int64_t C, int64_t R, int64_t gap) {
  for (int32_t dtype : kTypes) {
    now("dora N=%lld F=%lld C=%lld R=%lld %s%s", static_cast<long long>(N), static_cast<long long>(F),
        static_cast<long long>(C), static_cast<long long>(R), type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor weight = of(dtype, (F + 2) * C), down = f32(R * C), up = f32(F * R), magnitude = f32(F);
    Tensor gain = f32(F), excess = f32(F), norm = f32(F);
    weight.fill(-1, 1);
    down.fill(-1, 1);
    up.fill(-1, 1);
    magnitude.fill(1, 2);
    run([&](Library& l, Side s) {
      return l.dora_gain(l.ctx, gain.at<float>(s), excess.at<float>(s), norm.at<float>(s), weight.at(s),
                         down.at<float>(s), up.at<float>(s), magnitude.at<float>(s), F + 2, 1, F, C, R, 0.5f, dtype);
    });
    same("norm", norm, kTight, std::sqrt(static_cast<double>(C)));
    same("gain", gain, kTight, 4);
    same("excess", excess, kTight, 4);
    Tensor inp = of(dtype, N * (F + gap)), dout = of(dtype, N * (F + gap)), dinp = of(dtype, N * (F + gap));
    Tensor bias = f32(F), out = of(dtype, N * F), dmagnitude = f32(F);
    inp.fill(-1, 1);
    dout.fill(-1, 1);
    bias.fill(-1, 1);
    for (int side = 1; side < kSides; ++side) {
      std::memcpy(gain.raw(side), gain.raw(kCpu), gain.bytes);
      std::memcpy(norm.raw(side), norm.raw(kCpu), norm.bytes);
    }
    for (int accumulate = 0; accumulate < 2; ++accumulate) {
      run([&](Library& l, Side s) {
        return l.dora_fwd(l.ctx, out.at(s), inp.at(s), gain.at<float>(s), bias.at<float>(s), N, F, accumulate, dtype);
      });
      same("out", out, kTight);
      run([&](Library& l, Side s) {
        return l.dora_bwd(l.ctx, dinp.at(s), dmagnitude.at<float>(s), dout.at(s), inp.at(s), gain.at<float>(s),
                          norm.at<float>(s), N, F, F + gap, accumulate, dtype);
      });
      same("dinp", dinp, kTight);
      same("dmagnitude", dmagnitude, kTight, std::sqrt(static_cast<double>(N)));
    }
  }
}

void attention_cached(const std::vector<int64_t>& queries, const std::vector<int64_t>& keys, int64_t H, int64_t Hkv,
                      int64_t D, int64_t window) {
  for (int32_t dtype : kTypes) {
    now("attention_cached H=%lld/%lld D=%lld window=%lld keys=%lld %s%s", static_cast<long long>(H),
        static_cast<long long>(Hkv), static_cast<long long>(D), static_cast<long long>(window),
        static_cast<long long>(keys[0]), type_name(dtype), misaligned ? ", misaligned" : "");
    const int64_t B = static_cast<int64_t>(queries.size());
    std::vector<int64_t> cu{0}, starts;
    int64_t cache_rows = 3;
    for (size_t b = 0; b < queries.size(); ++b) {
      cu.push_back(cu.back() + queries[b]);
      starts.push_back(cache_rows);
      cache_rows += keys[b] + 2;
    }
    const int64_t Nq = cu.back(), q_stride = H * D + 8, kv_stride = Hkv * D + 16;
    Tensor q = of(dtype, Nq * q_stride), k = of(dtype, cache_rows * kv_stride), v = of(dtype, cache_rows * kv_stride);
    Tensor out = of(dtype, Nq * H * D), cu_q = i32(B + 1), start = i32(B), count = i32(B);
    q.fill(-1, 1);
    cu_q.values(cu);
    start.values(starts);
    count.values(keys);
    // Rows of no sequence stay NaN: nobody may read them.
    for (size_t b = 0; b < keys.size(); ++b) {
      for (int64_t i = starts[b] * kv_stride; i < (starts[b] + keys[b]) * kv_stride; ++i) {
        k.set(i, random_float(-2, 2));
        v.set(i, random_float(-1, 1));
      }
    }
    run([&](Library& l, Side s) {
      return l.attention_cached_fwd(l.ctx, out.at(s), q.at(s), k.at(s), v.at(s), cu_q.at<int32_t>(s),
                                    start.at<int32_t>(s), count.at<int32_t>(s), q_stride, kv_stride, B, H, Hkv, D, 0.3f,
                                    window, dtype);
    });
    same("out", out, kTight);
  }
}

void quantization(int64_t F, int64_t C) {
  for (int32_t packed : {ATTUNE_INT8, ATTUNE_NF4}) {
    for (int32_t dtype : kTypes) {
      now("quantize F=%lld C=%lld %s %s%s", static_cast<long long>(F), static_cast<long long>(C),
          packed == ATTUNE_INT8 ? "int8" : "nf4", type_name(dtype), misaligned ? ", misaligned" : "");
      const attune::QuantizedLayout layout(F, C, packed);
      Tensor inp = of(dtype, F * C), out = of(dtype, F * C);
      const bool was = misaligned;
      misaligned = false;  // its parts lie at multiples of 64
      Tensor bytes = Tensor(Tensor::kU8, layout.bytes);
      misaligned = was;
      for (int64_t i = 0; i < F * C; ++i) inp.set(i, random_float(-1, 1) * static_cast<float>(1 + i / 64 % 7));
      for (int64_t i = 0; i < 64; ++i) inp.set(i, 0);
      run([&](Library& l, Side s) { return l.quantize(l.ctx, bytes.at(s), inp.at(s), F, C, dtype, packed); });
      same("packed", bytes, 0);
      run([&](Library& l, Side s) { return l.dequantize(l.ctx, out.at(s), bytes.at(s), F, C, dtype, packed); });
      same("values", out, 2e-7);
    }
  }
}

// Bad indices are reported once, by the first that a kernel met, and do no harm.
void bad_indices() {
  now("bad indices");
  const int64_t N = 70, C = 16, V = 30;
  Tensor word = f32(V * C), ids = i32(N), out = f32(N * C);
  word.fill(-1, 1);
  ids.indices(V);
  ids.set(33, 30);
  auto report = [&](const char* expected) {
    attune_status status = cuda_check(cuda.ctx);
    if (status != ATTUNE_INVALID_ARGUMENT || std::strcmp(cuda.last_error(), expected) != 0) {
      failed("status %d, message '%s', must be '%s'", status, cuda.last_error(), expected);
    }
    if (cuda_check(cuda.ctx) != ATTUNE_OK) failed("reported twice");
  };
  cuda.embedding_fwd(cuda.ctx, out.at(kCuda), word.at<float>(kCuda), nullptr, nullptr, ids.at<int32_t>(kCuda), nullptr,
                     nullptr, N, C, V, 0, 0, ATTUNE_F32);
  report("embedding_fwd: ids[33] is 30, must be 0..29");
  if (out.value(kCuda, 33 * C) != 0) failed("a bad id left %g", static_cast<double>(out.value(kCuda, 33 * C)));
  ids.set(33, -7);
  cuda.embedding_bwd(cuda.ctx, word.at<float>(kCuda), nullptr, nullptr, out.at(kCuda), ids.at<int32_t>(kCuda), nullptr,
                     nullptr, N, C, ATTUNE_F32);
  report("embedding_bwd: ids[33] is -7, must be 0..2147483647");
  Tensor logits = f32(N * C), losses = f32(N);
  logits.fill(-1, 1);
  ids.indices(C);
  ids.set(5, 16);
  cuda.cross_entropy(cuda.ctx, losses.at<float>(kCuda), nullptr, logits.at(kCuda), ids.at<int32_t>(kCuda), N, C, -100,
                     0, 1, ATTUNE_F32);
  report("cross_entropy: labels[5] is 16, must be 0..15");
  if (losses.value(kCuda, 5) != 0) failed("a bad label has a loss");
}

// The step block's stream_base moves every mask as a larger stream would.
void stream_base() {
  now("stream_base");
  const int64_t n = 1000;
  Tensor inp = f32(n), out = f32(n);
  inp.fill(1, 2);
  if (cuda_set_step(cuda.ctx, int64_t{5} << 32, 0, 1, 1) != ATTUNE_OK) failed("set_step: %s", cuda.last_error());
  run([&](Library& l, Side s) {
    return l.dropout(l.ctx, out.at(s), inp.at(s), n, 0.5f, 3, s == kCpu ? (int64_t{5} << 32) + 8 : 8, ATTUNE_F32);
  });
  same("out", out, 0);
  cuda_set_step(cuda.ctx, 0, 0, 1, 1);
}

// N = 0: nothing but the zeroing of what is overwritten.
void empty() {
  now("empty");
  Tensor dweight = f32(24), dbias = f32(24), sum = Tensor(Tensor::kF64, 1);
  run([&](Library& l, Side s) {
    return l.layer_norm_bwd(l.ctx, nullptr, nullptr, dweight.at<float>(s), dbias.at<float>(s), nullptr, nullptr,
                            nullptr, nullptr, nullptr, nullptr, 0, 24, 0, 0, 1, 2, 0, 0, ATTUNE_BF16);
  });
  same("dweight", dweight, 0);
  same("dbias", dbias, 0);
  run([&](Library& l, Side s) { return l.sum_of_squares(l.ctx, sum.at<double>(s), nullptr, 0); });
  same("sum", sum, 0);
  run([&](Library& l, Side) {
    return l.cross_entropy(l.ctx, nullptr, nullptr, nullptr, nullptr, 0, 5, -1, 0, 1, ATTUNE_F32);
  });
  run([&](Library& l, Side) { return l.gated_fwd(l.ctx, nullptr, nullptr, 0, 5, ATTUNE_ACT_SILU, ATTUNE_F32); });
  run([&](Library& l, Side) {
    return l.embedding_bwd(l.ctx, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, 0, 8, ATTUNE_F32);
  });
}

void all_ops() {
  for (int64_t n : {1, 7, 8, 255, 2048, 7001}) element_wise(n);
  for (int64_t C : {1, 5, 8, 96, 768, 1024, 1032, 4104, 8200}) {
    const int64_t N = C > 1000 ? 3 : 37;
    layer_norm(N, C, 0, 0, true, false, false);
    layer_norm(N, C, 0.1f, 0.25f, C % 3 == 0, true, true);
  }
  layer_norm(1100, 24, 0, 0.1f, true, true, false);  // more rows than the blocks of backward take at once
  for (int64_t C : {1, 7, 8, 64, 768, 1032, 8200}) {
    rms_norm(C > 1000 ? 3 : 19, 1, C, 0, true, C % 2 == 0);
    rms_norm(3, 3, C, 16, false, true);
    rms_norm(2, 2, C, 5, false, false);
  }
  embedding(1, 8, 5, true);
  embedding(70, 5, 3, true);
  embedding(300, 40, 11, true);
  embedding(1000, 16, 500, true);
  embedding(64, 1032, 9, false);
  pooling({1, 2, 3}, 5);
  pooling({40, 0, 9, 1}, 264);
  pooling({100}, 768);
  cross_entropy(1, 1, 0, 3);
  cross_entropy(9, 2, 0, 10);
  cross_entropy(5, 1000, 0.1f, 30);
  cross_entropy(3, 30522, 0, 5);
  cross_entropy(2, 8200, 0.2f, 60);
  extreme_logits();
  for (int64_t n : {1, 4, 1023, 9000}) optimizers(n);
  adamw_rows(50, 24, 0.1f);
  adamw_rows(9, 7, 0);
  gated(1, 1);
  gated(5, 24);
  gated(3, 1000);
  rope(5, 3, 16, 16, 0);
  rope(3, 2, 20, 12, 3);
  rope(2, 4, 128, 64, 128);
  kv_cache(5, 64, 64);
  kv_cache(3, 7, 2);
  lora(5, 3, 1, 0);
  lora(70, 130, 16, 3);
  lora(1100, 24, 8, 0);
  lora(65, 66, 40, 8);
  dora(5, 3, 7, 1, 0);
  dora(70, 132, 128, 16, 3);
  dora(1100, 24, 64, 8, 8);
  dora(130, 600, 1028, 40, 0);
  attention_cached({1, 1, 1}, {300, 1, 17}, 4, 1, 64, 0);
  attention_cached({1, 3, 0, 0}, {2000, 40, 5, 0}, 6, 2, 128, 0);
  attention_cached({5, 1}, {5, 90}, 2, 2, 80, 33);
  attention_cached({40}, {45}, 2, 1, 64, 0);  // several rows in turn for each block
  attention_cached({1, 2}, {50, 60}, 3, 1, 256, 7);
  attention_cached({1, 4}, {37, 4}, 2, 1, 5, 0);
  quantization(1, 64);
  quantization(9, 64 * 64);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: cuda_op_test CPU_LIBRARY EMULATED_LIBRARY\n");
    return 2;
  }
  void* cpu_handle = open_library(arguments[1], &cpu);
  cpu.lora_fwd = defined_lora_fwd;
  cpu.lora_bwd = defined_lora_bwd;
  cpu.attention_cached_fwd = defined_attention_cached;
  cpu.quantize = defined_quantize;
  cpu.dequantize = defined_dequantize;
  void* cuda_handle = open_library(arguments[2], &cuda);
  cuda_check = entry<decltype(cuda_check)>(cuda_handle, "attune_cuda_check");
  cuda_set_step = entry<decltype(cuda_set_step)>(cuda_handle, "attune_cuda_set_step");
  cuda_clip = entry<decltype(cuda_clip)>(cuda_handle, "attune_cuda_clip");
  cuda_adamw_captured = entry<decltype(cuda_adamw_captured)>(cuda_handle, "attune_cuda_adamw_captured");
  cpu.ctx = entry<decltype(&attune_context_open)>(cpu_handle, "attune_context_open")(1, ATTUNE_ISA_BEST);
  const int64_t bytes = entry<decltype(&attune_cuda_workspace_bytes)>(cuda_handle, "attune_cuda_workspace_bytes")();
  void* workspace = std::aligned_alloc(256, static_cast<size_t>(bytes));
  // Scratch is garbage at the start of every op.
  std::memset(workspace, 0xFF, size_t{1} << 22);
  cuda.ctx =
      entry<decltype(&attune_cuda_context_open)>(cuda_handle, "attune_cuda_context_open")(0, nullptr, workspace, bytes);
  if (cpu.ctx == nullptr || cuda.ctx == nullptr) {
    std::fprintf(stderr, "%s\n", (cpu.ctx == nullptr ? cpu : cuda).last_error());
    return 2;
  }
  for (bool shifted : {false, true}) {
    misaligned = shifted;
    all_ops();
  }
  misaligned = false;
  bad_indices();
  stream_base();
  empty();
  std::printf("%d comparisons, %d failures\n", comparisons, failures);
  return failures == 0 ? 0 : 1;
}
