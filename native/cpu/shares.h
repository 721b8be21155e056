// Work in a row that streams from memory: each thread has a share of its own, which it takes piece by piece as it lies,
// so that what it fetches ahead is its own; who is done takes pieces of the others' shares.
#ifndef ATTUNE_SHARES_H
#define ATTUNE_SHARES_H

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace attune {
namespace ATTUNE_ISA {

class Shares {
 public:
  Shares(int64_t pieces, int32_t threads)
      : count_(static_cast<int32_t>(std::max<int64_t>(1, std::min<int64_t>({pieces, threads, kMost})))) {
    for (int32_t i = 0; i < count_; ++i) {
      shares_[i].next.store(pieces * i / count_, std::memory_order_relaxed);
      shares_[i].end = pieces * (i + 1) / count_;
    }
  }

  // Tasks that have a share.
  int64_t count() const { return count_; }

  // body(piece, end of its share) for what is left of this task's share, then of the others'.
  template <class Body>
  void each(int64_t task, Body&& body) {
    for (int64_t i = 0; i < count_; ++i) {
      Share& share = shares_[(task + i) % count_];
      // Looked at before: to take from a share that is done would only fetch its line from another core.
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t piece = share.next.fetch_add(1, std::memory_order_relaxed);
        if (piece < share.end) body(piece, share.end);
      }
    }
  }

 private:
  static constexpr int64_t kMost = 256;
  struct alignas(64) Share {
    std::atomic<int64_t> next;
    int64_t end;
  };

  const int32_t count_;
  Share shares_[kMost];  // the first count_ are made
};

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
