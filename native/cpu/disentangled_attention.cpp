// Disentangled attention (He et al., DeBERTa, 2021) on the tiles of attention.cpp.
//
// The terms of positions are products with the rows of positions that a chunk of queries and a chunk of keys can
// meet, at most kPlaces of them: C (queries, places) = Q PosKey^T and K (keys, places) = K PosQuery^T. The score of
// query i and key j begins with C[i][place] + K[j][place] of the offset i - j. Around offset 0 neighbouring offsets
// have neighbouring places, so that a vector of offsets is a plain load; farther out, where buckets are wide, it is a
// gather. Lanes of a tile are queries: rows of K lie along them, those of C across and pass through a transpose.
//
//   forward    S^T = places(C, K) + K Q^T, then as in attention
//   backward   dS^T as in attention; dC, dK from dS^T by place; dQ += dC PosKey, dPosKey += dC^T Q,
//              dKeys += dK PosQuery, dPosQuery += dK^T Keys
//
// A task of the backward pass is a head of a group of sequences, which has sums of its own for the positions. Groups
// depend on lengths only, and every sum runs in rising order, so threads change no bit.
#include <cstdint>
#include <cstring>

#include "attention_forward.h"
#include "checks.h"
#include "context.h"
#include "disentangled.h"
#include "disentangled_gradient.h"
#include "kernels.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

struct DisentangledForwardScratch {
  float k[kChunk * kRowCells];
  float v[kChunk * kRowCells];
  float q[kMaxD * kBlock];
  float q_rows[kBlock * kRowCells];
  float scores[kTile * kBlock];
  float rescale[kBlock];
  float query_logits[kBlock * kPlaces];
  float key_logits[kChunk * kPlaces];
  PackedPositions pos_key, pos_query;
  float maximum[kChunk + kBlock];
  float sum[kChunk + kBlock];
  float out[(kChunk + kBlock) * kMaxD];
};
static_assert(sizeof(DisentangledForwardScratch) <= kWorkspaceBytes, "forward scratch");

template <class Cell, class T>
struct DisentangledForward : Disentangled<Cell, T> {
  using Base = Disentangled<Cell, T>;
  using Base::a;
  T* out;
  float* lse;

  DisentangledForward(const Base& base, T* out_rows, float* lse_rows) : Base(base), out(out_rows), lse(lse_rows) {}

  void run(DisentangledForwardScratch& s, int64_t b, int64_t head) const {
    const int64_t length = a.queries(b);
    for (int64_t first = 0; first < length; first += kChunk) {
      const int64_t last = first + kChunk < length ? first + kChunk : length;
      for (int64_t begin = 0; begin < length; begin += kChunk) {
        chunk(s, b, head, first, last, begin, begin + kChunk < length ? begin + kChunk : length);
      }
      finish(s, b, head, first, last);
    }
  }

