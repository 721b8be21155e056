// Tests of the test instrument: the emulated device computes what the PTX manual says and sees the faults
// that it is there for. Prints the failures; the exit status is their number.
#include <cstdio>
#include <string>
#include <vector>

#include "device.cuh"

using namespace attune::cuda;

namespace {

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::printf("FAILED: %s\n", what);
  ++failures;
}

attune_context context{};

// Runs a kernel that must fault, and looks for a word in the message.
template <class Kernel, class... Arguments>
void expect_fault(const char* what, const char* word, Kernel* kernel, dim3 block, size_t shared,
                  Arguments... arguments) {
  attune_status status = launch(&context, kernel, 2, block, shared, arguments...);
  expect(status == ATTUNE_INTERNAL, what);
  if (std::string(attune_last_error()).find(word) == std::string::npos) {
    std::printf("FAILED: %s: message is '%s'\n", what, attune_last_error());
    ++failures;
  }
}

// out (16,8) = a (16,16) * b (8,16)^T through shared memory, ldmatrix and mma.
__global__ void product_bf16(float* out, const bf16* a, const bf16* b) {
  bf16* tile = shared_memory<bf16>();
  const int lane = lane_id();
  for (int i = lane; i < 16 * 16 / 8; i += kWarp) cp_async16(tile + i * 8, a + i * 8);
  for (int i = lane; i < 8 * 16 / 8; i += kWarp) cp_async16(tile + 256 + i * 8, b + i * 8);
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  uint32_t fa[4], fb[4];
  ldmatrix_x4(fa, tile + (lane % 16) * 16 + lane / 16 * 8);
  ldmatrix_x4(fb, tile + 256 + (lane % 8) * 16 + lane / 8 % 2 * 8);
  float d[4] = {};
  mma_bf16(d, fa, fb[0], fb[1]);
  const int g = lane / 4, t = lane % 4;
  out[g * 8 + 2 * t] = d[0];
  out[g * 8 + 2 * t + 1] = d[1];
  out[(g + 8) * 8 + 2 * t] = d[2];
  out[(g + 8) * 8 + 2 * t + 1] = d[3];
}

// The same with b (16,8), which only the transposing load can bring into place.
__global__ void product_bf16_trans(float* out, const bf16* a, const bf16* b) {
  bf16* tile = shared_memory<bf16>();
  const int lane = lane_id();
  for (int i = lane; i < 256; i += kWarp) tile[i] = a[i];
  for (int i = lane; i < 128; i += kWarp) tile[256 + i] = b[i];
  __syncthreads();
  uint32_t fa[4], fb[4];
  ldmatrix_x4(fa, tile + (lane % 16) * 16 + lane / 16 * 8);
  ldmatrix_x4_trans(fb, tile + 256 + (lane % 16) * 8);
  float d[4] = {};
  mma_bf16(d, fa, fb[0], fb[1]);
  const int g = lane / 4, t = lane % 4;
  out[g * 8 + 2 * t] = d[0];
  out[g * 8 + 2 * t + 1] = d[1];
  out[(g + 8) * 8 + 2 * t] = d[2];
  out[(g + 8) * 8 + 2 * t + 1] = d[3];
}

// out (16,8) = a (16,8) * b (8,8)
__global__ void product_tf32(float* out, const float* a, const float* b) {
  const int lane = lane_id(), g = lane / 4, t = lane % 4;
  uint32_t fa[4] = {to_tf32(a[g * 8 + t]), to_tf32(a[(g + 8) * 8 + t]), to_tf32(a[g * 8 + t + 4]),
                    to_tf32(a[(g + 8) * 8 + t + 4])};
  float d[4] = {};
  mma_tf32(d, fa, to_tf32(b[t * 8 + g]), to_tf32(b[(t + 4) * 8 + g]));
  out[g * 8 + 2 * t] = d[0];
  out[g * 8 + 2 * t + 1] = d[1];
  out[(g + 8) * 8 + 2 * t] = d[2];
  out[(g + 8) * 8 + 2 * t + 1] = d[3];
}

void products() {
  // Small integers: exact in every format.
  std::vector<float> a(16 * 16), b(16 * 8), out(16 * 8);
  alignas(16) bf16 a16[256], b16[128], b16_rows[128];
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(static_cast<int>(i * 7 % 23) - 11);
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(static_cast<int>(i * 5 % 19) - 9);
  for (int i = 0; i < 256; ++i) a16[i] = to_bf16(a[static_cast<size_t>(i)]);
  for (int k = 0; k < 16; ++k) {
    for (int n = 0; n < 8; ++n) {
      b16[n * 16 + k] = to_bf16(b[static_cast<size_t>(k * 8 + n)]);
      b16_rows[k * 8 + n] = to_bf16(b[static_cast<size_t>(k * 8 + n)]);
    }
  }
  auto check = [&](const char* what, int depth, int row) {
    bool same = true;
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 8; ++n) {
        float sum = 0;
        for (int k = 0; k < depth; ++k) sum += a[static_cast<size_t>(m * row + k)] * b[static_cast<size_t>(k * 8 + n)];
        same = same && out[static_cast<size_t>(m * 8 + n)] == sum;
      }
    }
    expect(same, what);
  };
  expect(launch(&context, product_bf16, 1, kWarp, 1024, out.data(), a16, b16) == ATTUNE_OK, "bf16 product runs");
  check("bf16 product", 16, 16);
  expect(launch(&context, product_bf16_trans, 1, kWarp, 1024, out.data(), a16, b16_rows) == ATTUNE_OK, "trans runs");
  check("bf16 product with a transposing load", 16, 16);
  expect(launch(&context, product_tf32, 1, kWarp, 0, out.data(), a.data(), b.data()) == ATTUNE_OK, "tf32 runs");
  check("tf32 product", 8, 8);
}

