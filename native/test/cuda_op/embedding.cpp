// Embedding and pooling.
#include "cuda_op_test.h"

namespace {

void embedding(int64_t N, int64_t C, int64_t V, bool all) {
  for (int32_t dtype : kTypes) {
    now("embedding N=%lld C=%lld V=%lld all=%d %s%s", static_cast<long long>(N), static_cast<long long>(C),
        static_cast<long long>(V), all, type_name(dtype), misaligned ? ", misaligned" : "");
    const int64_t P = 17, T = 2;
    Tensor word = f32(V * C), position = f32(P * C), type = f32(T * C), out = of(dtype, N * C), dout = of(dtype, N * C);
    Tensor ids = i32(N), positions = i32(N), types = i32(N);
    word.fill(-1, 1);
    position.fill(-1, 1);
    type.fill(-1, 1);
    dout.fill(-1, 1);
    ids.indices(V);
    positions.indices(P);
    types.indices(T);
    run([&](Library& l, Side s) {
      return l.embedding_fwd(l.ctx, out.at(s), word.at<float>(s), all ? position.at<float>(s) : nullptr,
                             all ? type.at<float>(s) : nullptr, ids.at<int32_t>(s), positions.at<int32_t>(s),
                             types.at<int32_t>(s), N, C, V, P, T, dtype);
    });
    same("out", out, 1e-7);
    run([&](Library& l, Side s) {
      return l.embedding_bwd(l.ctx, word.at<float>(s), all ? position.at<float>(s) : nullptr,
                             all ? type.at<float>(s) : nullptr, dout.at(s), ids.at<int32_t>(s),
                             positions.at<int32_t>(s), types.at<int32_t>(s), N, C, dtype);
    });
    const double size = std::sqrt(static_cast<double>(N)) + 1;
    same("dword", word, kTight, size);
    same("dposition", position, kTight, size);
    same("dtype_table", type, kTight, size);
    run([&](Library& l, Side s) { return l.zero_rows(l.ctx, word.at<float>(s), ids.at<int32_t>(s), N / 2, C); });
    same("zeroed", word, kTight, size);
    Tensor sum = Tensor(Tensor::kF64, 1);
    run([&](Library& l, Side s) {
      return l.sum_of_squares_rows(l.ctx, sum.at<double>(s), word.at<float>(s), ids.at<int32_t>(s), N, C);
    });
    same("sum of squares of rows", sum, 1e-5);
  }
}

void pooling(const std::vector<int64_t>& lengths, int64_t C) {
  for (int32_t dtype : kTypes) {
    const int64_t B = static_cast<int64_t>(lengths.size());
    std::vector<int64_t> starts{0};
    for (int64_t length : lengths) starts.push_back(starts.back() + length);
    const int64_t N = starts.back();
    now("pooling N=%lld C=%lld %s%s", static_cast<long long>(N), static_cast<long long>(C), type_name(dtype),
        misaligned ? ", misaligned" : "");
    Tensor cu = i32(B + 1), inp = of(dtype, N * C), out = of(dtype, B * C), dinp = of(dtype, N * C);
    cu.values(starts);
    inp.fill(-1, 1);
    run([&](Library& l, Side s) {
      return l.mean_pool_fwd(l.ctx, out.at(s), inp.at(s), cu.at<int32_t>(s), B, C, dtype);
    });
    same("mean", out, kTight);
    for (int accumulate = 0; accumulate < 2; ++accumulate) {
      run([&](Library& l, Side s) {
        return l.mean_pool_bwd(l.ctx, dinp.at(s), out.at(s), cu.at<int32_t>(s), B, C, accumulate, dtype);
      });
      same("mean dinp", dinp, kTight);
    }
    const int64_t M = (N + 1) / 2;
    Tensor rows = i32(M), gathered = of(dtype, M * C);
    for (int64_t m = 0; m < M; ++m) rows.set(m, static_cast<float>((m * 2 + 1) % N));
    run([&](Library& l, Side s) {
      return l.gather_rows_fwd(l.ctx, gathered.at(s), inp.at(s), rows.at<int32_t>(s), M, C, dtype);
    });
    same("gathered", gathered, 0);
    for (int accumulate = 0; accumulate < 2; ++accumulate) {
      run([&](Library& l, Side s) {
        return l.gather_rows_bwd(l.ctx, dinp.at(s), gathered.at(s), rows.at<int32_t>(s), N, M, C, accumulate, dtype);
      });
      same("scattered", dinp, 1e-7);
    }
  }
}

}  // namespace

void embedding_ops() {
  embedding(1, 8, 5, true);
  embedding(70, 5, 3, true);
  embedding(300, 40, 11, true);
  embedding(1000, 16, 500, true);
  embedding(64, 1032, 9, false);
  pooling({1, 2, 3}, 5);
  pooling({40, 0, 9, 1}, 264);
  pooling({100}, 768);
}
