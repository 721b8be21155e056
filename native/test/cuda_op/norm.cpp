// Layer norm and RMS norm.
#include "cuda_op_test.h"

namespace {

void layer_norm(int64_t N, int64_t C, float p_inp, float p_out, bool residual, bool extra, bool accumulate) {
  for (int32_t dtype : kTypes) {
    now("layer_norm N=%lld C=%lld p=%g,%g residual=%d extra=%d accumulate=%d %s%s", static_cast<long long>(N),
        static_cast<long long>(C), static_cast<double>(p_inp), static_cast<double>(p_out), residual, extra, accumulate,
        type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor inp = of(dtype, N * C), res = of(dtype, N * C), sum = of(dtype, N * C), out = of(dtype, N * C);
    Tensor weight = f32(C), bias = f32(C), mean = f32(N), rstd = f32(N);
    inp.fill(-2, 3);
    res.fill(-1, 1);
    weight.fill(0.5, 1.5);
    bias.fill(-1, 1);
    run([&](Library& l, Side s) {
      return l.layer_norm_fwd(l.ctx, out.at(s), sum.at(s), mean.at<float>(s), rstd.at<float>(s), inp.at(s),
                              residual ? res.at(s) : nullptr, weight.at<float>(s), bias.at<float>(s), N, C, 1e-5f,
                              p_inp, p_out, 42, 9, dtype);
    });
    same("sum", sum, 1e-7);
    same("mean", mean, kTight);
    same("rstd", rstd, kTight);
    same("out", out, kTight * 4);
    Tensor dout = of(dtype, N * C), more = of(dtype, N * C), dinp = of(dtype, N * C), dres = of(dtype, N * C);
    Tensor dweight = f32(C), dbias = f32(C);
    dout.fill(-1, 1);
    more.fill(-1, 1);
    if (accumulate) {
      dres.fill(-1, 1);
      dweight.fill(-1, 1);
      dbias.fill(-1, 1);
    }
    // Backward of the CPU's own sum on every side, so that only backward is compared.
    for (int side = 1; side < kSides; ++side) {
      std::memcpy(sum.raw(side), sum.raw(kCpu), sum.bytes);
      std::memcpy(mean.raw(side), mean.raw(kCpu), mean.bytes);
      std::memcpy(rstd.raw(side), rstd.raw(kCpu), rstd.bytes);
    }
    run([&](Library& l, Side s) {
      return l.layer_norm_bwd(l.ctx, dinp.at(s), residual ? dres.at(s) : nullptr, dweight.at<float>(s),
                              dbias.at<float>(s), dout.at(s), extra ? more.at(s) : nullptr, sum.at(s),
                              mean.at<float>(s), rstd.at<float>(s), weight.at<float>(s), N, C, p_inp, p_out, 42, 9,
                              accumulate, accumulate, dtype);
    });
    same("dinp", dinp, kTight * 4);
    if (residual) same("dresidual", dres, kTight * 4);
    same("dweight", dweight, kTight * 4, std::sqrt(static_cast<double>(N)) + 1);
    same("dbias", dbias, kTight * 4, std::sqrt(static_cast<double>(N)) + 1);
  }
}

void rms_norm(int64_t N, int64_t G, int64_t C, int64_t gap, bool residual, bool extra) {
  const int64_t stride = G * C + gap;
  for (int32_t dtype : kTypes) {
    now("rms_norm N=%lld G=%lld C=%lld gap=%lld residual=%d extra=%d %s%s", static_cast<long long>(N),
        static_cast<long long>(G), static_cast<long long>(C), static_cast<long long>(gap), residual, extra,
        type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor inp = of(dtype, N * stride), res = of(dtype, N * C), sum = of(dtype, N * C), out = of(dtype, N * stride);
    Tensor weight = f32(C), rstd = f32(N * G), dout = of(dtype, N * stride), more = of(dtype, N * stride);
    Tensor dinp = of(dtype, N * stride), dweight = f32(C), added = f32(C);
    inp.fill(-2, 3);
    res.fill(-1, 1);
    weight.fill(0.5, 1.5);
    dout.fill(-1, 1);
    more.fill(-1, 1);
    added.fill(-1, 1);
    run([&](Library& l, Side s) {
      return l.rms_norm_fwd(l.ctx, out.at(s), residual ? sum.at(s) : nullptr, rstd.at<float>(s), inp.at(s),
                            residual ? res.at(s) : nullptr, weight.at<float>(s), N, G, C, stride, stride, 1e-6f, dtype);
    });
    same("out", out, kTight);
    same("rstd", rstd, kTight);
    if (residual) same("sum", sum, 1e-7);
    const Tensor& saved = residual && gap == 0 ? sum : inp;
    for (int side = 1; side < kSides; ++side) {
      std::memcpy(saved.raw(side), saved.raw(kCpu), saved.bytes);
      std::memcpy(rstd.raw(side), rstd.raw(kCpu), rstd.bytes);
    }
    for (const Tensor* dw : {static_cast<const Tensor*>(&dweight), static_cast<const Tensor*>(&added)}) {
      run([&](Library& l, Side s) {
        return l.rms_norm_bwd(l.ctx, dinp.at(s), dw->at<float>(s), dout.at(s), extra ? more.at(s) : nullptr,
                              saved.at(s), rstd.at<float>(s), weight.at<float>(s), N, G, C, stride, stride,
                              dw == &added, dtype);
      });
      same("dinp", dinp, kTight * 4);
      same("dweight", *dw, kTight * 4, std::sqrt(static_cast<double>(N * G)) + 1);
    }
    // In place over an addend that is the same on both sides: in bf16 the results so far may be neighbours.
    for (int64_t i = 0; i < dinp.count; ++i) dinp.set(i, dinp.value(kCpu, i));
    run([&](Library& l, Side s) {
      return l.rms_norm_bwd(l.ctx, dinp.at(s), nullptr, dout.at(s), extra ? dinp.at(s) : nullptr, saved.at(s),
                            rstd.at<float>(s), weight.at<float>(s), N, G, C, stride, stride, 0, dtype);
    });
    same("dinp with a frozen weight", dinp, kTight * 8);
  }
}

}  // namespace

void norm_ops() {
  for (int64_t C : {1, 5, 8, 96, 768, 1024, 1032, 4104, 8200}) {
    const int64_t N = C > 1000 ? 3 : 37;
    layer_norm(N, C, 0, 0, true, false, false);
    layer_norm(N, C, 0.1f, 0.25f, C % 3 == 0, true, true);
  }
  layer_norm(1100, 24, 0, 0.1f, true, true, false);  // more rows than the blocks of backward take at once
  for (int64_t C : {1, 7, 8, 64, 768, 1032, 8200}) {
    rms_norm(C > 1000 ? 3 : 19, 1, C, 0, true, C % 2 == 0);
    rms_norm(3, 3, C, 16, false, true);
    rms_norm(2, 2, C, 5, false, false);
  }
}
