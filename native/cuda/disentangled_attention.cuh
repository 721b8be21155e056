// What forward and backward of disentangled attention (disentangled_attention.cu) share: a tile's rows and positions in
// shared memory, its scores, sums over its rows.
#ifndef ATTUNE_CUDA_DISENTANGLED_ATTENTION_CUH
#define ATTUNE_CUDA_DISENTANGLED_ATTENTION_CUH

#include "dropout.cuh"
#include "reduce.cuh"
#include "rows.cuh"

namespace attune::cuda {

namespace {

constexpr int kSide = 16;                // of a tile
constexpr int kThreads = kSide * kSide;  // 16 of a row are half a warp
constexpr int kWindow = 2 * kSide - 1;   // offsets of a tile
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kLn2 = 0.693147180559945309f;

template <class T>
struct Problem {
  const T* q;
  const T* k;
  const T* v;
  const T* pos_key;    // null: no such term
  const T* pos_query;  // null: no such term
  const int32_t* places;
  const int32_t* cu_seqlens;
  int64_t N, stride, pos_stride, B, tiles, H, D, P, reach;
  float scale;
  Dropout dropout;
  Op op;
  ErrorWord* error;

  __device__ int64_t row_stride() const { return D + 1; }  // odd: rows lie on different banks

  // The place of an offset of a query from a key; one outside the positions is recorded, and the first instead.
  __device__ int32_t place(int64_t offset) const {
    const int64_t at = reach + (offset < -reach ? -reach : offset > reach ? reach : offset);
    const int32_t place = places[at];
    if (place >= 0 && place < P) return place;
    record_bad_index(error, op, Index::places, at, place, P);
    return 0;
  }

  // What dropout makes of a probability of packed row `row` and key `key` of its sequence.
  __device__ float kept(float value, int64_t row, int64_t head, int64_t key) const {
    float values[1] = {value};
    if (dropout.on()) dropout.apply<1>(values, ((row * H + head) << 35) + key);
    return values[0];
  }
};

// What a block owns: `first` of the rows of a tile in its sequence; `length` 0: nothing.
struct Tile {
  int64_t base, length, first, head;
};

template <class T>
__device__ Tile tile_of(const Problem<T>& a) {
  const int64_t block = blockIdx.x, sequence = block / (a.tiles * a.H);
  const Range range = range_of(a.cu_seqlens, sequence, a.B, a.op, a.error, threadIdx.x == 0);
  const int64_t first = block % a.tiles * kSide;
  return {range.first, first < range.last - range.first ? range.last - range.first : 0, first, block / a.tiles % a.H};
}

// Shared memory of a block, in rows of a head: one tile that stays, one that passes, positions for keys and queries.
// Then the scores of two tiles and statistics of 32 rows.
struct Shared {
  float* own;
  float* other;
  float* pos_key;
  float* pos_query;
  float* scores;
  float* gradients;

  static constexpr int kScoreStride = kSide + 1;
  static constexpr int kRows = 2 * kSide + 2 * kWindow;

  __device__ explicit Shared(int64_t row_stride) {
    own = shared_memory<float>();
    other = own + kSide * row_stride;
    pos_key = other + kSide * row_stride;
    pos_query = pos_key + kWindow * row_stride;
    scores = pos_query + kWindow * row_stride;
    gradients = scores + kSide * kScoreStride;
  }

  static size_t bytes(int64_t D) {
    return static_cast<size_t>(kRows * (D + 1) + 2 * kSide * kScoreStride) * sizeof(float);
  }
};

// Copies `rows` rows of a head, kSide in all; zeros for the others.
template <class T>
__device__ void load_rows(float* to, const Problem<T>& a, const T* from, int64_t stride, int64_t rows) {
  const int D = static_cast<int>(a.D);
  for (int n = static_cast<int>(threadIdx.x); n < kSide * D; n += kThreads) {
    const int row = n / D, d = n % D;
    to[row * a.row_stride() + d] = row < rows ? to_float(from[row * stride + d]) : 0.0f;
  }
}

// The positions at the offsets of queries i0.. from keys j0..: row 15 + i - j is that of query i0 + i and key j0 + j.
template <class T>
__device__ void load_positions(float* to, const Problem<T>& a, const T* positions, int64_t head, int64_t i0,
                               int64_t j0) {
  const int D = static_cast<int>(a.D);
  for (int n = static_cast<int>(threadIdx.x); n < kWindow * D; n += kThreads) {
    const int row = n / D, d = n % D;
    const int64_t place = positions == nullptr ? 0 : a.place(i0 - j0 + row - (kSide - 1));
    to[row * a.row_stride() + d] =
        positions == nullptr ? 0.0f : to_float(positions[place * a.pos_stride + head * a.D + d]);
  }
}

// The sum of the three terms of a score, unscaled.
__device__ __forceinline__ float score_of(const float* query, const float* key, const float* pos_key,
                                          const float* pos_query, int64_t D) {
  float sum = 0.0f;
  for (int64_t d = 0; d < D; ++d) {
    sum = fmaf(query[d], key[d], sum);
    sum = fmaf(query[d], pos_key[d], sum);
    sum = fmaf(key[d], pos_query[d], sum);
  }
  return sum;
}

__device__ __forceinline__ float dot_of(const float* a, const float* b, int64_t D) {
  float sum = 0.0f;
  for (int64_t d = 0; d < D; ++d) sum = fmaf(a[d], b[d], sum);
  return sum;
}

// Over the 16 threads of a row.
template <class Combine>
__device__ __forceinline__ float row_reduce(float value, Combine combine) {
#pragma unroll
  for (int mask = 1; mask < kSide; mask *= 2) value = combine(value, shuffle_xor(value, mask));
  return value;
}

// sums[n] += weights (16) times column x + 16 n of 16 rows; `more`, where given, moves along: row j is at j * step.
template <int kColumns>
__device__ __forceinline__ void add_rows(float (&sums)[kColumns], const float* weights, int64_t weight_step,
                                         const float* rows, const float* more, int64_t more_step, int64_t row_stride,
                                         int64_t D, int x) {
  for (int j = 0; j < kSide; ++j) {
    const float weight = weights[j * weight_step];
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
      const int64_t d = x + kSide * n;
      if (d < D) {
        const float value = rows[j * row_stride + d] + (more == nullptr ? 0.0f : more[j * more_step + d]);
        sums[n] = fmaf(weight, value, sums[n]);
      }
    }
  }
}

}  // namespace

}  // namespace attune::cuda

#endif
