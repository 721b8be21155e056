// Attention backward on tensor cores. For a query and key, per head:
//
//   P = exp2(c S - lse),  dP = dO V^T,  dS = P (dP - dot(dO, O)),  dV += P^T dO,  dK += dS^T Q,  dQ += dS K
//
// Done at once that is five products (10 D FLOPs), but then either dQ or dK and dV are summed over blocks:
// with float atomics the result would change from run to run, and an ordered sum needs f32 copies of dQ whose
// size the host does not know. So two passes, each of which owns what it sums: one block per tile of keys
// (S, dP, dV, dK: 8 D) and one per tile of queries (S, dP, dQ: 6 D). 40 % more products than the minimum; in
// return no atomics, no workspace, no shared-memory trip of P and dS: the pass over keys computes S^T and
// dP^T, so that in both passes the accumulators of the first two products are the A operands of the others.
// Heads that share keys are summed inside the block that owns the keys.
//
// dot(dO, O) of each query and head waits in the first four bytes of its dQ, until the pass over queries,
// which comes last, overwrites them.
#ifndef ATTUNE_CUDA_ATTENTION_BACKWARD_CUH
#define ATTUNE_CUDA_ATTENTION_BACKWARD_CUH

#include "attention_bias.cuh"
#include "vectors.cuh"

