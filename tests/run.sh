#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what the tests need (on Debian), builds, and runs every test.
#
#   sh tests/run.sh [--without-browser] [--without-live] [--without-trixie] [--only PHASE]...
#
# Phases, in order: gcc (build, unit and element suites), clang (the same), sanitizers (the same with address and
# undefined-behaviour sanitizers), fuzz (ten seconds of each fuzz target), live (against a real livekit-server, with
# Chromium, the Python and the Go SDK), programs (video server, key server, viewer and camera gateway, with all around
# them), faults (of network and server, the tests for every change), trixie (build, unit and element suites and some
# live tests with the GStreamer of Debian 13, in a chroot; root only). All by default. What is left out is said. Ends
# with "N passed, N failed" and exits with 1 unless everything passed. tests/full.sh runs longer.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/install.sh"

phases='gcc clang sanitizers fuzz live programs faults trixie'
only=
without=
browser=yes
while [ $# -gt 0 ]; do
  case $1 in
    --without-browser) browser= ;;
    --without-live | --without-trixie) without="$without ${1#--without-}" ;;
    --only) only="$only ${2:?--only needs a phase}"; shift ;;
    -h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option $1 (see --help)" ;;
  esac
  shift
done
for phase in $only; do
  case " $phases " in
    *" $phase "*) ;;
    *) die "unknown phase $phase; there are: $phases" ;;
  esac
done

# wanted PHASE: shall it run?
wanted () {
  case " $without " in
    *" $1 "*) return 1 ;;
  esac
  case "${only:-$phases} " in
    *"$1 "*) return 0 ;;
  esac
  return 1
}

with_live () {
  case " $without " in
    *" live "*) return 1 ;;
  esac
}

build=$root/build-test
results=
failed_phases=

# setup NAME OPTION...: configures and builds in $build/NAME. Warnings are errors.
setup () {
  name=$1
  shift
  say "$name: building"
  if [ ! -f "$build/$name/build.ninja" ]; then
    rm -rf "${build:?}/$name"
    meson setup "$build/$name" "$root" --werror "$@" > "$build/$name-setup.log" 2>&1 \
      || { tail -n 30 "$build/$name-setup.log" >&2; return 1; }
  fi
  ninja -C "$build/$name" > "$build/$name-build.log" 2>&1 \
    || { grep -A 5 -E 'error:|FAILED' "$build/$name-build.log" | head -n 60 >&2; return 1; }
}

# run_tests NAME TITLE OPTION...: runs tests of the build folder NAME; counted under the title whatever they do.
run_tests () {
  name=$1
  title=$2
  shift 2
  say "$title: running tests"
  rm -f "$build/$name/meson-logs/$title.json"
  results="$results $title=$build/$name/meson-logs/$title.json"
  GST_REGISTRY="$build/$name/registry.bin" meson test -C "$build/$name" --no-rebuild --print-errorlogs \
    --logbase "$title" "$@" 2>&1 | cut -c 1-400
}

phase_gcc () {
  setup gcc && run_tests gcc gcc --suite lk --suite elements --suite fuzz
}

phase_clang () {
  CC=clang setup clang || return 1
  LK_TEST_SHORT=1 run_tests clang clang --suite lk --suite elements --suite fuzz --suite programs-units
}

# The registry is made in the test process: the scanner has no sanitizer in it and could not load the plugin.
phase_sanitizers () {
  setup sanitizers -Db_sanitize=address,undefined -Db_lundef=false || return 1
  LK_TEST_SHORT=1 GST_REGISTRY_FORK=no \
    ASAN_OPTIONS="detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1" \
    UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1" \
    run_tests sanitizers sanitizers --suite lk --suite elements --suite fuzz --suite programs-units \
    --timeout-multiplier 4
}

# What is found stays in build-test/fuzz-found; it belongs into the corpus, and its mending into the tests.
phase_fuzz () {
  say 'fuzz: building and running'
  results="$results fuzz=$build/fuzz.json"
  rm -f "$build/fuzz.json"
  sh "$root/tests/fuzz/fuzz.sh" "$build" 10
}

phase_live () {
  setup gcc || return 1
  if [ -n "$browser" ]; then
    run_tests gcc live --suite live
  else
    say 'LEFT OUT: the tests with a browser, as asked'
    run_tests gcc live --suite live --no-suite browser
  fi
}

