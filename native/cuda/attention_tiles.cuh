// What the attention kernels on tensor cores share: tiles of bf16 in shared memory, fragments, dropout.
#ifndef ATTUNE_CUDA_ATTENTION_TILES_CUH
#define ATTUNE_CUDA_ATTENTION_TILES_CUH

#include "attention_schedule.cuh"
#include "philox.h"

namespace attune::cuda {

// The arguments of all attention kernels that are not tensors.
struct AttentionProblem {
  const int32_t* cu_q;  // (B + 1)
  const int32_t* cu_k;  // (B + 1)
  int64_t q_stride, kv_stride;
  int32_t B, H, Hkv, D;
  float scale;
  int32_t causal, behind, ahead;
  const float* bias;  // (H, 2 reach + 1), or null
  int32_t reach;
  uint64_t seed, stream;
  const int64_t* stream_base;
  uint32_t threshold;
  float keep_scale;
  int32_t vectors;  // whether all rows of all tensors begin on 16 bytes

  __device__ __forceinline__ Sight sight(const Work& work) const {
    return {work.queries, work.keys, work.keys - work.queries, behind, ahead};
  }
  __device__ __forceinline__ int64_t rows_q() const { return int64_t{cu_q[B]} - cu_q[0]; }
  // Where lse of a packed row lies.
  __device__ __forceinline__ int64_t statistic(int32_t head, int64_t row) const {
    return head * rows_q() + row - cu_q[0];
  }
  // Scores are exponentiated in base 2. A zero would turn a hidden score of -inf into NaN.
  __device__ __forceinline__ float log2_scale() const {
    const float c = scale * kLog2e;
    return c == 0.0f ? 1e-30f : c;
  }
};

template <class T>
struct ForwardTensors {
  T* out;      // (Nq, H, D)
  float* lse;  // (H, Nq)
  const T* q;  // (Nq, H, D), rows q_stride apart
  const T* k;  // (Nk, Hkv, D), rows kv_stride apart
  const T* v;  // (Nk, Hkv, D), rows kv_stride apart
};

// ---- tiles in shared memory ---------------------------------------------------------------------------

// Rows of kD elements in chunks of 16 bytes. ldmatrix reads one chunk of 8 rows at a time, which must lie in
// 8 different groups of 4 banks. Rows of 128 or 256 bytes begin in the same bank: the chunk's number is
// xored with the row's low 3 bits. Rows of 64 or 192 bytes alternate between two halves of the banks, so
// that 4 phases that change every second row do.
template <int kD>
struct Tile {
  static constexpr int kChunks = kD / 8;
  static constexpr int kMask = kChunks % 8 == 0 ? 7 : 3;

  __device__ __forceinline__ static int phase(int row) { return (kMask == 7 ? row : row / 2) & kMask; }
  __device__ __forceinline__ static int at(int row, int chunk) { return row * kD + (chunk ^ phase(row)) * 8; }
};

// Eight elements at `from`, of which `count` exist, whatever their alignment.
__device__ __forceinline__ uint4 gather8(const bf16* from, int count) {
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint32_t low = 2 * i < count ? from[2 * i].bits : 0;
    const uint32_t high = 2 * i + 1 < count ? from[2 * i + 1].bits : 0;
    words[i] = low | high << 16;
  }
  return make_uint4(words[0], words[1], words[2], words[3]);
}

// x, such that the compiler does not see it. What follows from x is then made where it is used, in two or
// three instructions; the compiler would rather keep dozens of addresses in registers over a whole loop, and
// spill accumulators for them.
__device__ __forceinline__ int opaque(int x) {
#if !defined(ATTUNE_CUDA_EMULATION)
  asm volatile("" : "+r"(x));
#endif
  return x;
}

// Starts to copy kRows rows, `stride` apart, into a tile; rows from `rows` on and columns from D on become
// zero, as 0 * NaN would not: what lies there in memory may belong to another sequence.
template <int kRows, int kD, int kThreads>
__device__ __forceinline__ void load_tile(bf16* tile, const bf16* from, int64_t stride, int rows,
                                          const AttentionProblem& a) {
  constexpr int kCopies = kRows * Tile<kD>::kChunks / kThreads;
  static_assert(kCopies * kThreads == kRows * Tile<kD>::kChunks, "every thread copies the same number of chunks");
  const int thread = opaque(static_cast<int>(threadIdx.x));
  if (a.vectors) {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int copy = i * kThreads + thread;
      const int row = copy / Tile<kD>::kChunks, chunk = copy % Tile<kD>::kChunks;
      const bool valid = row < rows && chunk * 8 < a.D;
      cp_async16(tile + Tile<kD>::at(row, chunk), valid ? from + row * stride + chunk * 8 : from, valid);
    }
  } else {
#pragma unroll 1
    for (int i = 0; i < kCopies; ++i) {
      const int copy = i * kThreads + thread;
      const int row = copy / Tile<kD>::kChunks, chunk = copy % Tile<kD>::kChunks;
      const int count = row < rows ? a.D - chunk * 8 : 0;
      *reinterpret_cast<uint4*>(tile + Tile<kD>::at(row, chunk)) =
          gather8(count > 0 ? from + row * stride + chunk * 8 : from, count);
    }
  }
}

