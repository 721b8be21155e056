# Shared by the scripts of this folder; sourced, with the repository root as working directory.

# attune ARGS...: the launcher where there is one, else the classes as built.
attune() {
  if [[ -x ./attune ]]; then
    ./attune "$@"
  else
    java -Xmx2g -Dorg.bytedeco.javacpp.maxBytes=0 -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 \
      -cp "target/classes:$(cat target/classpath.txt)" dev.attune.cli.Main "$@"
  fi
}

# cpu_name: model name, family/model (names of virtual processors say little), cores; as BenchMain writes it.
cpu_name() {
  awk -F': *' -v cores="$(nproc)" '
    { sub(/[ \t]+$/, "", $1) }
    $1 == "model name" && !name { name = $2 } $1 == "cpu family" && !family { family = $2 }
    $1 == "model" && !model { model = $2 }
    END { gsub(/,/, "", name); printf "%s (%s/%s) x %d", name ? name : "unknown", family, model, cores }' /proc/cpuinfo
}

# commit_name: short hash, "+" where sources were changed.
commit_name() {
  git rev-parse --short HEAD 2>/dev/null | tr -d '\n' || printf unknown
  [[ -z $(git status --porcelain -- native src 2>/dev/null) ]] || printf '+'
}

# json_number KEY: the number of that key in the JSON object on standard input.
json_number() {
  grep -o "\"$1\": *-\?[0-9.eE+-]*" | head -1 | sed 's/.*: *//'
}

# percentile SHARE: of the numbers on standard input, one a line; nearest rank.
percentile() {
  sort -g | awk -v share="$1" '{ v[NR] = $1 } END { if (NR) print v[int(share * (NR - 1) + 0.5) + 1] }'
}

# warn_if_busy: says so where other programs are running.
warn_if_busy() {
  awk -v cores="$(nproc)" '$1 > 0.5 * cores {
    print "WARNING: load average " $1 ": these figures are not for the record" }' /proc/loadavg >&2
}

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 2
}
