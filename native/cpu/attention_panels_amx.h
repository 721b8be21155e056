// What attention's gradients on matrix tiles (attention_gradient_amx.h) make of the rows of a head: panels of kPanel
// rows and columns, their forms as operands, and their products.
#ifndef ATTUNE_ATTENTION_PANELS_AMX_H
#define ATTUNE_ATTENTION_PANELS_AMX_H

#include <cstdint>

#include "amx_block.h"
#include "amx_pack.h"
#include "attention_pack.h"
#include "attention_schedule.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kPanelFloats = kPanel * kPanel;
static_assert(kPanel % (2 * W) == 0, "a panel is pairs of vectors");

// Whether a panel of queries takes two tiles: one of them is less than a vector where vectors are short.
static inline bool is_wide(int64_t queries) { return W < tmm::kRows || queries > tmm::kRows; }

// The rows of the next head, asked for a few lines at a time while this one is computed: they lie far apart, where no
// hardware foresees them, and many at once would hold up the loads of this head.
class HeadAhead {
 public:
  void add(const bf16* rows, int64_t stride, int64_t count, bool written) {
    runs_[runs_count_++] = {reinterpret_cast<const char*>(rows), stride * 2, count, written};
    left_ += count;
  }
  // Cuts what was added into this many parts of `bytes` to a row.
  void cut(int64_t count, int64_t bytes) {
    part_ = parts(left_, count);
    bytes_ = bytes;
  }
  void fetch() {
    for (int64_t n = 0; n < part_ && run_ < runs_count_;) {
      Run& run = runs_[run_];
      for (; n < part_ && run.rows > 0; ++n, --run.rows, run.at += run.stride) {
        for (int64_t i = 0; i < bytes_; i += 64) {
          run.written ? __builtin_prefetch(run.at + i, 1, 3) : __builtin_prefetch(run.at + i, 0, 2);
        }
      }
      if (run.rows == 0) ++run_;
    }
  }

 private:
  struct Run {
    const char* at;
    int64_t stride, rows;
    bool written;
  };
  Run runs_[8];
  int64_t runs_count_ = 0, run_ = 0, left_ = 0, part_ = 0, bytes_ = 0;
};

// A row of a panel.
static inline void store_two(bf16* to, vf first, vf second) {
#if defined(__AVX512BF16__)
  const auto both = (pairs)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
  store_row(reinterpret_cast<char*>(to), both);
#else
  store(to, first);
  store(to + W, second);
#endif
}

// Rows of a head in panels; zeros up to a whole panel.
static inline void gather_panels(char* to, const bf16* from, int64_t stride, int64_t rows, int64_t D, bool padded) {
  for (int64_t r0 = 0; r0 < rows; r0 += kPanel) {
    for (int64_t d = 0; d < D; d += kPanel) {
      const bf16* at = from + r0 * stride + d;
      const int count = tile_part(rows - r0, kPanel);
      int r = 0;
      if (D - d >= kPanel) {
        for (; r < count; ++r) store_row(to + 64 * r, pairs_of(at + r * stride));
      } else {
        const int columns = tile_part(D - d, kPanel);
        for (; r < count; ++r) store_row(to + 64 * r, pairs_of(at + r * stride, columns));
      }
      for (; r < kPanel && !padded; ++r) store_row(to + 64 * r, pairs{});
      to += kStepBytes;
    }
  }
}

// Rows of a panel as B of sums over them.
static inline void interleave_panel(char* to, const char* rows, int count, bool padded) {
  const auto* from = reinterpret_cast<const bf16*>(rows);
  int i = 0;
  for (; 2 * i < count; ++i) {
    pairs low, high;
    interleave(pairs_of(from + 2 * i * kPanel), pairs_of(from + (2 * i + 1) * kPanel), &low, &high);
    store_row(to + 64 * i, low);
    store_row(to + tmm::kBytes + 64 * i, high);
  }
  for (; i < tmm::kRows && !padded; ++i) {
    store_row(to + 64 * i, pairs{});
    store_row(to + tmm::kBytes + 64 * i, pairs{});
  }
}

// Rows of a panel as columns of B, the second tile where there are more than 16.
static inline void transpose_panel(char* to, const char* rows, int count) {
  const auto* from = reinterpret_cast<const bf16*>(rows);
  tile_transposed(to, from, kPanel, tmm::kRows, kPanel);
  if (is_wide(count)) {
    tile_transposed(to + tmm::kBytes, from + tmm::kRows * kPanel, kPanel, tmm::kRows, kPanel);
  }
}