// What a lane needs to read fragments of a tile: its row, and its chunk already xored with the row's phase.
template <int kD>
class Fragments {
 public:
  // `row` and `chunk` (0 or 1) within a 16 x 16 piece.
  __device__ __forceinline__ Fragments(const bf16* tile, int row, int chunk)
      : row_(static_cast<int>(tile - shared_memory<bf16>()) + row * kD), chunk_(chunk ^ Tile<kD>::phase(row)) {}

  // The lane's address in the piece that begins at row `rows` (a multiple of 8) and chunk `chunks` (even).
  __device__ __forceinline__ const bf16* at(int rows, int chunks) const {
    constexpr int kMask = Tile<kD>::kMask;
    return shared_memory<bf16>() + (row_ + rows * kD + ((chunks & ~kMask) + (chunk_ ^ (chunks & kMask))) * 8);
  }

  __device__ __forceinline__ Fragments fresh() const {
    Fragments out = *this;
    out.chunk_ = opaque(out.chunk_);
    return out;
  }

 private:
  int row_;  // counted from the begin of shared memory: half the registers of an address
  int chunk_;
};

// A operands, and B operands whose rows run along the sum (read transposed).
template <int kD>
__device__ __forceinline__ Fragments<kD> fragments_by_row(const bf16* tile, int row) {
  return Fragments<kD>(tile, row + lane_id() % 16, lane_id() / 16);
}

// B operands whose rows run along the columns of the result: two neighbouring 8-column operands.
template <int kD>
__device__ __forceinline__ Fragments<kD> fragments_by_column(const bf16* tile) {
  return Fragments<kD>(tile, lane_id() % 8 + lane_id() / 16 * 8, lane_id() / 8 % 2);
}

template <int kRows, int kColumns>
__device__ __forceinline__ void clear(float (&acc)[kRows][kColumns][4]) {
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) acc[r][n][i] = 0.0f;
    }
  }
}

// acc (16 kRows x 8 kColumns) += the warp's rows of `a` times the transpose of rows b0.. of `b`, over kD.
template <int kD, int kRows, int kColumns>
__device__ __forceinline__ void multiply_transposed(float (&acc)[kRows][kColumns][4], const Fragments<kD>& left_rows,
                                                    const Fragments<kD>& right_rows, int b0) {
  const Fragments<kD> a = left_rows.fresh(), b = right_rows.fresh();
#pragma unroll
  for (int k = 0; k < kD / 16; ++k) {
    uint32_t left[kRows][4];
#pragma unroll
    for (int r = 0; r < kRows; ++r) ldmatrix_x4(left[r], a.at(16 * r, 2 * k));
#pragma unroll
    for (int n = 0; n < kColumns / 2; ++n) {
      uint32_t right[4];
      ldmatrix_x4(right, b.at(b0 + 16 * n, 2 * k));
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        mma_bf16(acc[r][2 * n], left[r], right[0], right[1]);
        mma_bf16(acc[r][2 * n + 1], left[r], right[2], right[3]);
      }
    }
  }
}

// The accumulators of two neighbouring 8-column pieces are, rounded, the A operand of a product over those
// 16 columns: probabilities never leave the registers.
__device__ __forceinline__ void pack_operand(uint32_t (&out)[4], const float (&even)[4], const float (&odd)[4]) {
  out[0] = pack_bf16(even[0], even[1]);
  out[1] = pack_bf16(even[2], even[3]);
  out[2] = pack_bf16(odd[0], odd[1]);
  out[3] = pack_bf16(odd[2], odd[3]);
}

