#!/usr/bin/env bash
# Tests and times the CUDA backend on this machine, from an unpacked bundle of pack.sh: run.sh [OUTPUT_DIR] [STAGE...]
#
#   build      the kernels for this GPU; without stages named, only where the bundle carries none
#   device     what was found; what only a GPU can prove, and what needs all of its memory
#   test       the op suite, the golden models and short training runs, with the GPU as the only target
#   steps      whole training steps (steps.txt)
#   attention  forward and backward, by cuda_attention_bench
#   ops        kernels beside the measured copy and product (ops.plan)
#   torch      PyTorch's and Transformers' figures for the same work; compile: those under torch.compile
#
# Stages run in this order, the most telling first. Leaves in OUTPUT_DIR (default ./out) results.csv, one row a figure with
# device, driver and clocks, written as soon as it is known, and one log a stage. Each stage can be run on its own.
#
#   ATTUNE_GPU_LIMIT   seconds after which a stage is stopped (default 240)
#   ATTUNE_GPU_TOTAL   seconds after which the whole run ends, with its summary (default: none)
#   ATTUNE_GPU_STEPS   counted training steps of a run (default 40)
#   ATTUNE_GPU_TESTS   a regular expression of test classes for the test stage (default: all)
#   ATTUNE_GPU_JOBS    test classes at a time (default: a third of the processors)
#   ATTUNE_GPU_PREFIX  goes before java and its options, as in "compute-sanitizer --tool memcheck"
#   ATTUNE_GPU_WORK    where what is built and remembered goes (default ./work beside this file, or a temporary folder)
#
# Without a device the tests are still started, and reported as aborted with the reason; nothing is timed. Exit status: 0
# if every stage that could run did well.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
all_stages="build device test steps attention ops torch compile"
out=${1:-out}
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
shift || true
stages=${*:-$all_stages}
for name in $stages; do
  [[ " $all_stages " == *" $name "* ]] || { echo "run: there is no stage '$name'; stages are $all_stages" >&2; exit 2; }
done
steps=${ATTUNE_GPU_STEPS:-40}
limit=${ATTUNE_GPU_LIMIT:-240}
total=${ATTUNE_GPU_TOTAL:-1000000}
work=${ATTUNE_GPU_WORK:-$here/work}
if ! { mkdir -p "$work" && [[ -w $work ]]; } 2>/dev/null; then
  work=${TMPDIR:-/tmp}/attune-gpu-work
  mkdir -p "$work" || exit 2
fi
work=$(cd "$work" && pwd)
export ATTUNE_HOME=${ATTUNE_HOME:-$work/home}
# Why cuBLASLt refused something, which its status does not say; %i is the process.
export CUBLASLT_LOG_LEVEL=1 CUBLASLT_LOG_FILE=$work/cublaslt-%i.log
failed=()
skipped=()

# The kernels: those built here, else those of the bundle.
bundled=$here/classes/dev/attune/native/linux-x86_64
native=$bundled
[[ -f $work/native/libattune_cuda.so ]] && native=$work/native

# NVIDIA's libraries: the toolkit's, the driver's, and those that PyTorch's packages bring.
python=${PYTHON:-python3}
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
toolkits=(/usr/local/cuda)
[[ -n $nvcc ]] && toolkits=("$(dirname "$(dirname "$(readlink -f "$nvcc")")")" "${toolkits[@]}")
libraries=
for folder in "${toolkits[@]/%//lib64}" "${toolkits[@]/%//lib}" /usr/local/nvidia/lib64 /usr/local/nvidia/lib \
  $("$python" -c 'import glob, site
for folder in site.getsitepackages():
    print(*sorted(glob.glob(folder + "/nvidia/*/lib")))' 2>/dev/null); do
  [[ -d $folder ]] && libraries=$libraries$folder:
done
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:-}

smi() { nvidia-smi --query-gpu="$1" --format=csv,noheader,nounits -i 0 2>/dev/null | tr -d ',' | head -1; }
device=$(smi name)
driver=$(smi driver_version)
capability=$(smi compute_cap | tr -d .)
commit=$(cat "$here/commit")
header="what,value,unit,device,driver,sm_clock_mhz,memory_clock_mhz,temperature_c,commit,date"
[[ -s $out/results.csv ]] || echo "$header" >"$out/results.csv"

# Clocks are read while the figure is fresh: a GPU that has been throttled says so here. One process reads them, once a
# second: starting nvidia-smi for each figure would take longer than many of the figures.
clocks=
if [[ -n $device ]]; then
  nvidia-smi --query-gpu=clocks.sm,clocks.mem,temperature.gpu --format=csv,noheader,nounits -i 0 -l 1 >"$work/clocks" 2>/dev/null &
  clocks=$!
  disown "$clocks" # no job to wait for
  trap 'kill "$clocks" 2>/dev/null' EXIT
fi

record() { # what, value, unit
  local state=",,"
  [[ -n $clocks ]] && state=$(tail -1 "$work/clocks" | tr -d ' ')
  echo "$1,$2,$3,${device:-none},${driver:-none},${state:-,,},$commit,$(date +%F)" >>"$out/results.csv"
  printf '  %-66s %12s %s\n' "$1" "$2" "$3"
}

