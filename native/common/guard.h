// The guard of every entry: there is a context, and no exception crosses the border.
#ifndef ATTUNE_GUARD_H
#define ATTUNE_GUARD_H

#include <exception>
#include <new>

#include "status.h"

namespace attune {

template <class Body>
attune_status guard(const char* op, const attune_context* ctx, Body&& body) {
  if (ctx == nullptr) return fail(ATTUNE_INVALID_ARGUMENT, "%s: the context is null", op);
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