// acc (16 kRows x 8 kColumns) += left (16 kRows x 16 kInner, packed) times rows b0.. of `b`, of which columns
// from chunk c0 on.
template <int kD, int kRows, int kInner, int kColumns>
__device__ __forceinline__ void multiply_add(float (&acc)[kRows][kColumns][4], const uint32_t (&left)[kRows][kInner][4],
                                             const Fragments<kD>& right_rows, int b0, int c0) {
  const Fragments<kD> b = right_rows.fresh();
#pragma unroll
  for (int k = 0; k < kInner; ++k) {
#pragma unroll
    for (int n = 0; n < kColumns / 2; ++n) {
      uint32_t right[4];
      ldmatrix_x4_trans(right, b.at(b0 + 16 * k, c0 + 2 * n));
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        mma_bf16(acc[r][2 * n], left[r][k], right[0], right[1]);
        mma_bf16(acc[r][2 * n + 1], left[r][k], right[2], right[3]);
      }
    }
  }
}

// Writes a warp's accumulators, times factor[r][half] for rows g + 8 half + 16 r, to `to`: rows `stride`
// apart, as many as `rows`, columns 8 c0 on of `columns`. They pass through the warp's own rows of a tile
// that nobody reads any more, so that whole chunks go out.
template <int kD, int kRows, int kColumns>
__device__ __forceinline__ void store_rows(bf16* to, int64_t stride, int rows, int c0, const AttentionProblem& a,
                                           bf16* tile, int tile_row, const float (&acc)[kRows][kColumns][4],
                                           const float (&factor)[kRows][2]) {
  const int g = lane_id() / 4, t = lane_id() % 4;
  __syncwarp();
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      bf16* row = tile + 2 * t;
      const int at = tile_row + 16 * r + 8 * half + g;
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        *reinterpret_cast<uint32_t*>(row + Tile<kD>::at(at, n)) =
            pack_bf16(acc[r][n][2 * half] * factor[r][half], acc[r][n][2 * half + 1] * factor[r][half]);
      }
    }
  }
  __syncwarp();
#pragma unroll 1
  for (int copy = lane_id(); copy < 16 * kRows * kColumns; copy += kWarp) {
    const int row = copy / kColumns, chunk = copy % kColumns;
    const int count = a.D - (c0 + chunk) * 8;
    if (row >= rows || count <= 0) continue;
    const bf16* from = tile + Tile<kD>::at(tile_row + row, chunk);
    bf16* out = to + row * stride + (c0 + chunk) * 8;
    if (a.vectors) {
      *reinterpret_cast<uint4*>(out) = *reinterpret_cast<const uint4*>(from);
    } else {
      for (int i = 0; i < 8 && i < count; ++i) out[i] = from[i];
    }
  }
}

// ---- dropout ------------------------------------------------------------------------------------------

// A block of the generator is 8 keys of one query, more than any thread of a fragment holds. So one lane
// makes all bits of one query, and the fragment's lanes fetch them with a shuffle: a bit costs an eighth of
// a block, however the fragment lies.
struct KeptBits {
  uint64_t seed, stream;
  uint32_t threshold;

  __device__ __forceinline__ explicit KeptBits(const AttentionProblem& a)
      : seed(a.seed), stream(a.stream + static_cast<uint64_t>(*a.stream_base)), threshold(a.threshold) {}

  // Bit i: whether key + i of a query is kept. `key` is a multiple of 8; query = packed row * H + head.
  template <int kBlocks>
  __device__ __forceinline__ uint32_t of(uint32_t query, int key) const {
    uint32_t bits = 0;
    // Two at a time: enough to hide their latency, and as much as fits beside the accumulators.
#pragma unroll 2
    for (int block = 0; block < kBlocks; ++block) {
      const PhiloxBlock random =
          philox(seed, stream, static_cast<uint64_t>(query) << 32 | static_cast<uint32_t>(key / 8 + block));
#pragma unroll
      for (int lane = 0; lane < 8; ++lane) {
        const uint32_t value = lane % 2 == 0 ? random.word[lane / 2] & 0xFFFFu : random.word[lane / 2] >> 16;
        bits |= static_cast<uint32_t>(value >= threshold) << (8 * block + lane);
      }
    }
    return bits;
  }

  // The bits of key.. for the rows of a fragment whose rows are queries, `row` (packed) the warp's first:
  // bit 8 n + i of out[r][half] belongs to element 2 half + i of column piece n.
  template <int kBlocks, int kRows>
  __device__ __forceinline__ void of_rows(uint32_t (&out)[kRows][2], int64_t row, int H, int head, int key) const {
    const uint32_t mine = of<kBlocks>(static_cast<uint32_t>((row + lane_id() % (16 * kRows)) * H + head), key);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        out[r][half] = shuffle(mine, 16 * r + 8 * half + lane_id() / 4) >> (2 * (lane_id() % 4));
      }
    }
  }
};

}  // namespace attune::cuda

#endif
