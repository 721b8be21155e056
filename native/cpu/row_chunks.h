// Gradients of the parameters of a norm: sums over all rows, taken in chunks of rows whose partial sums
// are added in the order of the chunks, so that they do not depend on the number of threads.
#ifndef ATTUNE_ROW_CHUNKS_H
#define ATTUNE_ROW_CHUNKS_H

#include <cstdint>
#include <initializer_list>

#include "context.h"
#include "lanes.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

// The partial sums lie in the first half of worker 0's workspace, which no worker uses as scratch.
constexpr size_t kPartialBytes = kWorkspaceBytes / 2;

struct RowChunks {
  int64_t stride;  // floats from one array of C partial sums to the next, a multiple of a cache line
  int64_t rows;    // per chunk, a multiple of `multiple` and at least `least`
  int64_t count;
  int64_t arrays;  // parameters per chunk

  RowChunks(int64_t N, int64_t C, int64_t parameters, int64_t multiple, int64_t least)
      : stride((C + 15) / 16 * 16), arrays(parameters) {
    constexpr int64_t kMaxChunks = 256;
    int64_t room = static_cast<int64_t>(kPartialBytes / 4) / (arrays * stride);
    int64_t most = room < kMaxChunks ? room : kMaxChunks;
    rows = (N + most - 1) / most;
    rows = rows < least ? least : (rows + multiple - 1) / multiple * multiple;
    count = (N + rows - 1) / rows;
  }

  // Partial sums of parameter `array` of the chunk that begins at `row`.
  float* partial(attune_context* ctx, int64_t row, int64_t array) const {
    return reinterpret_cast<float*>(ctx->workspace(0)) + (row / rows * arrays + array) * stride;
  }

  // out[array] (C) (+)= the partial sums of all chunks; null where they are not wanted.
  void combine(attune_context* ctx, std::initializer_list<float*> out, int64_t C, bool accumulate) const {
    constexpr int64_t kColumns = 128;
    const int64_t blocks = (C + kColumns - 1) / kColumns;
    parallel(ctx, arrays * blocks, [&](int64_t task, int32_t) {
      const int64_t array = task / blocks, begin = task % blocks * kColumns;
      float* to = out.begin()[array];
      if (to == nullptr) return;
      for_vectors(begin, begin + kColumns < C ? begin + kColumns : C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
        vf total = accumulate ? load(to + c, lanes) : splat(0.0f);
        for (int64_t chunk = 0; chunk < count; ++chunk) total += load(partial(ctx, chunk * rows, array) + c, lanes);
        store(to + c, total, lanes);
      });
    });
  }
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
