#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the fuzz targets with clang and lets each run for some time, from its corpus on.
#
#   sh tests/fuzz/fuzz.sh BUILD SECONDS [TARGET]...
#
# The build is in BUILD/fuzz, what is found in BUILD/fuzz-found, results as Meson writes them in BUILD/fuzz.json. New inputs
# that only go further, and find nothing, are kept in BUILD/fuzz-inputs for the next time.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
seconds=$2
shift 2
[ $# -gt 0 ] || set -- $(ls "$root/tests/fuzz/corpus")

mkdir -p "$build" "$build/fuzz-found"
if [ ! -f "$build/fuzz/build.ninja" ]; then
  rm -rf "${build:?}/fuzz"
  CC=clang meson setup "$build/fuzz" "$root" -Dfuzz=enabled -Db_lundef=false -Dexamples=disabled \
    > "$build/fuzz-setup.log" 2>&1 || { tail -n 30 "$build/fuzz-setup.log" >&2; exit 1; }
fi
ninja -C "$build/fuzz" fuzz > "$build/fuzz-build.log" 2>&1 \
  || { grep -A 5 -E 'error:|FAILED' "$build/fuzz-build.log" | head -n 60 >&2; exit 1; }

: > "$build/fuzz.json"
status=0
for target in "$@"; do
  log=$build/fuzz-$target.log
  mkdir -p "$build/fuzz-inputs/$target"
  result=OK
  "$build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=65536 \
    -artifact_prefix="$build/fuzz-found/$target-" "$build/fuzz-inputs/$target" "$root/tests/fuzz/corpus/$target" \
    > "$log" 2>&1 || { result=FAIL; status=1; }
  echo "fuzz-$target $result $(grep -c . "$log") lines in $log"
  [ $result = OK ] || grep -m 5 -E 'ERROR|SUMMARY|does not hold|CRITICAL|Test unit' "$log"
  printf '{"name": "fuzz-%s", "result": "%s", "duration": %s, "stdout": ""}\n' "$target" "$result" "$seconds" \
    >> "$build/fuzz.json"
done
exit $status
