# SPDX-License-Identifier: LGPL-2.1-or-later
"""Opus with redundancy (RFC 2198): each packet comes with the one before it, to all who understand it."""

import re

from check_codecs import NOISE
from harness import check, check_at_least, check_equal, in_long_runs, wait_until
from wholeness import check_digests, digests

LOST = 10


def publisher(bench, **settings):
    pad = ' '.join('audio_0::%s=%s' % pair for pair in settings.items())
    return bench.launch('publisher', '%s ! opusenc ! identity name=o ! %s %s' % (
        NOISE, bench.element('sink', 'alice'), pad), '--digest=o')


def recovered(launch):
    launch.wait_event('first-buffer', pad='audio_0')
    text = launch.get('s', 'audio_0::stats').replace('\\', '')
    return int(re.search(r'packets-recovered=\(guint64\)(\d+)', text)[1])


def with_loss(bench):
    """Each tenth packet is lost on its way in, and none in what comes out."""
    watcher = bench.launch('receiver', '%s s.audio_0 ! queue ! identity name=d ! fakesink sync=false'
                           % bench.element('src', 'bob', name='s'), '--watch=s', '--digest=d', '--lose=10')
    watcher.wait_event('livekit-connection', state='connected')
    sender = publisher(bench, red='true')
    tracks = bench.wait_published('alice', 1)
    check_equal(tracks[0]['mime_type'], 'audio/red', 'codec')
    wait_until(lambda: recovered(watcher) >= LOST, '%d packets got back' % LOST, every=0.1)
    count = recovered(watcher)
    received = digests(watcher, 'd')
    check_digests(sender, 'o', received, LOST, 'red')
    bench.note('%d packets, all bytes, %d of them out of the next one', len(received), count)
    watcher.end()
    sender.end()


def test_red(bench):
    """RED to our src, with losses."""
    bench.start_server()
    with_loss(bench)


@in_long_runs
def test_red_v0(bench):
    """RED to our src over two connections, with losses."""
    bench.start_server()
    bench.start_v0_proxy()
    with_loss(bench)


def test_red_without(bench):
    """Plain Opus with the same losses: what is lost is lost, which the other rows would not tell."""
    bench.start_server()
    watcher = bench.launch('receiver', '%s s.audio_0 ! queue ! identity name=d ! fakesink sync=false'
                           % bench.element('src', 'bob', name='s'), '--watch=s', '--digest=d', '--lose=10')
    watcher.wait_event('livekit-connection', state='connected')
    sender = publisher(bench)

    def lost():
        received, sent = digests(watcher, 'd'), digests(sender, 'o')
        if not received or received[-1] not in sent:  # which may be read later
            return 0
        return sent.index(received[-1]) - sent.index(received[0]) + 1 - len(received)
    wait_until(lambda: lost() >= LOST, '%d packets lost' % LOST, every=0.1)
    check_equal(recovered(watcher), 0, 'packets got back')
    watcher.end()
    sender.end()


@in_long_runs
def test_red_to_browser(bench):
    """Chromium is sent RED, and plays it."""
    bench.start_server()
    browser = bench.browser()
    sender = publisher(bench, red='true')
    bench.wait_published('alice', 1)
    browser.call('join', bench.url, bench.token('viewer'))
    track = wait_until(lambda: next((track for track in browser.call('measure')['tracks']
                                     if track.get('samples', 0) > 96000 and track['discarded'] >= 50), None),
                       'two seconds of sound, and 50 redundant packets that were not needed', every=0.1)
    check_at_least(track['energy'], 0.01, 'energy')
    bench.note('%d samples, %d concealed', track['samples'], track['concealed'])
    sender.end()


def test_red_to_go(bench):
    """The Go SDK takes its packets apart."""
    bench.start_server()
    go = bench.go_peer()
    sender = publisher(bench, red='true')
    bench.wait_published('alice', 1)
    go.call('join', bench.url, bench.token('go'))
    track = wait_until(lambda: next((track for track in go.call('measure') if track['frames'] >= 100), None),
                       '100 packets', every=0.1)
    check_equal(track['bad'], 0, 'packets that could not be taken apart')
    bench.note('%s: %d packets, %d bytes', track['mime'], track['frames'], track['bytes'])
    sender.end()