record_lines() { # lines of what,value,unit
  local what value unit
  while IFS=, read -r what value unit; do
    [[ -n $unit ]] && record "$what" "$value" "$unit" >&3
  done
}

limited() { timeout --kill-after=5 "$((deadline > SECONDS ? deadline - SECONDS : 1))" "$@"; }

java() {
  limited ${ATTUNE_GPU_PREFIX:-} "$here/java/bin/java" -Xmx8g -Dfile.encoding=UTF-8 -Dorg.bytedeco.javacpp.maxBytes=0 \
    -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.cachedir="$work/javacpp" \
    -Dattune.library.path="$native" -cp "$here/test-classes:$here/classes:$here/lib/*" "$@" </dev/null
}

# Each test class has a process of its own: a kernel that faults takes the device away from all tests of its process, and
# the references of the tests keep one processor busy each.
tests=$work/tests
test_class() { # name of a class
  local status=0
  java -Dattune.targets=cuda -Dattune.goldens="$here/goldens" org.junit.platform.console.ConsoleLauncher execute \
    --disable-banner --disable-ansi-colors --details=testfeed --exclude-tag nightly --select-class "$1" \
    >"$tests/$1.log" 2>&1 || status=$?
  echo "$status" >"$tests/$1.status"
  return "$status"
}

test_classes() { # classes at a time, classes; the log, figures and what failed
  local jobs=$1 class what count log status=0
  shift
  rm -rf "$tests"
  mkdir -p "$tests"
  for class in "$@"; do
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
    test_class "$class" &
  done
  wait
  for class in "$@"; do
    log=$tests/$class.log
    echo "==== $class"
    cat "$log"
    [[ $(cat "$tests/$class.status" 2>/dev/null) == 0 ]] && continue
    status=1
    { echo "  FAILED $class"; grep -A1 ':: FAILED' "$log" | grep -v '^--' | head -12 | cut -c1-220 | sed 's/^/    /'
      grep -q 'tests found' "$log" || echo "    it did not end: $(tail -1 "$log" | cut -c1-200)"; } >&3
  done
  for what in successful failed aborted; do
    count=$(cat "$tests"/*.log | grep -oE "^\[ +[0-9]+ tests $what" | grep -oE '[0-9]+' | awk '{ n += $1 } END { print n + 0 }')
    record "attune $current stage: tests $what" "$count" tests >&3
  done
  if [[ -n $device ]] && grep -q 'no GPU to test on' "$tests"/*.log; then
    echo "  FAILED: there is a device, but Java does not get at it" >&3
    status=1
  fi
  cat "$tests"/*.log | grep -oE '(TestAbortedException|Assumption failed): .*' | sed 's/^TestAbortedException: //' | sort |
    uniq -c | sort -rn | head -5 | sed 's/^ */  aborted /' >&3
  return "$status"
}

stage() { # name: runs the function of that name within the limit, keeps its log; file 3 is the terminal
  [[ " $stages " == *" $1 "* ]] || return 0
  echo "== $1"
  if ((SECONDS >= total)); then
    echo "   skipped: the run may take $total s"
    skipped+=("$1")
    return 0
  fi
  if [[ -z $device && " attention ops steps torch compile " == *" $1 "* ]]; then
    echo "   skipped: there is no device"
    return 0
  fi
  local begin=$SECONDS why= status
  deadline=$((SECONDS + limit < total ? SECONDS + limit : total))
  current=$1
  rm -f "$work"/cublaslt-*.log
  "stage_$1" >"$out/$1.log" 2>&1
  status=$?
  if ((status == 0)); then
    echo "   done in $((SECONDS - begin)) s"
  else
    ((SECONDS >= deadline)) && why=" (its time was up; what was done until then is in the results)"
    echo "   FAILED after $((SECONDS - begin)) s$why; the end of $1.log:"
    tail -5 "$out/$1.log" | cut -c1-200 | sed 's/^/   /'
    failed+=("$1")
  fi
  cat "$work"/cublaslt-*.log 2>/dev/null | sed 's/^\(\[[^]]*\]\)\{3\}//' | sort | uniq -c | sort -rn | head -40 >>"$out/$1.log"
  record "attune $1 stage" "$((SECONDS - begin))" s >/dev/null
}

stage_build() {
  if [[ -z $nvcc ]]; then
    echo "there is no nvcc: put the CUDA toolkit's bin folder on the PATH"
    return 1
  fi
  mkdir -p "$work/native" && cp -f "$bundled/libattune_cpu.so" "$work/native/" || return 1
  local architectures=()
  [[ $capability =~ ^[0-9]+$ ]] && architectures=(-DCMAKE_CUDA_ARCHITECTURES="$capability-real")
  limited cmake -S "$here/native" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DATTUNE_CUDA=ON \
    -DCMAKE_CUDA_COMPILER="$nvcc" "${architectures[@]}" \
    -DATTUNE_OUTPUT_DIR="$work/native" -DATTUNE_BENCH=ON &&
    limited cmake --build "$work/build" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}" \
      --target attune_cuda cuda_attention_bench &&
    cp -f "$work/build/cuda/cuda_attention_bench" "$work/native/" && native=$work/native
}