 private:
  // Queries first..last-1 against keys begin..end-1.
  void chunk(DisentangledForwardScratch& s, int64_t b, int64_t head, int64_t first, int64_t last, int64_t begin,
             int64_t end) const {
    const int64_t key_row = a.cu_q[b] + begin, keys = end - begin;
    pack_rows<Cell>(s.k, this->at(this->k, key_row, head), a.kv_stride, keys, a.D);
    pack_summed(Cell(), s.v, this->at(this->v, key_row, head), a.kv_stride, keys, a.D);
    const PlaceRange range = this->range(first, last, begin, end);
    if (this->pos_query != nullptr) {
      this->pack_positions(s.pos_query, this->pos_query, range, head);
      this->multiply(s.key_logits, s.k, keys, s.pos_query, range, range);
    }
    if (this->pos_key != nullptr) this->pack_positions(s.pos_key, this->pos_key, range, head);
    const QueryBlocks blocks(last - first);
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int64_t at = blocks.begin(block), i0 = first + at, rows = blocks.begin(block + 1) - at;
      const int64_t vectors = (rows + W - 1) / W, row = a.cu_q[b] + i0;
      float* maximum = s.maximum + at;
      float* sum = s.sum + at;
      float* acc = s.out + at * this->width();
      if (begin == 0) {
        for (int64_t i = 0; i < vectors * W; i += W) {
          store(maximum + i, splat(-kInfinity));
          store(sum + i, vf{});
        }
      }
      const T* queries = this->at(this->q, row, head);
      pack_transposed<Cell>(s.q, queries, a.q_stride, rows, vectors, a.D);
      if (this->pos_key != nullptr) {
        pack_rows<Cell>(s.q_rows, queries, a.q_stride, rows, a.D);
        this->multiply(s.query_logits, s.q_rows, rows, s.pos_key, range, this->range(i0, i0 + rows, begin, end));
      }
      for (int64_t j0 = begin; j0 < end; j0 += kTile) {
        const int64_t count = end - j0 < kTile ? end - j0 : kTile, from = j0 - begin;
        this->start_scores(s.scores, s.query_logits, s.key_logits + from * kPlaces, range.first, i0, rows, vectors, j0,
                           count);
        product<Cell, kRowCells, 1>(s.scores, kBlock, s.k + from * kRowCells, s.q, kBlock, count, vectors,
                                    this->cells(), true);
        if (a.dropout.on()) {
          softmax_tile<Cell, true>(a, s.scores, count, vectors, maximum, sum, s.rescale, row, head, j0);
        } else {
          softmax_tile<Cell, false>(a, s.scores, count, vectors, maximum, sum, s.rescale, row, head, j0);
        }
        if (j0 > 0) {
          for (int64_t r = 0; r < rows; ++r) {
            float* acc_row = acc + r * this->width();
            for (int64_t d = 0; d < this->width(); d += W) store(acc_row + d, load(acc_row + d) * s.rescale[r]);
          }
        }
        product<Cell, 1, kBlock>(acc, this->width(), s.scores, s.v + from / Cell::kWidth * kRowCells, kRowCells, rows,
                                 a.vectors(), (count + Cell::kWidth - 1) / Cell::kWidth, j0 > 0);
      }
    }
  }

  void finish(const DisentangledForwardScratch& s, int64_t b, int64_t head, int64_t first, int64_t last) const {
    const int64_t N = a.cu_q[a.B] - a.cu_q[0], row = a.cu_q[b] + first;
    for (int64_t r = 0; r < last - first; r += W) {
      const vf total = load(s.sum + r), top = load(s.maximum + r);
      store_some(lse + head * N + row - a.cu_q[0] + r, fma(top, splat(kLn2), log_of(total)), last - first - r);
      for (int64_t i = 0; i < W && r + i < last - first; ++i) {
        T* to = out + ((row + r + i) * a.H + head) * a.D;
        const vf factor = splat(1.0f / total[i]);
        for (int64_t d = 0; d < a.D; d += W) {
          store_some(to + d, load(s.out + (r + i) * this->width() + d) * factor, a.D - d);
        }
      }
    }
  }
};

// The group of each sequence: groups are runs of sequences of about the same work.
class Groups {
 public:
  Groups(const int32_t* cu, int64_t B, int64_t groups) : cu_(cu), B_(B), groups_(groups) {
    for (int64_t b = 0; b < B; ++b) total_ += work(b);
  }

  // Calls body(b) for the sequences of a group, in rising order.
  template <class Body>
  void each(int64_t group, Body&& body) const {
    double before = 0;
    for (int64_t b = 0; b < B_; ++b) {
      const double share = total_ > 0 ? before / total_ * static_cast<double>(groups_) : 0;
      if (static_cast<int64_t>(share) == group || (share >= static_cast<double>(groups_) && group == groups_ - 1)) {
        body(b);
      }
      before += work(b);
    }
  }

 private:
  double work(int64_t b) const {
    const auto length = static_cast<double>(cu_[b + 1] - cu_[b]);
    return length * length;
  }

  const int32_t* cu_;
  int64_t B_, groups_;
  double total_ = 0;
};

static attune_status check_disentangled(const char* op, const AttentionProblem& a, const int32_t* places, int64_t reach,
                                        int64_t P) {
  if (a.B == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_offsets(op, "cu_seqlens", a.cu_q, a.B));
  ATTUNE_CHECK(check_indices(op, "places", places, 2 * reach + 1, P));
  // So that a range of offsets has no more places than it has offsets.
  for (int64_t i = 0; i < 2 * reach; ++i) {
    const int64_t step = int64_t{places[i + 1]} - places[i];
    ATTUNE_REQUIRE(step == 0 || step == 1, "%s: places[%lld] is %d, must be %d or one more (the one before)", op,
                   ll(i + 1), places[i + 1], places[i]);
  }
  return ATTUNE_OK;
}

// Calls body with the cells and the type of elements that a call's products have.
template <class Body>
static void with_cells(int32_t dtype, int64_t D, Body&& body) {
  if (dtype == ATTUNE_F32) {
    body(Single(), float());
    return;
  }
#if defined(ATTUNE_BF16_PAIRS)
  if (D % 2 == 0) {
    body(Pair(), bf16());
    return;
  }
#else
  (void)D;
#endif
  body(Single(), bf16());
}

}  // namespace

