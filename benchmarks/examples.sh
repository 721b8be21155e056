#!/usr/bin/env bash
# The worked examples beside Transformers + PyTorch: the same data, model, epochs, batch and rate, without thresholds that are
# tuned afterwards. A row a run; runs whose row is there are left out, so that it may be stopped and started. See README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/examples.sh --model DIR [options]
  --model DIR         Hugging Face folder of an encoder
  --examples LIST     reviews, intents, requests, short-answers, notices, contracts; and, where their data are at hand,
                      pubmedqa, abstracts and ncbi-disease (default: all)
  --seeds LIST        (default: 1,2,3)
  --systems LIST      attune and peer (default: both)
  --threads N         of each side (default: all cores)
  --output FILE       CSV to append to (default: benchmarks/results/examples.csv)
environment: PEER_PYTHON (default python3), ATTUNE_DATA (default ../shared/data)
TEXT
}

model= seeds=1,2,3 systems=attune,peer threads=$(nproc) output=benchmarks/results/examples.csv
examples=reviews,intents,requests,short-answers,notices,contracts,pubmedqa,abstracts,ncbi-disease
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --model | --examples | --seeds | --systems | --threads | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
python=${PEER_PYTHON:-python3}
data=${ATTUNE_DATA:-../shared/data}/datasets
[[ -f $model/config.json ]] || fail "--model: there is no config.json in '$model'"
"$python" -c 'import torch, transformers, sklearn' 2>/dev/null ||
  fail "$python cannot import torch, transformers and sklearn; set PEER_PYTHON"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# settings EXAMPLE: task of both sides, files, what is measured, and the recipe.
settings() {
  peer_task= batch=32 length=256
  case $1 in
    reviews) task=classification train=examples/reviews/train.csv test=examples/reviews/test.csv metric=accuracy epochs=5 rate=5e-5 ;;
    intents) task=classification train=examples/intents/train.csv test=examples/intents/test.csv metric=accuracy epochs=30 batch=16 rate=2e-4 ;;
    requests)
      task=multi-label-classification peer_task=multi-label train=examples/requests/train.jsonl test=examples/requests/test.jsonl
      metric=f1_micro epochs=12 rate=2e-4 ;;
    short-answers) task=regression train=examples/short-answers/train.jsonl test=examples/short-answers/test.jsonl metric=qwk epochs=20 batch=8 rate=1e-4 ;;
    notices | contracts) task=question-answering train=examples/$1/train.json test=examples/$1/test.json metric=f1 epochs=5 rate=2e-4 ;;
    pubmedqa)
      java tools/SplitPubMedQa.java "$data/pubmedqa/ori_pqal.json" "$data/pubmedqa/test_ground_truth.json" "$work/pubmedqa"
      task=classification train=$work/pubmedqa/train.jsonl test=$work/pubmedqa/test.jsonl metric=accuracy epochs=8 batch=16 rate=1e-4 ;;
    abstracts)
      java tools/SplitAbstracts.java "$data/medical_abstracts/medical_tc_test.csv" "$work/abstracts"
      task=classification train=$work/abstracts/train.jsonl test=$work/abstracts/test.jsonl metric=accuracy epochs=3 rate=1e-4 length=128 ;;
    ncbi-disease)
      task=token-classification train=$data/ncbi_disease/train.tsv test=$data/ncbi_disease/test.tsv metric=f1 epochs=3 rate=1e-4 ;;
    *) fail "--examples: there is no example '$1'; see --help" ;;
  esac
}

run_attune() {
  attune train --model "$model" --task "$task" --train-file "$train" --test-file "$test" --output-dir "$work/out" --overwrite \
    --epochs "$epochs" --batch-size "$batch" --learning-rate "$rate" --weight-decay 0.01 --warmup-ratio 0.1 --max-length "$length" \
    --precision bf16 --backend cpu --threads "$threads" --seed "$1" --json
}

run_peer() {
  "$python" benchmarks/transformers_peer.py "${peer_task:-$task}" --model "$model" --train "$train" --test "$test" \
    --epochs "$epochs" --batch "$batch" --lr "$rate" --max-length "$length" --threads "$threads" --seed "$1" --bf16
}

commit=$(commit_name) cpu=$(cpu_name) date=$(date +%F)
[[ -s $output ]] || echo "system,example,seed,epochs,batch,learning_rate,metric,value,process_seconds,busy,commit,cpu,date" >"$output"
for seed in ${seeds//,/ }; do
  for example in ${examples//,/ }; do
    settings "$example"
    for system in ${systems//,/ }; do
      key=$system,$example,$seed,
      grep -q "^$key" "$output" && continue
      busy=$(busy_share)
      begin=$(date +%s.%N)
      json=$("run_$system" "$seed" 2>"$work/log" | tail -1) || { cat "$work/log" >&2; exit 1; }
      seconds=$(awk -v from="$begin" -v to="$(date +%s.%N)" 'BEGIN { printf "%.1f", to - from }')
      value=$(json_number "$metric" <<<"$json")
      echo "$key$epochs,$batch,$rate,$metric,$value,$seconds,$busy,$commit,$cpu,$date" >>"$output"
      echo "$example, seed $seed: $system $metric $value, $seconds s" >&2
    done
  done
done
"$python" - "$output" <<'PYTHON'
import collections, csv, math, statistics, sys
runs = collections.defaultdict(lambda: collections.defaultdict(list))
for row in csv.DictReader(open(sys.argv[1])):
    runs[row["example"], row["metric"]][row["system"]].append((float(row["value"]), float(row["process_seconds"])))
print("| example | | Attune | Transformers + PyTorch |\n|---|---|---|---|")
for (example, metric), systems in runs.items():
    cells = []
    for system in ("attune", "peer"):
        values = [v for v, _ in systems[system]]
        error = f" ± {statistics.stdev(values) / math.sqrt(len(values)):.4f}" if len(values) > 1 else ""
        seconds = f", {statistics.median(s for _, s in systems[system]):.0f} s" if values else ""
        cells.append(f"{statistics.mean(values):.4f}{error} ({len(values)}){seconds}" if values else "")
    print(f"| {example} | {metric} | {cells[0]} | {cells[1]} |")
PYTHON
