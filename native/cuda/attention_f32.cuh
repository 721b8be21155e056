// Attention in true f32, forward and backward: the same tiles, passes and order of sums as on tensor cores,
// with fused multiply-adds. 16 x 16 threads; thread (y, x) computes rows y + 16 i and columns x + 16 j of
// every product, so that the 16 threads that share a row are half a warp, and probabilities pass through
// shared memory without a barrier of the block.
#ifndef ATTUNE_CUDA_ATTENTION_F32_CUH
#define ATTUNE_CUDA_ATTENTION_F32_CUH

#include "attention_backward.cuh"

namespace attune::cuda {

// Copies kRows rows to shared memory, kStride apart; zeros outside `rows` and D.
template <int kRows, int kD>
__device__ __forceinline__ void load_floats(float* tile, const float* from, int64_t stride, int rows,
                                            const AttentionProblem& a) {
  constexpr int kStride = FloatTiles<kD>::kStride;
#pragma unroll 1
  for (int n = static_cast<int>(threadIdx.x); n < kRows * kD / 4; n += FloatTiles<kD>::kThreads) {
    const int row = n / (kD / 4), d = n % (kD / 4) * 4;
    float values[4] = {};
    if (row < rows && d < a.D) {
      const float* at = from + row * stride + d;
      if (a.vectors) {
        load(values, at);
      } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) values[i] = d + i < a.D ? at[i] : 0.0f;
      }
    }
    store(tile + row * kStride + d, values);
  }
}

template <int kRows, int kColumns>
__device__ __forceinline__ void clear(float (&acc)[kRows][kColumns]) {
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int j = 0; j < kColumns; ++j) acc[i][j] = 0.0f;
  }
}

// acc += rows y + 16 i of `a` times rows x + 16 j of `b`, over kD.
template <int kD, int kRows, int kColumns>
__device__ __forceinline__ void multiply_transposed(float (&acc)[kRows][kColumns], const float* a, const float* b,
                                                    int y, int x) {
  constexpr int kStride = FloatTiles<kD>::kStride;
#pragma unroll 2
  for (int d = 0; d < kD; d += 4) {
    float left[kRows][4], right[kColumns][4];
#pragma unroll
    for (int i = 0; i < kRows; ++i) load(left[i], a + (y + 16 * i) * kStride + d);
#pragma unroll
    for (int j = 0; j < kColumns; ++j) load(right[j], b + (x + 16 * j) * kStride + d);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) acc[i][j] = fmaf(left[i][e], right[j][e], acc[i][j]);
      }
    }
  }
}

// acc += rows y + 16 i of `p` (scores) times columns x + 16 j of `b`.
template <int kD, int kRows, int kColumns>
__device__ __forceinline__ void multiply_add(float (&acc)[kRows][kColumns], const float* p, const float* b, int y,
                                             int x) {
  using Tiles = FloatTiles<kD>;
#pragma unroll 2
  for (int k = 0; k < Tiles::kLoop; ++k) {
    float left[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) left[i] = p[(y + 16 * i) * Tiles::kScoreStride + k];
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      const float right = b[k * Tiles::kStride + x + 16 * j];
#pragma unroll
      for (int i = 0; i < kRows; ++i) acc[i][j] = fmaf(left[i], right, acc[i][j]);
    }
  }
}

// Which of 8 keys are kept, a byte for each query of `queries` and group of 8 of `keys`, made by the whole
// block: bytes[query * (keys / 8) + key / 8].
__device__ __forceinline__ void make_mask(uint8_t* bytes, const KeptBits& kept_bits, int64_t row, int queries, int H,
                                          int head, int key, int keys, int threads) {
  for (int n = static_cast<int>(threadIdx.x); n < queries * keys / 8; n += threads) {
    const int query = n / (keys / 8), block = n % (keys / 8);
    bytes[n] = static_cast<uint8_t>(kept_bits.of<1>(static_cast<uint32_t>((row + query) * H + head), key + 8 * block));
  }
}

// The sum, or the maximum, over the 16 threads of a row.
__device__ __forceinline__ float row_sum(float value) {
#pragma unroll
  for (int mask = 1; mask < 16; mask *= 2) value += shuffle_xor(value, mask);
  return value;
}
__device__ __forceinline__ float row_maximum(float value) {
#pragma unroll
  for (int mask = 1; mask < 16; mask *= 2) value = fmaxf(value, shuffle_xor(value, mask));
  return value;
}

// ---- forward ------------------------------------------------------------------------------------------

template <int kD>
struct FloatForwardShared {
  using Tiles = FloatTiles<kD>;
  alignas(16) float q[Tiles::kOwn * Tiles::kStride];
  float k[Tiles::kLoop * Tiles::kStride];
  float v[Tiles::kLoop * Tiles::kStride];
  float p[Tiles::kOwn * Tiles::kScoreStride];
  uint8_t mask[Tiles::kMaskBytes];
  Work work[2];
};

