#!/usr/bin/env bash
# Many short runs in one JVM, by the public API, and one run of many steps with a checkpoint after each hundred: memory,
# open files and threads must stay where they were.
#   tools/endure.sh                 300 runs, 3000 steps
#   tools/endure.sh 10000 200000    a night
set -euo pipefail
cd "$(dirname "$0")/.."
log=target/endure.log
mkdir -p target
mvn -B -ntp test-compile surefire:test@default-test -Dtest=EnduranceTest -Dtest.excludedGroups=gpu -Dspotless.check.skip=true \
  "-Dtest.jvmArgs=-Dattune.endurance.runs=${1:-300} -Dattune.endurance.steps=${2:-3000}" >"$log" 2>&1 || {
  grep -E 'ERROR|FAIL' "$log" | head -40 >&2
  echo "endure.sh: something was left behind; the whole log is in $log" >&2
  exit 1
}
sed -n 's/^endured: //p' "$log"