__global__ void shuffles(int* out) {
  const int lane = lane_id();
  int sum = lane;
  for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
  const int below = shuffle_up(lane, 1);
  const uint32_t odd = ballot(lane % 2 == 1);
  out[threadIdx.x] = sum + 1000 * below + (odd == 0xAAAAAAAAu ? 1000000 : 0);
}

// Each thread reads what its neighbour in another warp wrote.
__global__ void exchange_in_block(int* out, bool with_barrier) {
  int* values = shared_memory<int>();
  const unsigned self = threadIdx.x;
  values[self] = static_cast<int>(self);
  if (with_barrier) __syncthreads();
  out[blockIdx.x * blockDim.x + self] = values[(self + 40) % blockDim.x];
}

__global__ void barrier_in_branch() {
  if (threadIdx.x < 32) __syncthreads();
}

__global__ void missing_lane() {
  if (lane_id() != 5) shuffle(1, 0);
}

__global__ void mixed_collectives() {
  if (lane_id() < 16) {
    shuffle(1, 0);
  } else {
    ballot(true);
  }
}

__global__ void write_past_shared() { shared_memory<float>()[threadIdx.x + 1] = 1.0f; }

__global__ void misaligned_copy(const float* from) { cp_async16(shared_memory<float>() + 1, from); }

__global__ void misaligned_pair(float* out, const float* from) {
  struct alignas(8) Pair {
    float x, y;
  };
  const Pair pair = *reinterpret_cast<const Pair*>(from + 1);
  out[threadIdx.x] = pair.x + pair.y;
}

__global__ void read_before_wait(float* out, const float* from) {
  cp_async16(shared_memory<float>() + 4 * lane_id(), from);
  cp_async_commit();
  out[lane_id()] = shared_memory<float>()[4 * lane_id()];
  cp_async_wait<0>();
  out[kWarp + lane_id()] = shared_memory<float>()[4 * lane_id()];
}

// A warp copies onto what the other one reads: before the barrier between the two, or after it.
__global__ void copy_over(float* out, const float* from, bool read_first) {
  float* tile = shared_memory<float>();
  const bool reads = warp_id() == 0;
  tile[4 * threadIdx.x] = 7.0f;
  __syncthreads();
  if (reads && read_first) out[lane_id()] = tile[4 * (kWarp + lane_id())];
  __syncthreads();
  if (!reads) cp_async16(tile + 4 * threadIdx.x, from);
  cp_async_commit();
  __syncthreads();
  if (reads && !read_first) out[lane_id()] = tile[4 * (kWarp + lane_id())];
  cp_async_wait<0>();
}

}  // namespace

int main() {
  context.op = "test";
  products();

  std::vector<int> words(64);
  expect(launch(&context, shuffles, 1, 64, 0, words.data()) == ATTUNE_OK, "shuffles run");
  for (int i = 0; i < 64; ++i) {
    int lane = i % 32;
    expect(words[static_cast<size_t>(i)] == 496 + 1000 * (lane == 0 ? 0 : lane - 1) + 1000000, "shuffles");
  }

  std::vector<int> out(8 * 128);
  auto wrong = [&](bool with_barrier) {
    expect(launch(&context, exchange_in_block, 8, 128, 512, out.data(), with_barrier) == ATTUNE_OK, "exchange runs");
    int count = 0;
    for (int i = 0; i < 8 * 128; ++i) count += out[static_cast<size_t>(i)] != (i % 128 + 40) % 128;
    return count;
  };
  expect(wrong(true) == 0, "a barrier orders the block");
  expect(wrong(false) > 0, "a missing barrier shows");

  std::vector<float> values(64);
  expect_fault("barrier in a branch", "__syncthreads", barrier_in_branch, 64, 0);
  expect_fault("missing lane", "shuffle", missing_lane, 32, 0);
  expect_fault("mixed collectives", "ballot", mixed_collectives, 32, 0);
  expect_fault("write past shared memory", "past its 128 bytes", write_past_shared, 32, 128);
  alignas(16) float source[4] = {1, 2, 3, 4};
  expect_fault("misaligned cp.async", "multiple of 16", misaligned_copy, 32, 1024, source);
  expect_fault("misaligned access", "is not a multiple of 8", misaligned_pair, 32, 0, values.data(), source);
  expect_fault("half a warp", "cannot launch", barrier_in_branch, 48, 0);

  expect(launch(&context, read_before_wait, 1, 32, 512, values.data(), source) == ATTUNE_OK, "copies run");
  int late = 0, after = 0;
  for (size_t i = 0; i < 32; ++i) {
    late += values[i] != values[i];
    after += values[32 + i] == 1.0f;
  }
  expect(late > 0, "a missing wait shows");
  expect(after == 32, "all copies have landed after the wait");
  auto overwritten = [&](bool read_first) {
    expect(launch(&context, copy_over, 1, 64, 1024, values.data(), source, read_first) == ATTUNE_OK, "copies run");
    int count = 0;
    for (size_t i = 0; i < 32; ++i) count += values[i] != 7.0f;
    return count;
  };
  expect(overwritten(true) == 0, "a barrier keeps a copy from what is read before it");
  expect(overwritten(false) > 0, "a copy onto what is still read shows");
  if (failures == 0) std::printf("emulated device: all checks passed\n");
  return failures;
}
