#!/usr/bin/env bash
# Quality beside Transformers + PyTorch: the same fine-tuning with several seeds on each side, development accuracies,
# mean and standard error. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/quality.sh --model DIR [options]
  --model DIR         Hugging Face folder of the base model
  --seeds LIST        (default: 1,2,3)
  --epochs N          (default: 3)
  --batch N           (default: 32)
  --learning-rate X   (default: 5e-5)
  --precision KIND    bf16 or fp32, of both sides (default: bf16)
  --limit N           train on the first N sentences only, for a try (default: all)
  --threads N         of each side (default: all cores)
  --output FILE       CSV to append to; "-" for none (default: benchmarks/results/quality.csv)
environment: PEER_PYTHON (default python3), PEER_TRAIN_SCRIPT (default ../shared/peer/hf_train.py),
  ATTUNE_DATA (default ../shared/data)
TEXT
}

model= seeds=1,2,3 epochs=3 batch=32 rate=5e-5 precision=bf16 limit=0 threads=$(nproc)
output=benchmarks/results/quality.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --learning-rate) (($# > 1)) || fail "$1 needs a value"; rate=$2; shift 2 ;;
    --model | --seeds | --epochs | --batch | --precision | --limit | --threads | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
python=${PEER_PYTHON:-python3}
script=${PEER_TRAIN_SCRIPT:-../shared/peer/hf_train.py}
data=${ATTUNE_DATA:-../shared/data}/datasets/sst2
[[ -n $model ]] || fail "--model is missing: a Hugging Face folder; see --help"
[[ -f $model/config.json ]] || fail "--model: there is no config.json in $model"
[[ $precision == bf16 || $precision == fp32 ]] || fail "--precision is '$precision'; allowed are bf16 and fp32"
[[ -f $script ]] || fail "there is no peer at $script; set PEER_TRAIN_SCRIPT"
[[ -f $data/train.tsv ]] || fail "there is no data at $data; set ATTUNE_DATA"
"$python" -c 'import torch, transformers, sklearn' 2>/dev/null ||
  fail "$python cannot import torch, transformers and sklearn; set PEER_PYTHON"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ((limit > 0)); then head -n "$limit" "$data/train.tsv" >"$work/train.tsv"; else cp "$data/train.tsv" "$work/train.tsv"; fi
cp "$data/dev.tsv" "$work/dev.tsv"
sentences=$(grep -c . "$work/train.tsv")

# run_attune SEED: prints accuracy and tokens/s.
run_attune() {
  local json
  json=$(attune train --model "$model" --task classification --train-file "$work/train.tsv" \
    --validation-file "$work/dev.tsv" --columns text,label --output-dir "$work/out" --overwrite --epochs "$epochs" \
    --batch-size "$batch" --learning-rate "$rate" --weight-decay 0.01 --warmup-ratio 0.1 --max-length 128 \
    --precision "$precision" --backend cpu --threads "$threads" --seed "$1" --json 2>"$work/log" | tail -1) ||
    { cat "$work/log" >&2; return 1; }
  printf '%.4f %.0f\n' "$(json_number accuracy <<<"$json")" "$(json_number tokens_per_second <<<"$json")"
}

# run_peer SEED: the same of the peer, whose tokens/s count its whole loop.
run_peer() {
  local json flags=()
  [[ $precision != bf16 ]] || flags+=(--bf16)
  json=$("$python" "$script" --model "$model" --train "$work/train.tsv" --valid "$work/dev.tsv" --epochs "$epochs" \
    --batch "$batch" --lr "$rate" --wd 0.01 --warmup 0.1 --max-length 128 --threads "$threads" --seed "$1" \
    "${flags[@]}" 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  printf '%.4f %.0f\n' "$(json_number accuracy <<<"$json")" "$(json_number tokens_per_second <<<"$json")"
}

# mean_and_error: of the numbers on standard input: mean, standard error of the mean (empty for one number).
mean_and_error() {
  awk '{ sum += $1; squares += $1 * $1 }
    END {
      mean = sum / NR
      printf "%.4f,", mean
      if (NR > 1) {
        variance = (squares - NR * mean * mean) / (NR - 1)
        printf "%.4f", sqrt((variance > 0 ? variance : 0) / NR)
      }
    }'
}

commit=$(commit_name) cpu=$(cpu_name) date=$(date +%F)
if [[ $output != - && ! -s $output ]]; then
  mkdir -p "$(dirname "$output")"
  echo "system,precision,sentences,epochs,batch,learning_rate,seeds,accuracies,mean,standard_error,tokens_per_second,commit,cpu,date" \
    >"$output"
fi
for seed in ${seeds//,/ }; do
  for system in attune peer; do
    line=$("run_$system" "$seed") || { echo "seed $seed: $system failed" >&2; exit 1; }
    echo "$line" >>"$work/$system"
    echo "seed $seed: $system accuracy ${line% *}, ${line#* } tokens/s" >&2
  done
done
echo "| system | accuracy on the development set, each seed | mean ± standard error | tokens/s (median) |"
echo "|---|---|---|---|"
for system in attune peer; do
  accuracies=$(awk '{ print $1 }' "$work/$system" | paste -sd ' ')
  summary=$(awk '{ print $1 }' "$work/$system" | mean_and_error)
  speed=$(awk '{ print $2 }' "$work/$system" | percentile 0.5)
  printf '| %s | %s | %s | %.0f |\n' "$system" "$accuracies" "$(sed 's/,$//; s/,/ ± /' <<<"$summary")" "$speed"
  row=$system,$precision,$sentences,$epochs,$batch,$rate,${seeds//,/ },$accuracies,$summary,$speed
  [[ $output == - ]] || echo "$row,$commit,$cpu,$date" >>"$output"
done
