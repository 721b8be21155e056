#!/usr/bin/env bash
# Fine-tuning speed beside Transformers + PyTorch on this machine: Attune and the peer in turn, A B A B …, same data,
# batch, threads. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/peer.sh --model DIR [options]
  --model DIR      Hugging Face folder of MiniLM (L6-H384); its tokenizer also serves the BERT-base shape
  --models LIST    minilm, bert-base (random weights) or both, separated by commas (default: both)
  --configs LIST   of fp32, fp32+group, fp32+compile, bf16, bf16+group, bf16+compile, bf16+group+compile
                   (default: fp32,fp32+group,bf16,bf16+group,fp32+compile); the options after + are the peer's:
                   group = batches of similar lengths, compile = torch.compile
  --rounds N       pairs of runs (default: 5)
  --steps N        timed steps of a run, after 3 of warmup (default: 30)
  --batch N        sentences in a batch (default: 32)
  --threads N      of each side (default: all cores)
  --output FILE    CSV to append to; "-" for none (default: benchmarks/results/finetune.csv)
environment: PEER_PYTHON (default python3), PEER_SCRIPT (default ../shared/peer/hf_finetune.py),
  ATTUNE_DATA (default ../shared/data)
TEXT
}

model= models=minilm,bert-base configs=fp32,fp32+group,bf16,bf16+group,fp32+compile
rounds=5 steps=30 batch=32 threads=$(nproc) output=benchmarks/results/finetune.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --model | --models | --configs | --rounds | --steps | --batch | --threads | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
python=${PEER_PYTHON:-python3}
script=${PEER_SCRIPT:-../shared/peer/hf_finetune.py}
train=${ATTUNE_DATA:-../shared/data}/datasets/sst2/train.tsv
[[ -n $model ]] || fail "--model is missing: a Hugging Face folder of MiniLM; see --help"
[[ -f $model/config.json ]] || fail "--model: there is no config.json in $model"
[[ -f $script ]] || fail "there is no peer at $script; set PEER_SCRIPT"
[[ -f $train ]] || fail "there is no data at $train; set ATTUNE_DATA"
"$python" -c 'import torch, transformers' 2>/dev/null || fail "$python cannot import torch and transformers; set PEER_PYTHON"
peer_version=$("$python" -c 'import torch, transformers
print("torch " + torch.__version__.split("+")[0] + " transformers " + transformers.__version__)' 2>/dev/null)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
header=model,config,system,rounds,steps,batch,threads,tokens_per_second_p20,tokens_per_second_p50,tokens_per_second_p80
header+=,examples_per_second_p20,examples_per_second_p50,examples_per_second_p80,peak_rss_mib,ratio_p20,ratio_p50,ratio_p80
header+=,busy,commit,cpu,date
commit=$(commit_name) cpu=$(cpu_name) date=$(date +%F)

# run_attune MODEL PRECISION: prints tokens/s, examples/s, peak MiB.
run_attune() {
  local shape=() json
  [[ $1 == minilm ]] || shape=(--shape "$1")
  json=$(attune bench --model "$model" "${shape[@]}" --file "$train" --columns text,label --batch-size "$batch" \
    --max-steps "$steps" --max-length 128 --precision "$2" --backend cpu --threads "$threads" --json \
    2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  echo "$(json_number tokens_per_second <<<"$json") $(json_number examples_per_second <<<"$json")" \
    "$(($(json_number peak_memory_bytes <<<"$json") >> 20))"
}

# run_peer MODEL CONFIG: the same of the peer.
run_peer() {
  local flags=() json
  if [[ $1 == minilm ]]; then
    flags+=(--model "$model")
  else
    flags+=(--tokenizer "$model" --config '{"vocab_size": 30522}') # the rest of BertConfig is BERT-base
  fi
  [[ $2 != bf16* ]] || flags+=(--bf16)
  [[ $2 != *+group* ]] || flags+=(--group)
  [[ $2 != *+compile* ]] || flags+=(--compile)
  json=$("$python" "$script" "${flags[@]}" --data "$train" --batch "$batch" --steps "$steps" --max-length 128 \
    --threads "$threads" 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  echo "$(json_number tokens_per_s <<<"$json") $(json_number examples_per_s <<<"$json")" \
    "$(json_number peak_rss_mb <<<"$json")"
}

# spread FILE COLUMN: p20,p50,p80
spread() {
  local share values=()
  for share in 0.2 0.5 0.8; do values+=("$(awk -v c="$2" '{ print $c }' "$1" | percentile "$share")"); done
  (IFS=, && echo "${values[*]}")
}

if [[ $output != - && ! -s $output ]]; then
  mkdir -p "$(dirname "$output")"
  echo "$header" >"$output"
fi
table=$work/table.md
{
  echo "SST-2, batch $batch, random order, $threads threads, $rounds rounds of $steps steps; $cpu; Attune $commit;"
  echo "$peer_version; $date. Medians (p20–p80); tokens are real ones, ratios are taken pair by pair."
  echo
  echo "| model | precision, peer's options | Attune tokens/s | peer tokens/s | ratio | Attune sentences/s | peer sentences/s | Attune MiB | peer MiB | others' load |"
  echo "|---|---|---|---|---|---|---|---|---|---|"
} >"$table"

# cell SPREAD DIGITS: "p50 (p20–p80)"
cell() {
  awk -F, -v d="$2" '{ printf "%.*f (%.*f–%.*f)", d, $2, d, $1, d, $3 }' <<<"$1"
}

for name in ${models//,/ }; do
  [[ $name == minilm || $name == bert-base ]] || fail "--models has '$name'; allowed are minilm and bert-base"
  for config in ${configs//,/ }; do
    [[ $config =~ ^(fp32|bf16)(\+group)?(\+compile)?$ ]] || fail "--configs has '$config'; see --help"
    : >"$work/attune" && : >"$work/peer" && : >"$work/ratio" && : >"$work/busy"
    for ((round = 1; round <= rounds; round++)); do
      busy=$(busy_share)
      warn_if_busy "$busy"
      echo "$busy" >>"$work/busy"
      ours=$(run_attune "$name" "${config%%+*}") || { echo "$name $config: Attune failed" >&2; exit 1; }
      theirs=$(run_peer "$name" "$config") || { echo "$name $config: the peer failed" >&2; exit 1; }
      echo "$ours" >>"$work/attune"
      echo "$theirs" >>"$work/peer"
      awk -v a="${ours%% *}" -v b="${theirs%% *}" 'BEGIN { printf "%.3f\n", a / b }' >>"$work/ratio"
      echo "$name $config round $round/$rounds: Attune ${ours%% *} tokens/s, peer ${theirs%% *}" >&2
    done
    busy=$(percentile 1 <"$work/busy")
    ratio=$(spread "$work/ratio" 1)
    declare -A tokens examples memory
    for system in attune peer; do
      tokens[$system]=$(spread "$work/$system" 1)
      examples[$system]=$(spread "$work/$system" 2)
      memory[$system]=$(awk '{ print $3 }' "$work/$system" | percentile 0.5)
      if [[ $output != - ]]; then
        label=attune ratios=$ratio
        [[ $system == attune ]] || { label=$peer_version ratios=,,; }
        row=$name,$config,$label,$rounds,$steps,$batch,$threads,${tokens[$system]},${examples[$system]}
        echo "$row,${memory[$system]},$ratios,$busy,$commit,$cpu,$date" >>"$output"
      fi
    done
    echo "| $name | $config | $(cell "${tokens[attune]}" 0) | $(cell "${tokens[peer]}" 0) | $(cell "$ratio" 2) |" \
      "$(cell "${examples[attune]}" 1) | $(cell "${examples[peer]}" 1) | ${memory[attune]} | ${memory[peer]} | $busy |" >>"$table"
  done
done
cat "$table"
