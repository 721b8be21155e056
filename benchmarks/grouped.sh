#!/usr/bin/env bash
# LoRA runs on one base, one after the other and together, in turn: what a user waits for, from the first command to the
# last file. A GPT-2 with random weights; SST-2's sentences. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/grouped.sh [options]
  --jobs N         runs (default: 8)
  --batch-size N   sequences of a batch of each (default: 8)
  --steps N        of each run (default: 10)
  --rank N         of the adapters, on every product (default: 8)
  --precision KIND bf16 or fp32 (default: bf16)
  --rounds N       pairs (default: 3)
  --threads N      (default: all cores)
  --tokenizer DIR  GPT-2's (default: ../shared/data/tokenizers/gpt2)
  --texts FILE     .tsv of sentences (default: ../shared/data/datasets/sst2/train.tsv)
  --output FILE    CSV to append to; "-" for none (default: benchmarks/results/grouped.csv)
TEXT
}

jobs=8 batch_size=8 steps=10 rank=8 precision=bf16 rounds=3 threads=$(nproc)
tokenizer=../shared/data/tokenizers/gpt2 texts=../shared/data/datasets/sst2/train.tsv
output=benchmarks/results/grouped.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --jobs | --batch-size | --steps | --rank | --precision | --rounds | --threads | --tokenizer | --texts | --output)
      (($# > 1)) || fail "$1 needs a value"
      name=${1#--}
      printf -v "${name//-/_}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
[[ -f $tokenizer/vocab.json && -f $texts ]] || fail "give GPT-2's --tokenizer and --texts"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/shape"
cp "$tokenizer"/{vocab.json,merges.txt,tokenizer_config.json} "$work/shape"
[[ ! -f $tokenizer/tokenizer.json ]] || cp "$tokenizer/tokenizer.json" "$work/shape"
cat >"$work/shape/config.json" <<'JSON'
{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12,
 "n_positions": 1024, "activation_function": "gelu_new", "resid_pdrop": 0.1, "attn_pdrop": 0.1, "embd_pdrop": 0.1,
 "layer_norm_epsilon": 1e-5, "bos_token_id": 50256, "eos_token_id": 50256}
JSON
# Rows enough that no run sees one twice, as texts.
awk -F'\t' -v n=$((jobs * batch_size * steps)) 'NR <= n { gsub(/[\\"]/, "", $1); printf "{\"text\": \"%s\"}\n", $1 }' \
  "$texts" >"$work/texts.jsonl"
attune pretrain --model "$work/shape" --from-scratch --task causal-lm --train-file "$work/texts.jsonl" --max-steps 1 \
  --batch-size 1 --output-dir "$work/base" --run-store none --quiet >/dev/null

for ((job = 0; job < jobs; job++)); do
  cat >"$work/$job.yaml" <<YAML
model: $work/base
task: causal-lm
train-file: $work/texts.jsonl
output-dir: $work/out/$job
lora-r: $rank
batch-size: $batch_size
max-steps: $steps
seed: $job
precision: $precision
backend: cpu
threads: $threads
run-store: none
overwrite: true
YAML
done

# timed COMMAND: what it prints, behind its seconds and its processor seconds, those of all its processes.
timed() {
  local TIMEFORMAT='%R %U %S' out
  { time out=$("$@" 2>&3); } 3>&2 2>"$work/time" || return 1
  awk -v out="$out" '{ printf "%.2f %.2f %s\n", $1, $2 + $3, out }' "$work/time"
}

# The rate of the steps alone: real tokens a second.
run_alone() {
  local rates=""
  for ((job = 0; job < jobs; job++)); do
    rates+=$(attune train --config "$work/$job.yaml" --json --quiet 2>"$work/log" | tail -1 | json_number tokens_per_second)$'\n' ||
      { cat "$work/log" >&2; return 1; }
  done
  percentile 0.5 <<<"${rates%$'\n'}"
}
run_together() {
  local options=() json
  for ((job = 0; job < jobs; job++)); do options+=(--config "$work/$job.yaml"); done
  json=$(attune train "${options[@]}" --json --quiet 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  grep -o '"tokens_per_second": *[0-9.eE+-]*' <<<"$json" | awk -F: '{ s += $2 } END { print s }'
}
digest() { (cd "$work/out" && sha256sum */adapter_model.safetensors */metrics.jsonl | sha256sum); }

header=jobs,batch_size,steps,rank,precision,threads,rounds,alone_seconds,together_seconds,alone_cpu_seconds
header+=,together_cpu_seconds,ratio_p20,ratio_p50,ratio_p80,cpu_ratio_p50,alone_tokens_per_second,together_tokens_per_second,busy,commit,cpu,date
: >"$work/alone"; : >"$work/together"; : >"$work/ratio"; : >"$work/busy"
for ((round = 1; round <= rounds; round++)); do
  busy=$(busy_share)
  warn_if_busy "$busy"
  echo "$busy" >>"$work/busy"
  alone=$(timed run_alone)
  expected=$(digest)
  together=$(timed run_together)
  [[ $(digest) == "$expected" ]] || fail "the runs that were together are others than those alone"
  echo "$alone" >>"$work/alone"; echo "$together" >>"$work/together"
  paste -d' ' <(echo "$alone") <(echo "$together") | awk '{ print $1 / $4, $2 / $5 }' >>"$work/ratio"
  echo "round $round: one after the other $alone, together $together (seconds, processor seconds, tokens/s of the steps)" >&2
done
column() { awk -v c="$2" '{ print $c }' "$work/$1" | percentile 0.5; }
row="$jobs,$batch_size,$steps,$rank,$precision,$threads,$rounds,$(column alone 1),$(column together 1)"
row+=",$(column alone 2),$(column together 2)"
for share in 0.2 0.5 0.8; do row+=",$(awk '{ print $1 }' "$work/ratio" | percentile "$share")"; done
row+=",$(column ratio 2),$(column alone 3),$(column together 3),$(percentile 1 <"$work/busy"),$(commit_name),$(cpu_name),$(date +%F)"
echo "$row"
if [[ $output != - ]]; then
  [[ -s $output ]] || { mkdir -p "$(dirname "$output")"; echo "$header" >"$output"; }
  echo "$row" >>"$output"
fi
