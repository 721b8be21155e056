#!/usr/bin/env bash
# A server under traffic of all kinds, killed now and then: no job may be lost or run twice, each ends in the same bytes, what was uploaded
# is there, memory stays where it was, and of every error of the server's its log has a line. Prints what was done.
#   tools/serve_soak.sh                10 minutes
#   tools/serve_soak.sh --minutes 480  a night
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=10
if [ "${1:-}" = --minutes ] && [ -n "${2:-}" ]; then
  minutes=$2
elif [ $# -gt 0 ]; then
  echo "serve_soak.sh: give --minutes N, or nothing" >&2
  exit 2
fi
exec mvn -B -ntp -q test-compile surefire:test@default-test -Dtest=ServeSoakTest -Dtest.excludedGroups=gpu \
  "-Dtest.jvmArgs=-Dattune.soak.minutes=$minutes"
