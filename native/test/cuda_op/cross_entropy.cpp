// Cross entropy and argmax.
#include "cuda_op_test.h"

namespace {

void cross_entropy(int64_t N, int64_t K, bool weighted, float smoothing, float size) {
  for (int32_t dtype : kTypes) {
    now("cross_entropy N=%lld K=%lld%s smoothing=%g %s%s", static_cast<long long>(N), static_cast<long long>(K),
        weighted ? " weighted" : "", static_cast<double>(smoothing), type_name(dtype),
        misaligned ? ", misaligned" : "");
    Tensor logits = of(dtype, N * K), dlogits = of(dtype, N * K), losses = f32(N), labels = i32(N), index = i32(N);
    Tensor weight = f32(K);
    weight.fill(0, 3);
    auto weights = [&](Side s) { return weighted ? weight.at<float>(s) : nullptr; };
    logits.fill(-size, size);
    labels.indices(K);
    if (N > 2) labels.set(N - 2, -100);
    run([&](Library& l, Side s) {
      return l.cross_entropy(l.ctx, losses.at<float>(s), dlogits.at(s), logits.at(s), labels.at<int32_t>(s), weights(s),
                             N, K, -100, smoothing, 0.125f, dtype);
    });
    same("losses", losses, kTight);
    same("dlogits", dlogits, kTight, 0.125);
    run([&](Library& l, Side s) { return l.argmax(l.ctx, index.at<int32_t>(s), logits.at(s), N, K, dtype); });
    same("argmax", index, 0);
    // In place, and without a gradient.
    run([&](Library& l, Side s) {
      return l.cross_entropy(l.ctx, losses.at<float>(s), nullptr, logits.at(s), labels.at<int32_t>(s), weights(s), N, K,
                             -100, smoothing, 0.125f, dtype);
    });
    same("losses alone", losses, kTight);
    run([&](Library& l, Side s) {
      return l.cross_entropy(l.ctx, losses.at<float>(s), logits.at(s), logits.at(s), labels.at<int32_t>(s), weights(s),
                             N, K, -100, smoothing, 0.125f, dtype);
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
      return l.cross_entropy(l.ctx, losses.at<float>(s), dlogits.at(s), logits.at(s), labels.at<int32_t>(s), nullptr, N,
                             K, -100, 0, 1, dtype);
    });
    same("losses", losses, kTight);
    same("dlogits", dlogits, kTight);
    run([&](Library& l, Side s) { return l.argmax(l.ctx, index.at<int32_t>(s), logits.at(s), N, K, dtype); });
    same("argmax", index, 0);
  }
}

}  // namespace

void cross_entropy_ops() {
  cross_entropy(1, 1, false, 0, 3);
  cross_entropy(9, 2, false, 0, 10);
  cross_entropy(5, 1000, false, 0.1f, 30);
  cross_entropy(3, 30522, false, 0, 5);
  cross_entropy(2, 8200, false, 0.2f, 60);
  cross_entropy(9, 3, true, 0, 10);
  cross_entropy(7, 5, true, 0.1f, 10);
  cross_entropy(2, 8200, true, 0.2f, 60);
  extreme_logits();
}