template <int kD, bool kDropout, bool kBias>
__global__ void __launch_bounds__(FloatTiles<kD>::kThreads, kBlocksPerMultiprocessor)
    attention_fwd_f32(AttentionProblem a, ForwardTensors<float> x, Schedule schedule) {
  using Tiles = FloatTiles<kD>;
  constexpr int kRows = Tiles::kOwn / 16, kColumns = Tiles::kLoop / 16;
  FloatForwardShared<kD>& shared = *shared_memory<FloatForwardShared<kD>>();
  const int tx = static_cast<int>(threadIdx.x) % 16, ty = static_cast<int>(threadIdx.x) / 16;
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
    load_floats<Tiles::kOwn, kD>(shared.q, x.q + work.own_row * a.q_stride + work.head * a.D, a.q_stride, work.rows, a);
    if (warp_id() == 0) find(&shared.work[turn ^ 1], take_tile(schedule));
    float out[kRows][kD / 16], maximum[kRows], sum[kRows];
    clear(out);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      maximum[i] = -kInfinity;
      sum[i] = 0.0f;
    }
    for (int j0 = seen.begin / Tiles::kLoop * Tiles::kLoop; j0 < seen.end; j0 += Tiles::kLoop) {
      const int64_t at = (work.other_row + j0) * a.kv_stride + work.head / (a.H / a.Hkv) * a.D;
      __syncthreads();
      load_floats<Tiles::kLoop, kD>(shared.k, x.k + at, a.kv_stride, work.keys - j0, a);
      load_floats<Tiles::kLoop, kD>(shared.v, x.v + at, a.kv_stride, work.keys - j0, a);
      if constexpr (kDropout) {
        make_mask(shared.mask, kept_bits, work.own_row, Tiles::kOwn, a.H, work.head, j0, Tiles::kLoop, Tiles::kThreads);
      }
      __syncthreads();
      float s[kRows][kColumns];
      if constexpr (kBias) {
        start_scores<false>(s, BiasRow(a, work.head), j0 + tx - (work.begin + ty + sight.offset));
      } else {
        clear(s);
      }
      multiply_transposed<kD>(s, shared.q, shared.k, ty, tx);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const int row = ty + 16 * i;
        const Span keys = sight.keys_of(work.begin + row);
        float top = maximum[i];
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          const int key = j0 + tx + 16 * j;
          s[i][j] = key >= keys.begin && key < keys.end ? s[i][j] * c : -kInfinity;
          top = fmaxf(top, s[i][j]);
        }
        top = row_maximum(top);
        // Nothing seen yet: a finite base keeps -inf - base from being NaN.
        const float base = top == -kInfinity ? 0.0f : top;
        const float factor = exp2f(maximum[i] - base);
        maximum[i] = top;
        float total = 0.0f;
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          const int column = tx + 16 * j;
          float p = exp2f(s[i][j] - base);
          total += p;
          if (kDropout && (shared.mask[row * (Tiles::kLoop / 8) + column / 8] >> (column % 8) & 1) == 0) p = 0.0f;
          shared.p[row * Tiles::kScoreStride + column] = p;
        }
        sum[i] = fmaf(sum[i], factor, row_sum(total));
#pragma unroll
        for (int j = 0; j < kD / 16; ++j) out[i][j] *= factor;
      }
      __syncwarp();
      multiply_add<kD>(out, shared.p, shared.v, ty, tx);
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int row = ty + 16 * i;
      if (row >= work.rows) continue;
      // A query without keys has sum 0; NaN stays NaN.
      const float factor = sum[i] == 0.0f ? 0.0f : (kDropout ? a.keep_scale : 1.0f) / sum[i];
      if (tx == 0) {
        x.lse[a.statistic(work.head, work.own_row + row)] =
            sum[i] == 0.0f ? -kInfinity : fmaf(maximum[i], kLn2, logf(sum[i]));
      }
      float* to = x.out + ((work.own_row + row) * a.H + work.head) * a.D;
#pragma unroll
      for (int j = 0; j < kD / 16; ++j) {
        if (tx + 16 * j < a.D) to[tx + 16 * j] = out[i][j] * factor;
      }
    }
    __syncthreads();
  }
}

// ---- backward -----------------------------------------------------------------------------------------

template <int kD>
struct FloatBackwardShared {
  using Tiles = FloatTiles<kD>;
  alignas(16) float own_s[Tiles::kOwn * Tiles::kStride];
  float own_dp[Tiles::kOwn * Tiles::kStride];
  float loop_s[Tiles::kLoop * Tiles::kStride];
  float loop_dp[Tiles::kLoop * Tiles::kStride];
  float p[Tiles::kOwn * Tiles::kScoreStride];
  float ds[Tiles::kOwn * Tiles::kScoreStride];
  float2 statistics[Tiles::kOwn];  // of the queries, on whichever side; kLoop is no larger
  uint8_t mask[Tiles::kMaskBytes];
  Work work[2];
};

