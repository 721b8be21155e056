// Attention forward on tensor cores: FlashAttention-2's loop (Dao, 2023). A block owns kOwn queries of one
// head, 32 (or 16) a warp, and runs over the keys that they see:
//
//   S = Q K^T,  m = row maximum,  P = exp2(c S - m),  l += row sum,  O = O exp2(m' - m) + P V
//
// 4 D FLOPs for a query and key. P goes from the accumulators of the first product into the operands of the
// second without leaving the registers. Keys and values of the next stage arrive while this one is used:
// one barrier a stage, which says both that the stage is here and that the other is free.
//
// The maximum may lag behind by up to kSlack powers of two: probabilities are then at most 2^kSlack, as exact
// in bf16 as those up to 1, and O is rescaled in the first few stages only instead of in all.
#ifndef ATTUNE_CUDA_ATTENTION_FORWARD_CUH
#define ATTUNE_CUDA_ATTENTION_FORWARD_CUH

#include "attention_bias.cuh"

namespace attune::cuda {

constexpr float kSlack = 8.0f;

template <int kD, bool kDropout, bool kBias>
struct ForwardShared {
  using Tiles = ForwardTiles<kD, kDropout, kBias>;
  bf16 q[Tiles::kOwn * kD];
  bf16 k[Tiles::kStages][Tiles::kLoop * kD];
  bf16 v[Tiles::kStages][Tiles::kLoop * kD];
  Work work[2];  // this tile and the next
};

// One stage of scores into unnormalised probabilities, in place. `rows[r][half]`: the query of the lane.
template <class Tiles, int kD>
class Softmax {
 public:
  static constexpr int kRows = Tiles::kRowTiles, kColumns = Tiles::kLoop / 8;

  __device__ __forceinline__ Softmax() {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        maximum_[r][half] = -kInfinity;
        sum_[r][half] = 0.0f;
      }
    }
  }

  // c > 0: the factor of the scores, with log2(e) in it.
  __device__ __forceinline__ void apply(float (&s)[kRows][kColumns][4], float (&out)[kRows][kD / 8][4], float c) {
    float top[kRows][2];
    bool grown = false;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float t = s[r][0][2 * half];
#pragma unroll
        for (int n = 0; n < kColumns; ++n) t = fmaxf(t, fmaxf(s[r][n][2 * half], s[r][n][2 * half + 1]));
        t = fmaxf(t, shuffle_xor(t, 1));
        t = fmaxf(t, shuffle_xor(t, 2)) * c;
        top[r][half] = t;
        grown |= t > maximum_[r][half] + kSlack;
      }
    }
    if (any(grown)) {
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float after = fmaxf(maximum_[r][half], top[r][half]);
          // Nothing seen yet: a finite base keeps -inf - base from being NaN.
          const float factor = exp2_fast(maximum_[r][half] - (after == -kInfinity ? 0.0f : after));
          maximum_[r][half] = after;
          sum_[r][half] *= factor;
#pragma unroll
          for (int n = 0; n < kD / 8; ++n) {
            out[r][n][2 * half] *= factor;
            out[r][n][2 * half + 1] *= factor;
          }
        }
      }
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float base = maximum_[r][half] == -kInfinity ? 0.0f : maximum_[r][half];
        float total = 0.0f;
#pragma unroll
        for (int n = 0; n < kColumns; ++n) {
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; ++i) {
            s[r][n][i] = exp2_fast(fmaf(s[r][n][i], c, -base));
            total += s[r][n][i];
          }
        }
        sum_[r][half] += total;
      }
    }
  }

  // The factor that makes `out` of the sum over the values, and lse.
  __device__ __forceinline__ void finish(int r, int half, float keep_scale, float* factor, float* lse) {
    float sum = sum_[r][half];
    sum += shuffle_xor(sum, 1);
    sum += shuffle_xor(sum, 2);
    // A query without keys has sum 0; NaN stays NaN.
    *factor = sum == 0.0f ? 0.0f : keep_scale / sum;
    *lse = sum == 0.0f ? -kInfinity : (maximum_[r][half] + log2f(sum)) * kLn2;
  }

 private:
  float maximum_[kRows][2];  // of c S
  float sum_[kRows][2];      // of the lane's columns
};

// Hides the keys that a query does not see and those past the end of the sequence; `query` and `key`: the
// lane's first.
template <int kRows, int kColumns>
__device__ __forceinline__ void hide(float (&s)[kRows][kColumns][4], const Sight& sight, int query, int key) {
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Span seen = sight.keys_of(query + 16 * r + 8 * half);
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int j = key + 8 * n + i;
          if (j < seen.begin || j >= seen.end) s[r][n][2 * half + i] = -kInfinity;
        }
      }
    }
  }
}

template <int kRows, int kColumns>
__device__ __forceinline__ void drop(float (&s)[kRows][kColumns][4], const KeptBits& kept_bits, int64_t row, int H,
                                     int head, int key) {
#pragma unroll
  for (int word = 0; word < kColumns / 4; ++word) {
    uint32_t kept[kRows][2];
    kept_bits.of_rows<4>(kept, row, H, head, key + 32 * word);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int e = 0; e < 16; ++e) {
        const int n = e / 4, i = e % 4;
        if ((kept[r][i / 2] >> (8 * n + i % 2) & 1) == 0) s[r][4 * word + n][i] = 0.0f;
      }
    }
  }
}

