// Whatever the shape, the partial results of a plan fit into the scratch, and a plan goes on at all.
#include <cstdio>
#include <initializer_list>

#include "plans.h"

using namespace attune::cuda;

namespace {

int failures = 0;

void expect(bool condition, const char* what, int64_t a, int64_t b, int64_t c) {
  if (condition) return;
  std::printf("FAILED: %s at %lld, %lld, %lld\n", what, static_cast<long long>(a), static_cast<long long>(b),
              static_cast<long long>(c));
  ++failures;
}

}  // namespace

int main() {
  for (int64_t C = 1; C <= kMaxNormWidth; C = C * 3 / 2 + 1) {
    for (int64_t blocks : {int64_t{1}, int64_t{255}, int64_t{1} << 40}) {
      for (int64_t arrays : {1, 2}) {
        const int64_t count = norm_partials(blocks, arrays, C);
        expect(count >= 1 && count <= blocks, "norm: count", C, blocks, arrays);
        expect(count * arrays * C * 4 <= kScratchBytes, "norm: scratch", C, blocks, arrays);
      }
    }
    const ScatterPlan plan(C);
    expect(plan.rows > 0 && plan.rows % ScatterPlan::kRun == 0, "scatter: rows", C, plan.rows, 0);
    for (int64_t rows : {int64_t{1}, plan.rows - 1, plan.rows}) {
      const int64_t end = ScatterPlan::partials_at(rows) + ceil_div(rows, ScatterPlan::kRun) * 2 * C;
      expect(ScatterPlan::partials_at(rows) >= 2 * rows, "scatter: overlap", C, rows, end);
      expect(end * 4 <= kScratchBytes, "scatter: scratch", C, rows, end);
    }
    for (int64_t N : {int64_t{1}, int64_t{16384}, int64_t{1} << 33}) {
      const int64_t pieces = ceil_div(N, dora_piece_rows(N, C));
      expect(pieces >= 1 && pieces <= 65535, "dora: pieces", N, C, 0);
      expect(pieces * C * 4 <= kScratchBytes, "dora: scratch", N, C, 0);
    }
    for (int64_t R : {1, 8, 64, 256}) {
      for (int64_t N : {int64_t{1}, int64_t{16384}, int64_t{1} << 33}) {
        const int64_t pieces = ceil_div(N, lora_piece_rows(N, C, R));
        expect(pieces >= 1 && pieces <= 65535, "lora: pieces", N, C, R);
        expect(pieces * C * R * 4 <= kScratchBytes, "lora: scratch", N, C, R);
      }
    }
  }
  if (failures == 0) std::printf("plans: all checks passed\n");
  return failures == 0 ? 0 : 1;
}