// Adds the sums of ds (kOwn queries, kLoop keys) along its diagonals to the block's strip, a thread for each; `offset`:
// of the first key from the first query. `sums`: room for all. Begins and ends with what is before and after a barrier.
template <class Tiles>
__device__ __forceinline__ void add_diagonals(float* strip, int reach, const float* ds, float* sums, int offset) {
  constexpr int kCount = Tiles::kOwn + Tiles::kLoop - 1;
  static_assert(kCount <= Tiles::kThreads && kCount <= Tiles::kOwn * Tiles::kScoreStride,
                "a thread and a place for each");
  const int n = static_cast<int>(threadIdx.x), first = offset - (Tiles::kOwn - 1);  // the offset of diagonal 0
  __syncthreads();
  if (n < kCount) {
    const int ahead = n - (Tiles::kOwn - 1);
    float sum = 0.0f;
    for (int row = larger(0, -ahead); row < smaller(Tiles::kOwn, Tiles::kLoop - ahead); ++row) {
      sum += ds[row * Tiles::kScoreStride + row + ahead];
    }
    sums[n] = sum;
  }
  __syncthreads();
  if (n < kCount && first + n > -reach && first + n < reach) strip[reach + first + n] += sums[n];
  if (n != 0) return;
  // The ends of the row take all that lies beyond them.
  for (int i = 0; i < kCount; ++i) {
    if (first + i <= -reach || first + i >= reach) strip[first + i <= -reach ? 0 : 2 * reach] += sums[i];
  }
}

