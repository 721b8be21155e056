// AdamW, SGD, sums of squares and clipping, with the values of the step block.
#include "cuda_op_test.h"

namespace {

void update(float lr, float correction1, float correction2, int64_t targets) {
  run([&](Library& l, Side) { return l.set_update(l.ctx, lr, correction1, correction2, targets, 1.25f); });
}

void optimizers(int64_t n) {
  now("optimizers %lld%s", static_cast<long long>(n), misaligned ? ", misaligned" : "");
  Tensor weight = f32(n), m = f32(n), v = f32(n), grad = f32(n), shadow = of(ATTUNE_BF16, n);
  weight.fill(-1, 1);
  m.fill(-0.1f, 0.1f);
  v.fill(0, 0.1f);
  grad.fill(-1, 1);
  update(1e-2f, 0.1f, 0.001f, 2);
  run([&](Library& l, Side s) {
    return l.adamw(l.ctx, weight.at<float>(s), m.at<float>(s), v.at<float>(s), shadow.at(s), grad.at<float>(s), n, 0.9f,
                   0.999f, 1e-8f, 0.01f, 0.75f, 5, 7, 0, ATTUNE_F32);
  });
  same("adamw weight", weight, 1e-6);
  same("adamw m", m, 1e-7);
  same("adamw v", v, 1e-7);
  same("adamw shadow", shadow, 1e-6);
  Tensor sum = Tensor(Tensor::kF64, 1), norm = Tensor(Tensor::kF64, 1);
  run([&](Library& l, Side s) { return l.sum_of_squares(l.ctx, sum.at<double>(s), grad.at<float>(s), n); });
  same("sum of squares", sum, 1e-7);
  update(2e-2f, 0.2f, 0.002f, 2);
  run([&](Library& l, Side s) { return l.clip(l.ctx, norm.at<double>(s), sum.at<double>(s), 1, 0.25f); });
  same("norm", norm, 1e-7);
  const double expected = std::sqrt(*sum.at<double>(kCuda)) / 2.5;
  if (!(std::fabs(*norm.at<double>(kCuda) - expected) <= 1e-12 * expected)) failed("clip: must be %g", expected);
  run([&](Library& l, Side s) {
    return l.adamw(l.ctx, weight.at<float>(s), m.at<float>(s), v.at<float>(s), shadow.at(s), grad.at<float>(s), n, 0.9f,
                   0.999f, 1e-8f, 0.01f, 0.75f, 5, 7, 0, ATTUNE_F32);
  });
  same("clipped weight", weight, 1e-6);
  same("clipped shadow", shadow, 1e-6);
  update(1e-2f, 1, 1, 2);
  Tensor buffer = f32(n);
  buffer.fill(0, 0);
  for (int step = 0; step < 3; ++step) {
    run([&](Library& l, Side s) {
      return l.sgd(l.ctx, weight.at<float>(s), buffer.at<float>(s), shadow.at(s), grad.at<float>(s), n,
                   step == 2 ? 0.0f : 0.9f, 0.01f, 0.75f, step);
    });
    same("sgd weight", weight, 1e-6);
    same("sgd buffer", buffer, 1e-6);
    same("sgd shadow", shadow, 1e-6);
  }
}

// Moments in bf16: a sum that differs in its last place may be rounded to the other neighbour, seldom.
void bf16_moments(int64_t n, int64_t first) {
  now("adamw bf16 moments %lld from %lld%s", static_cast<long long>(n), static_cast<long long>(first),
      misaligned ? ", misaligned" : "");
  Tensor weight = f32(n), m = of(ATTUNE_BF16, n), v = of(ATTUNE_BF16, n), grad = f32(n);
  weight.fill(-1, 1);
  m.fill(-0.1f, 0.1f);
  v.fill(0, 0.1f);
  grad.fill(-1, 1);
  update(1e-2f, 0.1f, 0.001f, 2);
  run([&](Library& l, Side s) {
    return l.adamw(l.ctx, weight.at<float>(s), m.at(s), v.at(s), nullptr, grad.at<float>(s), n, 0.9f, 0.999f, 1e-8f,
                   0.01f, 0.75f, 5, 7, first, ATTUNE_BF16);
  });
  same("adamw weight", weight, 1e-6);
  same("adamw m", m, 1e-3);
  same("adamw v", v, 1e-3);
}

// Moments in blocks of codes: one that differs in its last place may be nearer to the next code, seldom, and then a
// weight goes another way later. So the codes are compared as such, each with those next to it.
void moments_of_8_bits(int64_t n) {
  now("adamw_8bit %lld%s", static_cast<long long>(n), misaligned ? ", misaligned" : "");
  const int64_t blocks = (n + ATTUNE_MOMENT_BLOCK - 1) / ATTUNE_MOMENT_BLOCK;
  Tensor weight = f32(n), m = Tensor(Tensor::kU8, n), v = Tensor(Tensor::kU8, n), grad = f32(n), m_scale = f32(blocks),
         v_scale = f32(blocks), shadow = of(ATTUNE_BF16, n);
  weight.fill(-1, 1);
  m.indices(256);
  v.indices(256);
  m_scale.fill(0.01f, 0.1f);
  v_scale.fill(0.01f, 0.1f);
  grad.fill(-1, 1);
  update(1e-2f, 0.1f, 0.001f, 2);
  run([&](Library& l, Side s) {
    return l.adamw_8bit(l.ctx, weight.at<float>(s), m.at<uint8_t>(s), m_scale.at<float>(s), v.at<uint8_t>(s),
                        v_scale.at<float>(s), shadow.at(s), grad.at<float>(s), n, 0.9f, 0.999f, 1e-8f, 0.01f, 0.75f);
  });
  same("adamw weight", weight, 2e-6);
  same("adamw shadow", shadow, 2e-6);
  same("adamw scale of m", m_scale, 1e-6);
  same("adamw scale of v", v_scale, 1e-6);
  int64_t apart = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (Tensor* codes : {&m, &v}) {
      const int difference = codes->at<uint8_t>(kCuda)[i] - codes->at<uint8_t>(kCpu)[i];
      if (difference < -1 || difference > 1) failed("code %lld: %d apart", static_cast<long long>(i), difference);
      apart += difference != 0;
    }
  }
  if (apart > 2 + n / 1000) failed("%lld codes differ", static_cast<long long>(apart));
}

