#!/usr/bin/env bash
# Sentence embeddings beside sentence-transformers: STS-B, one epoch of the same loss, in turn, with several seeds. Spearman's
# rank correlation of cosines on the test set before and after, real tokens per second. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/embeddings.sh --model DIR [options]
  --model DIR         sentence-transformers or Hugging Face folder
  --loss NAME         cosent or cosine-similarity (default: cosent)
  --seeds LIST        (default: 1,2,3)
  --epochs N          (default: 1)
  --batch N           (default: 32)
  --learning-rate X   (default: 2e-5)
  --precision KIND    bf16 or fp32, of both sides (default: fp32)
  --threads N         of each side (default: all cores)
  --output FILE       CSV to append to; "-" for none (default: benchmarks/results/embeddings.csv)
environment: PEER_PYTHON (default python3), ATTUNE_DATA (default ../shared/data)
TEXT
}

model= loss=cosent seeds=1,2,3 epochs=1 batch=32 rate=2e-5 precision=fp32 threads=$(nproc)
output=benchmarks/results/embeddings.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --learning-rate) (($# > 1)) || fail "$1 needs a value"; rate=$2; shift 2 ;;
    --model | --loss | --seeds | --epochs | --batch | --precision | --threads | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
python=${PEER_PYTHON:-python3}
data=${ATTUNE_DATA:-../shared/data}/datasets/stsb
[[ -f $model/config.json ]] || fail "--model: there is no config.json in '$model'"
[[ $precision == bf16 || $precision == fp32 ]] || fail "--precision is '$precision'; allowed are bf16 and fp32"
[[ -f $data/sts-train.csv ]] || fail "there is no data at $data; set ATTUNE_DATA"
"$python" -c 'import sentence_transformers' 2>/dev/null || fail "$python cannot import sentence_transformers; set PEER_PYTHON"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The files are tab-separated without header, quotes are literal, scores lie from 0 to 5.
for part in train test; do
  "$python" - "$data/sts-$part.csv" >"$work/$part.jsonl" <<'PYTHON'
import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    fields = line.rstrip("\n").split("\t")
    print(json.dumps({"sentence1": fields[5], "sentence2": fields[6], "score": round(float(fields[4]) / 5, 4)}))
PYTHON
done
# A folder that says how vectors are made, so that both sides pool alike.
"$python" - "$model" "$work/model" <<'PYTHON' 2>/dev/null
import sys
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
body = Transformer(sys.argv[1])
SentenceTransformer(modules=[body, Pooling(body.get_word_embedding_dimension(), "mean"), Normalize()], device="cpu").save(sys.argv[2])
PYTHON

# run_attune SEED: prints the correlation and real tokens/s.
run_attune() {
  local json
  json=$(attune train --model "$work/model" --task embedding --loss "$loss" --train-file "$work/train.jsonl" \
    --test-file "$work/test.jsonl" --output-dir "$work/out" --overwrite --epochs "$epochs" --batch-size "$batch" \
    --learning-rate "$rate" --weight-decay 0 --warmup-ratio 0.1 --precision "$precision" --backend cpu --threads "$threads" \
    --seed "$1" --json 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  printf '%.4f %.0f\n' "$(json_number spearman <<<"$json")" "$(json_number tokens_per_second <<<"$json")"
}

# run_peer SEED: the same of the peer, which also says what it was before training.
run_peer() {
  local json flags=()
  [[ $precision != bf16 ]] || flags+=(--bf16)
  json=$("$python" benchmarks/sentence_transformers_peer.py --model "$work/model" --train "$work/train.jsonl" \
    --test "$work/test.jsonl" --loss "$loss" --epochs "$epochs" --batch "$batch" --lr "$rate" --threads "$threads" --seed "$1" \
    "${flags[@]}" 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  printf '%.4f %.0f\n' "$(json_number spearman <<<"$json")" "$(json_number tokens_per_second <<<"$json")"
}

attune evaluate --model "$work/model" --file "$work/test.jsonl" --precision fp32 --json 2>"$work/log" | tail -1 >"$work/before" ||
  { cat "$work/log" >&2; exit 1; }
before=$(printf '%.4f' "$(json_number spearman <"$work/before")")
echo "before training: $before" >&2
commit=$(commit_name) cpu=$(cpu_name) date=$(date +%F)
warn_if_busy "$(busy_share)"
if [[ $output != - && ! -s $output ]]; then
  echo "system,loss,precision,epochs,batch,learning_rate,seeds,before,spearman,tokens_per_second,commit,cpu,date" >"$output"
fi
for seed in ${seeds//,/ }; do
  for system in attune peer; do
    line=$("run_$system" "$seed") || { echo "seed $seed: $system failed" >&2; exit 1; }
    echo "$line" >>"$work/$system"
    echo "seed $seed: $system Spearman ${line% *}, ${line#* } tokens/s" >&2
  done
done
echo "| system | Spearman on the test set, each seed | tokens/s (median) |"
echo "|---|---|---|"
for system in attune peer; do
  spearman=$(awk '{ print $1 }' "$work/$system" | paste -sd ' ')
  speed=$(awk '{ print $2 }' "$work/$system" | percentile 0.5)
  printf '| %s | %s | %.0f |\n' "$system" "$spearman" "$speed"
  [[ $output == - ]] ||
    echo "$system,$loss,$precision,$epochs,$batch,$rate,${seeds//,/ },$before,$spearman,$speed,$commit,$cpu,$date" >>"$output"
done
