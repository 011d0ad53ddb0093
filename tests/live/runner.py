# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds the functions test_… of modules and runs them, each on a bench of its own."""

import argparse
import importlib
import os
import sys
import time
import traceback

from harness import Bench, Failure, Skipped


def find_tests(modules):
    """Functions test_… of the modules in their order, by name with dashes."""
    tests = {}
    for name in modules:
        module = importlib.import_module(name)
        for attribute, value in vars(module).items():
            if attribute.startswith('test_'):
                tests[attribute[len('test_'):].replace('_', '-')] = value
    return tests


def run_test(name, function, build, make_bench=Bench):
    """Runs one test and prints how it went; returns that as a dict: problem and skipped are texts or None."""
    start = time.monotonic()
    bench = make_bench(name, build)
    problem = skipped = None
    try:
        with bench:
            function(bench)
            bench.check_logs()
    except Skipped as reason:
        skipped = str(reason)
    except Failure as failure:
        problem = str(failure)
    except Exception:  # a fault of the test itself is a failure as well
        problem = traceback.format_exc()
    seconds = time.monotonic() - start
    print('%s %s (%.1f s)' % ('FAILED' if problem else 'SKIPPED' if skipped else 'ok', name, seconds))
    ends = [problem, 'logs: %s' % bench.folder] if problem else [skipped] if skipped else []
    for note in bench.notes + ends:
        print('    ' + note.replace('\n', '\n    '))
    sys.stdout.flush()
    return {'name': name, 'problem': problem, 'skipped': skipped, 'seconds': seconds, 'notes': bench.notes,
            'figures': getattr(bench, 'figures', [])}


def main(text, modules):
    """The command line of a folder of tests. Returns its exit code."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument('--build', default=os.environ.get('LIVE_BUILD', 'build'), help='Meson build folder')
    parser.add_argument('--list', action='store_true', help='print names and what they test')
    parser.add_argument('--names', choices=('short', 'long'), help='print the names of those for every run, or of the '
                        'others, which tests/full.sh runs')
    parser.add_argument('tests', metavar='NAME', nargs='*')
    options = parser.parse_args()
    tests = find_tests(modules)
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