template <int kD, Owner kOwner, bool kDropout, bool kBias>
__global__ void __launch_bounds__(FloatTiles<kD>::kThreads, kBlocksPerMultiprocessor)
    attention_bwd_f32(AttentionProblem a, BackwardTensors<float> x, Schedule schedule) {
  using Tiles = FloatTiles<kD>;
  constexpr bool kKeys = kOwner == Owner::Keys, kSlots = kBias && !kKeys;
  constexpr int kRows = Tiles::kOwn / 16, kColumns = Tiles::kLoop / 16;
  static_assert(Tiles::kLoop <= Tiles::kOwn, "statistics");
  FloatBackwardShared<kD>& shared = *shared_memory<FloatBackwardShared<kD>>();
  const int tx = static_cast<int>(threadIdx.x) % 16, ty = static_cast<int>(threadIdx.x) / 16;
  const float c = a.log2_scale();
  const KeptBits kept_bits(a);
  const int group = a.H / a.Hkv;
  const int64_t dense = int64_t{a.H} * a.D;
  // See attention_bwd_tensor_cores.
  int32_t next = static_cast<int32_t>(blockIdx.x), own_head = 0;
  float* strip = nullptr;
  if constexpr (kSlots) {
    own_head = next / x.slots.slots;
    next %= x.slots.slots;
    if (x.slots.partials != nullptr) {
      strip = x.slots.strip(a, 1, 0);
      for (int i = static_cast<int>(threadIdx.x); i <= 2 * a.reach; i += Tiles::kThreads) strip[i] = 0.0f;
    }
  }
  auto find = [&](Work* work, int32_t tile) {
    find_work(work, schedule, kKeys ? a.cu_k : a.cu_q, kKeys ? a.cu_q : a.cu_k, !kKeys, a.B,
              kSlots  ? 1
              : kKeys ? a.Hkv
                      : a.H,
              1, Tiles::kOwn, !kKeys && a.causal != 0, tile, own_head);
  };
  auto next_tile = [&] { return kSlots ? next += x.slots.slots : take_tile(schedule); };
  auto load_statistics = [&](int64_t first, int limit, int count, int head) {
    for (int n = static_cast<int>(threadIdx.x); n < count; n += Tiles::kThreads) {
      shared.statistics[n] = query_statistics(a, x, first + n, head, n < limit);
    }
  };
  if (warp_id() == 0) find(&shared.work[0], next);
  __syncthreads();

  for (int turn = 0; shared.work[turn].valid; turn ^= 1) {
    const Work& work = shared.work[turn];
    const Sight sight = a.sight(work);
    const int last_own = work.begin + work.rows - 1;
    const Span seen = kKeys ? sight.queries_of(work.begin, last_own) : sight.keys_of(work.begin, last_own);
    if (kKeys) {
      const int64_t at = work.own_row * a.kv_stride + work.head * a.D;
      load_floats<Tiles::kOwn, kD>(shared.own_s, x.k + at, a.kv_stride, work.rows, a);
      load_floats<Tiles::kOwn, kD>(shared.own_dp, x.v + at, a.kv_stride, work.rows, a);
    } else {
      load_floats<Tiles::kOwn, kD>(shared.own_s, x.q + work.own_row * a.q_stride + work.head * a.D, a.q_stride,
                                   work.rows, a);
      load_floats<Tiles::kOwn, kD>(shared.own_dp, x.dout + work.own_row * dense + work.head * a.D, dense, work.rows, a);
      load_statistics(work.own_row, work.rows, Tiles::kOwn, work.head);
    }
    if (warp_id() == 0) find(&shared.work[turn ^ 1], next_tile());
    float d_own[kRows][kD / 16], d_value[kKeys ? kRows : 1][kKeys ? kD / 16 : 1];
    clear(d_own);
    clear(d_value);
    for (int member = 0; member < (kKeys ? group : 1); ++member) {
      const int head = kKeys ? work.head * group + member : work.head;
      for (int from = seen.begin / Tiles::kLoop * Tiles::kLoop; from < seen.end; from += Tiles::kLoop) {
        const int64_t row = work.other_row + from;
        const int rows = (kKeys ? work.queries : work.keys) - from;
        __syncthreads();
        if (kKeys) {
          load_floats<Tiles::kLoop, kD>(shared.loop_s, x.q + row * a.q_stride + head * a.D, a.q_stride, rows, a);
          load_floats<Tiles::kLoop, kD>(shared.loop_dp, x.dout + row * dense + head * a.D, dense, rows, a);
          load_statistics(row, rows, Tiles::kLoop, head);
          if (kDropout)
            make_mask(shared.mask, kept_bits, row, Tiles::kLoop, a.H, head, work.begin, Tiles::kOwn, Tiles::kThreads);
        } else {
          const int64_t at = row * a.kv_stride + head / group * a.D;
          load_floats<Tiles::kLoop, kD>(shared.loop_s, x.k + at, a.kv_stride, rows, a);
          load_floats<Tiles::kLoop, kD>(shared.loop_dp, x.v + at, a.kv_stride, rows, a);
          if (kDropout)
            make_mask(shared.mask, kept_bits, work.own_row, Tiles::kOwn, a.H, head, from, Tiles::kLoop,
                      Tiles::kThreads);
        }
        __syncthreads();
        float s[kRows][kColumns], dp[kRows][kColumns];
        if constexpr (kBias) {
          const int row = work.begin + ty, column = from + tx;
          start_scores<kKeys>(s, BiasRow(a, head), (kKeys ? row - column : column - row) - sight.offset);
        } else {
          clear(s);
        }
        clear(dp);
        multiply_transposed<kD>(s, shared.own_s, shared.loop_s, ty, tx);
        multiply_transposed<kD>(dp, shared.own_dp, shared.loop_dp, ty, tx);
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
#pragma unroll
          for (int j = 0; j < kColumns; ++j) {
            const int own = ty + 16 * i, other = tx + 16 * j;
            const int query = kKeys ? other : own, key = kKeys ? own : other;
            const float2 statistics = shared.statistics[query];
            const bool seen_key =
                (kKeys || from + other < work.keys) &&
                (kKeys ? sight.sees(from + other, work.begin + own) : sight.sees(work.begin + own, from + other));
            const float probability = seen_key ? exp2f(fmaf(s[i][j], c, -statistics.x)) : 0.0f;
            float kept = 1.0f;
            if (kDropout) {
              constexpr int kGroups = (kKeys ? Tiles::kOwn : Tiles::kLoop) / 8;
              kept = shared.mask[query * kGroups + key / 8] >> (key % 8) & 1 ? a.keep_scale : 0.0f;
            }
            const int at = own * Tiles::kScoreStride + other;
            if (kKeys) shared.p[at] = probability * kept;
            shared.ds[at] = probability * (dp[i][j] * kept - statistics.y);
          }
        }
        __syncwarp();
        if constexpr (kKeys) multiply_add<kD>(d_value, shared.p, shared.loop_dp, ty, tx);
        multiply_add<kD>(d_own, shared.ds, shared.loop_s, ty, tx);
        if (kSlots && strip != nullptr) {
          add_diagonals<Tiles>(strip, a.reach, shared.ds, shared.p, from - work.begin - sight.offset);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int row = ty + 16 * i;
      if (row >= work.rows) continue;
      const int64_t at = (work.own_row + row) * (kKeys ? a.kv_stride : a.q_stride) + work.head * a.D;
#pragma unroll
      for (int j = 0; j < kD / 16; ++j) {
        const int d = tx + 16 * j;
        if (d >= a.D) continue;
        (kKeys ? x.dk : x.dq)[at + d] = d_own[i][j] * a.scale;
        if constexpr (kKeys) x.dv[at + d] = d_value[i][j];
      }
    }
    __syncthreads();
  }
}

}  // namespace attune::cuda

#endif
