#!/usr/bin/env bash
# Compiler launcher: check_spills.sh EXEMPT_LIST nvcc ARGUMENTS... Runs the compiler, keeps the report of
# ptxas as OBJECT.ptxas, and fails where a kernel spills registers to memory unless a line of EXEMPT_LIST
# is part of its (mangled) name.
set -uo pipefail
exempt=$1
shift
object=
for ((i = 1; i < $#; ++i)); do
  if [[ ${!i} == -o ]]; then
    next=$((i + 1))
    object=${!next}
  fi
done
report=$("$@" 2>&1)
status=$?
if [[ $status != 0 || $object != *.o ]]; then
  printf '%s\n' "$report" >&2
  exit $status
fi
printf '%s\n' "$report" >"$object.ptxas"
spilled=$(printf '%s\n' "$report" | awk -v exempt="$exempt" '
  BEGIN { while ((getline line < exempt) > 0) if (line != "" && line !~ /^#/) allowed[line] = 1 }
  /Function properties for/ { name = $NF }
  /bytes spill stores/ {
    match($0, /[0-9]+ bytes spill stores/)
    bytes = substr($0, RSTART, RLENGTH) + 0
    ok = bytes == 0
    for (a in allowed) if (index(name, a)) ok = 1
    if (!ok) print name ": " bytes " bytes"
  }')
if [[ -n $spilled ]]; then
  printf 'error: kernels spill registers (bytes stored):\n%s\n' "$spilled" >&2
  rm -f "$object"
  exit 1
fi
# Warnings of the compiler itself stay visible.
printf '%s\n' "$report" | grep -v -e '^ptxas info' -e 'bytes stack frame' -e '^$' >&2
exit 0
