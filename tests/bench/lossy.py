#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One-way latency from the pad that takes a frame to the pad that gives it, clear and with packets lost.

    lossy.py --build FOLDER --out FILE [--seconds N] [--rounds N] PEER...

For run.py, in a process of its own: it goes into network namespaces, the server in the one and both ends in the other.
"""

import argparse
import collections
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'live'), str(HERE.parent / 'faults')]
import netbench  # noqa: E402
import peers  # noqa: E402
from clipfile import make_clip  # noqa: E402
from harness import let_pass, percentile, wait_until  # noqa: E402
from stage import Samples, Staged, alternating, attempt  # noqa: E402

# Lost where packets come in: one that its sender's own system drops is an error there.
LOSS = 'numgen', 'random', 'mod', '100', '<', '1', 'drop'
CASES = {'clear': None, '1 % lost on the way to the server': ('srv', 'dport'),
         '1 % lost on the way from the server': ('cli', 'sport')}
# Frames that are on their way when the watching ends are not lost.
LEAST_AGE = 1.0


class NetBench(Staged, netbench.FaultBench):
    keys = netbench.KEY, netbench.SECRET


def lose(place):
    """On one way, or with None on none."""
    for case in filter(None, CASES.values()):
        namespace, port = case
        with netbench.inside(namespace):
            netbench.run('nft', 'add', 'table', 'inet', 'loss')
            netbench.run('nft', 'add', 'chain', 'inet', 'loss', 'input', '{ type filter hook input priority 0; }')
            netbench.run('nft', 'flush', 'chain', 'inet', 'loss', 'input')
            if case == place:
                netbench.run('nft', 'add', 'rule', 'inet', 'loss', 'input', 'udp', port, str(netbench.UDP_PORT), *LOSS)


def match(sent, received):
    """Latencies in ms, and how many frames never came. A clip comes again: the last frame of these bytes counts."""
    times = collections.defaultdict(list)
    for key, t in sent:
        times[key].append(t)
    latencies, came = [], set()
    for key, t in received:
        before = [moment for moment in times.get(key, ()) if moment <= t]
        if before:
            latencies.append((t - before[-1]) / 1000)
            came.add((key, before[-1]))
    end = max(t for _, t in sent) - LEAST_AGE * 1e6
    lost = sum(1 for key, t in sent if t < end and (key, t) not in came)
    return latencies, lost


def figures(latencies, lost):
    return {'median': percentile(latencies, 0.5), '99th': percentile(latencies, 0.99), 'max': max(latencies),
            'frames': len(latencies), 'lost': lost}


def watch(bench, peer, case, clip, seconds):
    with bench.stage():
        rooms = bench.fresh_rooms()
        lose(None)
        sender = peer.publish_feed(bench, rooms, clip, '--hash', '--answer')
        sender.play()
        bench.wait_published_in(rooms + '00')
        receiver = peer.receiver(bench, 1, rooms, 'video', '--hash')
        receiver.play()
        peers.wait_flowing(receiver, 1)
        let_pass(2)
        lose(CASES[case])
        let_pass(1)
        sender.frames(), receiver.frames()
        let_pass(seconds)
        sent, received = sender.frames()[0], receiver.frames()[1]
    return figures(*match(sent, received))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', required=True)
    parser.add_argument('--out', required=True)
    parser.add_argument('--seconds', type=float, default=20)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('peers', nargs='+')
    options = parser.parse_args()
    lacking = netbench.missing_parts()
    samples = Samples()
    if lacking:
        samples.missing.append('latency, for the network namespaces: ' + '; '.join(lacking))
    else:
        netbench.enter_namespaces()
        measure(options, samples)
    pathlib.Path(options.out).write_text(json.dumps(vars(samples)))
    return 0


def measure(options, samples):
    clip = make_clip()
    with NetBench('latency', options.build) as bench:
        bench.limit(600 + options.rounds * 10 * (options.seconds + 20))
        bench.samples, bench.missing = samples, samples.missing
        bench.wait_published_in = lambda room: wait_until(
            lambda: any(p.get('tracks') for p in bench.server.participants(room).values()), 'it is published')
        bench.start_server({'logging': {'level': 'warn'}})
        able = peers.prepare(bench, [peer for peer in (peers.Ours(), peers.Crate()) if peer.name in options.peers])
        for number in range(options.rounds):
            for case in CASES:
                for peer in alternating(able, number):
                    attempt(bench, 'latency, ' + case, peer, lambda: watch(bench, peer, case, clip, options.seconds),
                            round=number)


if __name__ == '__main__':
    sys.exit(main())
