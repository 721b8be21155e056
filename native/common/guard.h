// The guard of every entry: null checks that Java cannot make, and no exception may cross the border.
#ifndef ATTUNE_GUARD_H
#define ATTUNE_GUARD_H

#include <exception>
#include <new>

#include "status.h"

namespace attune {

// `missing` says where there is no kernel for the op; null where there is one.
template <class Body>
attune_status guard(const char* op, const attune_context* ctx, const char* missing, Body&& body) {
  if (ctx == nullptr) return fail(ATTUNE_INVALID_ARGUMENT, "%s: the context is null", op);
  if (missing != nullptr) return fail(ATTUNE_UNSUPPORTED, "%s has no kernel %s", op, missing);
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
