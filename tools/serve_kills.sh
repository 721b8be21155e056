#!/usr/bin/env bash
# The training server killed (SIGKILL) at random instants, again and again, under clients of each kind: jobs, training
# sessions, uploads in parts, models that learn, webhooks, keys. Nothing that was answered is lost, nothing is there or done
# twice, and what is made has the bytes of a server that nobody killed. Prints what was tried.
#   tools/serve_kills.sh             20 kills of each kind
#   tools/serve_kills.sh 100 7       100 kills, at other instants
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-20} seed=${2:-1}
trials=JobsKillTest,SessionsKillTest,UploadsKillTest,LearnerSurvivesTest,WebhooksKillTest,KeysKillTest
log=target/serve_kills.log
mkdir -p target
mvn -B -ntp -q test-compile surefire:test@default-test -Dtest="$trials" -Dtest.excludedGroups=gpu \
  "-Dtest.jvmArgs=-Dattune.server.kills=$kills -Dattune.seed=$seed" >"$log" 2>&1 || {
  grep -E 'ERROR|FAIL' "$log" | head -40 >&2
  echo "serve_kills.sh: something was lost; the whole log is in $log" >&2
  exit 1
}
echo "| tried | ended |"
echo "|---|---|"
sed -n 's/^.*survived: \(.*\): {\(.*\)}$/| \1 | \2 |/p' "$log"
