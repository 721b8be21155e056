#!/usr/bin/env bash
# Tests and times the CUDA backend on this machine, from an unpacked bundle of pack.sh: run.sh [OUTPUT_DIR] [STAGE...]
# Stages: build test ops steps torch (default: all, in this order). Leaves in OUTPUT_DIR (default ./out) results.csv,
# one row a figure with device, driver and clocks, and the logs. Without a device the tests are still started, and
# reported as aborted with the reason; nothing is timed. Exit status: 0 if every stage that could run did well.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
out=${1:-out}
mkdir -p "$out"
out=$(cd "$out" && pwd)
shift || true
stages=${*:-build test ops steps torch}
steps=${ATTUNE_GPU_STEPS:-60}
failed=()
export ATTUNE_HOME=${ATTUNE_HOME:-$out/home}

# NVIDIA's libraries: the toolkit's, and those that PyTorch's packages bring.
python=${PYTHON:-python3}
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
libraries=/usr/local/cuda/lib64
[[ -n $nvcc ]] && libraries=$(dirname "$(dirname "$(readlink -f "$nvcc")")")/lib64:$libraries
for folder in $("$python" -c 'import site; print(" ".join(site.getsitepackages()))' 2>/dev/null); do
  for library in "$folder"/nvidia/*/lib; do
    [[ -d $library ]] && libraries=$libraries:$library
  done
done
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

smi() { nvidia-smi --query-gpu="$1" --format=csv,noheader,nounits -i 0 2>/dev/null | tr -d ',' | head -1; }
device=$(smi name)
driver=$(smi driver_version)
commit=$(cat "$here/commit")
header="what,value,unit,device,driver,sm_clock_mhz,memory_clock_mhz,temperature_c,commit,date"
[[ -s $out/results.csv ]] || echo "$header" >"$out/results.csv"

# Clocks are read while the figure is fresh: a GPU that has been throttled says so here.
record() { # what, value, unit
  echo "$1,$2,$3,${device:-none},${driver:-none},$(smi clocks.sm),$(smi clocks.mem),$(smi temperature.gpu),$commit,$(date +%F)" >>"$out/results.csv"
  printf '  %-46s %12s %s\n' "$1" "$2" "$3"
}

java() {
  "$here/java/bin/java" -Xmx4g -Dorg.bytedeco.javacpp.maxBytes=0 -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 \
    -Dorg.bytedeco.javacpp.cachedir="$out/javacpp" -cp "$here/test-classes:$here/classes:$here/lib/*" "$@"
}

has() { [[ " $stages " == *" $1 "* ]]; }

stage() { # name: runs the function of that name, keeps its log
  has "$1" || return 0
  echo "== $1"
  if [[ -z $device && " ops steps torch " == *" $1 "* ]]; then
    echo "   skipped: there is no device"
    return 0
  fi
  local begin=$SECONDS
  if "stage_$1" >"$out/$1.log" 2>&1; then
    echo "   done in $((SECONDS - begin)) s"
  else
    echo "   FAILED after $((SECONDS - begin)) s; see $out/$1.log:"
    tail -5 "$out/$1.log" | sed 's/^/   /'
    failed+=("$1")
  fi
}

stage_build() {
  if [[ -z $nvcc ]]; then
    echo "there is no nvcc: put the CUDA toolkit's bin folder on the PATH"
    return 1
  fi
  cmake -S "$here/native" -B "$here/build" -DCMAKE_BUILD_TYPE=Release -DATTUNE_CUDA=ON \
    -DCMAKE_CUDA_COMPILER="$nvcc" -DATTUNE_CUDA_JNI_DIR="$here/jni-cuda" -DJAVA_HOME="$here" \
    -DATTUNE_OUTPUT_DIR="$here/classes/dev/attune/native/linux-x86_64" -DATTUNE_BENCH=ON &&
    cmake --build "$here/build" --parallel "$(nproc)" --target attune_cuda
}

# The op suite, the golden models and short runs, with the GPU as the only target; and what only a GPU can prove.
stage_test() {
  java -Dattune.targets=cuda -Dattune.goldens="$here/goldens" org.junit.platform.console.ConsoleLauncher execute \
    --disable-banner --disable-ansi-colors --details=tree --reports-dir="$out/reports" \
    --select-package dev.attune.kernels --select-class dev.attune.model.GoldenModelTest \
    --select-class dev.attune.train.DeviceMemoryTest --exclude-package dev.attune.kernels.torch --exclude-tag nightly \
    --exclude-classname '.*NativeTest'
}

stage_ops() {
  java dev.attune.bench.BenchMain --backends cuda --rows 8192 --seconds 0.2 --output "$out/ops.csv"
  local status=$?
  for bench in "$here"/build/*bench* "$here"/build/cuda/*bench*; do
    [[ -f $bench && -x $bench ]] && { echo "-- $bench"; "$bench" || status=1; }
  done
  return $status
}

bench_step() { # shape, batch, precision
  java dev.attune.cli.Main bench --shape "$1" --backend cuda --batch-size "$2" --max-length 128 --precision "$3" \
    --max-steps "$steps" --json 2>&1 | tee /dev/stderr | tail -1
}

stage_steps() {
  local status=0 json shape batch precision
  while read -r shape batch precision; do
    json=$(bench_step "$shape" "$batch" "$precision") || { status=1; continue; }
    for field in tokens_per_second median_step_millis model_flops_utilization peak_memory_bytes; do
      value=$(grep -o "\"$field\":[^,}]*" <<<"$json" | cut -d: -f2)
      [[ -n $value ]] && record "attune $shape batch=$batch $precision $field" "$value" "${field##*_}" >>"$out/figures.log"
    done
  done <<'SHAPES'
minilm 256 bf16
bert-base 64 bf16
bert-base 256 bf16
bert-large 64 bf16
bert-base 64 fp32
SHAPES
  return $status
}

stage_torch() {
  "$python" "$here/torch_numbers.py" --steps "$steps" >"$out/torch.txt" || return 1
  while IFS=, read -r what value unit; do
    record "$what" "$value" "$unit" >>"$out/figures.log"
  done <"$out/torch.txt"
}

echo "device ${device:-none (nvidia-smi finds none)}, driver ${driver:-none}, nvcc ${nvcc:-none}, commit $commit"
for name in build test ops steps torch; do
  stage "$name"
  [[ $name == test && -f $out/test.log ]] && grep -E '^\[ +[0-9]+ tests (successful|failed|skipped|aborted)' "$out/test.log"
done
[[ -f $out/figures.log ]] && cat "$out/figures.log"
echo "results: $out/results.csv"
if ((${#failed[@]})); then
  echo "failed: ${failed[*]}"
  exit 1
fi
