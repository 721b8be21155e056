// Times attention forward and backward on batches of short and long sequences.
//
//   attention_bench [threads] [isa]        isa: -1 best, 0 portable, 1 v3, 2 v4, 3 v4_bf16, 4 amx
//
// With one thread the times are CPU times of that thread, which stand other load on the machine.
// GFLOP/s counts 4 (forward) or 10 (backward) multiply-add halves per query, key, head and column on
// the real tokens: padded lanes, the recomputed scores' softmax and dropout are not counted as work.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

#include "attune_ops.h"
#include "caller.h"

namespace {

const auto attention_fwd = attune::linked<decltype(attune_attention_fwd)>("attention_fwd");
const auto attention_bwd = attune::linked<decltype(attune_attention_bwd)>("attention_bwd");

struct Batch {
  const char* name;
  int sequences, shortest, longest;
};

struct Shape {
  const char* name;
  int64_t H, D;
};

struct Mode {
  const char* name;
  int64_t reach;  // of a relative position bias; -1: none
  int64_t window;
};

bool cpu_time = false;

double now() {
  timespec time;
  clock_gettime(cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class Body>
double median_seconds(Body&& body) {
  std::vector<double> times;
  double start = now();
  body();
  while (times.size() < 7 || (times.size() < 400 && now() - start < 0.5)) {
    double begin = now();
    body();
    times.push_back(now() - begin);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

void require(attune_status status) {
  if (status != ATTUNE_OK) {
    std::fprintf(stderr, "%s\n", attune_last_error());
    std::exit(1);
  }
}

// Random normal values as f32 or as bf16 (truncated), 4 bytes of room each.
std::vector<float> random_values(std::mt19937& generator, int64_t count, int32_t dtype) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  auto* halves = reinterpret_cast<unsigned char*>(values.data());
  for (int64_t i = 0; i < count; ++i) {
    float value = normal(generator);
    if (dtype == ATTUNE_F32) {
      values[static_cast<size_t>(i)] = value;
    } else {
      std::copy_n(reinterpret_cast<unsigned char*>(&value) + 2, 2, halves + 2 * i);
    }
  }
  return values;
}

void bench(attune_context* ctx, const Batch& batch, const Shape& shape, const Mode& mode, int32_t dtype, float p) {
  std::mt19937 generator(7);
  std::vector<int32_t> cu{0};
  double pairs = 0;
  for (int b = 0; b < batch.sequences; ++b) {
    // Squared uniform: short ones are more common, as in text.
    double u = std::generate_canonical<double, 32>(generator);
    int length = batch.shortest + static_cast<int>(u * u * (batch.longest - batch.shortest + 1));
    cu.push_back(cu.back() + length);
    for (int64_t i = 0; i < length; ++i) {
      const int64_t side = mode.window > 0 ? mode.window - 1 : length;
      pairs += static_cast<double>(std::min<int64_t>(length - 1, i + side) - std::max<int64_t>(0, i - side) + 1);
    }
  }
  const int64_t N = cu.back(), H = shape.H, D = shape.D, C = H * D;
  auto qkv = random_values(generator, N * 3 * C, dtype);
  auto dout = random_values(generator, N * C, dtype);
  std::vector<float> out(static_cast<size_t>(N * C)), dqkv(static_cast<size_t>(N * 3 * C)),
      lse(static_cast<size_t>(N * H));
  const int64_t element = dtype == ATTUNE_F32 ? 4 : 2;
  auto part = [&](std::vector<float>& values, int64_t i) {
    return static_cast<void*>(reinterpret_cast<char*>(values.data()) + i * C * element);
  };
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  const int64_t reach = mode.reach < 0 ? 0 : mode.reach;
  std::vector<float> biases(static_cast<size_t>(H * (2 * reach + 1)), 0.1f), dbiases(biases.size());
  const float* bias = mode.reach < 0 ? nullptr : biases.data();
  float* dbias = mode.reach < 0 ? nullptr : dbiases.data();
  double forward = median_seconds([&] {
    require(attention_fwd(ctx, out.data(), lse.data(), part(qkv, 0), part(qkv, 1), part(qkv, 2), bias, cu.data(),
                          cu.data(), 3 * C, 3 * C, batch.sequences, batch.longest, H, H, D, reach, scale, 0,
                          mode.window, p, 1, 2, dtype));
  });
  double backward = median_seconds([&] {
    require(attention_bwd(ctx, part(dqkv, 0), part(dqkv, 1), part(dqkv, 2), dbias, dout.data(), part(qkv, 0),
                          part(qkv, 1), part(qkv, 2), bias, out.data(), lse.data(), cu.data(), cu.data(), 3 * C, 3 * C,
                          batch.sequences, batch.longest, H, H, D, reach, scale, 0, mode.window, p, 1, 2, dtype));
  });
  double work = pairs * static_cast<double>(C) * 1e-9;
  std::printf("%-16s %-7s %-9s %-4s p=%.1f N=%-5lld  fwd %8.3f ms %6.1f GFLOP/s   bwd %8.3f ms %6.1f GFLOP/s\n",
              batch.name, shape.name, mode.name, dtype == ATTUNE_F32 ? "f32" : "bf16", static_cast<double>(p),
              static_cast<long long>(N), forward * 1e3, 4 * work / forward, backward * 1e3, 10 * work / backward);
}

}  // namespace

int main(int argc, char** argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  int isa = argc > 2 ? std::atoi(argv[2]) : ATTUNE_ISA_BEST;
  attune_context* ctx = attune_context_open(threads, isa);
  if (ctx == nullptr) {
    std::fprintf(stderr, "%s\n", attune_last_error());
    return 1;
  }
  cpu_time = threads == 1;
  std::printf("threads=%d isa=%d, medians of %s time\n", threads, attune_context_isa(ctx), cpu_time ? "CPU" : "wall");
  const Batch batches[] = {{"32 x 3..60", 32, 3, 60}, {"32 x 64..128", 32, 64, 128}, {"8 x 128..512", 8, 128, 512}};
  const Shape shapes[] = {{"MiniLM", 12, 32}, {"BERT", 12, 64}};
  for (const Batch& batch : batches) {
    for (const Shape& shape : shapes) {
      for (int32_t dtype : {ATTUNE_F32, ATTUNE_BF16}) {
        for (float p : {0.0f, 0.1f}) bench(ctx, batch, shape, {"", -1, 0}, dtype, p);
      }
    }
  }
  // What a relative position bias costs, and how a window's work grows with the length.
  const Batch longer[] = {{"32 x 64..128", 32, 64, 128},
                          {"8 x 128..512", 8, 128, 512},
                          {"4 x 2048", 4, 2048, 2048},
                          {"1 x 8192", 1, 8192, 8192}};
  for (const Batch& batch : longer) {
    for (const Mode& mode : {Mode{"", -1, 0}, Mode{"bias", 128, 0}, Mode{"window 65", -1, 65}}) {
      for (int32_t dtype : {ATTUNE_F32, ATTUNE_BF16}) bench(ctx, batch, shapes[1], mode, dtype, 0);
    }
  }
  attune_context_close(ctx);
  return 0;
}
