# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chromium and the Go SDK through the links of check_bandwidth.py, to compare with: only what does not flow fails."""

import contextlib
import time

import check_bandwidth as ours
from harness import Failure, Skipped, check, check_at_least, wait_until

KBIT = 1000
# What the browser may make of its camera; the file is made with as much.
FULL = 2850
SECONDS = 15, 30


def monotonic(milliseconds):
    """A time of the wall clock as one of the monotonic clock."""
    return milliseconds / 1000 - (time.time() - time.monotonic())


def when(condition, seconds, every=0.5):
    """What the condition gives once it is true; None when it was not in time, which is a figure as well."""
    with contextlib.suppress(Failure):
        return wait_until(condition, 'true', seconds, every)
    return None


class Camera:
    """Chromium's, in the network that is squeezed. rows are what it said of its sending, ten times a second."""

    def __init__(self, bench, film=None, width=1280, height=720, **options):
        self.browser = bench.browser(camera=film)
        self.browser.call('join', bench.url, bench.token('alice'), seconds=60)
        self.browser.call('publish', dict(options, width=width, height=height), seconds=60)
        self.browser.call('record')
        bench.wait_published('alice', 2)
        self.rows, self.bytes = [], []

    def look(self):
        for record in self.browser.call('recorded'):
            self.bytes.append((monotonic(record['at']), record['bytes']))
            (start, first), (end, last) = self.bytes[-6:][0], self.bytes[-1]
            self.rows.append({'at': end, 'target': record['allowed'] / 1000, 'layers': record['layers'],
                              'sent': (last - first) * 8 / 1000 / max(end - start, 0.1), 'reason': record['reason']})
        return self.rows

    def wait_row(self, condition, since):
        """When it first said so since then."""
        return when(lambda: next((row['at'] for row in self.look() if row['at'] > since and condition(row)), None), 60)

    def wait_layer(self, rid, is_on, since):
        """When a layer got nothing to use any more, or had a frame again."""
        def changes():
            layers = [(row['at'], *row['layers'].get(rid, (0, 0))) for row in self.look() if row['at'] > since]
            return next((at for at, target, frames in layers if (
                target > 0 and frames > layers[0][2] if is_on else target == 0)), None)
        return when(changes, 60)

    def note_reasons(self, bench, since):
        reasons = [row['reason'] for row in self.look() if row['at'] > since]
        bench.note('what limited it, in its own words: %s', ', '.join(
            '%s %.0f %%' % (reason, 100 * reasons.count(reason) / len(reasons)) for reason in sorted(set(reasons))))


def settle(bench, seconds=5):
    """Waits until as much is sent as there will be, by means of so many seconds; returns that."""
    rates = []

    def steady():
        rates.append(ours.rate(bench, seconds, 'tx'))
        return len(rates) > 5 and max(rates[-3:]) < 1.05 * max(rates[:-3])
    wait_until(steady, 'what is sent rises no more', 120, every=0)
    full = bench.figure('sent before', sum(rates[-3:]) / 3, 'kbit/s')
    check_at_least(full, 100, 'kbit/s sent')
    if full < 1.1 * KBIT:
        raise Skipped('only %.0f kbit/s are made here, which fit the link' % full)
    return full


def wait_back(bench, full, wide):
    def back():
        return ours.rate(bench, 1, 'tx') > 0.95 * full and time.monotonic()
    ours.after(bench, 'back at 95 % after', when(back, 90, every=0), wide, goal=8)


def make_film(bench, name, *pipeline):
    """A file of ten seconds of our restless picture."""
    file = bench.temporary / name
    snow = ours.SNOW.replace('is-live=true', 'num-buffers=300').split()
    process, log = bench.gst_launch('film', *snow, *pipeline, '!', 'filesink', 'location=%s' % file)
    check(process.wait(120) == 0, 'the film was not made: %s', log)
    return str(file)


def adapt(bench, **options):
    camera = Camera(bench, videoEncoding={'maxBitrate': FULL * 1000, 'maxFramerate': 30}, **options)
    viewer = ours.watch(bench, decoder='vp8dec')
    full = settle(bench)
    limit, queue = ours.squeeze_uplink(bench, KBIT, SECONDS[bench.long], lambda limit: camera.wait_row(
        lambda row: 0 < row['target'] < KBIT, limit))
    wide = bench.widen()
    wait_back(bench, full, wide)
    camera.note_reasons(bench, limit)
    ours.leave_run(bench, KBIT, limit, wide, camera.look(), queue)
    ours.wait_whole(viewer, wide)


