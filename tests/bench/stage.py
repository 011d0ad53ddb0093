# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bench that the rows are measured on, and their samples."""

import collections
import contextlib
import itertools
import json
import re
import socket
import time
import urllib.request

import probe
from clipfile import make_clip, make_long, make_small_clip, make_timed
from harness import Bench, Failure
from lkserver import KEY, SECRET, free_ports

# What nobody watches any more is sent all the same.
NEVER = '3600s'
INCOMING = re.compile(r'^livekit_packet_bytes\{[^}]*direction="incoming"[^}]*\} (\S+)$', re.MULTILINE)


class Samples:
    """What was measured: dicts with row, peer, n, round and the values, and what could not be."""

    def __init__(self):
        self.samples, self.missing = [], []

    def add(self, row, peer, values, **more):
        self.samples.append(dict(row=row, peer=peer, load=probe.load(), **more, values=values))
        shown = ', '.join('%s %s' % (key, round(value, 2) if isinstance(value, float) else value)
                          for key, value in values.items())
        print('%s %s %s: %s' % (time.strftime('%H:%M:%S'), row, ' '.join([peer, *map(str, more.values())]), shown),
              flush=True)

    def add_earlier(self, folder):
        """Puts what Report.write() has left there in front; returns what it said of those runs."""
        earlier = json.loads((folder / 'samples.json').read_text())
        self.samples[:0] = earlier['samples']
        self.missing[:0] = earlier['missing']
        return earlier['runs']


def attempt(bench, row, peer, measure, **fields):
    """One sample. That a peer does not get so far is a result, too; the second time it is believed."""
    if bench.failures[row, peer.name] > 1:
        return
    try:
        bench.samples.add(row, peer.name, measure(), **fields)
    except Failure as failure:
        bench.failures[row, peer.name] += 1
        told = ', '.join('%s %s' % pair for pair in fields.items())
        bench.missing.append('%s, %s (%s): %s' % (peer.title, row, told, failure))
        print('MISSING: ' + bench.missing[-1], flush=True)


class Staged:
    """What benches of measurements share: things that end before the bench does, and rooms of fresh names."""

    keys = KEY, SECRET
    numbers = itertools.count(1)
    failures = collections.Counter()

    @contextlib.contextmanager
    def stage(self):
        """What is started inside ends with it."""
        outer = self.stack
        with contextlib.ExitStack() as self.stack:
            try:
                yield self
            finally:
                inner, self.stack = self.stack, outer
                inner.close()

    def fresh_rooms(self):
        return 'bench%d-' % next(self.numbers)


class MeasureBench(Staged, Bench):
    """On loopback."""

    def __init__(self, build, samples):
        super().__init__('bench', build)
        self.samples, self.missing = samples, samples.missing
        self.clip, self.small_clip = make_clip(), make_small_clip()
        self.use_files(self.clip)

    def use_files(self, clip):
        """What publish_file() reads."""
        self.long_clip = make_long(clip)
        self.timed_clip = make_timed(self.long_clip)

    def start_server(self, extra=None):
        [self.metrics_port] = free_ports(socket.SOCK_STREAM)
        extra = {'prometheus_port': self.metrics_port, 'video': {'dynacast_pause_delay': NEVER},
                 'logging': {'level': 'warn'}, **(extra or {})}
        return super().start_server(extra)

    def bytes_at_server(self):
        """What has come in so far."""
        with urllib.request.urlopen('http://127.0.0.1:%d/metrics' % self.metrics_port, timeout=10) as reply:
            found = INCOMING.findall(reply.read().decode())
        return sum(map(float, found))


def alternating(peers, number):
    """The peers, each time beginning with another one."""
    at = number % len(peers) if peers else 0
    return peers[at:] + peers[:at]
