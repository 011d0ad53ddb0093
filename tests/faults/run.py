#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the fault tests by name: what the server and the network do to our elements, in namespaces of their own.

    python3 tests/faults/run.py [--build FOLDER] [--list] [--short | --all] [--report FILE] [NAME...]

Without names: all tests in their short forms; --short: those few for every change; --all: the full figures. Needs no
root, but user namespaces, iproute2 and nftables. --report writes the table of what was measured; suites of the build
that carry a row's name (t7, t14 ...) fill rows as well. Logs of a test are in FOLDER/fault-logs/NAME.
"""

import argparse
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'live')]
from netbench import FaultBench, enter_namespaces, missing_parts  # noqa: E402
from report import write_report  # noqa: E402
from runner import find_tests, run_test  # noqa: E402

MODULES = ['check_signal', 'check_media', 'check_sync', 'check_recording', 'check_layers', 'check_viewer', 'check_room',
           'check_bandwidth', 'check_bandwidth_peers', 'check_soak']
LONG = ['t2-server-gone-for-ever', 't4-hundred-cuts', 't13-token-expires', 't38-soak']
SHORT = ['t1-server-killed', 't4-websocket-cut', 't8-udp-gone-5s', 't18-server-shutdown', 'rights', 'simulcast-loss',
         'recording-h264', 'bandwidth-follows']


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default=os.environ.get('LIVE_BUILD', 'build'), help='Meson build folder')
    parser.add_argument('--list', action='store_true', help='print names and what they test')
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument('--short', action='store_true', help='only the tests for every change')
    choice.add_argument('--all', action='store_true', help='the full figures, which take long')
    parser.add_argument('--report', help='write the table of all rows to this file')
    parser.add_argument('names', nargs='*')
    return parser, parser.parse_args()


def main():
    parser, options = parse()
    tests = find_tests(MODULES)
    if options.list:
        for name, function in tests.items():
            print('%-28s %s' % (name, (function.__doc__ or '').strip().splitlines()[0]))
        return 0
    long = LONG + [name for name in tests if name.startswith('bandwidth-peer') or
                   name.startswith('t23') and name.endswith(('vp9', 'h265'))]
    unknown = [name for name in options.names if name not in tests]
    if unknown:
        parser.error('no such test: ' + ', '.join(unknown))
    lacking = missing_parts()
    if lacking:
        print('FAILED: the fault bench cannot run here, missing: ' + '; '.join(lacking))
        return 1 if any(text.startswith('the command') for text in lacking) else 77
    enter_namespaces()
    FaultBench.long = options.all
    names = options.names or (SHORT if options.short else [name for name in tests if options.all or name not in long])
    results = [run_test(name, tests[name], options.build, FaultBench) for name in names]
    failed = sum(bool(result['problem']) for result in results)
    skipped = sum(bool(result['skipped']) for result in results)
    if options.report:
        write_report(options.report, options.build, results, options.all)
    print('%d passed, %d failed' % (len(results) - failed - skipped, failed))
    if skipped:
        print('%d SKIPPED: %s' % (skipped, ', '.join(r['name'] for r in results if r['skipped'])))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
