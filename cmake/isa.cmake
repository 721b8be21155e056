# Instruction-set levels of the CPU kernels: a list of names and the flags of each. The names are
# namespaces in C++; cpu/context.cpp picks the best one that the machine can run.
set(ATTUNE_ISA_LEVELS portable)
set(ATTUNE_FLAGS_portable -O3)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  include(CheckCXXCompilerFlag)
  set(ATTUNE_FLAGS_v3 -O3 -march=x86-64-v3)
  list(APPEND ATTUNE_ISA_LEVELS v3)
  set(ATTUNE_FLAGS_v4 -O3 -march=x86-64-v4 -mprefer-vector-width=512)
  list(APPEND ATTUNE_ISA_LEVELS v4)
  check_cxx_compiler_flag(-mavx512bf16 ATTUNE_CXX_HAS_AVX512BF16)
  if(ATTUNE_CXX_HAS_AVX512BF16)
    set(ATTUNE_FLAGS_v4_bf16 -O3 -march=x86-64-v4 -mavx512bf16 -mprefer-vector-width=512)
    list(APPEND ATTUNE_ISA_LEVELS v4_bf16)
  endif()
  # Matrix tiles: cpu/amx.h writes their instructions itself, so the assembler has to know them as well.
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS "-mavx512bf16 -mamx-tile -mamx-bf16 -mamx-int8")
  check_cxx_source_compiles("int main() { __asm__ volatile(\"tdpbf16ps %tmm2, %tmm1, %tmm0\"); }" ATTUNE_CXX_HAS_AMX)
  unset(CMAKE_REQUIRED_FLAGS)
  if(ATTUNE_CXX_HAS_AMX)
    set(ATTUNE_FLAGS_amx ${ATTUNE_FLAGS_v4_bf16} -mamx-tile -mamx-bf16 -mamx-int8)
    list(APPEND ATTUNE_ISA_LEVELS amx)
  endif()
endif()

# Which of them this machine runs: by the same bits of CPUID that cpu/context.cpp looks at.
set(ATTUNE_HOST_LEVELS portable)
if(CMAKE_CROSSCOMPILING)
  set(ATTUNE_HOST_LEVELS ${ATTUNE_ISA_LEVELS})
elseif(ATTUNE_ISA_LEVELS MATCHES v3)
  include(CheckCXXSourceRuns)
  function(attune_host_runs level condition)
    # Asked each time: the same build folder may stand on another machine later.
    unset(ATTUNE_HOST_HAS_${level} CACHE)
    unset(ATTUNE_HOST_HAS_${level}_EXITCODE CACHE)
    check_cxx_source_runs("
      #include <cpuid.h>
      unsigned leaf7(unsigned part, int reg) {
        unsigned r[4] = {0, 0, 0, 0};
        return __get_cpuid_count(7, part, r, r + 1, r + 2, r + 3) != 0 ? r[reg] : 0;
      }
      int main() { return ${condition} ? 0 : 1; }" ATTUNE_HOST_HAS_${level})
    if(ATTUNE_HOST_HAS_${level} AND ${level} IN_LIST ATTUNE_ISA_LEVELS)
      list(APPEND ATTUNE_HOST_LEVELS ${level})
      set(ATTUNE_HOST_LEVELS ${ATTUNE_HOST_LEVELS} PARENT_SCOPE)
    endif()
  endfunction()
  set(avx2 "(__builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") && __builtin_cpu_supports(\"bmi2\"))")
  set(avx512 "${avx2} && (__builtin_cpu_supports(\"avx512f\") && __builtin_cpu_supports(\"avx512bw\")
    && __builtin_cpu_supports(\"avx512vl\") && __builtin_cpu_supports(\"avx512dq\") && __builtin_cpu_supports(\"avx512cd\"))")
  set(avx512_bf16 "${avx512} && (leaf7(0, 2) & 1u << 11) != 0 && (leaf7(1, 0) & 1u << 5) != 0")
  attune_host_runs(v3 "${avx2}")
  attune_host_runs(v4 "${avx512}")
  attune_host_runs(v4_bf16 "${avx512_bf16}")
  attune_host_runs(amx "${avx512_bf16} && (leaf7(0, 3) & 1u << 22) != 0 && (leaf7(0, 3) & 1u << 24) != 0
    && (leaf7(0, 3) & 1u << 25) != 0")
endif()

# The level that emulates the tiles, for tests: all but the tiles is compiled as at the best of these levels that this
# machine runs, so that where there is AVX-512 all else is the very code of the level amx.
set(ATTUNE_EMULATED_BASE portable)
foreach(isa v3 v4_bf16)
  if(NOT CMAKE_CROSSCOMPILING AND ${isa} IN_LIST ATTUNE_HOST_LEVELS)
    set(ATTUNE_EMULATED_BASE ${isa})
  endif()
endforeach()
set(ATTUNE_FLAGS_amx_emulated ${ATTUNE_FLAGS_${ATTUNE_EMULATED_BASE}} -DATTUNE_EMULATE_TILES)

if(ATTUNE_LEVELS STREQUAL host)
  # Without the one that every processor runs, a quarter of the build: where there is AVX2, no other choice is slower, and
  # a folder that moves to another server finds it there.
  set(ATTUNE_ISA_LEVELS ${ATTUNE_HOST_LEVELS})
  if(v3 IN_LIST ATTUNE_HOST_LEVELS)
    list(REMOVE_ITEM ATTUNE_ISA_LEVELS portable)
  endif()
elseif(NOT ATTUNE_LEVELS STREQUAL all)
  message(FATAL_ERROR "ATTUNE_LEVELS is '${ATTUNE_LEVELS}'; allowed are all and host")
endif()
