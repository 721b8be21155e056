#!/usr/bin/env bash
# How a training step grows with its batch, its sequences, the layers, the rank of adapters and the threads: processor time
# and time of a step, and peak memory, one dimension at a time around a middle. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/growth.sh [options]
  --steps N      timed steps of a run (default: 6)
  --threads N    of each run but those that vary them (default: all cores)
  --only LIST    of batch, length, layers, rank, threads (default: all of them)
  --output FILE  CSV to append to; "-" for none (default: benchmarks/results/growth.csv)
Random weights and full sequences, bf16. Batch, rank and threads: MiniLM's shape, 8 sequences of 128 tokens. Length: as many
sequences as make 1,024 tokens, in MiniLM's shape up to its 512 positions; 2,048 tokens of Llama's with 160 M parameters up to
its 2,048. Layers: MiniLM's 6, BERT-base's 12 and BERT-large's 24, whose widths differ: read them by GFLOP.
TEXT
}

steps=6 threads=$(nproc) only=batch,length,layers,rank,threads output=benchmarks/results/growth.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --steps | --threads | --only | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done

header=varied,shape,batch,length,rank,threads,steps,cpu_millis_a_step,median_step_millis,gflop_per_cpu_second,peak_memory_mib
header+=,busy,commit,cpu,date
commit=$(commit_name) cpu=$(cpu_name) date=$(date +%F)
[[ $output == - || -s $output ]] || echo "$header" >"$output"
echo "$header"

# point VARIED SHAPE BATCH LENGTH RANK THREADS: one run, one line.
point() {
  [[ ,$only, == *,$1,* ]] || return 0
  local options=(--shape "$2" --batch-size "$3" --max-length "$4" --threads "$6" --max-steps "$steps" --precision bf16)
  [[ $2 == llama* ]] || options+=(--fixed-length)
  (($5 == 0)) || options+=(--lora-r "$5")
  local busy json wall cpu_millis gflop examples bytes
  busy=$(busy_share)
  json=$(attune bench "${options[@]}" --json 2>/dev/null | tail -1)
  wall=$(json_number median_step_millis <<<"$json") cpu_millis=$(json_number cpu_millis_a_step <<<"$json")
  gflop=$(json_number gflop_per_second <<<"$json") examples=$(json_number examples_per_second <<<"$json")
  bytes=$(json_number peak_memory_bytes <<<"$json")
  [[ -n $cpu_millis ]] || fail "the bench of $* gave no result"
  # Work of a step: its rate times the mean duration, which is the batch by its rate.
  awk -v wall="$wall" -v millis="$cpu_millis" -v work="$(awk "BEGIN { print $gflop * $3 / $examples }")" -v bytes="$bytes" \
    -v head="$1,$2,$3,$4,$5,$6,$steps" -v tail="$busy,$commit,$cpu,$date" \
    'BEGIN { printf "%s,%.1f,%.1f,%.0f,%.0f,%s\n", head, millis, wall, 1000 * work / millis, bytes / 1048576, tail }' |
    if [[ $output == - ]]; then cat; else tee -a "$output"; fi
}

for batch in 1 2 4 8 16 32 64; do point batch minilm "$batch" 128 0 "$threads"; done
for length in 16 32 64 128 256 512; do point length minilm $((1024 / length)) "$length" 0 "$threads"; done
for length in 256 512 1024 2048; do point length llama-160m $((2048 / length)) "$length" 0 "$threads"; done
for shape in minilm bert-base bert-large; do point layers "$shape" 4 128 0 "$threads"; done
for rank in 4 8 16 32 64 128; do point rank minilm 8 128 "$rank" "$threads"; done
for count in 1 2; do point threads minilm 8 128 0 "$count"; done
