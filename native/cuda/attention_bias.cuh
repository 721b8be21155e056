// Relative position bias in the attention kernels. A fragment of scores has the same bias along its diagonals: a
// lane reads one value for all its elements of a diagonal, before the product, whose sums begin there. The gradient
// is the sum along the diagonals.
#ifndef ATTUNE_CUDA_ATTENTION_BIAS_CUH
#define ATTUNE_CUDA_ATTENTION_BIAS_CUH

#include "attention_tiles.cuh"
#include "reduce.cuh"

namespace attune::cuda {

// The bias of a head, in units of the scores before they are scaled.
class BiasRow {
 public:
  __device__ __forceinline__ BiasRow(const AttentionProblem& a, int head)
      : middle_(a.bias + int64_t{head} * (2 * a.reach + 1) + a.reach),
        reach_(a.reach),
        factor_(kLog2e / a.log2_scale()) {}

  // Of a key `offset` ahead of the place of a query.
  __device__ __forceinline__ float at(int offset) const {
    return middle_[larger(-reach_, smaller(reach_, offset))] * factor_;
  }

 private:
  const float* middle_;
  int reach_;
  float factor_;
};

// Where the sums of a fragment of scores begin; `offset`: of the lane's first element. With kKeys rows are keys.
template <bool kKeys, int kRows, int kColumns>
__device__ __forceinline__ void start_scores(float (&s)[kRows][kColumns][4], const BiasRow& bias, int offset) {
#pragma unroll
  for (int unit = 1 - 2 * kRows; unit < kColumns; ++unit) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int ahead = 8 * unit + i;
      const float value = bias.at(kKeys ? offset - ahead : offset + ahead);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int n = unit + 2 * r + half;
          if (n >= 0 && n < kColumns) s[r][n][2 * half + i] = value;
        }
      }
    }
  }
}

// The same for thread (y, x) of the f32 kernels.
template <bool kKeys, int kRows, int kColumns>
__device__ __forceinline__ void start_scores(float (&s)[kRows][kColumns], const BiasRow& bias, int offset) {
#pragma unroll
  for (int step = 1 - kRows; step < kColumns; ++step) {
    const float value = bias.at(kKeys ? offset - 16 * step : offset + 16 * step);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      if (i + step >= 0 && i + step < kColumns) s[i][i + step] = value;
    }
  }
}

// What a block of the pass over queries adds to dbias. Its tiles are of one head and the same in every run.
struct BiasSlots {
  float* partials;  // (H, slots, strips, 2 reach + 1); null: dbias is not wanted
  int32_t slots;    // of a head: a block each

  __device__ __forceinline__ float* strip(const AttentionProblem& a, int strips, int strip) const {
    return partials + (int64_t{blockIdx.x} * strips + strip) * (2 * a.reach + 1);
  }
};

// The sums of one warp, in a strip of its own.
class WarpBiasSums {
 public:
  __device__ __forceinline__ WarpBiasSums(const BiasSlots& slots, const AttentionProblem& a, int strips)
      : strip_(slots.partials != nullptr ? slots.strip(a, strips, warp_id()) : nullptr), reach_(a.reach) {
    if (strip_ == nullptr) return;
    for (int i = lane_id(); i <= 2 * reach_; i += kWarp) strip_[i] = 0.0f;
    __syncwarp();
  }

