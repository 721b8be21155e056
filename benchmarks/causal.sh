#!/usr/bin/env bash
# Causal language models beside Transformers, PEFT and PyTorch on this machine: training, LoRA, generation; Attune and the
# peer in turn, A B A B …, random weights of one shape on both sides. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/causal.sh [options]
  --shape NAME     gpt2, llama-160m or llama-1b (default: gpt2)
  --runs LIST      of train, lora, generate1, generate16 (default: all four); generate1+bf16 and generate16+bf16: Attune
                   holds its weights in bf16, whatever the precision
  --precision KIND bf16 or fp32, of both sides (default: bf16)
  --rounds N       pairs of runs (default: 3)
  --steps N        timed steps of a training run (default: 6)
  --threads N      of each side (default: all cores)
  --output FILE    CSV to append to; "-" for none (default: benchmarks/results/causal.csv)
environment: PEER_PYTHON (default python3), PEER_CAUSAL_SCRIPT (default ../shared/peer/hf_causal.py)
Training: 4 sequences of 256 tokens, AdamW with clipping. LoRA: rank 16 on every product, base weights in bf16. Generation:
64 tokens from a prompt of 32, greedy, with 1 and with 16 texts at a time.
TEXT
}

shape=gpt2 runs=train,lora,generate1,generate16 precision=bf16 rounds=3 steps=6 threads=$(nproc)
output=benchmarks/results/causal.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --shape | --runs | --precision | --rounds | --steps | --threads | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
python=${PEER_PYTHON:-python3}
script=${PEER_CAUSAL_SCRIPT:-../shared/peer/hf_causal.py}
[[ $precision == bf16 || $precision == fp32 ]] || fail "--precision is '$precision'; allowed are bf16 and fp32"
[[ -f $script ]] || fail "there is no peer at $script; set PEER_CAUSAL_SCRIPT"
"$python" -c 'import torch, transformers, peft' 2>/dev/null ||
  fail "$python cannot import torch, transformers and peft; set PEER_PYTHON"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
header=shape,run,precision,system,rounds,threads,tokens_per_second_p20,tokens_per_second_p50,tokens_per_second_p80
header+=,peak_rss_mib,ratio_p20,ratio_p50,ratio_p80,busy,commit,cpu,date
commit=$(commit_name) cpu=$(cpu_name) date=$(date +%F)

# run_attune RUN: prints tokens/s and peak MiB.
run_attune() {
  local options json streams
  case $1 in
    train) options=(--batch-size 4 --max-length 256 --max-steps "$steps") ;;
    lora) options=(--batch-size 4 --max-length 256 --max-steps "$steps" --lora-r 16) ;;
    generate*)
      streams=${1#generate}
      options=(--streams "${streams%+bf16}" --max-new-tokens 64)
      [[ $1 != *+bf16 ]] || options+=(--load-in-bf16)
      ;;
  esac
  json=$(attune bench --shape "$shape" --precision "$precision" --backend cpu --threads "$threads" --json \
    "${options[@]}" 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  echo "$(json_number tokens_per_second <<<"$json") $(($(json_number peak_memory_bytes <<<"$json") >> 20))"
}

# run_peer RUN: the same of the peer; its generation does not report memory.
run_peer() {
  local options=(--shape "$shape" --threads "$threads") json streams
  [[ $precision == fp32 ]] || options+=(--bf16)
  case $1 in
    train) options+=(--steps "$steps" --warmup 3) ;;
    lora) options+=(--steps "$steps" --warmup 3 --lora 16) ;;
    generate*) streams=${1#generate} && options+=(--generate "${streams%+bf16}") ;;
  esac
  json=$("$python" "$script" "${options[@]}" 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  case $1 in
    generate*) echo "$(json_number new_tokens_per_s <<<"$json") " ;;
    *) echo "$(json_number tokens_per_s <<<"$json") $(json_number peak_rss_mb <<<"$json")" ;;
  esac
}

[[ $output == - || -s $output ]] || { mkdir -p "$(dirname "$output")"; echo "$header" >"$output"; }
for run in ${runs//,/ }; do
  in_turn "$shape,$run,$precision" "$threads" "$run"
done
