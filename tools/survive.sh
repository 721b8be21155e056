#!/usr/bin/env bash
# The trials behind docs/checkpoints.md, all of them: faults of every file operation, losses of power after each, kills at
# random. Prints a table of what was tried and how it ended; a trial that did not survive fails.
#   tools/survive.sh         every operation and every loss: starts the command hundreds of times
#   tools/survive.sh 5       five operations of each kind and way, and as many losses, spread over all
#   tools/survive.sh 999 write,sync     every operation of these kinds, of open, write, sync, rename and map, and as many losses
set -euo pipefail
cd "$(dirname "$0")/.."
trials=SurvivalTest,CheckpointFaultTest,FolderFaultTest,AtomicFileTest,ResumeOptionsTest,MetricsFileTest
trials+=,EndToEndTest\#aKilledRunResumesToTheSameBytes*
log=target/survive.log
mkdir -p target
most="${1:+-Dattune.survival.most=$1} ${2:+-Dattune.survival.kinds=$2}"
mvn -B -ntp test -Dtest="$trials" "-Dtest.jvmArgs=$most" -Dtest.excludedGroups=gpu -Dsurefire.failIfNoSpecifiedTests=false -Dspotless.check.skip=true >"$log" 2>&1 || {
  grep -E 'ERROR|FAIL' "$log" | head -40 >&2
  echo "survive.sh: something did not survive; the whole log is in $log" >&2
  exit 1
}
echo "| tried | ended |"
echo "|---|---|"
sed -n 's/^survived: \(.*\): {\(.*\)}$/| \1 | \2 |/p' "$log"
