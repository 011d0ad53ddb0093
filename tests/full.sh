#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is too long for every run: all suites under valgrind and with the thread sanitizer, the leaks tracer over live
# streams, the live tests that are not in every run, 1000 state cycles, the promised times, ten minutes of each fuzz
# target, all live tests with the GStreamer of Debian 13, all faults with the soak of an hour.
# Assumes that `sh tests/run.sh` ran on this machine.
#
#   sh tests/full.sh [--only valgrind|threads|leaks|live|cycles|loops|codecs|crowd|fuzz|times|trixie|faults]
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/install.sh"

phases='valgrind threads leaks live cycles loops fuzz codecs crowd times trixie faults'
case ${1:-} in
  '') ;;
  --only)
    case " $phases " in
      *" ${2:?--only needs a phase} "*) phases=$2 ;;
      *) die "unknown phase $2; there are: $phases" ;;
    esac ;;
  -h | --help) sed -n '3,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) die "unknown option $1 (see --help)" ;;
esac
build=$root/build-test
suppressions=$root/tests/support/valgrind.supp
results=
status=0

# run_tests FOLDER TITLE OPTION...: as in run.sh.
run_tests () {
  name=$1
  title=$2
  shift 2
  say "$title"
  rm -f "$build/$name/meson-logs/$title.json"
  results="$results $title=$build/$name/meson-logs/$title.json"
  GST_REGISTRY="$build/$name/registry.bin" meson test -C "$build/$name" --no-rebuild --print-errorlogs \
    --logbase "$title" "$@" 2>&1 | cut -c 1-400
}

phase_valgrind () {
  set -- --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --child-silent-after-fork=yes
  [ ! -f "$suppressions" ] || set -- "$@" "--suppressions=$suppressions"
  LK_TEST_SHORT=1 LK_TEST_SLOWER=10 CK_TIMEOUT_MULTIPLIER=10 G_SLICE=always-malloc run_tests gcc valgrind --suite lk --suite elements --suite fuzz \
    --timeout-multiplier 20 --wrapper "valgrind $*"
}

# Says something with a GLib and a GStreamer that were built with the sanitizer, too: Debian's GMutex is a futex that it does
# not see, and whatever that protects is a race to it.
phase_threads () {
  [ -f "$build/threads/build.ninja" ] || quietly "$build/threads.log" \
    meson setup "$build/threads" "$root" -Db_sanitize=thread -Db_lundef=false
  quietly "$build/threads.log" ninja -C "$build/threads"
  LK_TEST_SHORT=1 LK_TEST_SLOWER=10 TSAN_OPTIONS="halt_on_error=0:second_deadlock_stack=1:exitcode=66" GST_REGISTRY_FORK=no CK_FORK=no \
    run_tests threads threads --suite lk --suite elements --suite fuzz --timeout-multiplier 10
}

# Objects that are alive when the process ends are printed as warnings; the live tests do not expect any.
phase_leaks () {
  LIVE_LEAKS=1 run_tests gcc leaks loopback-h264 loopback-vp8-v0 unpublish mute
}

phase_live () {
  run_tests gcc live-long --suite live-long --suite programs-long
}

# All rows in full, with the soak of an hour; the table is left in build-test/faults.md.
phase_faults () {
  say 'faults: all of them'
  python3 "$root/tests/faults/run.py" --build "$build/gcc" --all --report "$build/faults.md" || status=1
}

# The live tests with the times that are promised; needs a machine that does nothing else.
phase_times () {
  LIVE_TIMES=1 run_tests gcc times --suite live
}

# What is too long of tests/live/check_codecs.py.
phase_codecs () {
  LIVE_LONG=1 run_tests gcc codecs codecs-first codecs-from-browser
}

# A hundred participants, with the figures that hold on a machine that has nothing else to do.
phase_crowd () {
  LIVE_LONG=1 run_tests gcc crowd crowd-of-hundred
}

# What tests/run.sh has built there. The output is one result, which counts its tests itself.
phase_trixie () {
  if [ "$(id -u)" != 0 ]; then
    say 'LEFT OUT: GStreamer of Debian 13; its chroot needs root, run this as root for it'
    return 0
  fi
  say 'trixie: all live tests with the GStreamer of Debian 13'
  results="$results trixie=$build/trixie-live.json"
  rm -f "$build/trixie-live.json"
  code=0
  sh "$root/tests/support/trixie-live.sh" "$root" "$build/trixie" "$cache/trixie" > "$build/trixie-live.txt" 2>&1 || code=$?
  cut -c 1-400 "$build/trixie-live.txt"
  python3 - "$code" "$build/trixie-live.txt" > "$build/trixie-live.json" <<'END'
import json, sys
result = 'OK' if sys.argv[1] == '0' else 'FAIL'
print(json.dumps({'name': 'live', 'result': result, 'stdout': open(sys.argv[2]).read(), 'duration': 0}))
END
  [ "$code" = 0 ]
}

phase_cycles () {
  LIVE_CYCLES=1000 run_tests gcc cycles cycles-sink cycles-src --timeout-multiplier 10
}

# T22 against the fake server, most of an hour: stopped 1000 times at a random time of the first three seconds.
phase_loops () {
  LK_TEST_LOOPS=1000 CK_TIMEOUT_MULTIPLIER=200 run_tests gcc loops element-loops --timeout-multiplier 60
}

# And a million damaged messages.
phase_fuzz () {
  LK_TEST_INPUTS=1000000 run_tests gcc damage malformed --timeout-multiplier 20
  results="$results fuzz=$build/fuzz.json"
  sh "$root/tests/fuzz/fuzz.sh" "$build" 600
}

[ -f "$build/gcc/build.ninja" ] || die 'run sh tests/run.sh first'
need_packages valgrind clang libclang-rt-dev
check_commands valgrind clang
need_server
quietly "$build/gcc-build.log" ninja -C "$build/gcc"
for phase in $phases; do
  "phase_$phase" || status=1
done
say 'results'
# shellcheck disable=SC2086 # a list of words
python3 "$root/tests/support/count.py" $results || status=1
exit $status
