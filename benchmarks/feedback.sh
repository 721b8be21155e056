#!/usr/bin/env bash
# Learning while serving, on a drift: MiniLM is fine-tuned to tell texts for the science desk from others on news (AG News) and served;
# then documents come, medical abstracts (science) and terms of service and licences (other), with 50 corrections, ten at a time. After
# each update both domains are measured over HTTP, while somebody asks all the time. See docs/serve-feedback.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/feedback.sh [options]
  --data DIR     with ag_news, medical_abstracts and legal_summarization (default: ../shared/data/datasets)
  --count N      corrections (default: 50)
  --order N      which corrections: documents from this one on (default: 0)
  --settings S   more settings of the learner, as in JSON: '"epochs": 8' (default: none)
  --work DIR     where models and data go; a model that is there is used again (default: out/feedback)
  --output FILE  CSV to append to; "-" for none (default: benchmarks/results/feedback.csv)
TEXT
}

datasets=../shared/data/datasets count=50 order=0 settings= work=out/feedback output=benchmarks/results/feedback.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --data)
      (($# > 1)) || fail "$1 needs a value"
      datasets=$2
      shift 2 ;;
    --count | --order | --settings | --work | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done

classes="target/classes:$(cat target/classpath.txt)"
client() { java -cp "$classes" benchmarks/FeedbackClient.java "$@"; }
mkdir -p "$work"
[[ -f $work/documents.jsonl ]] || client prepare "$datasets" "$work"
if [[ ! -f $work/model/model.safetensors ]]; then
  attune train --model minilm --train-file "$work/replay.jsonl" --validation-file "$work/held_out.jsonl" --epochs 2 \
    --learning-rate 1e-4 --max-length 64 --output-dir "$work/model" --overwrite >&2
fi
# What is not among the corrections is the test.
sed -n "$((order + 1)),$((order + count))p" "$work/documents.jsonl" >"$work/corrections.jsonl"
sed "$((order + 1)),$((order + count))d" "$work/documents.jsonl" >"$work/new_test.jsonl"

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
settingsText=${settings//\"/}
rest="${settingsText//,/;},$(commit_name),$(cpu_name),$(date +%F)"
client "$url" reviews "$work/replay.jsonl" "$work/held_out.jsonl" "$work/old_test.jsonl" "$work/corrections.jsonl" "$work/new_test.jsonl" \
  "$count" ${settings:+"$settings"} |
  while IFS= read -r line; do
    [[ $output == - ]] || echo "$order,$line,$rest" >>"$output"
    echo "$order,$line,$rest"
  done
