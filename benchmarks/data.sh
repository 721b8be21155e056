#!/usr/bin/env bash
# Reading and tokenising large data: time to the first step, processor time and memory, with nothing kept and again from
# what was kept; beside them datasets.map of Hugging Face, on the same files. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/data.sh [options]
  --runs LIST    of rows, text, peer (default: all three)
  --rows N       short rows of the table (default: 1000000)
  --megabytes N  of the running text (default: 500)
  --model NAME   encoder whose tokenizer reads the rows (default: minilm)
  --decoder DIR  folder of a GPT-2 that reads the text: needed for text
  --seed-file F  .tsv of texts and labels that rows are made of: needed for rows and peer
  --output FILE  CSV to append to; "-" for none (default: benchmarks/results/data.csv)
  --work DIR     where files go (default: a temporary folder, which is deleted); what is kept of them stays in the cache
                 folder for a month
environment: PEER_PYTHON (default python3), with datasets and transformers
TEXT
}

output=benchmarks/results/data.csv spent=0
runs=rows,text,peer rows=1000000 megabytes=500 model=minilm decoder="" seed="" work=""
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --runs | --rows | --megabytes | --model | --decoder | --work | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    --seed-file) seed=$2; shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
if [[ -z $work ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work"

# Rows of the seed file, each with a number, so that no two are equal, and none is kept from an earlier run.
first=$(date +%s)
table=$work/rows.csv
if [[ $runs == *rows* || $runs == *peer* ]] && [[ ! -f $table ]]; then
  [[ -f $seed ]] || fail "--seed-file is needed for rows"
  awk -F'\t' -v rows="$rows" -v first="$first" '
    { text[NR] = $1; label[NR] = $2; gsub(/"/, "\"\"", text[NR]) }
    END { print "text,label"; for (i = 0; i < rows; i++) { k = i % NR + 1; printf "\"%s %d\",%s\n", text[k], first + i, label[k] } }' "$seed" >"$table"
fi
prose=$work/text.txt
if [[ $runs == *text* && ! -f $prose ]]; then
  [[ -f $seed ]] || fail "--seed-file is needed for text"
  awk -F'\t' -v bytes="$((megabytes * 1000000))" -v first="$first" '
    { text[NR] = $1 }
    END { while (size < bytes) { line = text[n % NR + 1] " " (first + n); n++; print line; size += length(line) + 1 } }' "$seed" >"$prose"
fi

# one LABEL ARGS...: a run of one step: seconds to the end of that step, processor time, the peak of memory that is the
# process's own, and that with mapped files.
one() {
  local label=$1 log=$work/run.log pid java anonymous=0 resident=0 now begun
  shift
  rm -f "$work/first"
  begun=$(date +%s.%N)
  attune train "$@" --output-dir "$work/out" --overwrite --max-steps 1 --run-store none \
    > >(while IFS= read -r line; do
      [[ $line == *"step 1/1 "* && ! -s $work/first ]] && date +%s.%N >"$work/first"
      echo "$line"
    done >"$log") 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    # The process may end at any moment.
    java=$(pgrep -P "$pid" java || echo "$pid")
    read -r now <<<"$(awk '/RssAnon/ { print $2 }' "/proc/$java/status" 2>/dev/null || true)"
    ((${now:-0} > anonymous)) && anonymous=$now
    read -r now <<<"$(awk '/VmRSS/ { print $2 }' "/proc/$java/status" 2>/dev/null || true)"
    ((${now:-0} > resident)) && resident=$now
    now=$(awk '{ print ($14 + $15) / 100 }' "/proc/$java/stat" 2>/dev/null || true)
    [[ -n $now ]] && spent=$now
    sleep 0.1
  done
  wait "$pid" || { cat "$log" >&2; fail "$label failed"; }
  [[ -s $work/first ]] || { cat "$log" >&2; fail "$label told of no step"; }
  awk -v label="$label" -v from="$begun" -v to="$(<"$work/first")" -v spent="$spent" -v own="$anonymous" -v all="$resident" 'BEGIN {
    printf "%-28s %7.1f s to the first step %7.1f CPU-s   own memory %5.0f MiB, with mapped files %5.0f\n", label, to - from, spent, own / 1024, all / 1024 }'
  if [[ $output != - ]]; then
    [[ -f $output ]] || echo "date,commit,cpu,data,first_step_s,cpu_s,own_mib,rss_mib" >"$output"
    awk -v head="$(date +%F),$(commit_name),$(cpu_name),\"$label\"" -v from="$begun" -v to="$(<"$work/first")" -v spent="$spent" \
      -v own="$anonymous" -v all="$resident" 'BEGIN { printf "%s,%.1f,%.1f,%.0f,%.0f\n", head, to - from, spent, own / 1024, all / 1024 }' >>"$output"
  fi
}

warn_if_busy "$(busy_share)"
if [[ $runs == *rows* ]]; then
  head -1000 "$table" >"$work/few.csv"
  common=(--model "$model" --task classification --max-length 64 --batch-size 8)
  one "1000 rows" "${common[@]}" --train-file "$work/few.csv"
  one "$rows rows, cold" "${common[@]}" --train-file "$table"
  one "$rows rows, warm" "${common[@]}" --train-file "$table"
fi
if [[ $runs == *text* ]]; then
  [[ -d $decoder ]] || fail "--decoder is needed for text"
  head -1000 "$prose" >"$work/few.txt"
  common=(--model "$decoder" --task causal-lm --max-length 64 --batch-size 2)
  one "1000 lines" "${common[@]}" --train-file "$work/few.txt"
  one "$megabytes MB of text, cold" "${common[@]}" --train-file "$prose"
  one "$megabytes MB of text, warm" "${common[@]}" --train-file "$prose"
fi
if [[ $runs == *peer* ]]; then
  tokenizer=$(cached_model minilm)
  time HF_DATASETS_CACHE=$work/peer TOKENIZERS_PARALLELISM=false "${PEER_PYTHON:-python3}" - "$table" "$tokenizer" <<'PYTHON'
import resource, sys, time
from datasets import load_dataset
from transformers import AutoTokenizer
rows = load_dataset("csv", data_files=sys.argv[1], split="train")
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
begun = time.time()
rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True, num_proc=2)
print(f"datasets.map, 2 processes    {time.time() - begun:7.1f} s wall for {len(rows)} rows")
PYTHON
fi
