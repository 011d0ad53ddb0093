# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of what was measured, a row for each fault, from the tests here and from suites of the build."""

import datetime
import json
import pathlib
import re
import subprocess

from lkserver import find_server

# Row, what happens, and whether a suite of the build of that name (t7 ...) fills it instead of tests here.
ROWS = [
    ('T1', 'server killed and restarted', False), ('T2', 'server gone for good', False),
    ('T3', 'server frozen', False), ('T4', 'websocket cut, media alive', False), ('T7', 'closed at every step', True),
    ('T8', 'UDP gone for a time', False), ('T9', 'UDP never works', False), ('T10', 'TURN only', False), ('T11', 'half-open websocket', False),
    ('T13', 'token expires in mid-session', False), ('T14', 'same identity twice', True), ('T15', 'room deleted', False),
    ('T16', 'participant removed', False), ('T18', 'server shut down', False),
    ('T20', 'pads come and go while reconnecting', False), ('T21', 'EOS orders', True),
    ('T22', 'state loops', True),
    ('T23', 'loss, jitter, reordering', False), ('T26', 'TLS', True), ('T27', 'not a websocket', True),
    ('T28', 'tokens', True), ('T29', 'malformed protobuf', True), ('T30', 'huge messages', True), ('T31', 'SDP', True),
    ('T34', 'token endpoint', True), ('rights', 'right to publish taken and given back', False),
    ('sync', 'sound and picture over a bad network', False), ('recording', 'mutes, sizes and a restart in a recording', False),
    ('recorder', 'a recording through T1, T4 and T8', False), ('browser', 'T1, T4 and T8 watched in Chromium', False),
    ('simulcast', 'three layers, 2 % of what is sent lost', False), ('bandwidth', 'links that are too small', False),
]


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else 'unknown'


def suite_cells(row, build):
    """Runs the suite of a row. Lines that its programs print as "T7: ..." are the figures."""
    log = 'row-' + row.lower()
    file = pathlib.Path(build) / 'meson-logs' / (log + '.json')
    file.unlink(missing_ok=True)
    subprocess.run(['meson', 'test', '-C', str(build), '--no-rebuild', '--suite', row.lower(), '--logbase', log],
                   capture_output=True, check=False)
    if not file.exists() or not (tests := [json.loads(line) for line in file.read_text().splitlines() if line]):
        return 'not run', '-'
    figures = [text for test in tests
               for text in re.findall(r'^%s: (.*)$' % row, test.get('stdout') or '', re.MULTILINE)]
    passed = all(test['result'] == 'OK' for test in tests)
    return '; '.join(figures) or '%d programs' % len(tests), 'passed' if passed else 'FAILED'


def test_cells(row, results):
    mine = [result for result in results if result['name'].split('-')[0] == row.lower()]
    if not mine:
        return 'not run', '-'
    texts = []
    for result in mine:
        texts.append('%s: %s' % (result['name'], result['skipped'] or '; '.join(result['figures']) or 'no figures'))
    state = 'FAILED' if any(r['problem'] for r in mine) else 'SKIPPED' if any(r['skipped'] for r in mine) else 'passed'
    return '<br>'.join(texts), state


def write_report(path, build, results, is_long):
    lines = [
        '# Faults: what was measured', '',
        'Made by `python3 tests/faults/run.py %s--report FILE` on %s, Linux %s, %s, %s. "Limit" fails a '
        'test, "goal" does not.' % ('--all ' if is_long else '', datetime.date.today().isoformat(), output('uname', '-r'),
                                    output('gst-launch-1.0', '--gst-version'), output(*find_server(), '--version')),
        '', '| # | Fault | Measured | Result |', '| --- | --- | --- | --- |']
    for row, fault, by_suite in ROWS:
        measured, state = suite_cells(row, build) if by_suite else test_cells(row, results)
        lines.append('| %s | %s | %s | %s |' % (row, fault, measured.replace('|', '\\|'), state))
    pathlib.Path(path).write_text('\n'.join(lines) + '\n', encoding='utf-8')
