#!/usr/bin/env bash
# Long documents beside Transformers and PyTorch on this machine: classification of whole documents by ModernBERT's shape
# with random weights, most of whose layers look at a window; Attune and the peer in turn, A B A B …. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/common.sh

usage() {
  cat <<'TEXT'
usage: benchmarks/long.sh --model FOLDER [options]
  --model FOLDER   a Hugging Face folder whose tokenizer is used (MiniLM's)
  --lengths LIST   tokens of a document (default: 512,2048,8192)
  --tokens N       of a batch, in documents of one length (default: 8192)
  --precision KIND bf16 or fp32, of both sides (default: bf16)
  --rounds N       pairs of runs (default: 2)
  --steps N        timed steps of a run (default: 3)
  --threads N      of each side (default: all cores)
  --output FILE    CSV to append to; "-" for none (default: benchmarks/results/long.csv)
environment: PEER_PYTHON (default python3), PEER_SCRIPT (default ../shared/peer/hf_finetune.py), ATTUNE_DATA (default
../shared/data)
TEXT
}

model= lengths=512,2048,8192 tokens=8192 precision=bf16 rounds=2 steps=3 threads=$(nproc)
output=benchmarks/results/long.csv
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --model | --lengths | --tokens | --precision | --rounds | --steps | --threads | --output)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
python=${PEER_PYTHON:-python3}
script=${PEER_SCRIPT:-../shared/peer/hf_finetune.py}
sentences=${ATTUNE_DATA:-../shared/data}/datasets/sst2/train.tsv
[[ -f $model/tokenizer.json ]] || fail "--model: there is no tokenizer.json in '$model'; see --help"
[[ $precision == bf16 || $precision == fp32 ]] || fail "--precision is '$precision'; allowed are bf16 and fp32"
[[ -f $script ]] || fail "there is no peer at $script; set PEER_SCRIPT"
[[ -f $sentences ]] || fail "there is no data at $sentences; set ATTUNE_DATA"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The shape of ModernBERT-base, with the vocabulary of the tokenizer; and documents of many sentences, each longer than
# what is kept of it.
"$python" - "$model" "$sentences" "$work" "${lengths//,/ }" 2>"$work/log" <<'PYTHON' || fail "$(tail -1 "$work/log")"
import shutil, sys
import torch, transformers
model, sentences, work, lengths = sys.argv[1], sys.argv[2], sys.argv[3], [int(n) for n in sys.argv[4].split()]
torch.manual_seed(1)
tokenizer = transformers.AutoTokenizer.from_pretrained(model)
special = dict(pad_token_id=tokenizer.pad_token_id, cls_token_id=tokenizer.cls_token_id, bos_token_id=tokenizer.cls_token_id,
               sep_token_id=tokenizer.sep_token_id, eos_token_id=tokenizer.sep_token_id)
config = transformers.ModernBertConfig(vocab_size=len(tokenizer), num_labels=2, **special)
transformers.ModernBertForSequenceClassification(config).save_pretrained(work + "/model")
shutil.copy(model + "/tokenizer.json", work + "/model")
transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, model_max_length=8192, pad_token="[PAD]",
    cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", mask_token="[MASK]").save_pretrained(work + "/model")
rows = [line.rstrip("\n").split("\t")[0] for line in open(sentences, encoding="utf-8")]
for length in lengths:
    with open(f"{work}/{length}.tsv", "w", encoding="utf-8") as out:
        at = 0
        for document in range(64):
            text, words = [], 0
            while words < length:
                text.append(rows[at % len(rows)])
                words += len(text[-1].split())
                at += 1
            out.write(" ".join(text) + f"\t{document % 2}\n")
PYTHON
header=length,batch,precision,system,rounds,steps,threads,tokens_per_second_p20,tokens_per_second_p50,tokens_per_second_p80
header+=,peak_rss_mib,ratio_p20,ratio_p50,ratio_p80,busy,commit,cpu,date
commit=$(commit_name) cpu=$(cpu_name) date=$(date +%F)

# run_attune LENGTH BATCH: prints tokens/s and peak MiB.
run_attune() {
  local json
  json=$(attune bench --model "$work/model" --file "$work/$1.tsv" --columns text,label --max-length "$1" --batch-size "$2" \
    --max-steps "$steps" --precision "$precision" --backend cpu --threads "$threads" --json 2>"$work/log" | tail -1) ||
    { cat "$work/log" >&2; return 1; }
  echo "$(json_number tokens_per_second <<<"$json") $(($(json_number peak_memory_bytes <<<"$json") >> 20))"
}

# run_peer LENGTH BATCH: the same of the peer.
run_peer() {
  local options=(--model "$work/model" --data "$work/$1.tsv" --max-length "$1" --batch "$2") json
  options+=(--steps "$steps" --warmup 1 --threads "$threads")
  [[ $precision == fp32 ]] || options+=(--bf16)
  json=$("$python" "$script" "${options[@]}" 2>"$work/log" | tail -1) || { cat "$work/log" >&2; return 1; }
  echo "$(json_number tokens_per_s <<<"$json") $(json_number peak_rss_mb <<<"$json")"
}

[[ $output == - || -s $output ]] || echo "$header" >"$output"
for length in ${lengths//,/ }; do
  batch=$(((tokens + length - 1) / length))
  in_turn "$length,$batch,$precision" "$steps,$threads" "$length" "$batch"
done
