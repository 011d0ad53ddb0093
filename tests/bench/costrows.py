# SPDX-License-Identifier: LGPL-2.1-or-later
"""What N streams cost, one participant and room each, all in one process: publishing a file, and receiving."""

import time

import probe
from harness import let_pass, wait_until
from peers import Floor, Ours, wait_flowing
from stage import alternating, attempt

SETTLE_SECONDS = 2
# Less than what one stream brings in between, more than what is not media.
BYTES_OF_A_COUNT = 5e4
# At a time: they cost more than what they watch.
VIEWERS = 25


def show_once(bench, rooms, count):
    """Until every stream has come to a viewer, who then goes. Without any the server pauses a track after ten seconds;
    once there was one, not before what start_server() says."""
    for first in range(0, count, VIEWERS):
        with bench.stage():
            viewer = Ours().receiver(bench, min(VIEWERS, count - first), rooms, 'video', '--first', first)
            viewer.play()
            wait_flowing(viewer, min(VIEWERS, count - first))


def fresh_count(bench):
    """Bytes at the server and the time, right after it has counted media: it does so every few seconds."""
    before = bench.bytes_at_server()
    wait_until(lambda: bench.bytes_at_server() > before + BYTES_OF_A_COUNT, 'the server counts', every=0.05)
    return bench.bytes_at_server(), time.monotonic()


def publish_once(bench, peer, count, seconds):
    is_floor = isinstance(peer, Floor)
    with bench.stage():
        rooms = bench.fresh_rooms()
        running = peer.publish_file(bench, count, rooms)
        if is_floor:
            wait_flowing(running, count)
        else:
            show_once(bench, rooms, count)
        let_pass(SETTLE_SECONDS)
        if is_floor:
            return probe.measure(running.pid, seconds)
        before, start = fresh_count(bench)
        values = probe.measure(running.pid, seconds)
        after, end = fresh_count(bench)
        return dict(values, mbits=(after - before) * 8 / 1e6 / (end - start) / count)


def receive_once(bench, peer, count, rooms, seconds):
    with bench.stage():
        running = peer.receive(bench, count, rooms)
        wait_flowing(running, count)
        let_pass(SETTLE_SECONDS)
        start, before = time.monotonic(), sum(running.counts())
        values = probe.measure(running.pid, seconds)
        values['fps'] = (sum(running.counts()) - before) / (time.monotonic() - start) / count
    return values


def publish(bench, peers, counts, number, seconds):
    for count in counts:
        for peer in alternating(peers, number):
            attempt(bench, 'publish', peer, lambda: publish_once(bench, peer, count, seconds), n=count,
                    round=number)


def scale(bench, peers, counts, number, seconds):
    """Streams so small that this machine has room for many, with the server."""
    bench.use_files(bench.small_clip)
    for count in counts:
        for peer in alternating(peers, number):
            attempt(bench, 'scale', peer, lambda: publish_once(bench, peer, count, seconds), n=count, round=number)
    bench.use_files(bench.clip)


def receive(bench, peers, counts, number, seconds):
    """What is received, our sink publishes, in another process, from memory."""
    peers = [peer for peer in peers if peer.receive]
    for count in counts:
        with bench.stage():
            rooms = bench.fresh_rooms()
            publisher = Ours().publish_feed(bench, rooms, bench.clip, count=count)
            publisher.play()
            show_once(bench, rooms, count)
            for peer in alternating(peers, number):
                attempt(bench, 'receive', peer, lambda: receive_once(bench, peer, count, rooms, seconds), n=count,
                        round=number)
