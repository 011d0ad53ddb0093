#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What our elements cost and how fast they are, beside LiveKit's Go SDK, gst-plugin-webrtc, Chromium and the floor.

    python3 tests/bench/run.py [--quick] [--rows ROW,...] [--counts N,...] [--rounds N] [--build FOLDER] [--out FOLDER
        [--add]]

Builds or finds all in the cache folder ($XDG_CACHE_HOME or ~/.cache, gst-livekit); what cannot be had is named. All
peers take turns in one run. Rows: publish, receive, join, first, twentieth, latency, load, scale. Without --out
nothing is written, only printed; with --add what is in that folder already is told as well. A whole run takes an hour and a half
on a machine that should have nothing else to do.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'live')]
import costrows  # noqa: E402
import joinrows  # noqa: E402
import loadrow  # noqa: E402
import peers  # noqa: E402
import probe  # noqa: E402
from report import Report  # noqa: E402
from stage import MeasureBench, Samples  # noqa: E402

ROWS = ['publish', 'receive', 'join', 'first', 'twentieth', 'latency', 'load', 'scale']
FULL = {'counts': [1, 10, 50], 'scale': [1, 10, 50, 200], 'rounds': 5, 'seconds': 10, 'times': 10,
        'latency_seconds': 30}
QUICK = {'counts': [1, 10], 'scale': [1, 10], 'rounds': 1, 'seconds': 4, 'times': 3, 'latency_seconds': 8}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one short round, at most ten streams')
    parser.add_argument('--rows', default=','.join(ROWS), help='which: ' + ', '.join(ROWS))
    parser.add_argument('--counts', help='how many streams, for publish and receive')
    parser.add_argument('--rounds', type=int, help='how often all take turns')
    parser.add_argument('--peers', help='only these: ours, go, go-single, crate, floor, reading, chromium')
    parser.add_argument('--build', help='a Meson build folder of this tree')
    parser.add_argument('--out', type=pathlib.Path, help='folder for the tables, plots and samples')
    parser.add_argument('--add', action='store_true', help='to what that folder has of earlier runs')
    options = parser.parse_args()
    if options.add and not options.out:
        parser.error('--add needs --out')
    options.settings = dict(QUICK if options.quick else FULL)
    if options.counts:
        options.settings['counts'] = [int(count) for count in options.counts.split(',')]
    if options.rounds:
        options.settings['rounds'] = options.rounds
    options.rows = options.rows.split(',')
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown:
        parser.error('no such row: ' + ', '.join(unknown))
    return options


def latency(build, names, settings, samples):
    """By a process of its own, for it goes into other namespaces."""
    out = build / 'bench-latency.json'
    out.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / 'lossy.py'), '--build', str(build), '--out', str(out),
               '--seconds', str(settings['latency_seconds']), '--rounds', str(settings['rounds']), *names]
    code = subprocess.run(command, check=False).returncode
    if code or not out.exists():
        samples.missing.append('latency: lossy.py ended with %d' % code)
        return
    found = json.loads(out.read_text())
    samples.samples += found['samples']
    samples.missing += found['missing']


def measure(options, bench, all_peers):
    settings, rows = options.settings, options.rows
    by_name = {peer.name: peer for peer in all_peers}

    def of(*names):
        return [by_name[name] for name in names if name in by_name]

    bench.start_server()
    for number in range(settings['rounds']):
        if 'publish' in rows:
            costrows.publish(bench, of('ours', 'go', 'crate', 'floor', 'reading'), settings['counts'], number,
                             settings['seconds'])
        if 'receive' in rows:
            costrows.receive(bench, of('ours', 'go', 'crate', 'floor'), settings['counts'], number, settings['seconds'])
        if 'scale' in rows:
            costrows.scale(bench, of('ours', 'go'), settings['scale'], number, settings['seconds'])
    if 'join' in rows:
        joinrows.join(bench, of('ours', 'go', 'go-single', 'crate', 'chromium'), settings['times'])
    if 'go' in by_name:
        if 'first' in rows:
            joinrows.first_frame(bench, of('ours', 'go', 'go-single', 'crate'), settings['times'])
        if 'twentieth' in rows:
            joinrows.twentieth(bench, of('ours', 'go', 'go-single'), settings['rounds'])
            bench.missing.append('livekitwebrtcsink, 20th track: it takes no pads once it runs')
    if 'load' in rows:
        loadrow.load(bench, of('ours', 'crate'), settings['times'])


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def describe(load_before):
    arguments = ' '.join(sys.argv[1:])
    model = next((line.split(':')[1].strip() for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines()
                  if line.startswith('model name')), platform.machine())
    return '''By `python3 tests/bench/run.py%s`: %d cores (%s), Linux %s, %s; load before and after: %s, %s.
''' % (' ' + arguments if arguments else '', os.cpu_count(), model, platform.release(),
       first_line('gst-inspect-1.0', '--version'), load_before, probe.load())


ABOUT = '''720p at 30 frames a second and 3 Mbit/s of H.264, livekit-server on loopback. Figures are medians of the rounds, with
the least and the most in brackets; all peers took turns in one run. Publishing: a file is read, paced and published,
each stream by a participant in a room of its own, all in one process. Receiving: the same, access units put together
and thrown away.
'''


def main():
    options = parse()
    samples = Samples()
    everybody = [peers.Ours(), peers.GoPeer(), peers.GoPeer(single=True), peers.Crate(), peers.Floor(), peers.Reading(),
                 peers.Chromium()]
    wanted = [peer for peer in everybody if not options.peers or peer.name in options.peers.split(',')]
    load_before = probe.load()
    with MeasureBench(peers.build_ours(options.build), samples) as bench:
        had = peers.prepare(bench, wanted)
        if set(options.rows) - {'latency'}:
            measure(options, bench, had)
        if 'latency' in options.rows:
            latency(bench.build, [peer.name for peer in had], options.settings, samples)
    about = [describe(load_before)]
    if options.add:
        about = samples.add_earlier(options.out) + about
    report = Report(samples, about, ABOUT, everybody)
    print('\n' + report.text())
    if options.out:
        report.write(options.out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
