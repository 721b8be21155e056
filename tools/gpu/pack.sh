#!/usr/bin/env bash
# Packs what a bare CUDA machine needs to test and time the CUDA backend: pack.sh [OUTPUT.tar.gz]
# (default target/attune-gpu.tar.gz). That machine needs a driver and the libraries of CUDA 13 (runtime, cuBLASLt); no
# Java, no network. On it: tar xzf attune-gpu.tar.gz && attune-gpu/run.sh. The kernels are built here and packed where nvcc
# is; else that machine builds them, with nvcc, CMake and g++ of its own. Goldens come along where ATTUNE_GOLDENS (default
# ../shared/goldens) has them. ATTUNE_PACK_NO_BUILD: what target/ holds is packed as it is.
set -euo pipefail
cd "$(dirname "$0")/../.."
output=${1:-target/attune-gpu.tar.gz}
goldens=${ATTUNE_GOLDENS:-../shared/goldens}
limit_mib=60
console_version=1.13.4

[[ -n ${ATTUNE_PACK_NO_BUILD:-} ]] || mvn -q -B ${MAVEN_ARGS:-} test-compile
mvn -q -B ${MAVEN_ARGS:-} dependency:build-classpath -Dmdep.includeScope=test -Dmdep.outputFile=target/pack-classpath.txt
repository=$(tr ':' '\n' <target/pack-classpath.txt | sed -n 's#/org/bytedeco/.*##p' | head -1)
console=$repository/org/junit/platform/junit-platform-console-standalone/$console_version/junit-platform-console-standalone-$console_version.jar
[[ -f $console ]] || mvn -q -B ${MAVEN_ARGS:-} dependency:get -Dtransitive=false \
  -Dartifact=org.junit.platform:junit-platform-console-standalone:$console_version

stage=target/attune-gpu
rm -rf "$stage"
mkdir -p "$stage"/{lib,include/linux,goldens}

# The runtime: only the modules that our classes and their libraries use.
java_home=${JAVA_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")}
"$java_home/bin/jlink" --output "$stage/java" --vm=server --compress=2 --strip-debug --no-header-files --no-man-pages \
  --add-modules java.base,java.logging,java.management,java.net.http,java.xml,jdk.management,jdk.unsupported
cp "$java_home"/include/jni.h "$stage/include/"
cp "$java_home"/include/linux/jni_md.h "$stage/include/linux/"

# Libraries, less those that only other backends and the text wing need.
tr ':' '\n' <target/pack-classpath.txt | while read -r jar; do
  case $(basename "$jar") in
    aircompressor-* | jackson-* | snakeyaml-* | commons-cli-* | javacpp-1* | cuda-* | jmh-core-* | jopt-simple-*) cp "$jar" "$stage/lib/" ;;
  esac
done
cp "$console" "$stage/lib/"
# Of the presets' natives only those that we may load.
(
  cd "$stage/lib"
  jar=$(ls cuda-*-linux-x86_64.jar)
  mkdir presets && cd presets
  "$java_home/bin/jar" -xf "../$jar"
  find . -name 'libjni*.so' ! -name 'libjnicudart.so' ! -name 'libjnicublas.so' ! -name 'libjnicudnn.so' -delete
  "$java_home/bin/jar" -cMf "../$jar" .
  cd .. && rm -r presets
)
cp -r target/classes target/test-classes "$stage/"

# The kernels and the bench of attention, for every architecture; and their sources.
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
if [[ -n $nvcc ]]; then
  natives=$PWD/$stage/classes/dev/attune/native/linux-x86_64
  build=target/attune-gpu-build
  cmake -S native -B "$build" -DCMAKE_BUILD_TYPE=Release -DATTUNE_CUDA=ON -DCMAKE_CUDA_COMPILER="$nvcc" \
    -DATTUNE_OUTPUT_DIR="$PWD/$build" \
    -DATTUNE_BENCH=ON >"$build.log"
  cmake --build "$build" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}" --target attune_cuda cuda_attention_bench \
    >>"$build.log"
  cp "$build/libattune_cuda.so" "$build/cuda/cuda_attention_bench" "$natives/"
fi
cp -r native cmake "$stage/"
mkdir -p "$stage/benchmarks"
cp -r benchmarks/native "$stage/benchmarks/"
cp tools/gpu/{run.sh,torch_numbers.py,ops.plan,steps.txt} "$stage/"
git rev-parse --short HEAD >"$stage/commit"

if [[ -d $goldens/tiny ]]; then
  cp -rL "$goldens/tiny" "$stage/goldens/"
fi

tar -C target -czf "$output" attune-gpu
size_mib=$(($(stat -c %s "$output") >> 20))
echo "$output: $size_mib MiB"
if ((size_mib > limit_mib)); then
  echo "pack: that is more than the $limit_mib MiB which such machines take" >&2
  exit 1
fi
