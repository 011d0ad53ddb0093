#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the tests in Meson's logs (testlog.json): each check of a gst-check suite, each other test program as one.

    count.py TITLE=FILE...   prints a line for each file, those that failed, and the total alone on the last line

Exits with 1 if any failed or was skipped, or if a file holds no test.
"""

import json
import re
import sys

CHECKS = re.compile(r'^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$', re.MULTILINE)
OWN_COUNT = re.compile(r'^(\d+) passed, (\d+) failed$', re.MULTILINE)


def count(test):
    """Passed and failed tests of one program. One that fails without saying so, by a crash or in time, is a failure."""
    output = test.get('stdout') or ''
    passed = failed = 0
    for checks, failures, errors in CHECKS.findall(output):
        failed += int(failures) + int(errors)
        passed += int(checks) - int(failures) - int(errors)
    for own_passed, own_failed in OWN_COUNT.findall(output):
        passed, failed = passed + int(own_passed), failed + int(own_failed)
    if test['result'] not in ('OK', 'EXPECTEDFAIL'):
        failed = max(failed, 1)
    elif passed + failed == 0:
        passed = 1
    return passed, failed


def main():
    total_passed = total_failed = 0
    for argument in sys.argv[1:]:
        title, _, path = argument.partition('=')
        try:
            with open(path, encoding='utf-8') as file:
                tests = [json.loads(line) for line in file if line.strip()]
        except OSError:
            tests = []
        counts = [(test, *count(test)) for test in tests]
        passed, failed = sum(c[1] for c in counts), sum(c[2] for c in counts)
        if not tests:
            failed = 1
            print('  %s: no test was run' % title)
        print('  %-24s %4d passed, %d failed, in %.0f s' % (title, passed, failed, sum(t['duration'] for t in tests)))
        for test, _, bad in counts:
            if bad:
                print('    FAILED: %s (%s)' % (test['name'], test['result']))
        total_passed, total_failed = total_passed + passed, total_failed + failed
    print('%d passed, %d failed' % (total_passed, total_failed))
    return 1 if total_failed or not total_passed else 0


if __name__ == '__main__':
    sys.exit(main())
