// What holds for the library as a whole: bad indices, the step block, empty tensors.
#include "cuda_op_test.h"

namespace {

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
  if (cuda_set_step(cuda.ctx, int64_t{5} << 32, 0, 1, 1, 1) != ATTUNE_OK) failed("set_step: %s", cuda.last_error());
  run([&](Library& l, Side s) {
    return l.dropout(l.ctx, out.at(s), inp.at(s), n, 0.5f, 3, s == kCpu ? (int64_t{5} << 32) + 8 : 8, ATTUNE_F32);
  });
  same("out", out, 0);
  cuda_set_step(cuda.ctx, 0, 0, 1, 1, 1);
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

}  // namespace

void library_rules() {
  bad_indices();
  stream_base();
  empty();
}