attune_status disentangled_attention_fwd(attune_context* ctx, void* out, float* lse, const void* q, const void* k,
                                         const void* v, const void* pos_key, const void* pos_query,
                                         const int32_t* places, const int32_t* cu_seqlens, int64_t, int64_t stride,
                                         int64_t pos_stride, int64_t B, int64_t, int64_t H, int64_t D, int64_t P,
                                         int64_t reach, float scale, float p, int64_t seed, int64_t stream,
                                         int32_t dtype) {
  const AttentionProblem a{
      cu_seqlens, cu_seqlens, nullptr, stride, stride, B, H, H, D, scale, false, 0, Dropout(ctx, p, seed, stream)};
  ATTUNE_CHECK(check_disentangled("disentangled_attention_fwd", a, places, reach, P));
  with_cells(dtype, D, [&](auto cell, auto element) {
    using Cell = decltype(cell);
    using T = decltype(element);
    const Disentangled<Cell, T> base{a,
                                     static_cast<const T*>(q),
                                     static_cast<const T*>(k),
                                     static_cast<const T*>(v),
                                     static_cast<const T*>(pos_key),
                                     static_cast<const T*>(pos_query),
                                     pos_stride,
                                     Places(places, reach)};
    const DisentangledForward<Cell, T> forward(base, static_cast<T*>(out), lse);
    parallel(ctx, B * H, [&](int64_t task, int32_t worker) {
      [[maybe_unused]] const typename Cell::Session session;
      forward.run(*reinterpret_cast<DisentangledForwardScratch*>(ctx->workspace(worker)), task / H, task % H);
    });
  });
  return ATTUNE_OK;
}

attune_status disentangled_attention_bwd(attune_context* ctx, void* dq, void* dk, void* dv, void* dpos_key,
                                         void* dpos_query, float* scratch, const void* dout, const void* q,
                                         const void* k, const void* v, const void* pos_key, const void* pos_query,
                                         const void* out, const float* lse, const int32_t* places,
                                         const int32_t* cu_seqlens, int64_t N, int64_t stride, int64_t pos_stride,
                                         int64_t B, int64_t, int64_t H, int64_t D, int64_t P, int64_t reach,
                                         int64_t groups, float scale, float p, int64_t seed, int64_t stream,
                                         int32_t dtype) {
  const AttentionProblem a{
      cu_seqlens, cu_seqlens, nullptr, stride, stride, B, H, H, D, scale, false, 0, Dropout(ctx, p, seed, stream)};
  ATTUNE_CHECK(check_disentangled("disentangled_attention_bwd", a, places, reach, P));
  with_cells(dtype, D, [&](auto cell, auto element) {
    using Cell = decltype(cell);
    using T = decltype(element);
    DisentangledBackward<Cell, T> backward(Disentangled<Cell, T>{
        a, static_cast<const T*>(q), static_cast<const T*>(k), static_cast<const T*>(v), static_cast<const T*>(pos_key),
        static_cast<const T*>(pos_query), pos_stride, Places(places, reach)});
    backward.dq = static_cast<T*>(dq);
    backward.dk = static_cast<T*>(dk);
    backward.dv = static_cast<T*>(dv);
    backward.dout = static_cast<const T*>(dout);
    backward.out = static_cast<const T*>(out);
    backward.lse = lse;
    // Of a group and head: dpos_key, then dpos_query.
    const int64_t sums = P * backward.width();
    backward.dq_sums = scratch + groups * H * 2 * sums;
    const Groups grouped(cu_seqlens, B, groups);
    parallel(ctx, groups * H, [&](int64_t task, int32_t worker) {
      [[maybe_unused]] const typename Cell::Session session;
      float* slot = scratch + task * 2 * sums;
      std::memset(slot, 0, static_cast<size_t>(2 * sums) * sizeof(float));
      grouped.each(task / H, [&](int64_t b) {
        backward.run(*reinterpret_cast<DisentangledBackwardScratch*>(ctx->workspace(worker)), b, task % H, slot,
                     slot + sums);
      });
    });
    parallel(ctx, H * P, [&](int64_t task, int32_t) {
      const int64_t head = task % H, place = task / H, at = place * pos_stride + head * D;
      for (int64_t kind = 0; kind < 2; ++kind) {
        T* to = static_cast<T*>(kind == 0 ? dpos_key : dpos_query);
        if (to == nullptr) continue;
        for (int64_t d = 0; d < D; d += W) {
          vf total{};
          for (int64_t group = 0; group < groups; ++group) {
            total += load(scratch + ((group * H + head) * 2 + kind) * sums + place * backward.width() + d);
          }
          store_some(to + at + d, total * scale, D - d);
        }
      }
    });
  });
  (void)N;
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
