#!/usr/bin/env bash
# Configures and builds the native libraries: build.sh BUILD_DIR JNI_SOURCE_DIR OUTPUT_DIR
# ATTUNE_NATIVE=product: only what runs here, no tests: the CPU library with the instruction-set levels that this machine
# runs, and the CUDA library where there is a device. Else all, so that a JAR serves every machine of its platform.
# ATTUNE_CMAKE_ARGS: more arguments for CMake, such as -DATTUNE_CUDA=OFF where the CUDA kernels are not wanted.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1 jni=$2 out=$3
for tool in cmake g++; do
  command -v "$tool" >/dev/null || {
    echo "attune: '$tool' is needed to build the native kernels; install it, e.g.: apt-get install cmake g++" >&2
    exit 1
  }
done
if [[ ${ATTUNE_NATIVE:-} != product ]]; then "$root/tools/format.sh" --check >&2; fi
java_home=${JAVA_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")}
cuda=AUTO levels=all targets=()
if [[ ${ATTUNE_NATIVE:-} == product ]]; then
  levels=host
  targets=(--target attune_cpu)
  [[ -e /dev/nvidiactl ]] || cuda=OFF
fi
# shellcheck disable=SC2086 # several arguments in one variable
cmake -S "$root/native" -B "$build" -DCMAKE_BUILD_TYPE=Release -DATTUNE_JNI_DIR="$jni" -DATTUNE_CUDA="$cuda" \
  -DATTUNE_LEVELS="$levels" \
  -DATTUNE_OUTPUT_DIR="$out" -DJAVA_HOME="$java_home" ${ATTUNE_CMAKE_ARGS:-} >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
if ((${#targets[@]})) && cmake --build "$build" --target help | grep -q ' attune_cuda$'; then
  targets+=(attune_cuda)
fi
cmake --build "$build" --parallel "$(nproc)" "${targets[@]}" >>"$build.log" 2>&1 || { grep -E -A8 'error|Error|warning' "$build.log" >&2; exit 1; }
