// Low-rank adapters, beside their definition.
#include "cuda_op_test.h"

namespace {

attune_status defined_lora_fwd(attune_context*, void* out, const void* low, const float* up, int64_t N, int64_t F,
                               int64_t R, int64_t out_stride, int64_t low_stride, float scale, int32_t dtype) {
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t f = 0; f < F; ++f) {
      double sum = 0;
      for (int64_t r = 0; r < R; ++r) {
        sum += static_cast<double>(element_of(low, n * low_stride + r, dtype)) * static_cast<double>(up[f * R + r]);
      }
      const int64_t at = n * out_stride + f;
      put_element(out, at, dtype, static_cast<double>(element_of(out, at, dtype)) + static_cast<double>(scale) * sum);
    }
  }
  return ATTUNE_OK;
}

attune_status defined_lora_bwd(attune_context*, void* dlow, float* dup, const void* dout, const void* low,
                               const float* up, int64_t N, int64_t F, int64_t R, int64_t out_stride, int64_t low_stride,
                               float scale, int32_t accumulate, int32_t dtype) {
  std::vector<double> sums(static_cast<size_t>(F * R));
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t r = 0; r < R; ++r) {
      double sum = 0;
      for (int64_t f = 0; f < F; ++f) {
        const double d = static_cast<double>(element_of(dout, n * out_stride + f, dtype));
        sum += d * static_cast<double>(up[f * R + r]);
        sums[static_cast<size_t>(f * R + r)] += d * static_cast<double>(element_of(low, n * low_stride + r, dtype));
      }
      put_element(dlow, n * low_stride + r, dtype, static_cast<double>(scale) * sum);
    }
  }
  for (int64_t i = 0; i < F * R; ++i) {
    dup[i] = static_cast<float>((accumulate != 0 ? static_cast<double>(dup[i]) : 0) +
                                static_cast<double>(scale) * sums[static_cast<size_t>(i)]);
  }
  return ATTUNE_OK;
}

void lora(int64_t N, int64_t F, int64_t R, int64_t gap) {
  for (int32_t dtype : kTypes) {
    now("lora N=%lld F=%lld R=%lld %s%s", static_cast<long long>(N), static_cast<long long>(F),
        static_cast<long long>(R), type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor out = of(dtype, N * (F + gap)), low = of(dtype, N * (R + gap)), up = f32(F * R),
           dlow = of(dtype, N * (R + gap));
    Tensor dup = f32(F * R);
    out.fill(-1, 1);
    low.fill(-1, 1);
    up.fill(-1, 1);
    run([&](Library& l, Side s) {
      return l.lora_fwd(l.ctx, out.at(s), low.at(s), up.at<float>(s), N, F, R, F + gap, R + gap, 0.5f, dtype);
    });
    same("out", out, kTight, std::sqrt(static_cast<double>(R)));
    for (int accumulate = 0; accumulate < 2; ++accumulate) {
      for (int side = 1; side < kSides; ++side) std::memcpy(out.raw(side), out.raw(kCpu), out.bytes);
      run([&](Library& l, Side s) {
        return l.lora_bwd(l.ctx, dlow.at(s), dup.at<float>(s), out.at(s), low.at(s), up.at<float>(s), N, F, R, F + gap,
                          R + gap, 0.5f, accumulate, dtype);
      });
      same("dlow", dlow, kTight, std::sqrt(static_cast<double>(F)));
      same("dup", dup, kTight, std::sqrt(static_cast<double>(N)));
    }
  }
}

void dora(int64_t N, int64_t F, int64_t C, int64_t R, int64_t gap) {
  for (int32_t dtype : kTypes) {
    now("dora N=%lld F=%lld C=%lld R=%lld %s%s", static_cast<long long>(N), static_cast<long long>(F),
        static_cast<long long>(C), static_cast<long long>(R), type_name(dtype), misaligned ? ", misaligned" : "");
    Tensor weight = of(dtype, (F + 2) * C), down = f32(R * C), up = f32(F * R), magnitude = f32(F);
    Tensor gain = f32(F), excess = f32(F), norm = f32(F);
    weight.fill(-1, 1);
    down.fill(-1, 1);
    up.fill(-1, 1);
    magnitude.fill(1, 2);
    run([&](Library& l, Side s) {
      return l.dora_gain(l.ctx, gain.at<float>(s), excess.at<float>(s), norm.at<float>(s), weight.at(s),
                         down.at<float>(s), up.at<float>(s), magnitude.at<float>(s), F + 2, 1, F, C, R, 0.5f, dtype);
    });
    same("norm", norm, kTight, std::sqrt(static_cast<double>(C)));
    same("gain", gain, kTight, 4);
    same("excess", excess, kTight, 4);
    Tensor inp = of(dtype, N * (F + gap)), dout = of(dtype, N * (F + gap)), dinp = of(dtype, N * (F + gap));
    Tensor bias = f32(F), out = of(dtype, N * F), dmagnitude = f32(F);
    inp.fill(-1, 1);
    dout.fill(-1, 1);
    bias.fill(-1, 1);
    for (int side = 1; side < kSides; ++side) {
      std::memcpy(gain.raw(side), gain.raw(kCpu), gain.bytes);
      std::memcpy(norm.raw(side), norm.raw(kCpu), norm.bytes);
    }
    for (int accumulate = 0; accumulate < 2; ++accumulate) {
      run([&](Library& l, Side s) {
        return l.dora_fwd(l.ctx, out.at(s), inp.at(s), gain.at<float>(s), bias.at<float>(s), N, F, accumulate, dtype);
      });
      same("out", out, kTight);
      run([&](Library& l, Side s) {
        return l.dora_bwd(l.ctx, dinp.at(s), dmagnitude.at<float>(s), dout.at(s), inp.at(s), gain.at<float>(s),
                          norm.at<float>(s), N, F, F + gap, accumulate, dtype);
      });
      same("dinp", dinp, kTight);
      same("dmagnitude", dmagnitude, kTight, std::sqrt(static_cast<double>(N)));
    }
  }
}

}  // namespace

void lora_ops() {
  lora(5, 3, 1, 0);
  lora(70, 130, 16, 3);
  lora(1100, 24, 8, 0);
  lora(65, 66, 40, 8);
  dora(5, 3, 7, 1, 0);
  dora(70, 132, 128, 16, 3);
  dora(1100, 24, 64, 8, 8);
  dora(130, 600, 1028, 40, 0);
}

void define_lora(Library* library) {
  library->lora_fwd = defined_lora_fwd;
  library->lora_bwd = defined_lora_bwd;
}
