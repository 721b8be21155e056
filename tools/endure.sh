#!/usr/bin/env bash
# Many short runs in one JVM, by the public API: memory, open files and threads must stay where they were.
#   tools/endure.sh           300 runs
#   tools/endure.sh 10000     a night
set -euo pipefail
cd "$(dirname "$0")/.."
exec mvn -B -ntp -q test-compile surefire:test@default-test -Dtest=EnduranceTest -Dtest.excludedGroups=gpu \
  "-Dtest.jvmArgs=-Dattune.endurance.runs=${1:-300}"
