// What holds for the library as a whole: bad indices, the step block, empty tensors.
#include <algorithm>

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
  cuda.cross_entropy(cuda.ctx, losses.at<float>(kCuda), nullptr, logits.at(kCuda), ids.at<int32_t>(kCuda), nullptr, N,
                     C, -100, 0, 1, ATTUNE_F32);
  report("cross_entropy: labels[5] is 16, must be 0..15");
  if (losses.value(kCuda, 5) != 0) failed("a bad label has a loss");
}

// The step block's stream_base moves every mask as a larger stream would.
void stream_base() {
  now("stream_base");
  const int64_t n = 1000;
  Tensor inp = f32(n), out = f32(n);
  inp.fill(1, 2);
  if (cuda.set_stream_base(cuda.ctx, int64_t{5} << 32) != ATTUNE_OK) failed("set_stream_base: %s", cuda.last_error());
  run([&](Library& l, Side s) {
    return l.dropout(l.ctx, out.at(s), inp.at(s), n, 0.5f, 3, s == kCpu ? (int64_t{5} << 32) + 8 : 8, ATTUNE_F32);
  });
  same("out", out, 0);
  cuda.set_stream_base(cuda.ctx, 0);
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
    return l.cross_entropy(l.ctx, nullptr, nullptr, nullptr, nullptr, nullptr, 0, 5, -1, 0, 1, ATTUNE_F32);
  });
  run([&](Library& l, Side) { return l.gated_fwd(l.ctx, nullptr, nullptr, 0, 5, ATTUNE_ACT_SILU, ATTUNE_F32); });
  run([&](Library& l, Side) {
    return l.embedding_bwd(l.ctx, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, 0, 8, ATTUNE_F32);
  });
}

// What cuDNN's attention takes, beside plain loops. The third sequence has no rows; two more fill the count up.
void packed_layout() {
  now("sequence_offsets");
  const std::vector<int64_t> bounds = {0, 5, 12, 12, 300};
  const int64_t B = 4, width = 96, out_width = 32, heads = 4;
  Tensor cu_seqlens = i32(B + 1);
  cu_seqlens.values(bounds);
  for (int64_t padded : {B, B + 2, int64_t{700}}) {
    const int64_t stride = cuda_offsets_stride(padded);
    if (stride < padded + 1 || stride % 4 != 0) failed("stride %lld", static_cast<long long>(stride));
    Tensor out = i32(3 * stride + padded + 1);
    out.fill(0, 0);
    run([&](Library& l, Side s) -> attune_status {
      if (s != kCpu) {
        return cuda.sequence_offsets(l.ctx, out.at<int32_t>(s), cu_seqlens.at<int32_t>(s), B, padded, width, out_width,
                                     heads);
      }
      const int64_t widths[] = {width, out_width, heads};
      for (int64_t b = 0; b <= padded; ++b) {
        const int64_t begin = bounds[static_cast<size_t>(std::min(b, B))];
        if (b < padded)
          out.at<int32_t>(s)[b] = static_cast<int32_t>(bounds[static_cast<size_t>(std::min(b + 1, B))] - begin);
        for (int64_t i = 0; i < 3; ++i)
          out.at<int32_t>(s)[(i + 1) * stride + b] = static_cast<int32_t>(begin * widths[i]);
      }
      return ATTUNE_OK;
    });
    same("lengths and offsets", out, 0);
  }
  for (int64_t N : {1, 31, 32, 33, 700}) {
    for (int64_t heads : {1, 12, 32, 65}) {
      now("transpose_stats N=%lld heads=%lld", static_cast<long long>(N), static_cast<long long>(heads));
      Tensor bounds_of_rows = i32(3), stats = f32(N * heads), by_head = f32(N * heads), again = f32(N * heads);
      bounds_of_rows.values({0, N / 2, N});
      stats.fill(-1, 1);
      auto transpose = [&](const Tensor& out, const Tensor& inp, int64_t rows, int32_t to_heads) {
        run([&](Library& l, Side s) -> attune_status {
          if (s != kCpu) {
            return cuda.transpose_stats(l.ctx, out.at<float>(s), inp.at<float>(s), bounds_of_rows.at<int32_t>(s), 2,
                                        heads, to_heads);
          }
          for (int64_t i = 0; i < N * heads; ++i) {
            const int64_t cols = N * heads / rows;
            out.at<float>(s)[i % cols * rows + i / cols] = inp.at<float>(s)[i];
          }
          return ATTUNE_OK;
        });
      };
      transpose(by_head, stats, N, 1);
      same("by head", by_head, 0);
      transpose(again, by_head, heads, 0);
      same("by row", again, 0);
    }
  }
}

}  // namespace

void library_rules() {
  packed_layout();
  bad_indices();
  stream_base();
  empty();
}
