// Binary cross-entropy and span cross-entropy: both libraries against the definition in double, and each other.
#include "cuda_op_test.h"

namespace {

// Elements of `tensor` on either side against `expected`, relative to the larger of it and `scale`; bf16 may round.
void defined(const char* name, const Tensor& tensor, const std::vector<double>& expected, double relative,
             double scale) {
  const double rounding = tensor.kind == Tensor::kBf16 ? 0x1p-8 : 0;
  for (Side side : {kCpu, kCuda}) {
    ++comparisons;
    for (size_t i = 0; i < expected.size(); ++i) {
      const double got = static_cast<double>(tensor.value(side, static_cast<int64_t>(i)));
      if (std::isnan(expected[i]) ? std::isnan(got) : got == expected[i]) continue;
      const double size = std::fabs(expected[i]);
      if (!(std::fabs(got - expected[i]) <= relative * std::fmax(size, scale) + rounding * size)) {
        failed("%s: %s[%zu] is %.9g, must be %.9g", side == kCpu ? "CPU" : "CUDA", name, i, got, expected[i]);
        break;
      }
    }
  }
}

double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double sigmoid(double x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

void binary_cross_entropy(int64_t N, int64_t K, bool weighted, float size) {
  for (int32_t dtype : kTypes) {
    now("binary_cross_entropy N=%lld K=%lld%s %s%s", static_cast<long long>(N), static_cast<long long>(K),
        weighted ? " weighted" : "", type_name(dtype), misaligned ? ", misaligned" : "");
    const float scale = 0.125f;
    Tensor logits = of(dtype, N * K), dlogits = of(dtype, N * K), losses = f32(N), targets = f32(N * K),
           weight = f32(K);
    logits.fill(-size, size);
    targets.indices(2);
    targets.set(0, 0.25f);
    weight.fill(0.5f, 4);
    std::vector<double> expected_losses(static_cast<size_t>(N)), expected_gradients;
    for (int64_t i = 0; i < N * K; ++i) {
      const double x = static_cast<double>(logits.value(kCpu, i)), t = static_cast<double>(targets.value(kCpu, i));
      const double w = weighted ? static_cast<double>(weight.value(kCpu, i % K)) : 1;
      expected_losses[static_cast<size_t>(i / K)] +=
          ((1 - t) * softplus(x) + w * t * softplus(-x)) / static_cast<double>(K);
      expected_gradients.push_back(((1 - t) * sigmoid(x) - w * t * sigmoid(-x)) * static_cast<double>(scale) /
                                   static_cast<double>(K));
    }
    auto call = [&](Library& l, Side s, void* gradients) {
      return l.binary_cross_entropy(l.ctx, losses.at<float>(s), gradients, logits.at(s), targets.at<float>(s),
                                    weighted ? weight.at<float>(s) : nullptr, N, K, scale, dtype);
    };
    const double step = 0.125 / static_cast<double>(K);
    // Small losses and gradients are as exact as large ones: hence no floor of their size.
    run([&](Library& l, Side s) { return call(l, s, dlogits.at(s)); });
    same("losses", losses, kTight, 1e-6);
    same("dlogits", dlogits, kTight, 1e-6 * step);
    defined("losses", losses, expected_losses, kTight, 1e-6);
    defined("dlogits", dlogits, expected_gradients, kTight, 1e-6 * step);
    run([&](Library& l, Side s) { return call(l, s, nullptr); });
    same("losses alone", losses, kTight, 1e-6);
    run([&](Library& l, Side s) { return call(l, s, logits.at(s)); });
    same("dlogits in place", logits, kTight, 1e-6 * step);
    defined("losses in place", losses, expected_losses, kTight, 1e-6);
  }
}

void extreme_binary() {
  const float inf = INFINITY;
  // One logit a row: certain and right, certain and wrong, infinite, not a number.
  const std::vector<float> x = {100, -100, 100, -100, inf, inf, -inf, -inf, NAN, 1e-30f, 3e38f, -3e38f};
  const std::vector<float> t = {1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1};
  const std::vector<double> losses_expected = {
      std::exp(-100.0),           std::exp(-100.0),          100, 100, NAN, INFINITY, NAN, INFINITY, NAN, std::log(2.0),
      static_cast<double>(3e38f), static_cast<double>(3e38f)};
  const std::vector<double> gradients_expected = {0, 0, 1, -1, 0, 1, 0, -1, NAN, 0.5, 1, -1};
  const int64_t N = static_cast<int64_t>(x.size());
  now("extreme binary logits");
  Tensor logits = f32(N), dlogits = f32(N), losses = f32(N), targets = f32(N);
  for (int64_t n = 0; n < N; ++n) {
    logits.set(n, x[static_cast<size_t>(n)]);
    targets.set(n, t[static_cast<size_t>(n)]);
  }
  run([&](Library& l, Side s) {
    return l.binary_cross_entropy(l.ctx, losses.at<float>(s), dlogits.at(s), logits.at(s), targets.at<float>(s),
                                  nullptr, N, 1, 1, ATTUNE_F32);
  });
  defined("losses", losses, losses_expected, kTight, 1e-6);
  defined("dlogits", dlogits, gradients_expected, kTight, 1e-6);
}

void span_cross_entropy(const std::vector<int64_t>& bounds, float size) {
  const int64_t B = static_cast<int64_t>(bounds.size()) - 1, N = bounds.back();
  for (int32_t dtype : kTypes) {
    now("span_cross_entropy B=%lld N=%lld %s%s", static_cast<long long>(B), static_cast<long long>(N), type_name(dtype),
        misaligned ? ", misaligned" : "");
    const float scales[2] = {0.25f, 0.5f};
    Tensor logits = of(dtype, 2 * N), dlogits = of(dtype, 2 * N), losses = f32(2 * B), cu = i32(B + 1);
    Tensor positions[2] = {i32(B), i32(B)};
    logits.fill(-size, size);
    dlogits.fill(0, 0);  // rows before the first sequence are nobody's
    cu.values(bounds);
    std::vector<double> expected_losses(static_cast<size_t>(2 * B)), expected(static_cast<size_t>(2 * N));
    for (int64_t b = 0; b < B; ++b) {
      const int64_t begin = bounds[static_cast<size_t>(b)], length = bounds[static_cast<size_t>(b) + 1] - begin;
      for (int c = 0; c < 2; ++c) {
        // Of every eight sequences one position before and one behind its rows.
        int64_t position = length == 0 ? 0 : random_below(length);
        if (b % 8 == 3 + c) position = c == 0 ? -1 : length;
        positions[c].set(b, static_cast<float>(position));
        if (position < 0 || position >= length) continue;
        auto x = [&](int64_t n) { return static_cast<double>(logits.value(kCpu, 2 * (begin + n) + c)); };
        double top = x(0), sum = 0;
        for (int64_t n = 0; n < length; ++n) top = std::fmax(top, x(n));
        for (int64_t n = 0; n < length; ++n) sum += std::exp(x(n) - top);
        expected_losses[static_cast<size_t>(2 * b + c)] = std::log(sum) + top - x(position);
        for (int64_t n = 0; n < length; ++n) {
          expected[static_cast<size_t>(2 * (begin + n) + c)] =
              (std::exp(x(n) - top) / sum - (n == position ? 1 : 0)) * static_cast<double>(scales[c]);
        }
      }
    }
    auto call = [&](Library& l, Side s, void* gradients) {
      return l.span_cross_entropy(l.ctx, losses.at<float>(s), gradients, logits.at(s), cu.at<int32_t>(s),
                                  positions[0].at<int32_t>(s), positions[1].at<int32_t>(s), B, scales[0], scales[1],
                                  dtype);
    };
    run([&](Library& l, Side s) { return call(l, s, dlogits.at(s)); });
    same("losses", losses, kTight);
    same("dlogits", dlogits, kTight, 0.25);
    defined("losses", losses, expected_losses, kTight, 1);
    defined("dlogits", dlogits, expected, kTight, 0.25);
    run([&](Library& l, Side s) { return call(l, s, nullptr); });
    same("losses alone", losses, kTight);
    run([&](Library& l, Side s) { return call(l, s, logits.at(s)); });
    for (int64_t i = 2 * bounds[0]; i < 2 * N; ++i) {
      if (logits.value(kCpu, i) != dlogits.value(kCpu, i) || logits.value(kCuda, i) != dlogits.value(kCuda, i)) {
        failed("in place differs");
        break;
      }
    }
  }
}

// What is not finite in a column, or in a sequence, stays there.
void extreme_spans() {
  now("extreme spans");
  const std::vector<int64_t> bounds = {0, 3, 6, 8};
  const float inf = INFINITY;
  const std::vector<float> x = {NAN, 1, 2, 3, 4, 5, -inf, -inf, -inf, 0, 1, -inf, 1, 2, 3, 4};
  Tensor logits = f32(16), dlogits = f32(16), losses = f32(6), cu = i32(4), starts = i32(3), ends = i32(3);
  for (size_t i = 0; i < x.size(); ++i) logits.set(static_cast<int64_t>(i), x[i]);
  cu.values(bounds);
  starts.values({1, 2, 0});
  ends.values({0, 1, 1});
  run([&](Library& l, Side s) {
    return l.span_cross_entropy(l.ctx, losses.at<float>(s), dlogits.at(s), logits.at(s), cu.at<int32_t>(s),
                                starts.at<int32_t>(s), ends.at<int32_t>(s), 3, 1, 1, ATTUNE_F32);
  });
  same("losses", losses, kTight);
  same("dlogits", dlogits, kTight);
  const double near = std::log(1 + std::exp(2.0));
  defined("losses", losses, {NAN, std::log(1 + std::exp(2.0) + std::exp(4.0)), 0, 0 + std::log(1.0), near, near - 2},
          kTight, 1);
}

// ---- vectors -------------------------------------------------------------------------------------------

void l2_normalize(int64_t N, int64_t D, int64_t stride) {
  now("l2_normalize N=%lld D=%lld stride=%lld%s", static_cast<long long>(N), static_cast<long long>(D),
      static_cast<long long>(stride), misaligned ? ", misaligned" : "");
  Tensor inp = f32(N * stride), out = f32(N * D), rnorm = f32(N), dout = f32(N * D), dinp = f32(N * stride);
  inp.fill(-2, 2);
  dout.fill(-1, 1);
  dinp.fill(-1, 1);
  run([&](Library& l, Side s) {
    return l.l2_normalize_fwd(l.ctx, out.at<float>(s), rnorm.at<float>(s), inp.at<float>(s), N, D, stride, 1.5f);
  });
  run([&](Library& l, Side s) {
    return l.l2_normalize_bwd(l.ctx, dinp.at<float>(s), dout.at<float>(s), inp.at<float>(s), rnorm.at<float>(s), N, D,
                              stride, 1.5f);
  });
  same("out", out, kTight);
  same("rnorm", rnorm, kTight);
  same("dinp", dinp, kTight);
}

void pair_loss(int64_t B, int64_t D) {
  for (int32_t kind = ATTUNE_PAIR_SQUARED_ERROR; kind <= ATTUNE_TRIPLET_EUCLIDEAN; ++kind) {
    now("pair_loss %d B=%lld D=%lld%s", kind, static_cast<long long>(B), static_cast<long long>(D),
        misaligned ? ", misaligned" : "");
    const float value = kind == ATTUNE_PAIR_RANKING ? 20 : 0.5f;
    const float size = 1.0f / std::sqrt(static_cast<float>(D));
    Tensor inp = f32(3 * B * D), dinp = f32(3 * B * D), losses = f32(B), targets = f32(B);
    inp.fill(-size, size);
    targets.indices(4);
    const int64_t columns = kind <= ATTUNE_PAIR_RANKING ? 2 : 3;
    for (int64_t i = columns * B * D; i < 3 * B * D; ++i) dinp.set(i, 0);
    auto call = [&](Library& l, Side s, float* gradients) {
      return l.pair_loss(l.ctx, losses.at<float>(s), gradients, inp.at<float>(s), targets.at<float>(s), B, D, kind,
                         value, 0.25f);
    };
    run([&](Library& l, Side s) { return call(l, s, dinp.at<float>(s)); });
    same("losses", losses, kTight);
    same("dinp", dinp, kTight, static_cast<double>(size));
    run([&](Library& l, Side s) { return call(l, s, nullptr); });
    same("losses alone", losses, kTight);
  }
}

}  // namespace

void loss_ops() {
  l2_normalize(1, 1, 1);
  l2_normalize(7, 24, 32);
  l2_normalize(300, 384, 384);
  l2_normalize(5, 33, 40);
  pair_loss(1, 5);
  pair_loss(40, 24);
  pair_loss(600, 33);
  binary_cross_entropy(1, 1, false, 3);
  binary_cross_entropy(9, 2, true, 10);
  binary_cross_entropy(7, 28, true, 40);
  binary_cross_entropy(5, 1000, false, 30);
  binary_cross_entropy(3, 4099, true, 8);
  extreme_binary();
  span_cross_entropy({0, 1}, 3);
  span_cross_entropy({2, 7, 7, 20, 21, 36, 52, 69, 85, 150}, 10);
  span_cross_entropy({0, 384, 900}, 30);
  extreme_spans();
}