void adamw_rows(int64_t V, int64_t C, float decay) {
  now("adamw_rows V=%lld C=%lld%s", static_cast<long long>(V), static_cast<long long>(C),
      misaligned ? ", misaligned" : "");
  Tensor weight = f32(V * C), m = f32(V * C), v = f32(V * C), grad = f32(V * C), state = Tensor(Tensor::kU8, V);
  weight.fill(-1, 1);
  m.fill(-0.1f, 0.1f);
  v.fill(0, 0.1f);
  grad.fill(-1, 1);
  state.indices(3);
  update(1e-2f, 0.1f, 0.001f, 2);
  run([&](Library& l, Side s) {
    return l.adamw_rows(l.ctx, weight.at<float>(s), m.at<float>(s), v.at<float>(s), grad.at<float>(s),
                        state.at<uint8_t>(s), V, C, 0.9f, 0.999f, 1e-8f, decay, 0.5f, 5, 7, ATTUNE_F32);
  });
  same("weight", weight, 1e-6);
  same("m", m, 1e-7);
  same("v", v, 1e-7);
}

}  // namespace

void optimizer_ops() {
  for (int64_t n : {1, 4, 1023, 9000}) optimizers(n);
  for (int64_t n : {3, 1024, 9001}) bf16_moments(n, n + 2);
  for (int64_t n : {1, 255, 256, 9001}) moments_of_8_bits(n);
  adamw_rows(50, 24, 0.1f);
  adamw_rows(9, 7, 0);
}
