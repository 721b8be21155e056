#!/usr/bin/env bash
# The artifact from outside: installs it into a repository of its own, with sources and Javadoc, then builds and runs an
# application whose pom names nothing but Attune and a model (consumer/). Takes some minutes; leaves target/consumer.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$root/target/consumer
repository=$work/repository
rm -rf "$work"
mkdir -p "$work"
fail() {
  echo "consumer.sh: $*" >&2
  exit 1
}

# The launcher's class path names the repository of the last build: afterwards it is the old one, or made anew.
launcher=$root/target/classpath.txt
[[ ! -f $launcher ]] || cp "$launcher" "$work/launcher.txt"
trap 'rm -f "$launcher"; [[ ! -f $work/launcher.txt ]] || cp "$work/launcher.txt" "$launcher"' EXIT

# A copy of the local repository, so that neither it nor the network is asked for what is there already.
cp -a "${MAVEN_LOCAL_REPOSITORY:-$HOME/.m2/repository}" "$repository"
rm -rf "$repository/dev/attune"
maven=(mvn -B -ntp -q "-Dmaven.repo.local=$repository")
(cd "$root" && ATTUNE_NATIVE=${ATTUNE_NATIVE:-product} "${maven[@]}" -Prelease -Dgpg.skip -Dmaven.test.skip=true -Dspotless.check.skip=true install)

installed=$repository/dev/attune/attune
version=$(basename "$(find "$installed" -mindepth 1 -maxdepth 1 -type d)")
jar=$(find "$installed/$version" -name "attune-*.jar" ! -name '*-sources.jar' ! -name '*-javadoc.jar' | sort | tail -1)
for kind in sources javadoc; do
  find "$installed/$version" -name "attune-*-$kind.jar" | grep -q . || fail "no $kind JAR"
done
unzip -l "$jar" >"$work/jar.txt"
for entry in META-INF/LICENSE META-INF/NOTICE META-INF/THIRD-PARTY-NOTICES META-INF/MANIFEST.MF; do
  grep -q " $entry\$" "$work/jar.txt" || fail "no $entry in $jar"
done
unzip -p "$jar" META-INF/MANIFEST.MF | grep -q '^Enable-Native-Access: ALL-UNNAMED' || fail "the manifest does not allow native access"

cp -r "$root/tools/consumer" "$work/app"
(cd "$work/app" && "${maven[@]}" "-Dattune.version=$version" package dependency:build-classpath -Dmdep.outputFile=classpath.txt)
classpath=$(<"$work/app/classpath.txt")
tr ':' '\n' <<<"$classpath" | xargs -n1 basename | sort | tee "$work/dependencies.txt"
if grep -E 'pytorch|openblas|cuda|jna|slf4j|gson|commons-|yaml' "$work/dependencies.txt"; then
  fail "an embedding application gets what it has no use for"
fi
java -Dattune.cache="$work/cache" -cp "$work/app/target/classes:$classpath" Consumer "$work/model" >"$work/out.txt" 2>"$work/err.txt" ||
  { cat "$work/out.txt" "$work/err.txt" >&2; fail "the application failed"; }
cat "$work/out.txt"
grep -q '^vector of 384$' "$work/out.txt" || fail "no vector"
grep -q '^label ' "$work/out.txt" || fail "no label"
rm -rf "$repository"
