# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds the functions test_… of modules and runs them, each on a bench of its own."""

import importlib
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
