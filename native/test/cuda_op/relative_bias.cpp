// The relative position bias and its table of buckets, both libraries against plain loops.
#include "cuda_op_test.h"

namespace {

void relative_bias(int64_t H, int64_t reach, int64_t K) {
  now("relative_bias H=%lld reach=%lld K=%lld%s", static_cast<long long>(H), static_cast<long long>(reach),
      static_cast<long long>(K), misaligned ? ", misaligned" : "");
  const int64_t offsets = 2 * reach + 1;
  Tensor table = f32(K * H), out = f32(H * offsets), dout = f32(H * offsets), dtable = f32(K * H),
         buckets = i32(offsets);
  table.fill(-1, 1);
  dout.fill(-1, 1);
  buckets.indices(K);
  run([&](Library& l, Side s) {
    return l.relative_bias_fwd(l.ctx, out.at<float>(s), table.at<float>(s), buckets.at<int32_t>(s), H, reach, K);
  });
  same("out", out, 0);
  for (int64_t i = 0; i < H * offsets; ++i) {
    const auto bucket = static_cast<int64_t>(buckets.value(kCpu, i % offsets));
    if (out.value(kCpu, i) != table.value(kCpu, bucket * H + i / offsets))
      failed("out[%lld]", static_cast<long long>(i));
  }
  for (int32_t accumulate : {0, 1}) {
    if (accumulate != 0) dtable.fill(-1, 1);
    std::vector<double> expected(static_cast<size_t>(K * H));
    for (int64_t i = 0; i < K * H && accumulate != 0; ++i)
      expected[static_cast<size_t>(i)] = static_cast<double>(dtable.value(kCpu, i));
    for (int64_t i = 0; i < H * offsets; ++i) {
      const auto bucket = static_cast<int64_t>(buckets.value(kCpu, i % offsets));
      expected[static_cast<size_t>(bucket * H + i / offsets)] += static_cast<double>(dout.value(kCpu, i));
    }
    run([&](Library& l, Side s) {
      return l.relative_bias_bwd(l.ctx, dtable.at<float>(s), dout.at<float>(s), buckets.at<int32_t>(s), H, reach, K,
                                 accumulate);
    });
    same("dtable", dtable, 0);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (!(std::fabs(static_cast<double>(dtable.value(kCpu, static_cast<int64_t>(i))) - expected[i]) <= 1e-4))
        failed("dtable[%zu]", i);
    }
  }
}

void bad_bucket() {
  now("bad bucket");
  Tensor table = f32(8), out = f32(6), buckets = i32(3);
  table.fill(-1, 1);
  buckets.values({0, 4, 1});
  const char* expected = "relative_bias_fwd: buckets[1] is 4, must be 0..3";
  for (Side side : {kCpu, kCuda}) {
    Library& l = library_of(side);
    attune_status status =
        l.relative_bias_fwd(l.ctx, out.at<float>(side), table.at<float>(side), buckets.at<int32_t>(side), 2, 1, 4);
    if (side == kCuda && status == ATTUNE_OK) status = cuda_check(cuda.ctx);
    if (status != ATTUNE_INVALID_ARGUMENT || std::strcmp(l.last_error(), expected) != 0)
      failed("status %d, message '%s', must be '%s'", status, l.last_error(), expected);
  }
}

}  // namespace

void relative_bias_ops() {
  relative_bias(1, 0, 1);
  relative_bias(12, 128, 32);
  relative_bias(3, 500, 7);
  bad_bucket();
}
