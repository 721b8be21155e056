#!/usr/bin/env bash
# Times kernels beside libtorch's; see benchmarks/README.md. All options go to dev.attune.bench.BenchMain (--help);
# with --jmh as the first word, to JMH's own main instead.
set -euo pipefail
cd "$(dirname "$0")/.."
classpath=target/bench-classpath.txt
if [[ -z ${ATTUNE_BENCH_NO_BUILD:-} ]]; then
  mvn -q -B test-compile ${MAVEN_ARGS:-}
fi
if [[ ! -s $classpath || pom.xml -nt $classpath ]]; then
  mvn -q -B dependency:build-classpath -Dmdep.includeScope=test -Dmdep.outputFile="$classpath" ${MAVEN_ARGS:-}
fi
main=dev.attune.bench.BenchMain
if [[ ${1:-} == --jmh ]]; then
  main=org.openjdk.jmh.Main
  shift
fi
exec java -Xmx2g -Dorg.bytedeco.javacpp.maxBytes=0 -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 \
  -cp "target/test-classes:target/classes:$(cat "$classpath")" "$main" "$@"
