#!/usr/bin/env bash
# Learning while serving, on a drift: MiniLM is fine-tuned on reviews of films (SST-2) and served; then it is asked about reviews of
# products (examples/reviews, those that take a side), and 50 corrections come, ten at a time. After each update both domains are
# measured over HTTP, while somebody asks all the time. See docs/serve-feedback.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/feedback.sh [options]
  --sst2 DIR     SST-2 with train.tsv, dev.tsv and test.tsv: a sentence and 0 or 1 (default: ../shared/data/datasets/sst2)
  --count N      corrections (default: 50)
  --order N      which corrections: rows of examples/reviews from this one on (default: 0)
  --settings S   more settings of the learner, as in JSON: '"epochs": 8' (default: none)
  --work DIR     where models and data go; a model that is there is used again (default: out/feedback)
  --output FILE  CSV to append to; "-" for none (default: benchmarks/results/feedback.csv)
TEXT
}

sst2=../shared/data/datasets/sst2 count=50 order=0 settings= work=out/feedback output=benchmarks/results/feedback.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --sst2 | --count | --order | --settings | --work | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done

classes="target/classes:$(cat target/classpath.txt)"
client() { java -cp "$classes" benchmarks/FeedbackClient.java "$@"; }
mkdir -p "$work"
if [[ ! -f $work/model/model.safetensors ]]; then
  attune train --model minilm --train-file "$sst2/train.tsv" --validation-file "$sst2/dev.tsv" --columns text,label \
    --label-names negative,positive --epochs 2 --learning-rate 5e-5 --max-length 128 --output-dir "$work/model" --overwrite >&2
fi
if [[ ! -f $work/products.jsonl ]]; then
  client convert "$sst2/train.tsv" text,label "$work/replay.jsonl" 0 100000
  client convert "$sst2/dev.tsv" text,label "$work/held_out.jsonl" 0 100000
  client convert "$sst2/test.tsv" text,label "$work/films.jsonl" 0 100000
  for part in train validation test; do
    client convert "examples/reviews/$part.csv" text=text,label=label "$work/$part.jsonl" 0 100000
  done
  cat "$work/train.jsonl" "$work/validation.jsonl" "$work/test.jsonl" >"$work/products.jsonl"
fi
# What is not among the corrections is the test.
tail -n +$((order + 1)) "$work/products.jsonl" | head -"$count" >"$work/corrections.jsonl"
{ head -"$order" "$work/products.jsonl"; tail -n +$((order + count + 1)) "$work/products.jsonl"; } >"$work/new_test.jsonl"

data=$(mktemp -d)
java -Xmx2g -Dorg.bytedeco.javacpp.maxBytes=0 -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -cp "$classes" dev.attune.cli.Main \
  serve --port 0 --data-dir "$data" --base-model "reviews=$work/model" --json >"$data/ready" 2>"$data/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$data"' EXIT
for ((i = 0; i < 600; i++)); do
  grep -q address "$data/ready" && break
  kill -0 "$server" 2>/dev/null || { cat "$data/log" >&2; exit 1; }
  sleep 0.1
done
url=$(grep -o 'http://[^"]*' "$data/ready")

header=order,corrections,version,new_accuracy,old_accuracy,requests,failed,most_millis,update_seconds,settings,commit,cpu,date
[[ $output == - || -s $output ]] || echo "$header" >"$output"
echo "$header"
rest="${settings//,/;},$(commit_name),$(cpu_name),$(date +%F)"
client "$url" reviews "$work/replay.jsonl" "$work/held_out.jsonl" "$work/films.jsonl" "$work/corrections.jsonl" "$work/new_test.jsonl" \
  "$count" ${settings:+"$settings"} |
  while IFS= read -r line; do
    [[ $output == - ]] || echo "$order,$line,$rest" >>"$output"
    echo "$order,$line,$rest"
  done
