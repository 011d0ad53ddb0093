#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the live tests of the programs by name, all without names. As tests/live/run.py, on the same bench.

    python3 tests/programs/run.py [--build FOLDER] [--list] [NAME...]
"""

import argparse
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'live')]
from runner import find_tests, run_test  # noqa: E402

# Who adds a file adds its name here.
MODULES = ['check_video_server', 'check_key_server', 'check_endless_stream', 'check_cctv', 'check_cctv_service',
           'check_cctv_many']


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default=os.environ.get('LIVE_BUILD', 'build'), help='Meson build folder')
    parser.add_argument('--list', action='store_true', help='print names and what they test')
    parser.add_argument('--names', choices=('short', 'long'), help='print the names of those for every run, or of the '
                        'others, which tests/full.sh runs')
    parser.add_argument('tests', metavar='NAME', nargs='*')
    options = parser.parse_args()
    tests = find_tests(MODULES)
    if options.list:
        for name, function in tests.items():
            print('%-28s %s' % (name, (function.__doc__ or '').strip().splitlines()[0]))
        return 0
    if options.names:
        print('\n'.join(name for name, test in tests.items() if hasattr(test, 'is_long') == (options.names == 'long')))
        return 0
    unknown = [name for name in options.tests if name not in tests]
    if unknown:
        parser.error('no such test: ' + ', '.join(unknown))
    results = [not run_test(name, tests[name], options.build)['problem'] for name in options.tests or tests]
    print('%d passed, %d failed' % (results.count(True), results.count(False)))
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(main())