namespace attune::cuda {

template <class T>
struct BackwardTensors {
  T* dq;             // (Nq, H, D), rows q_stride apart
  T* dk;             // (Nk, Hkv, D), rows kv_stride apart
  T* dv;             // (Nk, Hkv, D), rows kv_stride apart
  const T* dout;     // (Nq, H, D)
  const T* q;        // (Nq, H, D), rows q_stride apart
  const T* k;        // (Nk, Hkv, D), rows kv_stride apart
  const T* v;        // (Nk, Hkv, D), rows kv_stride apart
  const T* out;      // (Nq, H, D)
  const float* lse;  // (H, Nq)
  BiasSlots slots;
};

// ---- dot(dout, out) -----------------------------------------------------------------------------------

__device__ __forceinline__ void keep_dot(float* dq, float value) { *dq = value; }
__device__ __forceinline__ void keep_dot(bf16* dq, float value) {
  const uint32_t bits = as_bits(value);
  dq[0].bits = static_cast<uint16_t>(bits);
  dq[1].bits = static_cast<uint16_t>(bits >> 16);
}
__device__ __forceinline__ float kept_dot(const float* dq) { return *dq; }
__device__ __forceinline__ float kept_dot(const bf16* dq) {
  return as_float(dq[0].bits | static_cast<uint32_t>(dq[1].bits) << 16);
}

constexpr int kDotThreads = 256;
// Threads for each query and head. In f32 a single one, which adds in the order in which dP is added: where a
// query sees one key, dP and dot(dout, out) are the same sum and cancel without a rest.
template <class T>
constexpr int kDotLanes = std::is_same_v<T, float> ? 1 : 8;

template <class T>
__global__ void __launch_bounds__(kDotThreads) attention_bwd_dots(AttentionProblem a, BackwardTensors<T> x) {
  constexpr int V = kVector<T>, kLanes = kDotLanes<T>, kRows = kWarp / kLanes;
  const int64_t first = a.cu_q[0], count = a.rows_q() * a.H;
  const int64_t stride = int64_t{gridDim.x} * (kDotThreads / kLanes);
  const int lane = lane_id() % kLanes;
  // Whole warps stay together for the sum.
  for (int64_t base = int64_t{blockIdx.x} * (kDotThreads / kLanes) + warp_id() * kRows; base < count; base += stride) {
    const int64_t n = base + lane_id() / kLanes;
    float sum = 0.0f;
    if (n < count) {
      const T* dout = x.dout + (first * a.H + n) * a.D;
      const T* out = x.out + (first * a.H + n) * a.D;
      if (a.vectors) {
        for (int d = lane * V; d < a.D; d += kLanes * V) {
          float left[V], right[V];
          load(left, dout + d);
          load(right, out + d);
#pragma unroll
          for (int i = 0; i < V; ++i) sum = fmaf(left[i], right[i], sum);
        }
      } else {
        for (int d = lane; d < a.D; d += kLanes) sum = fmaf(to_float(dout[d]), to_float(out[d]), sum);
      }
    }
#pragma unroll
    for (int mask = 1; mask < kLanes; mask *= 2) sum += shuffle_xor(sum, mask);
    if (n < count && lane == 0) keep_dot(x.dq + (first + n / a.H) * a.q_stride + n % a.H * a.D, sum);
  }
}

// lse in units of log2, and dot(dout, out), of a query. A row that is no query, or sees no key, gets lse
// +inf and so probability exp2(-inf) = 0.
template <class T>
__device__ __forceinline__ float2 query_statistics(const AttentionProblem& a, const BackwardTensors<T>& x, int64_t row,
                                                   int head, bool valid) {
  if (!valid) return make_float2(kInfinity, 0.0f);
  const float lse = x.lse[a.statistic(head, row)];
  return make_float2(lse == -kInfinity ? kInfinity : lse * kLog2e, kept_dot(x.dq + row * a.q_stride + head * a.D));
}

// ---- the two passes -----------------------------------------------------------------------------------

template <int kD, Owner kOwner, bool kDropout, bool kBias>
struct BackwardShared {
  using Tiles = BackwardTiles<kD, kOwner, kDropout, kBias>;
  // Left and right operand of S (q and k, or k and q) and of dP (dout and v, or v and dout).
  bf16 own_s[Tiles::kOwn * kD];
  bf16 own_dp[Tiles::kOwn * kD];
  bf16 loop_s[Tiles::kStages][Tiles::kLoop * kD];
  bf16 loop_dp[Tiles::kStages][Tiles::kLoop * kD];
  float2 statistics[Tiles::kKeys ? Tiles::kStages * Tiles::kLoop : 1];  // of the queries of a stage
  Work work[2];
};

template <int kD, Owner kOwner, bool kDropout, bool kBias>
__global__ void __launch_bounds__(BackwardTiles<kD, kOwner, kDropout, kBias>::kThreads, kBlocksPerMultiprocessor)
    attention_bwd_tensor_cores(AttentionProblem a, BackwardTensors<bf16> x, Schedule schedule) {
  using Tiles = BackwardTiles<kD, kOwner, kDropout, kBias>;
  using Shared = BackwardShared<kD, kOwner, kDropout, kBias>;
  constexpr bool kKeys = Tiles::kKeys, kSlots = kBias && !kKeys;
  constexpr int kRows = Tiles::kRowTiles, kPieces = Tiles::kStep / 8, kThreads = Tiles::kThreads;
  constexpr int kWarpRows = 16 * kRows, kColumns = Tiles::kColumns / 8;
  Shared& shared = *shared_memory<Shared>();
  const int g = lane_id() / 4, t = lane_id() % 4, warp_row = warp_id() * kWarpRows;
  const Fragments<kD> own_s = fragments_by_row<kD>(shared.own_s, warp_row);
  const Fragments<kD> own_dp = fragments_by_row<kD>(shared.own_dp, warp_row);
  const float c = a.log2_scale();
  const KeptBits kept_bits(a);
  const int group = a.H / a.Hkv;
  // Where dbias is summed a block has its own tiles of one head; otherwise it takes what is next.
  int32_t next = static_cast<int32_t>(blockIdx.x), own_head = 0;
  if constexpr (kSlots) {
    own_head = next / x.slots.slots;
    next %= x.slots.slots;
  }
  auto find = [&](Work* work, int32_t tile) {
    // Under a causal mask the first keys and the last queries have the most to do: they come first.
    find_work(work, schedule, kKeys ? a.cu_k : a.cu_q, kKeys ? a.cu_q : a.cu_k, !kKeys, a.B,
              kSlots  ? 1
              : kKeys ? a.Hkv
                      : a.H,
              Tiles::kParts, Tiles::kOwn, !kKeys && a.causal != 0, tile, own_head);
  };
  auto next_tile = [&] { return kSlots ? next += x.slots.slots : take_tile(schedule); };
  std::conditional_t<kSlots, WarpBiasSums, NoBiasSums> bias_sums(x.slots, a, Tiles::kWarps);
  if (warp_id() == 0) find(&shared.work[0], next);
  __syncthreads();

  for (int turn = 0; shared.work[turn].valid; turn ^= 1) {
    const Work& work = shared.work[turn];
    const Sight sight = a.sight(work);
    const int last_own = work.begin + work.rows - 1;
    const Span seen = kKeys ? sight.queries_of(work.begin, last_own) : sight.keys_of(work.begin, last_own);
    const int begin = seen.begin / Tiles::kLoop * Tiles::kLoop;
    // The stages of one head follow those of the other heads of the group.
    const int head_stages = seen.end > begin ? (seen.end - begin + Tiles::kLoop - 1) / Tiles::kLoop : 0;
    const int stages = kKeys ? head_stages * group : head_stages;
    const int64_t dense = int64_t{a.H} * a.D;

    auto load_stage = [&](int head, int from, int stage) {
      const int64_t row = work.other_row + from;
      const int rows = (kKeys ? work.queries : work.keys) - from;
      if (kKeys) {
        load_tile<Tiles::kLoop, kD, kThreads>(shared.loop_s[stage], x.q + row * a.q_stride + head * a.D, a.q_stride,
                                              rows, a);
        load_tile<Tiles::kLoop, kD, kThreads>(shared.loop_dp[stage], x.dout + row * dense + head * a.D, dense, rows, a);
      } else {
        const int64_t at = row * a.kv_stride + head / group * a.D;
        load_tile<Tiles::kLoop, kD, kThreads>(shared.loop_s[stage], x.k + at, a.kv_stride, rows, a);
        load_tile<Tiles::kLoop, kD, kThreads>(shared.loop_dp[stage], x.v + at, a.kv_stride, rows, a);
      }
    };
    // A thread's share of the statistics of a stage: asked for before the products of the stage before, kept
    // in registers, put into shared memory after them.
    auto load_statistics = [&](int head, int from) {
      const int row = from + static_cast<int>(threadIdx.x);
      return query_statistics(a, x, work.other_row + row, head,
                              static_cast<int>(threadIdx.x) < Tiles::kLoop && row < work.queries);
    };
    auto store_statistics = [&](float2 value, int stage) {
      if (threadIdx.x < Tiles::kLoop) shared.statistics[stage * Tiles::kLoop + threadIdx.x] = value;
    };

    const int first_head = kKeys ? work.head * group : work.head;
    float lse[kRows][2], dot[kRows][2];
    if (stages > 0) {
      if (kKeys) {
        const int64_t at = work.own_row * a.kv_stride + work.head * a.D;
        load_tile<Tiles::kOwn, kD, kThreads>(shared.own_s, x.k + at, a.kv_stride, work.rows, a);
        load_tile<Tiles::kOwn, kD, kThreads>(shared.own_dp, x.v + at, a.kv_stride, work.rows, a);
      } else {
        load_tile<Tiles::kOwn, kD, kThreads>(shared.own_s, x.q + work.own_row * a.q_stride + work.head * a.D,
                                             a.q_stride, work.rows, a);
        load_tile<Tiles::kOwn, kD, kThreads>(shared.own_dp, x.dout + work.own_row * dense + work.head * a.D, dense,
                                             work.rows, a);
      }
      load_stage(first_head, begin, 0);
      if constexpr (kKeys) store_statistics(load_statistics(first_head, begin), 0);
    }
    cp_async_commit();
    if (warp_id() == 0) find(&shared.work[turn ^ 1], next_tile());
    if constexpr (!kKeys) {
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int row = warp_row + 16 * r + 8 * half + g;
          const float2 value = query_statistics(a, x, work.own_row + row, work.head, row < work.rows);
          lse[r][half] = value.x;
          dot[r][half] = value.y;
        }
      }
    }

