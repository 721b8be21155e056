// Embedding tables: sums of rows forward, scattered sums of gradients backward.
#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "lanes.h"
#include "pages.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

// Rows of a vocabulary lie far apart: fetching ahead hides the memory latency that the hardware
// cannot predict.
constexpr int64_t kAhead = 4;

static inline void prefetch(const float* row, int64_t columns) {
  for (int64_t c = 0; c < columns; c += 16) __builtin_prefetch(row + c);
}

// Backward, every element of a table sums in row order, whatever the number of threads. The tables of positions and
// types are small, and so are cut by columns: each task walks all rows. That of words is cut by its own rows: a whole
// row of it, far from all others, is then fetched, mapped and written by one thread.
constexpr int64_t kColumns = 64;
constexpr int64_t kParts = 32;       // of the words
constexpr int64_t kNeighbours = 16;  // rows that go to one part, as they may share pages

template <class T>
static inline void add_row(float* to, const T* dout, int64_t columns) {
  for_vectors(0, columns, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
    store(to + c, load(to + c, lanes) + load(dout + c, lanes), lanes);
  });
}

template <class T>
static void scatter(float* table, const int32_t* indices, const T* dout, int64_t N, int64_t C, int64_t begin,
                    int64_t end) {
  for (int64_t n = 0; n < N; ++n) add_row(table + indices[n] * C + begin, dout + n * C + begin, end - begin);
}

// The numbers of the rows of dout, sorted by the part that their words belong to, in row order within a part.
struct ByPart {
  int64_t first[kParts + 1];  // of each part in `rows`
  int32_t* rows;

  ByPart(const int32_t* ids, int64_t N, int32_t* scratch) : first{}, rows(scratch) {
    for (int64_t n = 0; n < N; ++n) ++first[part(ids[n]) + 1];
    for (int64_t i = 0; i < kParts; ++i) first[i + 1] += first[i];
    int64_t next[kParts];
    std::memcpy(next, first, sizeof(next));
    for (int64_t n = 0; n < N; ++n) rows[next[part(ids[n])]++] = static_cast<int32_t>(n);
  }

  static int64_t part(int32_t id) { return id / kNeighbours % kParts; }
};

template <class T>
static void scatter_part(float* table, const int32_t* ids, const T* dout, int64_t C, const ByPart& parts,
                         int64_t part) {
  const int64_t end = parts.first[part + 1];
  for (int64_t i = parts.first[part]; i < end; ++i) {
    if (i + kAhead < end) prefetch(table + ids[parts.rows[i + kAhead]] * C, C);
    const int64_t n = parts.rows[i];
    map_pages(table + ids[n] * C, C);
    add_row(table + ids[n] * C, dout + n * C, C);
  }
}

attune_status check_not_below_zero(const char* op, const char* name, const int32_t* indices, int64_t count) {
  return check_indices(op, name, indices, count, int64_t{1} << 31);
}

}  // namespace

attune_status embedding_fwd(attune_context* ctx, void* out, const float* word, const float* position, const float* type,
                            const int32_t* ids, const int32_t* positions, const int32_t* type_ids, int64_t N, int64_t C,
                            int64_t V, int64_t P, int64_t T, int32_t dtype) {
  const char* op = "embedding_fwd";
  if (N == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_indices(op, "ids", ids, N, V));
  if (position != nullptr) {
    ATTUNE_CHECK(check_indices(op, "positions", positions, N, P));
  }
  if (type != nullptr) {
    ATTUNE_CHECK(check_indices(op, "type_ids", type_ids, N, T));
  }
  with_type(dtype, [&](auto element) {
    auto* to = static_cast<decltype(element)*>(out);
    int64_t grain = grain_or_alone(N, C, 8192 / C + 1);
    parallel_range(ctx, N, grain, [&](int64_t begin, int64_t end, int32_t) {
      for (int64_t n = begin; n < end; ++n) {
        if (n + kAhead < end) prefetch(word + ids[n + kAhead] * C, C);
        const float* w = word + ids[n] * C;
        const float* p = position != nullptr ? position + positions[n] * C : nullptr;
        const float* t = type != nullptr ? type + type_ids[n] * C : nullptr;
        for_vectors(0, C, [&](int64_t c, auto lanes) ATTUNE_INLINE_BODY {
          vf x = load(w + c, lanes);
          if (p != nullptr) x += load(p + c, lanes);
          if (t != nullptr) x += load(t + c, lanes);
          store(to + n * C + c, x, lanes);
        });
      }
    });
  });
  return ATTUNE_OK;
}

attune_status embedding_bwd(attune_context* ctx, float* dword, float* dposition, float* dtoken_type, const void* dout,
                            const int32_t* ids, const int32_t* positions, const int32_t* type_ids, int64_t N, int64_t C,
                            int32_t dtype) {
  const char* op = "embedding_bwd";
  if (N == 0) return ATTUNE_OK;
  // The sizes of the tables are not known here; the forward pass has checked the upper limits.
  if (dword != nullptr) {
    ATTUNE_CHECK(check_not_below_zero(op, "ids", ids, N));
  }
  if (dposition != nullptr) {
    ATTUNE_CHECK(check_not_below_zero(op, "positions", positions, N));
  }
  if (dtoken_type != nullptr) {
    ATTUNE_CHECK(check_not_below_zero(op, "type_ids", type_ids, N));
  }
  with_type(dtype, [&](auto element) {
    const auto* from = static_cast<const decltype(element)*>(dout);
    // So many rows at a time that their numbers fit into the scratch.
    constexpr int64_t kRoom = static_cast<int64_t>(kWorkspaceBytes / sizeof(int32_t));
    for (int64_t row = 0; row < N; row += kRoom) {
      const int64_t rows = N - row < kRoom ? N - row : kRoom;
      const auto* gradient = from + row * C;
      const ByPart parts(ids + row, dword != nullptr ? rows : 0, reinterpret_cast<int32_t*>(ctx->workspace(0)));
      const int64_t blocks = dposition != nullptr || dtoken_type != nullptr ? (C + kColumns - 1) / kColumns : 0;
      parallel(ctx, blocks + kParts, [&](int64_t task, int32_t) {
        if (task >= blocks) {
          scatter_part(dword, ids + row, gradient, C, parts, task - blocks);
          return;
        }
        const int64_t begin = task * kColumns, end = begin + kColumns < C ? begin + kColumns : C;
        if (dposition != nullptr) scatter(dposition, positions + row, gradient, rows, C, begin, end);
        if (dtoken_type != nullptr) scatter(dtoken_type, type_ids + row, gradient, rows, C, begin, end);
      });
    }
  });
  return ATTUNE_OK;
}

attune_status zero_rows(attune_context* ctx, float* table, const int32_t* rows, int64_t M, int64_t C) {
  const char* op = "zero_rows";
  if (M == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_not_below_zero(op, "rows", rows, M));
  // A row may be named twice: two threads then store the same zeros.
  parallel_range(ctx, M, 32768 / C + 1, [&](int64_t begin, int64_t end, int32_t) {
    for (int64_t m = begin; m < end; ++m) std::memset(table + rows[m] * C, 0, static_cast<size_t>(C) * 4);
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
