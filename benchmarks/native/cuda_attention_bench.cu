// Times attention forward and backward of the CUDA library on a GPU.
//
//   nvcc -O3 -std=c++17 -I native/include benchmarks/native/cuda_attention_bench.cu -L FOLDER -lattune_cuda
//   ./a.out [dtype: bf16 or f32]
//
// 16384 tokens in sequences of one length, 2048 columns in heads of 64 or 128: the shapes of FlashAttention-2's
// tables. CUDA events, median of 20 calls, each after a write that is larger than the L2 cache. TFLOP/s counts
// 4 D FLOPs forward and 10 D backward for each pair of a query and a key it sees: what backward computes twice
// is not counted as work. Prints CSV.
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "attune_cuda.h"
#include "caller.h"

namespace {

const auto attention_fwd = attune::linked<decltype(attune_attention_fwd)>("attention_fwd");
const auto attention_bwd = attune::linked<decltype(attune_attention_bwd)>("attention_bwd");

constexpr int64_t kTokens = 16384, kColumns = 2048;
constexpr int kSamples = 20, kWarmUp = 3;

void require(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  std::exit(1);
}

void require(attune_status status) {
  if (status == ATTUNE_OK) return;
  std::fprintf(stderr, "%s\n", attune_last_error());
  std::exit(1);
}

// Device memory, freed at the end.
class Memory {
 public:
  explicit Memory(size_t bytes) { require(cudaMalloc(&address_, bytes)); }
  ~Memory() { cudaFree(address_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  template <class T = void>
  T* at(size_t byte = 0) const {
    return reinterpret_cast<T*>(static_cast<char*>(address_) + byte);
  }

 private:
  void* address_ = nullptr;
};

// Random normal values as f32 or as bf16 (truncated).
void fill(void* to, int64_t count, size_t element, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<unsigned char> bytes(static_cast<size_t>(count) * element);
  for (int64_t i = 0; i < count; ++i) {
    const float value = normal(generator);
    std::memcpy(bytes.data() + static_cast<size_t>(i) * element, reinterpret_cast<const char*>(&value) + 4 - element,
                element);
  }
  require(cudaMemcpy(to, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
}

struct Clock {
  Clock() {
    int device = 0, bytes = 0;
    require(cudaGetDevice(&device));
    require(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device));
    flush_bytes = 2 * static_cast<size_t>(bytes);
    require(cudaMalloc(&flush, flush_bytes));
    require(cudaEventCreate(&begin));
    require(cudaEventCreate(&end));
  }
  ~Clock() {
    cudaFree(flush);
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
  }
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

  template <class Body>
  double median_seconds(Body&& body) {
    std::vector<float> times;
    for (int n = 0; n < kWarmUp + kSamples; ++n) {
      require(cudaMemsetAsync(flush, n, flush_bytes, nullptr));
      require(cudaEventRecord(begin, nullptr));
      body();
      require(cudaEventRecord(end, nullptr));
      require(cudaEventSynchronize(end));
      float milliseconds = 0;
      require(cudaEventElapsedTime(&milliseconds, begin, end));
      if (n >= kWarmUp) times.push_back(milliseconds);
    }
    std::nth_element(times.begin(), times.begin() + kSamples / 2, times.end());
    return 1e-3 * static_cast<double>(times[kSamples / 2]);
  }

  void* flush = nullptr;
  size_t flush_bytes = 0;
  cudaEvent_t begin = nullptr, end = nullptr;
};

// The same for every shape, and made once: drawing so many numbers takes longer than all calls that are timed.
struct Tensors {
  explicit Tensors(size_t element_)
      : element(element_),
        width(static_cast<size_t>(kColumns) * element),
        bytes(static_cast<size_t>(kTokens) * width),
        qkv(3 * bytes),
        gradients(3 * bytes),
        out(bytes),
        dout(bytes) {
    fill(qkv.at(), 3 * kTokens * kColumns, element, 7);
    fill(dout.at(), kTokens * kColumns, element, 8);
  }

  size_t element, width, bytes;
  Memory qkv, gradients, out, dout;
};

void bench(attune_context* ctx, Clock& clock, const Tensors& x, int64_t length, int64_t D, bool causal, float p,
           int32_t dtype) {
  const int64_t B = kTokens / length, H = kColumns / D, stride = 3 * kColumns;
  const size_t width = x.width;
  const Memory &qkv = x.qkv, &gradients = x.gradients, &out = x.out, &dout = x.dout;
  Memory lse(static_cast<size_t>(H * kTokens) * 4), cu(static_cast<size_t>(B + 1) * 4);
  std::vector<int32_t> offsets;
  for (int64_t b = 0; b <= B; ++b) offsets.push_back(static_cast<int32_t>(b * length));
  require(cudaMemcpy(cu.at(), offsets.data(), offsets.size() * 4, cudaMemcpyHostToDevice));
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  const int32_t* rows = cu.at<int32_t>();

  const double forward = clock.median_seconds([&] {
    require(attention_fwd(ctx, out.at(), lse.at<float>(), qkv.at(), qkv.at(width), qkv.at(2 * width), nullptr, rows,
                          rows, stride, stride, B, length, H, H, D, 0, scale, causal, 0, p, 1, 2, dtype));
  });
  const double backward = clock.median_seconds([&] {
    require(attention_bwd(ctx, gradients.at(), gradients.at(width), gradients.at(2 * width), nullptr, dout.at(),
                          qkv.at(), qkv.at(width), qkv.at(2 * width), nullptr, out.at(), lse.at<float>(), rows, rows,
                          stride, stride, B, length, H, H, D, 0, scale, causal, 0, p, 1, 2, dtype));
  });
  require(attune_cuda_check(ctx));
  const double pairs = static_cast<double>(B * H) * static_cast<double>(length) *
                       (causal ? 0.5 * static_cast<double>(length + 1) : static_cast<double>(length));
  const double flops = 4 * pairs * static_cast<double>(D);
  std::printf("%s,%lld,%lld,%d,%g,%.1f,%.1f,%.1f,%.1f\n", dtype == ATTUNE_F32 ? "f32" : "bf16",
              static_cast<long long>(D), static_cast<long long>(length), causal, static_cast<double>(p), 1e6 * forward,
              1e-12 * flops / forward, 1e6 * backward, 1e-12 * 2.5 * flops / backward);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const int32_t dtype = count > 1 && std::strcmp(arguments[1], "f32") == 0 ? ATTUNE_F32 : ATTUNE_BF16;
  cudaDeviceProp device;
  require(cudaGetDeviceProperties(&device, 0));
  Memory workspace(static_cast<size_t>(attune_cuda_workspace_bytes()));
  attune_context* ctx = attune_cuda_context_open(0, nullptr, workspace.at(), attune_cuda_workspace_bytes());
  if (ctx == nullptr) {
    std::fprintf(stderr, "%s\n", attune_last_error());
    return 1;
  }
  std::printf("# %s\ndtype,D,length,causal,dropout,forward_us,forward_tflops,backward_us,backward_tflops\n",
              device.name);
  {
    Clock clock;
    const Tensors x(dtype == ATTUNE_F32 ? 4 : 2);
    for (int64_t D : {64, 128}) {
      for (bool causal : {false, true}) {
        for (int64_t length : {128, 256, 512, 1024, 2048}) bench(ctx, clock, x, length, D, causal, 0.0f, dtype);
        bench(ctx, clock, x, 512, D, causal, 0.1f, dtype);
      }
    }
  }
  attune_cuda_context_close(ctx);
  return 0;
}
