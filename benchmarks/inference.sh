#!/usr/bin/env bash
# MiniLM in fp32, bf16 and int8 beside ONNX Runtime in fp32 and (dynamic quantization of products) int8, and beside DJL with
# its PyTorch engine (a traced script, fp32), in one JVM, in turn:
# one text of 12 and of 100 tokens, the 872 of SST-2's development set, and the cosine of vectors to those of fp32.
# inference.sh [--rounds N] [--output FILE]
# The peers are fetched by Maven for this script alone; PEER_PYTHON needs onnxruntime and onnx for the int8 model, torch and
# transformers for the script.
set -euo pipefail
cd "$(dirname "$0")/.."
. benchmarks/common.sh
rounds=9 output=
while (($#)); do
  case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --output) output=$2; shift 2 ;;
    *) echo "inference.sh: what is '$1'?" >&2; exit 2 ;;
  esac
done
texts=${ATTUNE_DATA:-../shared/data}/datasets/sst2/dev.tsv
[[ -f $texts ]] || fail "there is no data at $texts; set ATTUNE_DATA"
here=target/small-calls
fetch_onnx "$here"
[[ -f $here/int8.onnx ]] || "${PEER_PYTHON:-python3}" - "$here/all-minilm-l6-v2.onnx" "$here/int8.onnx" <<'PYTHON'
import sys
from onnxruntime.quantization import QuantType, quantize_dynamic
quantize_dynamic(sys.argv[1], sys.argv[2], op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8)
PYTHON
fetch_djl "$here"
minilm=$(cached_model minilm)
[[ -f $here/script/script.pt ]] || "${PEER_PYTHON:-python3}" - "$minilm" "$here/script" <<'PYTHON'
import os, sys, torch, transformers
class Rows(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = transformers.AutoModel.from_pretrained(sys.argv[1], attn_implementation="eager").eval()
    def forward(self, ids, mask):
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state
ids = torch.ones(2, 5, dtype=torch.int64)
os.makedirs(sys.argv[2], exist_ok=True)
torch.jit.trace(Rows(), (ids, ids)).save(sys.argv[2] + "/script.pt")
PYTHON
busy=$(busy_share)
warn_if_busy "$busy"
classpath="target/classes:$(cat target/classpath.txt):$here/onnxruntime.jar:$here/djl/*"
rows=$(java -Xmx2g -cp "$classpath" benchmarks/onnx/Inference.java \
  "$here/all-minilm-l6-v2.onnx" "$here/int8.onnx" "$texts" "$rounds" "$here/script" | grep -E '^(one text|[0-9]+ texts|cosine)')
header=what,system,cores,tokens,cpu_millis_p50,wall_millis_p50,tokens_per_second,mean_cosine,busy,commit,cpu,date
rows=$(sed "s|\$|,$busy,$(commit_name),$(cpu_name),$(date +%F)|" <<<"$rows")
printf '%s\n%s\n' "$header" "$rows"
if [[ -n $output ]]; then
  [[ -s $output ]] || echo "$header" >"$output"
  echo "$rows" >>"$output"
fi
