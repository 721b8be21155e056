#!/usr/bin/env bash
# SIGTERM, SIGHUP, Ctrl-C and Ctrl-C twice at instants that are drawn at random, to commands of every kind: each ends within
# two seconds, with the status and the words that are documented, and goes on from what it promised.
#   tools/stops.sh             30 of each kind
#   tools/stops.sh 5 10000 42  5 of each, within ten seconds, by another seed
set -euo pipefail
cd "$(dirname "$0")/.."
log=target/stops.log
mkdir -p target
mvn -B -ntp test -Dtest=StopsAnywhereTest -Dtest.excludedGroups=gpu -Dsurefire.failIfNoSpecifiedTests=false -Dspotless.check.skip=true \
  "-Dtest.jvmArgs=-Dattune.stops=${1:-30} -Dattune.stops.millis=${2:-2000} -Dattune.seed=${3:-$RANDOM}" >"$log" 2>&1 || {
  grep -E 'ERROR|FAIL' "$log" | head -40 >&2
  echo "stops.sh: something did not stop as it should; the whole log is in $log" >&2
  exit 1
}
sed -n 's/^stopped: //p' "$log"
