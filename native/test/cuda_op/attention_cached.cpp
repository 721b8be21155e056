// Attention over cached keys and values, beside its definition.
#include "cuda_op_test.h"

namespace {

attune_status defined_attention_cached(attune_context*, void* out, const void* q, const void* k_cache,
                                       const void* v_cache, const int32_t* cu_q, const int32_t* k_start,
                                       const int32_t* k_count, int64_t q_stride, int64_t kv_stride, int64_t B,
                                       int64_t H, int64_t Hkv, int64_t D, float scale, int64_t window, int32_t dtype) {
  for (int64_t b = 0; b < B; ++b) {
    const int64_t rows = cu_q[b + 1] - cu_q[b];
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t h = 0; h < H; ++h) {
        const int64_t end = k_count[b] - rows + i + 1, begin = window > 0 && end > window ? end - window : 0;
        const int64_t at_q = (cu_q[b] + i) * q_stride + h * D, in_row = h / (H / Hkv) * D;
        std::vector<double> scores, sums(static_cast<size_t>(D));
        double top = -INFINITY, weight = 0;
        for (int64_t j = begin; j < end; ++j) {
          double score = 0;
          for (int64_t d = 0; d < D; ++d) {
            score += static_cast<double>(element_of(q, at_q + d, dtype)) *
                     static_cast<double>(element_of(k_cache, (k_start[b] + j) * kv_stride + in_row + d, dtype));
          }
          scores.push_back(score * static_cast<double>(scale));
          top = std::fmax(top, scores.back());
        }
        for (int64_t j = begin; j < end; ++j) {
          const double p = std::exp(scores[static_cast<size_t>(j - begin)] - top);
          weight += p;
          for (int64_t d = 0; d < D; ++d) {
            sums[static_cast<size_t>(d)] +=
                p * static_cast<double>(element_of(v_cache, (k_start[b] + j) * kv_stride + in_row + d, dtype));
          }
        }
        for (int64_t d = 0; d < D; ++d) {
          put_element(out, ((cu_q[b] + i) * H + h) * D + d, dtype,
                      weight > 0 ? sums[static_cast<size_t>(d)] / weight : 0);
        }
      }
    }
  }
  return ATTUNE_OK;
}

void attention_cached(const std::vector<int64_t>& queries, const std::vector<int64_t>& keys, int64_t H, int64_t Hkv,
                      int64_t D, int64_t window) {
  for (int32_t dtype : kTypes) {
    now("attention_cached H=%lld/%lld D=%lld window=%lld keys=%lld %s%s", static_cast<long long>(H),
        static_cast<long long>(Hkv), static_cast<long long>(D), static_cast<long long>(window),
        static_cast<long long>(keys[0]), type_name(dtype), misaligned ? ", misaligned" : "");
    const int64_t B = static_cast<int64_t>(queries.size());
    std::vector<int64_t> cu{0}, starts;
    int64_t cache_rows = 3;
    for (size_t b = 0; b < queries.size(); ++b) {
      cu.push_back(cu.back() + queries[b]);
      starts.push_back(cache_rows);
      cache_rows += keys[b] + 2;
    }
    const int64_t Nq = cu.back(), q_stride = H * D + 8, kv_stride = Hkv * D + 16;
    Tensor q = of(dtype, Nq * q_stride), k = of(dtype, cache_rows * kv_stride), v = of(dtype, cache_rows * kv_stride);
    Tensor out = of(dtype, Nq * H * D), cu_q = i32(B + 1), start = i32(B), count = i32(B);
    q.fill(-1, 1);
    cu_q.values(cu);
    start.values(starts);
    count.values(keys);
    // Rows of no sequence stay NaN: nobody may read them.
    for (size_t b = 0; b < keys.size(); ++b) {
      for (int64_t i = starts[b] * kv_stride; i < (starts[b] + keys[b]) * kv_stride; ++i) {
        k.set(i, random_float(-2, 2));
        v.set(i, random_float(-1, 1));
      }
    }
    run([&](Library& l, Side s) {
      return l.attention_cached_fwd(l.ctx, out.at(s), q.at(s), k.at(s), v.at(s), cu_q.at<int32_t>(s),
                                    start.at<int32_t>(s), count.at<int32_t>(s), q_stride, kv_stride, B, H, Hkv, D, 0.3f,
                                    window, dtype);
    });
    same("out", out, kTight);
  }
}

}  // namespace

void attention_cached_ops() {
  attention_cached({1, 1, 1}, {300, 1, 17}, 4, 1, 64, 0);
  attention_cached({1, 3, 0, 0}, {2000, 40, 5, 0}, 6, 2, 128, 0);
  attention_cached({5, 1}, {5, 90}, 2, 2, 80, 33);
  attention_cached({40}, {45}, 2, 1, 64, 0);  // several rows in turn for each block
  attention_cached({1, 2}, {50, 60}, 3, 1, 256, 7);
  attention_cached({1, 4}, {37, 4}, 2, 1, 5, 0);
}

void define_attention_cached(Library* library) { library->attention_cached_fwd = defined_attention_cached; }