stage_device() {
  local name folder status=0
  nvidia-smi
  for name in libcuda.so.1 libcudart.so.13 libcublas.so.13 libcublasLt.so.13 libcudnn.so.9; do
    for folder in ${LD_LIBRARY_PATH//:/ }; do
      [[ -e $folder/$name ]] && { echo "$name: $(readlink -f "$folder/$name")"; continue 2; }
    done
    echo "$name: not in LD_LIBRARY_PATH; $(ldconfig -p 2>/dev/null | grep -F "$name " || echo "nor known to ldconfig")"
  done
  java dev.attune.cli.Main doctor || status=1
  # One at a time: these count the free memory, or take all of it.
  test_classes 1 dev.attune.kernels.cuda.CudaDeviceTest dev.attune.kernels.cuda.CudaTrainingTest \
    dev.attune.run.DeviceRoomTest || status=1
  return "$status"
}

stage_test() {
  local classes jobs=${ATTUNE_GPU_JOBS:-$((($(nproc) + 2) / 3))}
  # Those that last longest come first.
  mapfile -t classes < <({
    printf 'dev.attune.%s\n' train.StepRunnerTest model.GoldenModelTest kernels.AttentionCachedTest \
      kernels.AttentionTest train.DeviceMemoryTest kernels.LinearTest
    cd "$here/test-classes" && find dev/attune/kernels -name '*Test.class' | sort | sed 's/\.class$//; s#/#.#g'
  } | grep -vE 'kernels\.torch\.|NativeTest$|Cuda(Device|Training)Test$' | awk '!seen[$0]++' |
    grep -E "${ATTUNE_GPU_TESTS:-.}")
  test_classes "$jobs" "${classes[@]}"
}

stage_attention() {
  local dtype type D T causal p forward_us forward backward_us backward case
  for dtype in bf16 f32; do
    LD_LIBRARY_PATH=$native:$LD_LIBRARY_PATH limited "$native/cuda_attention_bench" "$dtype" |
      while IFS=, read -r type D T causal p forward_us forward backward_us backward; do
        [[ $backward =~ ^[0-9] ]] || { echo "$type"; continue; }
        case="D=$D T=$T causal=$causal p=$p $type"
        record_lines <<<"attune attention_forward $case,$forward,TFLOP/s
attune attention_backward $case,$backward,TFLOP/s"
      done || return 1
  done
}

stage_ops() {
  # One row of BenchMain: op,shape,dtype,backend,isa,threads,p20,p50,p80,rate,unit,share,commit,cpu,date
  java dev.attune.bench.BenchMain --backends cuda --plan "$here/ops.plan" --seconds 0.2 --csv |
    awk -F, '{ what = "attune " $1 " " $2 " " tolower($3)
               print what "," $8 ",us"; print what " rate," $10 "," $11
               print what " share_of_" ($11 == "GB/s" ? "copy" : "product") "," $12 ",share"; fflush() }' | record_lines
}

# name:unit of what `attune bench --json` tells
figures="tokens_per_second:tokens/s median_step_millis:ms model_flops_utilization:share peak_gflop_per_second:GFLOP/s
  peak_memory_bytes:bytes"

stage_steps() {
  local status=0 json shape batch length precision rest field value
  while read -r shape batch length precision rest; do
    [[ -z $shape || $shape == \#* ]] && continue
    local lengths=(--max-length 128)
    [[ $length != short ]] && lengths=(--max-length "$length" --fixed-length)
    json=$(java dev.attune.cli.Main bench --shape "$shape" --backend cuda --batch-size "$batch" "${lengths[@]}" \
      --precision "$precision" --max-steps "$steps" --json | tee /dev/stderr | tail -1) || { status=1; continue; }
    for field in $figures; do
      value=$(grep -oE "\"${field%%:*}\":[^,}]*" <<<"$json" | cut -d: -f2 | tr -d ' ')
      [[ -n $value ]] && record "attune $shape batch=$batch $length $precision ${field%%:*}" "$value" "${field#*:}" >&3
    done
  done <"$here/steps.txt"
  return $status
}

torch() { limited "$python" "$here/torch_numbers.py" --steps "$steps" --only "$1" | record_lines; }
stage_torch() { torch peaks,steps,attention,ops,optimizer; }
stage_compile() { torch compile; }

exec 3>&1
echo "device ${device:-none (nvidia-smi finds none)}, driver ${driver:-none}, nvcc ${nvcc:-none}, commit $commit"
for name in $all_stages; do
  # The kernels of the bundle will do, unless they are asked for by name or were not packed.
  [[ $name == build && $stages == "$all_stages" && -f $native/libattune_cuda.so ]] && continue
  stage "$name"
done
echo "results: $out/results.csv, after $SECONDS s"
((${#skipped[@]})) && echo "not run: ${skipped[*]}"
if ((${#failed[@]})); then
  echo "failed: ${failed[*]}"
  exit 1
fi
