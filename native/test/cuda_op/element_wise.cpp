// Activations, dropout, casts, squared error, copies and zeroing.
#include "cuda_op_test.h"

namespace {

void element_wise(int64_t n) {
  for (int32_t dtype : kTypes) {
    for (int32_t activation : kActivations) {
      now("activation %d, %lld, %s%s", activation, static_cast<long long>(n), type_name(dtype),
          misaligned ? ", misaligned" : "");
      Tensor inp = of(dtype, n), dout = of(dtype, n), out = of(dtype, n), dinp = of(dtype, n), sum = of(dtype, n);
      inp.fill(-6, 6);
      dout.fill(-1, 1);
      sum.fill(-1, 1);
      run([&](Library& l, Side s) { return l.activation_fwd(l.ctx, out.at(s), inp.at(s), n, activation, dtype); });
      run([&](Library& l, Side s) {
        return l.activation_bwd(l.ctx, dinp.at(s), dout.at(s), inp.at(s), n, activation, 0, dtype);
      });
      run([&](Library& l, Side s) {
        return l.activation_bwd(l.ctx, sum.at(s), dout.at(s), inp.at(s), n, activation, 1, dtype);
      });
      same("out", out, 1e-6);
      same("dinp", dinp, 1e-6);
      same("dinp added", sum, 1e-6);
    }
    now("dropout %lld %s%s", static_cast<long long>(n), type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor inp = of(dtype, n), out = of(dtype, n), kept = of(dtype, n);
    inp.fill(-2, 2);
    run([&](Library& l, Side s) { return l.dropout(l.ctx, out.at(s), inp.at(s), n, 0.3f, 12345678901, 77, dtype); });
    run([&](Library& l, Side s) { return l.dropout(l.ctx, kept.at(s), inp.at(s), n, 0.0f, 1, 2, dtype); });
    same("out", out, 1e-7);
    same("out with p = 0", kept, 0);
    for (int32_t to : kTypes) {
      now("cast %lld %s -> %s", static_cast<long long>(n), type_name(dtype), type_name(to));
      Tensor plain = of(to, n), added = of(to, n);
      added.fill(-1, 1);
      run([&](Library& l, Side s) { return l.cast(l.ctx, plain.at(s), inp.at(s), n, 0, to, dtype); });
      run([&](Library& l, Side s) { return l.cast(l.ctx, added.at(s), inp.at(s), n, 1, to, dtype); });
      same("out", plain, 0);
      same("out added", added, 0);
    }
    now("mse %lld %s", static_cast<long long>(n), type_name(dtype));
    Tensor targets = f32(n), losses = f32(n), dpred = of(dtype, n);
    targets.fill(-2, 2);
    run([&](Library& l, Side s) {
      return l.mse(l.ctx, losses.at<float>(s), dpred.at(s), inp.at(s), targets.at<float>(s), n, 0.25f, dtype);
    });
    same("losses", losses, 1e-7);
    same("dpred", dpred, 1e-7);
  }
  now("memory %lld", static_cast<long long>(n));
  Tensor inp = f32(n), out = f32(n), zero = f32(n);
  inp.fill(-1, 1);
  run([&](Library& l, Side s) { return l.copy(l.ctx, out.at(s), inp.at(s), n * 4); });
  run([&](Library& l, Side s) { return l.fill_zero(l.ctx, zero.at(s), n * 4); });
  same("copy", out, 0);
  same("zero", zero, 0);
}

}  // namespace

void element_wise_ops() {
  for (int64_t n : {1, 7, 8, 255, 2048, 7001}) element_wise(n);
}