    float d_own[kRows][kColumns][4];                            // dq, or dk
    float d_value[kKeys ? kRows : 1][kKeys ? kColumns : 1][4];  // dv
    clear(d_own);
    clear(d_value);
    const int chunk = work.part * kColumns;
    int stage = 0, head = first_head, from = begin;
    for (int n = 0; n < stages; ++n, stage ^= 1) {
      cp_async_wait<0>();
      __syncthreads();
      const int next_head = n % head_stages == head_stages - 1 ? head + 1 : head;
      const int next_from = next_head > head ? begin : from + Tiles::kLoop;
      float2 next_statistics{};
      if (n + 1 < stages) {
        load_stage(next_head, next_from, stage ^ 1);
        if constexpr (kKeys) next_statistics = load_statistics(next_head, next_from);
      }
      cp_async_commit();

#pragma unroll 1
      for (int step = 0; step < Tiles::kLoop; step += Tiles::kStep) {
        const int own0 = work.begin + warp_row, own1 = own0 + kWarpRows - 1;
        const int loop0 = from + step, loop1 = loop0 + Tiles::kStep - 1;
        if (loop0 >= seen.end) break;
        if (kKeys ? sight.all_hidden(loop0, loop1, own0, own1) : sight.all_hidden(own0, own1, loop0, loop1)) continue;
        const int at = stage * Tiles::kLoop + step;  // the stages follow one another

        float p[kRows][kPieces][4], ds[kRows][kPieces][4];
        if constexpr (kBias) {
          const int row = own0 + g, column = loop0 + 2 * t;
          start_scores<kKeys>(p, BiasRow(a, head), (kKeys ? row - column : column - row) - sight.offset);
        } else {
          clear(p);
        }
        clear(ds);
        multiply_transposed<kD>(p, own_s, fragments_by_column<kD>(shared.loop_s[0]), at);
        multiply_transposed<kD>(ds, own_dp, fragments_by_column<kD>(shared.loop_dp[0]), at);

        uint32_t kept_rows[kRows][2] = {};
        uint32_t kept_columns = 0;
        if constexpr (kDropout && kKeys) {
          // A lane makes the bits of one query (a column here) for the warp's keys.
          const int64_t query = (work.other_row + loop0 + lane_id() % Tiles::kStep) * a.H + head;
          kept_columns = kept_bits.of<kWarpRows / 8>(static_cast<uint32_t>(query), own0);
        } else if constexpr (kDropout) {
          kept_bits.of_rows<kPieces>(kept_rows, work.own_row + warp_row, a.H, head, loop0);
        }
        // Keys past the end are hidden from dq; rows past the end on the other side have probability 0, and
        // what they would add to their own rows of dk and dv is not stored.
        const bool masked = kKeys ? sight.some_hidden(loop0, loop1, own0, own1)
                                  : loop1 >= work.keys || sight.some_hidden(own0, own1, loop0, loop1);
#pragma unroll
        for (int piece = 0; piece < kPieces; ++piece) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const int column = 8 * piece + 2 * t + i;
            float2 statistics{};
            uint32_t kept_column = 0;
            if constexpr (kKeys) statistics = shared.statistics[at + column];
            if constexpr (kKeys && kDropout) kept_column = shuffle(kept_columns, column) >> g;
#pragma unroll
            for (int r = 0; r < kRows; ++r) {
#pragma unroll
              for (int half = 0; half < 2; ++half) {
                float& score = p[r][piece][2 * half + i];
                float& gradient = ds[r][piece][2 * half + i];
                const float base = kKeys ? statistics.x : lse[r][half];
                float probability = exp2_fast(fmaf(score, c, -base));
                if (masked) {
                  const int own = own0 + 16 * r + 8 * half + g, other = loop0 + column;
                  if (kKeys ? !sight.sees(other, own) : other >= work.keys || !sight.sees(own, other))
                    probability = 0.0f;
                }
                score = probability;
                if constexpr (kDropout) {
                  const bool kept =
                      kKeys ? kept_column >> (16 * r + 8 * half) & 1 : kept_rows[r][half] >> (8 * piece + i) & 1;
                  score = kept ? probability : 0.0f;
                  gradient = kept ? gradient * a.keep_scale : 0.0f;
                }
                gradient = probability * (gradient - (kKeys ? statistics.y : dot[r][half]));
              }
            }
          }
        }

