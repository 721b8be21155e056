#include "status.h"

#include <cstdarg>
#include <cstdio>

namespace attune {

namespace {

thread_local char last_error[512] = "";

}  // namespace

attune_status fail(attune_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_error, sizeof(last_error), format, arguments);
  va_end(arguments);
  return status;
}

}  // namespace attune

extern "C" {

const char* attune_last_error(void) { return attune::last_error; }

}  // extern "C"