template <int kD, bool kDropout, bool kBias>
__global__ void __launch_bounds__(ForwardTiles<kD, kDropout, kBias>::kThreads, kBlocksPerMultiprocessor)
    attention_fwd_tensor_cores(AttentionProblem a, ForwardTensors<bf16> x, Schedule schedule) {
  using Tiles = ForwardTiles<kD, kDropout, kBias>;
  using Shared = ForwardShared<kD, kDropout, kBias>;
  constexpr int kRows = Tiles::kRowTiles, kColumns = Tiles::kLoop / 8, kThreads = Tiles::kThreads;
  constexpr int kWarpRows = 16 * kRows;
  Shared& shared = *shared_memory<Shared>();
  const int g = lane_id() / 4, t = lane_id() % 4, warp_row = warp_id() * kWarpRows;
  const Fragments<kD> q_rows = fragments_by_row<kD>(shared.q, warp_row);
  const Fragments<kD> k_columns = fragments_by_column<kD>(shared.k[0]);
  const Fragments<kD> v_rows = fragments_by_row<kD>(shared.v[0], 0);
  const float c = a.log2_scale();
  const KeptBits kept_bits(a);
  auto find = [&](Work* work, int32_t t) {
    find_work(work, schedule, a.cu_q, a.cu_k, true, a.B, a.H, 1, Tiles::kOwn, a.causal != 0, t);
  };
  if (warp_id() == 0) find(&shared.work[0], static_cast<int32_t>(blockIdx.x));
  __syncthreads();

  for (int turn = 0; shared.work[turn].valid; turn ^= 1) {
    const Work& work = shared.work[turn];
    const Sight sight = a.sight(work);
    const Span seen = sight.keys_of(work.begin, work.begin + work.rows - 1);
    const int begin = seen.begin / Tiles::kLoop * Tiles::kLoop;
    auto load_stage = [&](int j0, int stage) {
      const int64_t from = (work.other_row + j0) * a.kv_stride + work.head / (a.H / a.Hkv) * a.D;
      load_tile<Tiles::kLoop, kD, kThreads>(shared.k[stage], x.k + from, a.kv_stride, work.keys - j0, a);
      load_tile<Tiles::kLoop, kD, kThreads>(shared.v[stage], x.v + from, a.kv_stride, work.keys - j0, a);
    };
    if (begin < seen.end) {
      load_tile<Tiles::kOwn, kD, kThreads>(shared.q, x.q + work.own_row * a.q_stride + work.head * a.D, a.q_stride,
                                           work.rows, a);
      load_stage(begin, 0);
    }
    cp_async_commit();
    // While the data is on its way.
    if (warp_id() == 0) find(&shared.work[turn ^ 1], take_tile(schedule));

    float out[kRows][kD / 8][4];
    clear(out);
    Softmax<Tiles, kD> softmax;
    const int query = work.begin + warp_row;  // the warp's first
    int stage = 0;
    for (int j0 = begin; j0 < seen.end; j0 += Tiles::kLoop, stage ^= 1) {
      cp_async_wait<0>();
      __syncthreads();
      if (j0 + Tiles::kLoop < seen.end) load_stage(j0 + Tiles::kLoop, stage ^ 1);
      cp_async_commit();
      const int last_query = query + kWarpRows - 1, last_key = j0 + Tiles::kLoop - 1;
      if (sight.all_hidden(query, last_query, j0, last_key)) continue;

      float s[kRows][kColumns][4];
      if constexpr (kBias) {
        start_scores<false>(s, BiasRow(a, work.head), j0 + 2 * t - (query + g + sight.offset));
      } else {
        clear(s);
      }
      const int stage_row = stage * Tiles::kLoop;  // the stages follow one another
      multiply_transposed<kD>(s, q_rows, k_columns, stage_row);
      if (c < 0.0f) {
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
#pragma unroll
          for (int n = 0; n < kColumns; ++n) {
#pragma unroll
            for (int i = 0; i < 4; ++i) s[r][n][i] = -s[r][n][i];
          }
        }
      }
      if (last_key >= work.keys || sight.some_hidden(query, last_query, j0, last_key)) {
        hide(s, sight, query + g, j0 + 2 * t);
      }
      softmax.apply(s, out, fabsf(c));
      if constexpr (kDropout) drop(s, kept_bits, work.own_row + warp_row, a.H, work.head, j0);
      uint32_t p[kRows][kColumns / 2][4];
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
#pragma unroll
        for (int k = 0; k < kColumns / 2; ++k) pack_operand(p[r][k], s[r][2 * k], s[r][2 * k + 1]);
      }
      multiply_add<kD>(out, p, v_rows, stage_row, 0);
    }

    float factor[kRows][2];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float lse;
        softmax.finish(r, half, kDropout ? a.keep_scale : 1.0f, &factor[r][half], &lse);
        const int i = warp_row + 16 * r + 8 * half + g;
        if (t == 0 && i < work.rows) x.lse[a.statistic(work.head, work.own_row + i)] = lse;
      }
    }
    store_rows<kD>(x.out + ((work.own_row + warp_row) * a.H + work.head) * a.D, int64_t{a.H} * a.D,
                   work.rows - warp_row, 0, a, shared.q, warp_row, out, factor);
    __syncthreads();
  }
}

}  // namespace attune::cuda

#endif