phase_programs () {
  setup gcc || return 1
  if [ -n "$browser" ]; then
    run_tests gcc programs --suite programs
  else
    say 'LEFT OUT: the tests of programs with a browser, as asked'
    run_tests gcc programs --suite programs --no-suite browser
  fi
}

# Exit code 77: the kernel does not allow the namespaces, which a container cannot help.
phase_faults () {
  setup gcc || return 1
  say 'faults: running the tests for every change'
  results="$results faults=$build/faults.json"
  rm -f "$build/faults.json"
  code=0
  began=$(date +%s)
  python3 "$root/tests/faults/run.py" --build "$build/gcc" --short > "$build/faults.txt" 2>&1 || code=$?
  cat "$build/faults.txt"
  if [ "$code" = 77 ]; then
    say 'LEFT OUT: the faults, for this kernel has no namespaces or nftables for us'
    results="${results% faults=*}"
    return 0
  fi
  python3 - "$code" "$build/faults.txt" "$(($(date +%s) - began))" > "$build/faults.json" <<'END'
import json, sys
result = 'OK' if sys.argv[1] == '0' else 'FAIL'
print(json.dumps({'name': 'faults', 'result': result, 'stdout': open(sys.argv[2]).read(), 'duration': int(sys.argv[3])}))
END
  [ "$code" = 0 ]
}

phase_trixie () {
  if [ "$(id -u)" != 0 ]; then
    say 'LEFT OUT: GStreamer of Debian 13; its chroot needs root, run this as root for it'
    return 0
  fi
  say 'trixie: building and testing in a Debian 13 root'
  results="$results trixie=$build/trixie/meson-logs/testlog.json"
  mkdir -p "$build/trixie"
  rm -f "$build/trixie/meson-logs/testlog.json" "$build/trixie/meson-logs/live.json"
  if ! with_live; then
    sh "$root/tests/support/trixie.sh" "$root" "$build/trixie" "$cache/trixie"
  elif [ -f "$LIVEKIT_SERVER" ]; then
    results="$results trixie-live=$build/trixie/meson-logs/live.json"
    sh "$root/tests/support/trixie.sh" "$root" "$build/trixie" "$cache/trixie" "$LIVEKIT_SERVER"
  else
    say 'LEFT OUT: live tests with the GStreamer of Debian 13; there is no program of a server to take along'
    sh "$root/tests/support/trixie.sh" "$root" "$build/trixie" "$cache/trixie"
  fi
}

need_for () {
  need_build
  # shellcheck disable=SC2086 # lists of words
  case $1 in
    clang | fuzz) need_packages clang libclang-rt-dev; check_commands clang ;;
    trixie) [ "$(id -u)" != 0 ] || { ! with_live || need_server; need_packages debootstrap; check_commands debootstrap unshare; } ;;
    faults) need_server; need_packages iproute2 nftables util-linux; need_python_sdk; check_commands ip nft unshare ;;
    programs)
      need_server
      need_packages ffmpeg redis-server coturn prometheus libhiredis-dev libgstrtspserver-1.0-dev
      check_commands ffprobe ffmpeg redis-server turnserver prometheus promtool
      need_mediamtx
      [ -z "$browser" ] || { need_packages chromium; check_commands chromium; }
      need_node
      need_modules "$root/tests/live/package.json" node-tests
      ;;
    live)
      need_server
      need_packages ffmpeg python3-gi
      check_commands ffprobe
      need_python_sdk
      need_go_peer
      [ -z "$browser" ] || { need_packages chromium; check_commands chromium; }
      need_node
      need_modules "$root/tests/live/package.json" node-tests
      ;;
  esac
}

for phase in $phases; do
  if wanted "$phase"; then
    need_for "$phase"
  else
    say "LEFT OUT: the phase $phase, as asked"
  fi
done
mkdir -p "$build"
for phase in $phases; do
  if wanted "$phase"; then
    "phase_$phase" || { failed_phases="$failed_phases $phase"; results="$results $phase-phase=none"; }
  fi
done

[ -z "$failed_phases" ] || say "FAILED phases:$failed_phases"
say 'results'
status=0
# A phase that failed before its tests has no result file, which counts as a failure.
# shellcheck disable=SC2086 # a list of words
python3 "$root/tests/support/count.py" $results > "$build/results.txt" || status=1
[ -z "$failed_phases" ] || status=1
cat "$build/results.txt"
exit $status
