// The CUDA kernels, on the emulated device, against the CPU kernels: one C ABI, two libraries.
//   cuda_op_test CPU_LIBRARY EMULATED_LIBRARY
// Every case runs on random inputs in f32 and bf16, at sizes around the edges of vectors, warps and blocks,
// with aligned and with misaligned addresses. Outputs start as NaN patterns, lie between guard bytes, and must
// come out twice with the same bits although the emulated device orders its threads differently each time.
// Prints the failures; the exit status is 1 where there are any.
#include <dlfcn.h>

#include "cuda_op_test.h"

namespace {

void* symbol(void* handle, const char* name) {
  void* address = dlsym(handle, name);
  if (address == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
  return address;
}

template <class Function>
Function entry(void* handle, const char* name) {
  return reinterpret_cast<Function>(symbol(handle, name));
}

void* open_library(const char* path, Library* library) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
  const auto call = entry<decltype(&attune_call)>(handle, "attune_call");
  const auto count = entry<decltype(&attune_op_count)>(handle, "attune_op_count");
  const auto name_of = entry<decltype(&attune_op_name)>(handle, "attune_op_name");
#define ATTUNE_ENTRY(op) \
  library->op = attune::Caller<decltype(attune_##op)>{call, attune::op_number(#op, count, name_of)};
#include "entries.inc"
  library->last_error = entry<decltype(library->last_error)>(handle, "attune_last_error");
  return handle;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: cuda_op_test CPU_LIBRARY EMULATED_LIBRARY\n");
    return 2;
  }
  void* cpu_handle = open_library(arguments[1], &cpu);
  define_lora(&cpu);
  define_attention_cached(&cpu);
  define_quantize(&cpu);
  void* cuda_handle = open_library(arguments[2], &cuda);
  cuda_check = entry<decltype(cuda_check)>(cuda_handle, "attune_cuda_check");
  cuda_offsets_stride = entry<decltype(cuda_offsets_stride)>(cuda_handle, "attune_cuda_offsets_stride");
  cpu.ctx = entry<decltype(&attune_context_open)>(cpu_handle, "attune_context_open")(1, ATTUNE_ISA_BEST);
  const int64_t bytes = entry<decltype(&attune_cuda_workspace_bytes)>(cuda_handle, "attune_cuda_workspace_bytes")();
  void* workspace = std::aligned_alloc(256, static_cast<size_t>(bytes));
  // Scratch is garbage at the start of every op.
  std::memset(workspace, 0xFF, size_t{1} << 22);
  cuda.ctx =
      entry<decltype(&attune_cuda_context_open)>(cuda_handle, "attune_cuda_context_open")(0, nullptr, workspace, bytes);
  if (cpu.ctx == nullptr || cuda.ctx == nullptr) {
    std::fprintf(stderr, "%s\n", (cpu.ctx == nullptr ? cpu : cuda).last_error());
    return 2;
  }
  for (bool shifted : {false, true}) {
    misaligned = shifted;
    element_wise_ops();
    norm_ops();
    embedding_ops();
    cross_entropy_ops();
    loss_ops();
    relative_bias_ops();
    optimizer_ops();
    decoder_ops();
    lora_ops();
    attention_cached_ops();
    quantize_ops();
  }
  misaligned = false;
  library_rules();
  std::printf("%d comparisons, %d failures\n", comparisons, failures);
  return failures == 0 ? 0 : 1;
}
