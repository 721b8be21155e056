#!/usr/bin/env bash
# One text, and 64, through MiniLM in fp32: Attune's Embedder beside ONNX Runtime in the same JVM, in turn.
# small_calls.sh [--rounds N] [--output FILE]
# ONNX Runtime (54 MB) is no dependency of the project: Maven fetches it for this script alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. benchmarks/common.sh
rounds=9 output=
while (($#)); do
  case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --output) output=$2; shift 2 ;;
    *) echo "small_calls.sh: what is '$1'?" >&2; exit 2 ;;
  esac
done
here=target/small-calls
fetch_onnx "$here"
busy=$(busy_share)
warn_if_busy "$busy"
classpath="target/classes:$(cat target/classpath.txt):$here/onnxruntime.jar"
rows=$(java -Xmx2g -cp "$classpath" benchmarks/onnx/SmallCalls.java "$here/all-minilm-l6-v2.onnx" "$rounds" |
  grep -E '^(one text|64 texts),')
header=what,system,cores,cpu_millis_p50,wall_millis_p50,busy,commit,cpu,date
rows=$(sed "s|\$|,$busy,$(commit_name),$(cpu_name),$(date +%F)|" <<<"$rows")
printf '%s\n%s\n' "$header" "$rows"
if [[ -n $output ]]; then
  [[ -s $output ]] || echo "$header" >"$output"
  echo "$rows" >>"$output"
fi
