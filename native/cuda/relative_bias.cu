// The relative position bias of attention, made from a learned table of buckets. A few thousand elements.
#include "vectors.cuh"

namespace attune::cuda {

namespace {

// A bucket outside the table is recorded and read as `none`.
__device__ __forceinline__ int32_t bucket_of(const int32_t* buckets, int64_t i, int64_t K, Op op, ErrorWord* error) {
  const int32_t bucket = buckets[i];
  if (bucket >= 0 && bucket < K) return bucket;
  record_bad_index(error, op, Index::buckets, i, bucket, K);
  return -1;
}

struct Expand {
  float* out;
  const float* table;
  const int32_t* buckets;
  int64_t H, offsets, K;
  ErrorWord* error;

  template <int V>
  __device__ void run(int64_t i) const {
    static_assert(V == 1, "rows begin anywhere");
    const int32_t bucket = bucket_of(buckets, i % offsets, K, Op::relative_bias_fwd, error);
    out[i] = bucket < 0 ? 0.0f : table[bucket * H + i / offsets];
  }
};

// A thread for each element of the table.
struct Fold {
  float* dtable;
  const float* dout;
  const int32_t* buckets;
  int64_t H, offsets, K;
  bool accumulate;
  ErrorWord* error;

  template <int V>
  __device__ void run(int64_t i) const {
    static_assert(V == 1, "a bucket at a time");
    const int64_t k = i / H;
    const float* row = dout + i % H * offsets;
    float sum = accumulate ? dtable[i] : 0.0f;
    for (int64_t o = 0; o < offsets; ++o) {
      if (bucket_of(buckets, o, K, Op::relative_bias_bwd, error) == k) sum += row[o];
    }
    dtable[i] = sum;
  }
};

}  // namespace

attune_status relative_bias_fwd(attune_context* ctx, float* out, const float* table, const int32_t* buckets, int64_t H,
                                int64_t reach, int64_t K) {
  const int64_t offsets = 2 * reach + 1;
  return launch_flat<1>(ctx, Expand{out, table, buckets, H, offsets, K, &ctx->front()->error}, H * offsets, true);
}

attune_status relative_bias_bwd(attune_context* ctx, float* dtable, const float* dout, const int32_t* buckets,
                                int64_t H, int64_t reach, int64_t K, int32_t accumulate) {
  return launch_flat<1>(ctx, Fold{dtable, dout, buckets, H, 2 * reach + 1, K, accumulate != 0, &ctx->front()->error},
                        K * H, true);
}

}  // namespace attune::cuda