def test_bandwidth_peer_chromium_adapts(bench):
    """As bandwidth-adapts, with Chromium and the same picture as its camera, in VP8."""
    bench.limit(420)
    bench.start_server()
    adapt(bench, film=make_film(bench, 'snow.y4m', '!', 'y4menc'), width=480, height=270)


def test_bandwidth_peer_chromium_adapts_720p(bench):
    """The same with the picture that Chromium has itself, 720p, which takes less."""
    bench.limit(420)
    bench.start_server()
    adapt(bench)


def test_bandwidth_peer_chromium_layers(bench):
    """As bandwidth-layers, with Chromium's camera: three layers of up to 1.7 Mbit/s in VP8."""
    bench.limit(420)
    bench.start_server()
    camera = Camera(bench, simulcast=True)
    small = ours.watch(bench, name='small', decoder='vp8dec', video_quality='medium')
    settle(bench)
    start = time.monotonic()
    check(camera.wait_row(lambda row: len(row['layers']) == 3, 0), 'not three layers')
    ours.squeeze_layers(bench, small, lambda is_on, since: camera.wait_layer('f', is_on, since))
    camera.note_reasons(bench, start)


def test_bandwidth_peer_go_fixed(bench):
    """As bandwidth-fixed, with the Go SDK: a file of H.264, which it sends whatever happens."""
    bench.limit(420)
    bench.start_server()
    encoder = ours.ENCODER.replace('key-int-max=300', 'key-int-max=60 threads=1') % 3000
    film = make_film(bench, 'snow.h264', '!', *encoder.split(), '!',
                     'video/x-h264,stream-format=byte-stream,alignment=au')
    peer = bench.go_peer()
    peer.call('join', bench.url, bench.token('alice'))
    peer.call('publish', film, 'front')
    viewer = ours.watch(bench)
    full = settle(bench, 1)
    limit, _ = ours.squeeze_uplink(bench, KBIT, SECONDS[bench.long], lambda limit: None)
    seen = [line for line in viewer.events('frame') if line['t'] / 1e6 > limit + 2]
    bench.figure('frames shown a second', len(seen) / (time.monotonic() - limit - 2))
    wide = bench.widen()
    wait_back(bench, full, wide)
    bench.figure('150 frames shown after', ours.wait_whole(viewer, wide), 's')


def watch_in_chromium(bench, server=None):
    ours.start_downlink(bench, ours.publish_layers, server)
    browser = bench.browser()
    browser.call('join', bench.url, bench.token('bob'), seconds=60)

    def decoded():
        return [track for track in browser.call('measure')['tracks'] if track.get('frames', 0) > 0]
    wait_until(decoded, 'Chromium shows the picture', every=0.5)
    browser.call('show')
    before = decoded()[0]
    ours.squeeze_downlink(bench, KBIT, lambda: [monotonic(at) for at in browser.call('shown')])
    track = decoded()[0]
    bench.note('freezes: %d, packets that it never got: %d', track['freezes'] - before['freezes'],
               track['lost'] - before['lost'])


def watch_in_go(bench, server=None):
    ours.start_downlink(bench, ours.publish_layers, server)
    peer = bench.go_peer()
    peer.call('join', bench.url, bench.token('bob'))

    def frames():
        return [monotonic(at) for at in peer.call('shown')]
    wait_until(lambda: len(frames()) > 30, 'the Go SDK gets frames', every=0.5)
    ours.squeeze_downlink(bench, KBIT, frames)
    check_at_least(len(frames()), 60, 'frames')


def test_bandwidth_peer_chromium_down(bench):
    """As bandwidth-down, with Chromium as the viewer."""
    watch_in_chromium(bench)


def test_bandwidth_peer_chromium_down_send_side(bench):
    """As bandwidth-down-send-side, with Chromium as the viewer."""
    watch_in_chromium(bench, ours.SEND_SIDE)


def test_bandwidth_peer_go_down(bench):
    """As bandwidth-down, with the Go SDK as the viewer: frames are counted when they are whole, and not decoded."""
    watch_in_go(bench)


def test_bandwidth_peer_go_down_send_side(bench):
    """As bandwidth-down-send-side, with the Go SDK as the viewer."""
    watch_in_go(bench, ours.SEND_SIDE)
