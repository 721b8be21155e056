#!/usr/bin/env bash
# Checkpoints of a model of 110 million parameters with the optimizer's state: how fast they are written, beside what the
# disk can do, and for how long training waits. BERT-base with random weights. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/checkpoints.sh [options]
  --steps N        of the run (default: 60)
  --every N        steps from one checkpoint to the next (default: 20)
  --batch-size N   (default: 16)
  --tokenizer DIR  BERT's (default: ../shared/data/tokenizers/bert-base-uncased)
  --texts FILE     .tsv of sentences and labels (default: ../shared/data/datasets/sst2/train.tsv)
  --work DIR       on the disk to be measured, 8 GB (default: a temporary folder, which is deleted)
  --output FILE    CSV to append to; "-" for none (default: benchmarks/results/checkpoints.csv)
TEXT
}

steps=60 every=20 batch_size=16 work=""
tokenizer=../shared/data/tokenizers/bert-base-uncased texts=../shared/data/datasets/sst2/train.tsv
output=benchmarks/results/checkpoints.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --steps | --every | --batch-size | --tokenizer | --texts | --work | --output)
      (($# > 1)) || fail "$1 needs a value"
      name=${1#--}
      printf -v "${name//-/_}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
[[ -f $tokenizer/vocab.txt && -f $texts ]] || fail "give BERT's --tokenizer and --texts"
if [[ -z $work ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi

if [[ ! -d $work/base ]]; then
  mkdir -p "$work/shape"
  cp "$tokenizer"/vocab.txt "$tokenizer/tokenizer_config.json" "$work/shape"
  cat >"$work/shape/config.json" <<'JSON'
{"architectures": ["BertForMaskedLM"], "model_type": "bert", "vocab_size": 30522, "hidden_size": 768,
 "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512}
JSON
  head -200 "$texts" | cut -f 1 >"$work/few.txt"
  attune pretrain --model "$work/shape" --from-scratch --train-file "$work/few.txt" --format lines --max-steps 1 \
    --batch-size 1 --output-dir "$work/base" --run-store none --quiet >/dev/null
fi
if [[ ! -f $work/rows.csv ]]; then
  { echo "text,label" && awk -F'\t' '{ gsub(/"/, "\"\"", $1); printf "\"%s\",%s\n", $1, $2 }' "$texts"; } >"$work/rows.csv"
fi

# What the disk can do: as many bytes, in one file, forced to it.
mib=1260
disk=$(for _ in 1 2 3; do
  begun=$(date +%s.%N)
  dd if=/dev/zero of="$work/plain" bs=1M count=$mib conv=fsync status=none
  awk -v mib=$mib -v from="$begun" -v to="$(date +%s.%N)" 'BEGIN { print mib / (to - from) }'
  rm "$work/plain"
done | percentile 0.5)

# A checkpoint is a folder under another name until it is safe: from when it is there to when it has its name.
run=$work/run
rm -rf "$run"
attune train --model "$work/base" --task classification --train-file "$work/rows.csv" --batch-size "$batch_size" \
  --max-steps "$steps" --save-steps "$every" --save-last --profile --output-dir "$run" --run-store none --quiet \
  >"$work/log" 2>&1 &
pid=$!
while kill -0 "$pid" 2>/dev/null; do
  for folder in "$run"/checkpoints/.partial-step-*; do
    [[ -d $folder ]] || continue
    begun=$(date +%s.%N)
    while [[ -d $folder ]]; do sleep 0.005; done
    ended=$(date +%s.%N)
    done_folder=$run/checkpoints/${folder##*/.partial-}
    [[ -d $done_folder ]] && echo "$begun $ended $(du -sb "$done_folder" | cut -f 1)"
  done
  sleep 0.005
done >"$work/writes"
wait "$pid" || { cat "$work/log" >&2; fail "the run failed"; }

# The last save is waited for, since the run ends with it.
written=$(sed '$d' "$work/writes" | awk '{ print $3 / 1048576 / ($2 - $1) }' | percentile 0.5)
seconds=$(sed '$d' "$work/writes" | awk '{ print $2 - $1 }' | percentile 0.5)
# Two pauses each: what begins it, and what is left to be copied before the next update.
pauses=$(grep -o '"name": *"checkpoint"[^}]*"dur": *[0-9.]*' "$run/trace.json" | grep -o '[0-9.]*$' | sed '$d' |
  awk '{ sum += $1 } NR % 2 == 0 { print sum; sum = 0 }')
first=$(awk 'NR == 1 { print $1 / 1e6 }' <<<"$pauses")
pause=$(awk 'NR > 1 { print $1 / 1e6 }' <<<"$pauses" | percentile 0.5)
awk -v disk="$disk" -v written="$written" -v seconds="$seconds" -v first="$first" -v pause="$pause" 'BEGIN {
  printf "disk, one file %24.0f MiB/s\ncheckpoint %28.0f MiB/s, %.0f %% of that, %.2f s\n", disk, written, 100 * written / disk, seconds
  printf "training waits %24.3f s at the first, %.3f s at later ones\n", first, pause }'
if [[ $output != - ]]; then
  [[ -f $output ]] || echo "date,commit,cpu,steps_between,disk_mib_s,checkpoint_mib_s,share_of_disk,seconds,first_pause_seconds,pause_seconds" >"$output"
  awk -v head="$(date +%F),$(commit_name),$(cpu_name),$every" -v disk="$disk" -v written="$written" -v seconds="$seconds" \
    -v first="$first" -v pause="$pause" \
    'BEGIN { printf "%s,%.0f,%.0f,%.2f,%.2f,%.3f,%.3f\n", head, disk, written, written / disk, seconds, first, pause }' >>"$output"
fi
