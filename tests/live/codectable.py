#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the tests of check_codecs.py and prints the table of docs/codecs.md: codecs by ways, each field from a test.

    python3 tests/live/codectable.py [--build FOLDER]
"""

import argparse
import os
import re
import subprocess
import sys

from harness import CHROMIUM
from runner import find_tests, run_test

COLUMNS = {'src': 'our src', 'browser': 'Chromium', 'go': 'Go SDK', 'python': 'Python SDK',
           'from-browser': 'from Chromium to our src'}
ROWS = ['h264', 'vp8', 'vp9', 'av1', 'h265', 'opus', 'opus stereo', 'pcmu', 'pcma']


def version(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[0] if done.stdout else 'none'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default=os.environ.get('LIVE_BUILD', 'build'), help='Meson build folder')
    options = parser.parse_args()
    os.environ['LIVE_LONG'] = '1'
    results = [run_test(name, function, options.build) for name, function in find_tests(['check_codecs']).items()]
    cells = {}
    for note in (note for result in results for note in result['notes']):
        match = re.match(r'cell (%s) (\S+): (.*)' % '|'.join(sorted(ROWS, key=len, reverse=True)), note)
        cells[match[1], match[2]] = match[3]
    print('\n%s, %s\n' % (version('gst-inspect-1.0', '--version'), version(CHROMIUM or 'true', '--version')))
    print('| from our sink | ' + ' | '.join(COLUMNS.values()) + ' |')
    print('| --- ' * (len(COLUMNS) + 1) + '|')
    for row in ROWS:
        print('| %s | %s |' % (row, ' | '.join(cells.get((row, column), 'FAILED') for column in COLUMNS)))
    return 1 if any(result['problem'] for result in results) else 0


if __name__ == '__main__':
    sys.exit(main())
