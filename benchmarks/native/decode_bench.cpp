// Speed of the kernels that decoding is bound by: products of few rows with weights, and attention of single
// queries over a key/value cache. Both stream from memory, so the figure is GB/s of weights (keys and
// values), beside what the threads reach when they only read, measured in turns in the same run.
//
//   decode_bench [threads] [rounds] [isa] [filter]
//
// Weights rotate through more memory than the caches hold, as the layers of a model do. Times are
// wall time; with one thread they are CPU time of the calling thread, which ignores other processes.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <time.h>

#include "attune_ops.h"
#include "caller.h"

namespace {

const auto linear_fwd = attune::linked<decltype(attune_linear_fwd)>("linear_fwd");
const auto attention_cached_fwd = attune::linked<decltype(attune_attention_cached_fwd)>("attention_cached_fwd");

constexpr int64_t kRotation = int64_t{192} << 20;

int threads = 2;

double now() {
  timespec time;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Memory of the library's own, huge pages included, filled with small numbers.
struct Memory {
  int64_t address, bytes;
  explicit Memory(int64_t size) : address(attune_buffer_alloc(size, 1)), bytes(size) {
    if (address == 0) {
      std::fprintf(stderr, "%s\n", attune_last_error());
      std::exit(1);
    }
    auto* cells = static_cast<uint32_t*>(data());
    for (int64_t i = 0; i < bytes / 4; ++i) {
      // As f32 or as two bf16: magnitudes of a hundredth, both signs.
      cells[i] = 0x3C003C00u | static_cast<uint32_t>((i * 2654435761u) & 0x807F807Fu);
    }
  }
  ~Memory() { attune_buffer_free(address, bytes); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data(int64_t offset = 0) const { return reinterpret_cast<void*>(static_cast<intptr_t>(address + offset)); }
};

// Reads a range with all threads: the yardstick.
void read_all(const char* from, int64_t bytes) {
  static std::atomic<uint64_t> sink;
  std::vector<std::thread> readers;
  auto read = [&](int64_t begin, int64_t end) {
    const auto* cell = reinterpret_cast<const uint64_t*>(from);
    uint64_t sums[32] = {};
    for (int64_t i = begin / 8; i + 32 <= end / 8; i += 32) {
      for (int j = 0; j < 32; ++j) sums[j] ^= cell[i + j];
    }
    sink += std::accumulate(sums, sums + 32, uint64_t{0});
  };
  for (int t = 1; t < threads; ++t) readers.emplace_back(read, bytes * t / threads, bytes * (t + 1) / threads);
  read(0, bytes / threads);
  for (std::thread& reader : readers) reader.join();
}

double median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

const char* name_of(int32_t dtype) {
  switch (dtype) {
    case ATTUNE_F32: return "f32";
    case ATTUNE_BF16: return "bf16";
    case ATTUNE_NF4: return "nf4";
    default: return "int8";
  }
}

int64_t weight_bytes(int64_t F, int64_t C, int32_t dtype) {
  if (dtype == ATTUNE_NF4 || dtype == ATTUNE_INT8) return attune_quantized_bytes(F, C, dtype);
  return F * C * (dtype == ATTUNE_F32 ? 4 : 2);
}

}  // namespace

int main(int argc, char** argv) {
  threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 15;
  attune_context* ctx = attune_context_open(threads, argc > 3 ? std::atoi(argv[3]) : ATTUNE_ISA_BEST);
  if (ctx == nullptr) {
    std::fprintf(stderr, "%s\n", attune_last_error());
    return 1;
  }
  const std::string filter = argc > 4 ? argv[4] : "";
  const Memory rotation(2 * kRotation);
  std::printf("threads=%d isa=%d rounds=%d\n", threads, attune_context_isa(ctx), rounds);

  // One line: `calls` times call(i) in turns with the same bytes read.
  auto report = [&](const std::string& label, double bytes, int64_t calls,
                    const std::function<attune_status(int64_t)>& call) {
    std::vector<double> times, reads;
    for (int round = 0; round < rounds; ++round) {
      double begin = now();
      read_all(static_cast<const char*>(rotation.data()), kRotation);
      reads.push_back(static_cast<double>(kRotation) / (now() - begin));
      begin = now();
      for (int64_t i = 0; i < calls; ++i) {
        if (call(i) != ATTUNE_OK) {
          std::printf("%-44s %s\n", label.c_str(), attune_last_error());
          return;
        }
      }
      times.push_back((now() - begin) / static_cast<double>(calls));
    }
    const double seconds = median(times), peak = median(reads);
    std::printf("%-44s %9.1f us %6.1f GB/s of %5.1f, %3.0f %%\n", label.c_str(), seconds * 1e6, bytes / seconds * 1e-9,
                peak * 1e-9, 100 * bytes / seconds / peak);
    std::fflush(stdout);
  };

  struct Shape {
    int64_t C, F;
  };
  for (const Shape& shape : {Shape{768, 3072}, Shape{2048, 8192}, Shape{768, 50257}}) {
    for (int32_t dtype : {ATTUNE_BF16, ATTUNE_F32}) {
      for (int32_t weight_dtype : {ATTUNE_F32, ATTUNE_BF16, ATTUNE_INT8, ATTUNE_NF4}) {
        const int64_t bytes = weight_bytes(shape.F, shape.C, weight_dtype);
        const int64_t step = (bytes + 63) / 64 * 64, copies = std::max<int64_t>(1, kRotation / step);
        for (int64_t N : {1, 2, 4, 8, 16}) {
          const std::string label = "linear C=" + std::to_string(shape.C) + " F=" + std::to_string(shape.F) +
                                    " N=" + std::to_string(N) + " " + name_of(dtype) + " weight " +
                                    name_of(weight_dtype);
          if (label.find(filter) == std::string::npos) continue;
          const Memory inp(N * shape.C * 4), out(N * shape.F * 4);
          report(label, static_cast<double>(bytes), copies, [&](int64_t i) {
            return linear_fwd(ctx, out.data(), nullptr, inp.data(), rotation.data(i * step), nullptr, N, shape.C,
                              shape.F, ATTUNE_ACT_NONE, dtype, weight_dtype);
          });
        }
      }
    }
  }

  struct Heads {
    int64_t H, Hkv, D;
  };
  for (const Heads& heads : {Heads{12, 12, 64}, Heads{32, 8, 128}, Heads{32, 4, 64}}) {
    for (int32_t dtype : {ATTUNE_BF16, ATTUNE_F32}) {
      for (int64_t keys : {512, 4096}) {
        for (int64_t B : {1, 8}) {
          const std::string label = "attention H=" + std::to_string(heads.H) + " Hkv=" + std::to_string(heads.Hkv) +
                                    " D=" + std::to_string(heads.D) + " B=" + std::to_string(B) +
                                    " keys=" + std::to_string(keys) + " " + name_of(dtype);
          if (label.find(filter) == std::string::npos) continue;
          const int64_t width = heads.Hkv * heads.D, size = dtype == ATTUNE_F32 ? 4 : 2;
          const int64_t bytes = B * keys * width * size, copies = std::max<int64_t>(1, kRotation / bytes);
          const Memory q(B * heads.H * heads.D * 4), out(B * heads.H * heads.D * 4);
          std::vector<int32_t> cu_q, start, count;
          for (int64_t b = 0; b <= B; ++b) {
            cu_q.push_back(static_cast<int32_t>(b));
            start.push_back(static_cast<int32_t>(b * keys));
            count.push_back(static_cast<int32_t>(keys));
          }
          report(label, 2.0 * static_cast<double>(bytes), copies, [&](int64_t i) {
            return attention_cached_fwd(ctx, out.data(), q.data(), rotation.data(i * bytes),
                                        rotation.data(kRotation + i * bytes), cu_q.data(), start.data(), count.data(),
                                        heads.H * heads.D, width, B, heads.H, heads.Hkv, heads.D,
                                        1.0f / std::sqrt(static_cast<float>(heads.D)), 0, dtype);
          });
        }
      }
    }
  }
  attune_context_close(ctx);
  return 0;
}
