#!/usr/bin/env bash
# Few examples of each class: few-shot beside SetFit's method by sentence-transformers and scikit-learn, and beside plain
# fine-tuning. A row a run; runs whose row is there are left out, so that it may be stopped and started. See README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/few_shot.sh --model DIR [options]
  --model DIR         folder of a model that makes vectors
  --datasets LIST     ag_news, sst2 and medical_abstracts (default: all)
  --shots LIST        examples of a class, of 8, 16, 32 and 64 (default: all)
  --sets LIST         numbers from 0 to 9 (default: all)
  --systems LIST      few-shot, fine-tuning and peer (default: all); few-shot may have options: "few-shot --epochs 20"
  --choosing          on the sets and test rows that defaults are chosen by (few_shot_sets.py), and not reported
  --test-rows N       (default: 1000)
  --threads N         of each side (default: all cores)
  --output FILE       CSV to append to (default: benchmarks/results/few_shot_sets.csv,
                      of --choosing few_shot_choosing_sets.csv)
environment: PEER_PYTHON (default python3), ATTUNE_DATA (default ../shared/data)
TEXT
}

model= datasets=ag_news,sst2,medical_abstracts shots=8,16,32,64 sets=0,1,2,3,4,5,6,7,8,9 systems=few-shot,fine-tuning,peer
test_rows=1000 threads=$(nproc) choosing= output=
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --choosing) choosing=--choosing; shift ;;
    --test-rows) (($# > 1)) || fail "$1 needs a value"; test_rows=$2; shift 2 ;;
    --model | --datasets | --shots | --sets | --systems | --threads | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
if [[ -z $output ]]; then
  output=benchmarks/results/few_shot_sets.csv
  [[ -z $choosing ]] || output=benchmarks/results/few_shot_choosing_sets.csv
fi
python=${PEER_PYTHON:-python3}
data=${ATTUNE_DATA:-../shared/data}/datasets
[[ -f $model/config.json ]] || fail "--model: there is no config.json in '$model'"
[[ -f $data/ag_news/test.csv ]] || fail "there is no data at $data; set ATTUNE_DATA"
[[ ,$systems, != *,peer,* ]] || "$python" -c 'import sentence_transformers, sklearn' 2>/dev/null ||
  fail "$python cannot import sentence_transformers and sklearn; set PEER_PYTHON"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" benchmarks/few_shot_sets.py "$data" "$work/sets" --test-rows "$test_rows" $choosing >&2

# train TRAIN TEST OPTION...: accuracy and steps by ours.
train() {
  local json train=$1 test=$2
  shift 2
  json=$(attune train --model "$model" --train-file "$train" --test-file "$test" --output-dir "$work/out" --overwrite \
    --backend cpu --threads "$threads" "$@" --json 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  printf '%.4f %d\n' "$(json_number accuracy <<<"$json")" "$(json_number steps <<<"$json")"
}

# run SYSTEM TRAIN TEST: the same by any of the three.
run() {
  local json rows epochs words
  case $1 in
    few-shot*)
      read -ra words <<<"$1"
      train "$2" "$3" --task "${words[@]}" ;;
    fine-tuning)
      # A hundred steps, or ten epochs where these are more: fewer do not reach low losses from so few rows.
      rows=$(grep -c . "$2")
      epochs=$(((1600 + rows - 1) / rows))
      train "$2" "$3" --task classification --batch-size 16 --learning-rate 1e-4 --epochs $((epochs < 10 ? 10 : epochs)) ;;
    peer)
      json=$("$python" benchmarks/few_shot_peer.py "$model" "$2" "$3" --threads "$threads" 2>"$work/log" | tail -1) ||
        { cat "$work/log" >&2; return 1; }
      printf '%.4f %d\n' "$(json_number accuracy <<<"$json")" "$(json_number steps <<<"$json")" ;;
    *) fail "--systems: '$1' is none of few-shot, fine-tuning and peer" ;;
  esac
}

commit=$(commit_name) cpu=$(cpu_name) date=$(date +%F)
[[ -s $output ]] || echo "system,dataset,shots,set,test_rows,accuracy,steps,process_seconds,busy,commit,cpu,date" >"$output"
IFS=, read -ra systems <<<"$systems"
for set in ${sets//,/ }; do
  for dataset in ${datasets//,/ }; do
    for count in ${shots//,/ }; do
      for system in "${systems[@]}"; do
        key=$system,$dataset,$count,$set,$test_rows,
        grep -q "^$key" "$output" && continue
        busy=$(busy_share)
        begin=$(date +%s.%N)
        line=$(run "$system" "$work/sets/$dataset/$count/$set.jsonl" "$work/sets/$dataset/test.jsonl")
        seconds=$(awk -v from="$begin" -v to="$(date +%s.%N)" 'BEGIN { printf "%.1f", to - from }')
        echo "$key${line/ /,},$seconds,$busy,$commit,$cpu,$date" >>"$output"
        echo "$system, $dataset, $count examples a class, set $set: accuracy ${line% *}, $seconds s" >&2
      done
    done
  done
done
"$python" - "$output" <<'PYTHON'
import collections, csv, math, statistics, sys
groups = collections.defaultdict(list)
for row in csv.DictReader(open(sys.argv[1])):
    groups[row["dataset"], int(row["shots"]), row["system"]].append((float(row["accuracy"]), float(row["process_seconds"])))
print("| data | examples a class | system | sets | accuracy ± standard error | seconds (median) |\n|---|---:|---|---:|---:|---:|")
for (dataset, shots, system), runs in sorted(groups.items()):
    accuracies = [a for a, _ in runs]
    error = f" ± {statistics.stdev(accuracies) / math.sqrt(len(runs)):.4f}" if len(runs) > 1 else ""
    print(f"| {dataset} | {shots} | {system} | {len(runs)} | {statistics.mean(accuracies):.4f}{error} | {statistics.median(s for _, s in runs):.1f} |")
PYTHON
