// Products of integers on matrix tiles. Strips of the weight are tiles of B as they lie, rows of activations are A: so
// nothing is packed. A task owns rows of activations and a group of columns, whose part of the weight stays in the L2;
// 32 rows stay in the L1 while all panels of the group pass. While a block of sums is multiplied, the vector units
// finish the one before. Sums are exact, so that no way to cut them shows in a result.
#ifndef ATTUNE_LINEAR_INT8_AMX_H
#define ATTUNE_LINEAR_INT8_AMX_H

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "amx.h"
#include "amx_block.h"
#include "context.h"
#include "linear_amx.h"
#include "linear_int8_rows.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

constexpr int64_t kPanelColumns = kPanel;
constexpr int64_t kByteTurnSteps = 14;          // as kTurnSteps of bf16: a step has as many bytes
constexpr int64_t kMostByteSteps = 65536 / 64;  // of the widest row
// Of a group whose sums wait between turns: its panels have more steps than one turn.
constexpr int64_t kWaitingPanels = kGroupBytes / (2 * kByteTurnSteps * tmm::kBytes);
static_assert(kPanel == 2 * kStripRows, "panels are two strips");
// Strips at the end of a weight behind whose last step a tile may find less than it reads: those of the narrowest rows
// are a step and their scales long.
constexpr int64_t kMostTails = (tmm::kBytes - 1) / (kFourBytes + 8 * kStripRows);

struct Int8TileScratch {
  char rows[kPanel * (kMostByteSteps + 2) * 64];  // the last ones, below which others' memory lies
  char tails[kMostTails][tmm::kBytes];            // the last step of the last strips, likewise
  int32_t ring[2][kBlockCells];                   // the block that is summed, and the one before
  int32_t waiting[kWaitingPanels * kBlockCells];
};
static_assert(sizeof(Int8TileScratch) <= kWorkspaceBytes, "scratch of products of integers");

// How rows and panels are cut into tasks: by rows, as far as there are enough, since the weight need not be packed.
struct Int8Tasks {
  int64_t chunk_rows, chunks, group_panels, groups;

  Int8Tasks(attune_context* ctx, int64_t N, int64_t panels, int64_t panel_bytes) {
    const int64_t wanted = kTasksOfThread * ctx->pool.threads(), blocks = parts(N, kPanel);
    const int64_t most = std::max<int64_t>(1, kGroupBytes / panel_bytes);
    groups = parts(panels, most);
    chunks = std::min(blocks, parts(wanted, groups));
    groups = std::min(panels, std::max(groups, parts(wanted, chunks)));
    group_panels = parts(panels, groups);
    groups = parts(panels, group_panels);
    chunk_rows = parts(blocks, chunks) * kPanel;
    chunks = parts(N, chunk_rows);
  }
  static int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }
};

// The two tiles of B of a step.
struct TilesOfStrips {
  const char* first;
  const char* second;
};

// beside(): after each step. kSecond: whether there are more than 16 rows.
template <bool kSecond, class Beside>
static inline __attribute__((always_inline)) void byte_steps(const char* a, int64_t pitch, TilesOfStrips b,
                                                             int64_t steps, Beside& beside) {
  for (int64_t k = 0; k < steps; ++k) {
    tmm::load_passing<6>(b.first, 64);
    tmm::load<4>(a, pitch);
    tmm::product_of_bytes<0, 4, 6>();
    tmm::load_passing<7>(b.second, 64);
    tmm::product_of_bytes<1, 4, 7>();
    if constexpr (kSecond) {
      tmm::load<5>(a + 16 * pitch, pitch);
      tmm::product_of_bytes<2, 5, 6>();
      tmm::product_of_bytes<3, 5, 7>();
    }
    a += tmm::kByteDepth;
    b.first += tmm::kBytes;
    b.second += tmm::kBytes;
    beside();
  }
}

