#!/usr/bin/env bash
# A server under the load of 1, 16 and 64 clients over loopback, in one process with it: texts of a GPT-2 with random weights
# (32 tokens after a prompt of 32), labels and vectors of MiniLM, in bf16. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. benchmarks/common.sh
kinds=generation,classification,embeddings clients=1,16,64 seconds=20 rounds=3 output=benchmarks/results/serve.csv
model=
while (($#)); do
  case $1 in
    --kinds | --clients | --seconds | --rounds | --output | --model)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    *) fail "what is '$1'? There are --model MINILM, --kinds, --clients, --seconds, --rounds and --output" ;;
  esac
done
[[ -n $model ]] || model=$(cached_model minilm)
[[ -d $model ]] || fail "give MiniLM's folder with --model"
work=target/serve
mkdir -p "$work"
busy=$(busy_share)
warn_if_busy "$busy"
rows=
for kind in ${kinds//,/ }; do
  rows+=$(java -Xmx2g -Djdk.httpclient.keepalive.timeout=5 -Dorg.bytedeco.javacpp.maxBytes=0 -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 \
    -Djava.util.logging.config.file=benchmarks/quiet.properties \
    -cp "target/classes:$(cat target/classpath.txt)" benchmarks/src/dev/attune/bench/ServeLoad.java \
    "$kind" "$work" "$model" "$clients" "$seconds" "$rounds" | grep "^$kind,")$'\n'
done
header=kind,precision,clients,rounds,requests_per_second_p50,tokens_per_second_p50,millis_p50,millis_p99
header+=,throughput_ratio,busy,commit,cpu,date
rows=$(sed "/./s|\$|,$busy,$(commit_name),$(cpu_name),$(date +%F)|" <<<"${rows%$'\n'}")
printf '%s\n%s\n' "$header" "$rows"
if [[ $output != - ]]; then
  [[ -s $output ]] || echo "$header" >"$output"
  echo "$rows" >>"$output"
fi
