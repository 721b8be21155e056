// Finds the functions of a library.
#include <dlfcn.h>

#include <new>

#include "attune_library.h"
#include "status.h"

namespace {

template <class Function>
bool find(void* handle, const char* name, Function* out) {
  void* address = dlsym(handle, name);
  if (address == nullptr) attune::fail(ATTUNE_UNSUPPORTED, "%s", dlerror());
  *out = reinterpret_cast<Function>(address);
  return address != nullptr;
}

bool find_all(void* handle, attune_library* out) {
  return find(handle, "attune_call", &out->call) && find(handle, "attune_op_count", &out->op_count) &&
         find(handle, "attune_op_name", &out->op_name) && find(handle, "attune_op_kinds", &out->op_kinds) &&
         find(handle, "attune_last_error", &out->last_error) &&
         find(handle, "attune_cuda_workspace_bytes", &out->cuda_workspace_bytes) &&
         find(handle, "attune_cuda_context_open", &out->cuda_context_open) &&
         find(handle, "attune_cuda_context_close", &out->cuda_context_close) &&
         find(handle, "attune_cuda_check", &out->cuda_check) &&
         find(handle, "attune_cuda_offsets_stride", &out->cuda_offsets_stride) &&
         find(handle, "attune_cuda_graph_begin", &out->cuda_graph_begin) &&
         find(handle, "attune_cuda_graph_end", &out->cuda_graph_end) &&
         find(handle, "attune_cuda_graph_launch", &out->cuda_graph_launch) &&
         find(handle, "attune_cuda_graph_destroy", &out->cuda_graph_destroy);
}

}  // namespace

extern "C" {

const attune_library* attune_library_cpu(void) {
  static const attune_library library = {
      &attune_call, &attune_op_count, &attune_op_name, &attune_op_kinds, &attune_last_error,
      nullptr,      nullptr,          nullptr,         nullptr,          nullptr,
      nullptr,      nullptr,          nullptr,         nullptr};
  return &library;
}

const attune_library* attune_library_open_cuda(const char* path) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    attune::fail(ATTUNE_UNSUPPORTED, "%s", dlerror());
    return nullptr;
  }
  attune_library library;
  if (!find_all(handle, &library)) {
    dlclose(handle);
    return nullptr;
  }
  return new (std::nothrow) attune_library(library);
}

}  // extern "C"