// The dot product of each row of two sets of panels.
static inline void dot_panels(float* to, const char* x, const char* y, int64_t count, int64_t D) {
  for (int64_t i = 0; i < count * W; i += W) {
    vf block[W];
#pragma GCC unroll 16
    for (int r = 0; r < W; ++r) block[r] = vf{};
    for (int64_t d = 0; d < parts(D, kPanel); ++d) {
      const int64_t at = (i / kPanel * parts(D, kPanel) + d) * kPanelFloats + i % kPanel * kPanel;
      const bf16* x_rows = reinterpret_cast<const bf16*>(x) + at;
      const bf16* y_rows = reinterpret_cast<const bf16*>(y) + at;
#pragma GCC unroll 16
      for (int r = 0; r < W; ++r) {
#pragma GCC unroll 8
        for (int64_t c = 0; c < kPanel; c += W) {
          block[r] = fma(load(x_rows + r * kPanel + c), load(y_rows + r * kPanel + c), block[r]);
        }
      }
    }
    transpose(block);
    vf total = block[0];
    for (int r = 1; r < W; ++r) total += block[r];
    store(to + i, total);
  }
}

template <bool kSecond, bool kWide>
static inline __attribute__((always_inline)) void panel_part(TileRows rows, const char* b, int64_t steps,
                                                             const float* from, float* to, int64_t stride) {
  const int64_t pitch = stride * 4;
  if (from == nullptr) {
    tmm::zero<0>();
    if (kWide) tmm::zero<1>();
    if (kSecond) tmm::zero<2>();
    if (kSecond && kWide) tmm::zero<3>();
  } else {
    tmm::load<0>(from, pitch);
    if (kWide) tmm::load<1>(from + 16, pitch);
    if (kSecond) tmm::load<2>(from + 16 * stride, pitch);
    if (kSecond && kWide) tmm::load<3>(from + 16 * stride + 16, pitch);
  }
  for (int64_t i = 0; i < steps; ++i) {
    tmm::load<6>(b, 64);
    tmm::load<4>(rows.first, rows.pitch);
    tmm::product<0, 4, 6>();
    if (kWide) {
      tmm::load<7>(b + tmm::kBytes, 64);
      tmm::product<1, 4, 7>();
    }
    if (kSecond) {
      tmm::load<5>(rows.second, rows.pitch);
      tmm::product<2, 5, 6>();
      if (kWide) tmm::product<3, 5, 7>();
    }
    rows.first += rows.step;
    rows.second += rows.step;
    b += kStepBytes;
  }
  tmm::store<0>(to, pitch);
  if (kWide) tmm::store<1>(to + 16, pitch);
  if (kSecond) tmm::store<2>(to + 16 * stride, pitch);
  if (kSecond && kWide) tmm::store<3>(to + 16 * stride + 16, pitch);
}

// to (32, 32) = from (null: zero) + A B, or only the first 16 rows and columns of it.
static inline void panel_product(const TileRows& rows, bool second, const char* b, bool wide, int64_t steps,
                                 const float* from, float* to, int64_t stride) {
  if (second) {
    wide ? panel_part<true, true>(rows, b, steps, from, to, stride)
         : panel_part<true, false>(rows, b, steps, from, to, stride);
  } else {
    wide ? panel_part<false, true>(rows, b, steps, from, to, stride)
         : panel_part<false, false>(rows, b, steps, from, to, stride);
  }
}

// Rows of sums times a factor; zeros where nothing has written the sums.
static inline void write_panels(bf16* to, int64_t stride, const float* sums, int rows, int64_t D, float factor,
                                bool written) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t d = 0; d < D; d += 2 * W) {
      const float* from = sums + d / kPanel * kPanelFloats + r * kPanel + d % kPanel;
      const vf first = written ? load(from) * factor : vf{}, second = written ? load(from + W) * factor : vf{};
      bf16* at = to + r * stride + d;
      if (D - d >= 2 * W) {
        store_two(at, first, second);
      } else {
        store_some(at, first, D - d);
        if (D - d > W) store_some(at + W, second, D - d - W);
      }
    }
  }
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