        if constexpr (kSlots) bias_sums.add(ds, loop0 - own0 - sight.offset);
        uint32_t packed[kRows][kPieces / 2][4];
        if constexpr (kKeys) {
#pragma unroll
          for (int r = 0; r < kRows; ++r) {
#pragma unroll
            for (int k = 0; k < kPieces / 2; ++k) pack_operand(packed[r][k], p[r][2 * k], p[r][2 * k + 1]);
          }
          multiply_add<kD>(d_value, packed, fragments_by_row<kD>(shared.loop_dp[0], 0), at, chunk);
        }
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
#pragma unroll
          for (int k = 0; k < kPieces / 2; ++k) pack_operand(packed[r][k], ds[r][2 * k], ds[r][2 * k + 1]);
        }
        multiply_add<kD>(d_own, packed, fragments_by_row<kD>(shared.loop_s[0], 0), at, chunk);
      }
      if constexpr (kKeys) store_statistics(next_statistics, stage ^ 1);
      head = next_head;
      from = next_from;
    }

    float factor[kRows][2];
#pragma unroll
    for (int r = 0; r < kRows; ++r) factor[r][0] = factor[r][1] = a.scale;
    const int rows = work.rows - warp_row;
    if constexpr (kKeys) {
      const int64_t to = (work.own_row + warp_row) * a.kv_stride + work.head * a.D;
      store_rows<kD>(x.dk + to, a.kv_stride, rows, chunk, a, shared.own_s, warp_row, d_own, factor);
#pragma unroll
      for (int r = 0; r < kRows; ++r) factor[r][0] = factor[r][1] = kDropout ? a.keep_scale : 1.0f;
      store_rows<kD>(x.dv + to, a.kv_stride, rows, chunk, a, shared.own_dp, warp_row, d_value, factor);
    } else {
      store_rows<kD>(x.dq + (work.own_row + warp_row) * a.q_stride + work.head * a.D, a.q_stride, rows, chunk, a,
                     shared.own_s, warp_row, d_own, factor);
    }
    __syncthreads();
  }
  bias_sums.finish();
}

}  // namespace attune::cuda

#endif