def from_sdk(bench):
    """The Python SDK publishes RED; we decode it."""
    sdk = bench.sdk_peer()
    sdk.call('join', bench.url, bench.token('sdk'))
    watcher = bench.launch('receiver', '%s s.audio_0 ! queue ! opusdec ! fakesink name=a sync=false'
                           % bench.element('src', 'bob', name='s'), '--watch=s', '--digest=a', '--lose=10')
    watcher.wait_event('livekit-connection', state='connected')
    sdk.call('publish', 'VP8', 160, 90, True)
    wait_until(lambda: recovered(watcher) >= LOST, '%d packets got back' % LOST, every=0.1)
    check(not watcher.events('error'), 'it is no Opus: %s', watcher.events('error'))
    # what was got back may still be on its way to the decoder
    wait_until(lambda: len(watcher.events('digest')) >= 9 * LOST, '%d packets decoded' % (9 * LOST))
    watcher.end()


def test_red_from_sdk(bench):
    """The Python SDK's RED to our src, with losses."""
    bench.start_server()
    from_sdk(bench)


@in_long_runs
def test_red_from_sdk_v0(bench):
    """The Python SDK's RED to our src, over two connections, with losses."""
    bench.start_server()
    bench.start_v0_proxy()
    from_sdk(bench)


def test_red_from_browser(bench):
    """Chromium's RED, which it publishes unless told otherwise."""
    bench.start_server()
    browser = bench.browser()
    browser.call('join', bench.url, bench.token('chromium'))
    watcher = bench.launch('receiver', '%s s.audio_0 ! queue ! opusdec ! fakesink name=a sync=false'
                           % bench.element('src', 'bob', name='s'), '--watch=s', '--digest=a')
    watcher.wait_event('livekit-connection', state='connected')
    browser.call('publish', {'video': False, 'red': True})
    check_equal(bench.wait_published('chromium', 1)[0]['mime_type'], 'audio/red', 'codec')
    wait_until(lambda: len(watcher.events('digest')) >= 100, '100 packets decoded')
    check(not watcher.events('error'), 'errors: %s', watcher.events('error'))
    watcher.end()


def test_red_dtx_stereo(bench):
    """RED goes together with stereo and with silence that is not sent."""
    bench.start_server()
    watcher = bench.launch('receiver', '%s s.audio_0 ! queue ! opusdec ! fakesink name=d sync=false'
                           % bench.element('src', 'bob', name='s'), '--watch=s', '--digest=d')
    watcher.wait_event('livekit-connection', state='connected')
    sender = bench.launch('publisher', 'audiotestsrc name=a is-live=true wave=silence ! audio/x-raw,channels=2 ! '
                          'opusenc dtx=true ! %s audio_0::red=true audio_0::dtx=true' % bench.element('sink', 'alice'))
    caps = watcher.wait_event('first-buffer', pad='audio_0')['caps'].replace('\\', '')
    check('channels=(int)2' in caps, 'caps: %s', caps)
    before = len(watcher.events('digest'))
    sender.tell('set a wave white-noise')
    wait_until(lambda: len(watcher.events('digest')) > before + 75, 'sound')
    check(not watcher.events('error'), 'errors: %s', watcher.events('error'))
    watcher.end()
    sender.end()


def test_red_refused(bench):
    """A room that takes Opus but no RED gets plain Opus, from live input and other, and nothing fails."""
    bench.start_server({'room': {'enabled_codecs': [{'mime': 'audio/opus'}, {'mime': 'video/vp8'}]}})
    for live in ('true', 'false'):
        watcher = bench.launch('receiver-' + live, '%s s.audio_0 ! queue ! identity name=d ! fakesink sync=false'
                               % bench.element('src', 'bob-' + live, name='s'), '--watch=s', '--digest=d')
        watcher.wait_event('livekit-connection', state='connected')
        name = 'alice-' + live
        sender = bench.launch(name, '%s ! opusenc ! identity name=o ! %s audio_0::red=true' % (
            NOISE.replace('is-live=true', 'is-live=' + live), bench.element('sink', name, name='k')), '--digest=o',
            '--watch=k')
        wait_until(lambda: len(watcher.events('digest')) >= 100, '100 packets', every=0.1)
        check_equal(bench.wait_published(name, 1)[-1]['mime_type'].lower(), 'audio/opus', 'codec')
        check_digests(sender, 'o', digests(watcher, 'd'), 100, 'plain Opus')
        check(not sender.events('warning') and not sender.events('error'), 'it fails')
        sender.end()
        watcher.end()
