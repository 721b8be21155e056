#!/usr/bin/env bash
# Fuzzes the readers of files that others wrote, and the border of the CPU library. The build itself runs the kept inputs
# alone (src/test/resources, *FuzzTestInputs, and files of other tests that the pom adds); this looks for new ones.
#   tools/fuzz.sh                       every target for a minute
#   tools/fuzz.sh 600 weights text      ten minutes for each target of these rooms
#   tools/fuzz.sh 60 border             C entries under AddressSanitizer and UndefinedBehaviorSanitizer
# A finding is left as a file in target/fuzz; among the kept inputs, the build repeats it.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
seconds=${1:-60}
[[ $# -gt 0 ]] && shift
rooms=("$@")
((${#rooms[@]})) || rooms=(border weights text jinja data folder run)
out=$root/target/fuzz
mkdir -p "$out"
findings=0

border() {
  cmake -S native -B target/native-sanitized -DATTUNE_CUDA=OFF >"$out/border-build.log" 2>&1 &&
    cmake --build target/native-sanitized --target border_fuzz --parallel "$(nproc)" >>"$out/border-build.log" 2>&1 ||
    { echo "the build failed, see $out/border-build.log" >&2; return 1; }
  target/native-sanitized/test/border_fuzz "$seconds" "$RANDOM"
}

# A process a target, since a fault in native code ends it.
readers() { # room
  local file class name target kept corpus
  for file in src/test/java/dev/attune/"$1"/*FuzzTest.java; do
    name=$(basename "$file" .java)
    class=dev.attune.$1.$name
    for target in $(grep -A1 '@FuzzTest$' "$file" | sed -n 's/^  void \([A-Za-z]*\)(.*/\1/p'); do
      corpus=$out/$class.$target
      kept=target/test-classes/dev/attune/$1/${name}Inputs/$target
      mkdir -p "$corpus"
      [[ -d $kept ]] && cp "$kept"/* "$corpus"
      if java -Xmx1g -cp "target/test-classes:target/classes:$classpath" com.code_intelligence.jazzer.Jazzer \
        --target_class="$class" --target_method="$target" --instrumentation_includes='dev.attune.**' \
        --reproducer_path="$out" -artifact_prefix="$corpus-" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 \
        -max_len=65536 -print_final_stats=1 "$corpus" >"$corpus.log" 2>&1; then
        echo "$class.$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$corpus.log") inputs, none found"
      else
        echo "$class.$target: FOUND one, see $corpus.log"
        findings=$((findings + 1))
      fi
    done
  done
}

for room in "${rooms[@]}"; do
  if [[ $room == border ]]; then
    border || findings=$((findings + 1))
  else
    if [[ -z ${classpath:-} ]]; then
      mvn -B -ntp -q test-compile dependency:build-classpath -Dmdep.outputFile="$out/classpath.txt" || exit 1
      classpath=$(<"$out/classpath.txt")
    fi
    readers "$room"
  fi
done
echo "findings: $findings"
((findings == 0))
