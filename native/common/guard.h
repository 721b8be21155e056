// The guard of every entry: there is a context, one thread is in it at a time, and no exception crosses the
// border.
#ifndef ATTUNE_GUARD_H
#define ATTUNE_GUARD_H

#include <atomic>
#include <exception>
#include <new>

#include "status.h"

namespace attune {

// The presence of a thread in a context. Two at a time would write to each other's workspaces and tasks, so
// the second is turned away: it gets an error where it would else get wrong numbers, or wait for ever.
template <class Context>
class Visit {
 public:
  explicit Visit(Context* ctx) : ctx_(ctx->entered.exchange(true, std::memory_order_acquire) ? nullptr : ctx) {}
  ~Visit() {
    if (ctx_ != nullptr) ctx_->entered.store(false, std::memory_order_release);
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  bool admitted() const { return ctx_ != nullptr; }

 private:
  Context* ctx_;
};

template <class Context, class Body>
attune_status guard(const char* op, Context* ctx, Body&& body) {
  if (ctx == nullptr) return fail(ATTUNE_INVALID_ARGUMENT, "%s: the context is null", op);
  Visit<Context> visit(ctx);
  if (!visit.admitted()) return fail(ATTUNE_BUSY, "%s: another thread is using the context", op);
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(ATTUNE_OUT_OF_MEMORY, "%s: out of memory", op);
  } catch (const std::exception& e) {
    return fail(ATTUNE_INTERNAL, "%s: %s", op, e.what());
  } catch (...) {
    return fail(ATTUNE_INTERNAL, "%s: unknown failure", op);
  }
}

}  // namespace attune

#endif
