#include "lora.h"

#include <cstdio>
#include <cstring>
#include <vector>

#include "attune_ops.h"
#include "caller.h"
#include "numbers.h"

namespace attune {
namespace {

const auto lora_fwd = linked<decltype(attune_lora_fwd)>("lora_fwd");
const auto lora_bwd = linked<decltype(attune_lora_bwd)>("lora_bwd");

// One row; rows and columns that are not whole steps; ranks of several steps; several chunks of columns and of rows.
struct Shape {
  int64_t N, F, R;
  uint64_t hash;  // of all results
};
const Shape kShapes[] = {{1, 17, 3, 0xf2f860e55162a7f8},
                         {40, 200, 16, 0x2e2528aec423e0ef},
                         {70, 431, 40, 0xe5c8df66ea494515},
                         {300, 1601, 8, 0x55dfa12e578d8ef6}};

std::vector<uint16_t> narrow(int64_t count, uint32_t seed) {
  std::vector<uint16_t> out;
  for (float value : fractions(count, seed, 255, 1 / 64.0f)) {  // exact in bf16
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    out.push_back(static_cast<uint16_t>(bits >> 16));
  }
  return out;
}

uint64_t results(const Shape& shape, int threads, int32_t isa) {
  constexpr float kScale = 0.5f;  // exact, since a level may fuse it into a sum or not
  const auto [N, F, R, hash] = shape;
  const int64_t out_stride = F + 3, low_stride = R + 5;
  const auto low = narrow(N * low_stride, 1), dout = narrow(N * out_stride, 2);
  const auto up = fractions(F * R, 3, 16777215, 1 / 4194304.0f);  // all 24 bits
  auto out = dout, dlow = low;
  auto dup = up;
  attune_context* ctx = attune_context_open(threads, isa);
  lora_fwd(ctx, out.data(), low.data(), up.data(), N, F, R, out_stride, low_stride, kScale, ATTUNE_BF16);
  lora_bwd(ctx, dlow.data(), dup.data(), dout.data(), low.data(), up.data(), N, F, R, out_stride, low_stride, kScale, 1,
           ATTUNE_BF16);
  attune_context_close(ctx);
  Hash sum;
  sum.add(out);
  sum.add(dlow);
  sum.add(dup);
  return sum.value();
}

}  // namespace

int check_lora(const std::string& tiles, int32_t isa) {
  int failures = 0;
  for (const Shape& shape : kShapes) {
    for (int threads : {1, 3}) {
      const uint64_t hash = results(shape, threads, isa);
      if (hash == shape.hash) continue;
      std::printf("FAILED: %s tiles, adapter, %d threads, {%lld, %lld, %lld}: hash 0x%016llx\n", tiles.c_str(), threads,
                  static_cast<long long>(shape.N), static_cast<long long>(shape.F), static_cast<long long>(shape.R),
                  static_cast<unsigned long long>(hash));
      ++failures;
    }
  }
  return failures;
}

}  // namespace attune
