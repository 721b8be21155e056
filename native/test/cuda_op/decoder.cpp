// Gated activations, rotary positions, the key/value cache.
#include "cuda_op_test.h"

namespace {

void gated(int64_t N, int64_t F) {
  for (int32_t dtype : kTypes) {
    for (int32_t activation : {ATTUNE_ACT_SILU, ATTUNE_ACT_GELU}) {
      now("gated N=%lld F=%lld %d %s%s", static_cast<long long>(N), static_cast<long long>(F), activation,
          type_name(dtype), misaligned ? ", misaligned" : "");
      Tensor inp = of(dtype, N * 2 * F), out = of(dtype, N * F), dout = of(dtype, N * F), dinp = of(dtype, N * 2 * F);
      Tensor again = of(dtype, N * F);
      inp.fill(-3, 3);
      dout.fill(-1, 1);
      run([&](Library& l, Side s) { return l.gated_fwd(l.ctx, out.at(s), inp.at(s), N, F, activation, dtype); });
      same("out", out, 1e-6);
      run([&](Library& l, Side s) {
        return l.gated_bwd(l.ctx, dinp.at(s), again.at(s), dout.at(s), inp.at(s), N, F, activation, dtype);
      });
      same("dinp", dinp, 2e-6);
      same("out again", again, 1e-6);
      run([&](Library& l, Side s) {
        return l.gated_bwd(l.ctx, inp.at(s), dout.at(s), dout.at(s), inp.at(s), N, F, activation, dtype);
      });
      same("dinp in place", inp, 2e-6);
      same("out over dout", dout, 1e-6);
    }
  }
}

void rope(int64_t N, int64_t H, int64_t D, int64_t rotary, int64_t gap) {
  for (int32_t dtype : kTypes) {
    now("rope N=%lld H=%lld D=%lld rotary=%lld %s%s", static_cast<long long>(N), static_cast<long long>(H),
        static_cast<long long>(D), static_cast<long long>(rotary), type_name(dtype), misaligned ? ", misaligned" : "");
    const int64_t P = 11, stride = H * D + gap;
    Tensor inp = of(dtype, N * stride), table = f32(P * rotary), positions = i32(N);
    inp.fill(-2, 2);
    table.fill(-1, 1);
    positions.indices(P);
    for (int inverse = 0; inverse < 2; ++inverse) {
      run([&](Library& l, Side s) {
        return l.rope(l.ctx, inp.at(s), table.at<float>(s), positions.at<int32_t>(s), N, H, D, rotary, stride, P,
                      inverse, dtype);
      });
      same("rotated", inp, 1e-6);
    }
  }
}

void kv_cache(int64_t N, int64_t width, int64_t gap) {
  for (int32_t dtype : kTypes) {
    now("kv_cache_write N=%lld width=%lld %s%s", static_cast<long long>(N), static_cast<long long>(width),
        type_name(dtype), misaligned ? ", misaligned" : "");
    const int64_t rows_in_cache = 2 * N + 3;
    Tensor k = of(dtype, N * (width + gap)), v = of(dtype, N * (width + gap)), rows = i32(N);
    Tensor k_cache = of(dtype, rows_in_cache * width), v_cache = of(dtype, rows_in_cache * width);
    k.fill(-1, 1);
    v.fill(-1, 1);
    for (int64_t n = 0; n < N; ++n) rows.set(n, static_cast<float>(2 * n + 1));
    run([&](Library& l, Side s) {
      return l.kv_cache_write(l.ctx, k_cache.at(s), v_cache.at(s), k.at(s), v.at(s), rows.at<int32_t>(s), N, width,
                              width + gap, width, dtype);
    });
    same("k cache", k_cache, 0);
    same("v cache", v_cache, 0);
  }
}

}  // namespace

void decoder_ops() {
  gated(1, 1);
  gated(5, 24);
  gated(3, 1000);
  rope(5, 3, 16, 16, 0);
  rope(3, 2, 20, 12, 3);
  rope(2, 4, 128, 64, 128);
  kv_cache(5, 64, 64);
  kv_cache(3, 7, 2);
}
