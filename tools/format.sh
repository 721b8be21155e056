#!/usr/bin/env bash
# Formats the native sources with clang-format; --check only says whether they are formatted (the build calls that).
set -euo pipefail
cd "$(dirname "$0")/.."
# One version, since each breaks lines a little differently.
for name in clang-format-14 clang-format; do
  if command -v "$name" >/dev/null && "$name" --version | grep -q 'version 14\.'; then format=$name; break; fi
done
if [[ -z ${format:-} ]]; then
  [[ ${1:-} == --check ]] && { echo "clang-format 14 is not installed: the format of native sources is not checked"; exit 0; }
  echo "clang-format 14 is needed, e.g.: apt-get install clang-format-14" >&2
  exit 1
fi
mapfile -t sources < <(find native benchmarks/native -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.inc')
if [[ ${1:-} == --check ]]; then
  "$format" --dry-run --Werror "${sources[@]}" || { echo "error: run tools/format.sh" >&2; exit 1; }
else
  "$format" -i "${sources[@]}"
fi
