// Packed sequences as cuDNN's attention takes them: lengths and offsets in place of bounds, and statistics with
// the heads of a row next to each other. Both kernels move a few bytes for each row that attention works on.
#include "device.cuh"
#include "plans.h"

namespace attune::cuda {

namespace {

constexpr int kOffsetThreads = 256;

__global__ void sequence_offsets_kernel(int32_t* out, const int32_t* cu_seqlens, int64_t B, int64_t padded,
                                        int64_t stride, int32_t width, int32_t out_width, int32_t heads) {
  const int64_t b = int64_t{blockIdx.x} * kOffsetThreads + threadIdx.x;
  if (b > padded) return;
  const int32_t begin = cu_seqlens[b < B ? b : B], end = cu_seqlens[b + 1 < B ? b + 1 : B];
  if (b < padded) out[b] = end - begin;
  out[stride + b] = begin * width;
  out[2 * stride + b] = begin * out_width;
  out[3 * stride + b] = begin * heads;
}

// A tile passes through shared memory, whose rows are one element longer so that a column spreads over all banks.
// The number of rows is only known on the device: blocks take tiles of rows in turn.
constexpr int kTile = 32, kTileRows = 8, kTransposeBlocks = 4;  // of a multiprocessor
constexpr size_t kTileBytes = kTile * (kTile + 1) * sizeof(float);

__global__ void transpose_stats_kernel(float* out, const float* inp, const int32_t* cu_seqlens, int64_t B,
                                       int64_t heads, bool by_head) {
  float* tile = shared_memory<float>();
  const int64_t N = cu_seqlens[B];
  const int64_t rows = by_head ? N : heads, cols = by_head ? heads : N;  // of inp
  const int64_t tiles_across = (cols + kTile - 1) / kTile, tiles = (rows + kTile - 1) / kTile * tiles_across;
  const int x = static_cast<int>(threadIdx.x) % kTile, y = static_cast<int>(threadIdx.x) / kTile;
  for (int64_t t = blockIdx.x; t < tiles; t += gridDim.x) {
    const int64_t row = t / tiles_across * kTile, col = t % tiles_across * kTile;
    __syncthreads();  // the tile before has been read
    for (int i = y; i < kTile; i += kTileRows) {
      if (row + i < rows && col + x < cols) tile[i * (kTile + 1) + x] = inp[(row + i) * cols + col + x];
    }
    __syncthreads();
    for (int i = y; i < kTile; i += kTileRows) {
      if (col + i < cols && row + x < rows) out[(col + i) * rows + row + x] = tile[x * (kTile + 1) + i];
    }
  }
}

}  // namespace

attune_status sequence_offsets(attune_context* ctx, int32_t* out, const int32_t* cu_seqlens, int64_t B, int64_t padded,
                               int64_t width, int64_t out_width, int64_t heads) {
  return launch(ctx, sequence_offsets_kernel, static_cast<unsigned>(ceil_div(padded + 1, kOffsetThreads)),
                kOffsetThreads, 0, out, cu_seqlens, B, padded, attune_cuda_offsets_stride(padded), width, out_width,
                heads);
}

attune_status transpose_stats(attune_context* ctx, float* out, const float* inp, const int32_t* cu_seqlens, int64_t B,
                              int64_t heads, int32_t by_head) {
  return launch(ctx, transpose_stats_kernel, static_cast<unsigned>(kTransposeBlocks * ctx->multiprocessors),
                kTile * kTileRows, kTileBytes, out, inp, cu_seqlens, B, heads, by_head != 0);
}

}  // namespace attune::cuda