  // Adds the gradients ds of the scores of 16 kRows queries and 8 kColumns keys; `offset`: of the first key from the
  // first query, of the whole warp.
  //
  // Elements of a lane whose column piece and row piece are equally far apart lie on one diagonal. What is left are
  // 8 x 8 blocks on the diagonals of blocks, one element of which each lane has for each of its two columns; the
  // eight elements of a diagonal, taken around the edge of the block into the next one, lie in the eight rows g. Three
  // exchanges with the rows 4, 2 and 1 further on sum them, and halve the number of sums that a lane holds.
  template <int kRows, int kColumns>
  __device__ __forceinline__ void add(const float (&ds)[kRows][kColumns][4], int offset) {
    if (strip_ == nullptr) return;
    constexpr int kBlocks = kColumns + 2 * kRows - 1, kUnits = (kBlocks + 1 + 3) / 4 * 4;
    const int lane = lane_id(), g = lane / 4, t = lane % 4;
    float sums[kUnits][2];
#pragma unroll
    for (int unit = 0; unit < kUnits; ++unit) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        // Left of the diagonal of its block an element belongs to the unit before.
        const float here = block_sum(ds, unit - 2 * kRows, i), before = block_sum(ds, unit + 1 - 2 * kRows, i);
        sums[unit][i] = 2 * t + i < g ? before : here;
      }
    }
    float half[kUnits / 2][2];
#pragma unroll
    for (int unit = 0; unit < kUnits / 2; ++unit) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float low = sums[unit][i], high = sums[unit + kUnits / 2][i];
        half[unit][i] = (g & 4 ? high : low) + shuffle_xor(g & 4 ? low : high, 16 | 2);
      }
    }
    const int two_on = (lane ^ 8) & ~3, two_on_column = (g & 2 ? t + 3 : t + 1) & 3;
    float quarter[kUnits / 4][2];
#pragma unroll
    for (int unit = 0; unit < kUnits / 4; ++unit) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float low = half[unit][i], high = half[unit + kUnits / 4][i];
        quarter[unit][i] = (g & 2 ? high : low) + shuffle(g & 2 ? low : high, two_on | two_on_column);
      }
    }
    const int one_on = ((lane ^ 4) & ~3) | ((g & 1 ? t + 3 : t) & 3);
    const int first_unit = (g & 4 ? kUnits / 2 : 0) + (g & 2 ? kUnits / 4 : 0);
#pragma unroll
    for (int unit = 0; unit < kUnits / 4; ++unit) {
      const float sum = quarter[unit][0] + shuffle(quarter[unit][1], one_on);
      const int at = offset + 8 * (first_unit + unit - 2 * kRows) + ((2 * t - g) & 7);
      if (at <= -reach_) {
        behind_ += sum;
      } else if (at >= reach_) {
        ahead_ += sum;
      } else {
        strip_[reach_ + at] += sum;
      }
    }
    // The next lane to add here must see it.
    __syncwarp();
  }

  __device__ __forceinline__ void finish() {
    if (strip_ == nullptr) return;
    const float behind = warp_reduce(behind_, Add{}), ahead = warp_reduce(ahead_, Add{});
    if (lane_id() == 0) {
      strip_[0] += behind;
      strip_[2 * reach_] += ahead;
    }
  }

 private:
  // The sum of a lane's elements in the column pieces that are `distance` right of their row piece.
  template <int kRows, int kColumns>
  __device__ __forceinline__ static float block_sum(const float (&ds)[kRows][kColumns][4], int distance, int i) {
    float sum = 0.0f;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int n = distance + 2 * r + half;
        if (n >= 0 && n < kColumns) sum += ds[r][n][2 * half + i];
      }
    }
    return sum;
  }

  float* strip_;  // (2 reach + 1)
  int reach_;
  float behind_ = 0.0f, ahead_ = 0.0f;  // of the lane, at and beyond the ends of the row
};

// Where no kernel asks for them.
struct NoBiasSums {
  __device__ __forceinline__ NoBiasSums(const BiasSlots&, const AttentionProblem&, int) {}
  __device__ __forceinline__ void finish() {}
};

// dbias (H, 2 reach + 1) += the strips of each head, in order.
struct BiasGradient {
  float* dbias;
  const float* partials;
  int64_t row, strips;

  template <int V>
  __device__ void run(int64_t i) const {
    static_assert(V == 1, "rows begin anywhere");
    const float* from = partials + i / row * strips * row + i % row;
    float sum = dbias[i];
    for (int64_t strip = 0; strip < strips; ++strip) sum += from[strip * row];
    dbias[i] = sum;
  }
};

}  // namespace attune::cuda

#endif