// finish(row, 1, column, columns, sums) takes a row of sums.
template <class Finish>
static void int8_product(attune_context* ctx, const Int8Rows& inp, const Strips& weight, int64_t N, int64_t F,
                         const Finish& finish) {
  const int64_t panels = Int8Tasks::parts(F, kPanel), strips = Int8Tasks::parts(F, kStripRows);
  const int64_t steps = Int8Tasks::parts(weight.steps, tmm::kRows), whole = weight.steps / tmm::kRows;
  const int64_t turns = Int8Tasks::parts(steps, kByteTurnSteps), turn = Int8Tasks::parts(steps, turns);
  const Int8Tasks tasks(ctx, N, panels, 2 * weight.strip_bytes);
  // What a tile reads behind its strip meets zeros of A. From this strip on it would read behind the weight as well.
  const int64_t first_tail =
      whole == steps ? strips
                     : std::max<int64_t>(0, strips + 1 - Int8Tasks::parts(steps * tmm::kBytes, weight.strip_bytes));

  parallel(ctx, tasks.groups * tasks.chunks, [&](int64_t task, int32_t worker) {
    // Tasks of a group follow each other.
    const int64_t first_row = task % tasks.chunks * tasks.chunk_rows;
    const int64_t end_row = std::min(first_row + tasks.chunk_rows, N);
    const int64_t first_panel = task / tasks.chunks * tasks.group_panels;
    const int64_t end_panel = std::min(first_panel + tasks.group_panels, panels);
    auto& s = *reinterpret_cast<Int8TileScratch*>(ctx->workspace(worker));
    const tmm::Session session;
    for (int64_t i = std::max(first_tail, 2 * first_panel); i < std::min(strips, 2 * end_panel); ++i) {
      std::memcpy(s.tails[i - first_tail], weight.strip(i * kStripRows) + whole * tmm::kBytes,
                  static_cast<size_t>((weight.steps - whole * tmm::kRows) * kFourBytes));
    }

    int64_t row = 0, column = 0, rows = 0, done = 0, columns = 0;  // of the block whose sums wait to be finished
    int slot = 0;
    const int32_t* sums = nullptr;
    const auto finish_row = [&]() __attribute__((always_inline)) {
      finish(row + done, 1, column, columns, sums + done * kPanel);
      ++done;
    };
    for (int64_t n = first_row; n < end_row; n += kPanel) {
      const int count = tile_part(end_row - n, kPanel);
      const char* a = inp.row(n);
      if (n + (count > tmm::kRows ? kPanel : tmm::kRows) > N) {
        std::memcpy(s.rows, a, static_cast<size_t>(count * inp.row_bytes));
        a = s.rows;
      }
      for (int64_t k = 0; k < steps; k += turn) {
        const int64_t here = std::min(turn, steps - k);
        const bool ends = k + here == steps;
        for (int64_t p = first_panel; p < end_panel; ++p) {
          const int64_t strip = 2 * p, other = std::min(strip + 1, strips - 1);
          const bool has_tail = ends && other >= first_tail;
          const TilesOfStrips b{weight.strip(strip * kStripRows) + k * tmm::kBytes,
                                weight.strip(other * kStripRows) + k * tmm::kBytes};
          int32_t* waiting = s.waiting + (p - first_panel) * kBlockCells;
          int32_t* to = ends ? s.ring[slot] : waiting;
          Evenly finishing(rows, here);
          const auto beside = [&]() __attribute__((always_inline)) { finishing.step(finish_row); };
          begin_sums(k > 0 ? waiting : nullptr, kPanel);
          const auto multiply = [&](auto second) __attribute__((always_inline)) {
            byte_steps<second.value>(a + k * tmm::kByteDepth, inp.row_bytes, b, here - has_tail, beside);
            if (has_tail) {
              const char* first =
                  strip >= first_tail ? s.tails[strip - first_tail] : b.first + (here - 1) * tmm::kBytes;
              const TilesOfStrips last{first, s.tails[other - first_tail]};
              byte_steps<second.value>(a + whole * tmm::kByteDepth, inp.row_bytes, last, 1, beside);
            }
          };
          if (count > tmm::kRows) {
            multiply(std::true_type{});
          } else {
            multiply(std::false_type{});
          }
          end_sums(to, kPanel);
          rows = 0;
          if (ends) {
            row = n, column = p * kPanel, rows = count, columns = std::min(kPanel, F - column), done = 0, sums = to;
            slot ^= 1;
          }
        }
      }
    }
    while (done < rows) finish_row();
  });
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
