# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layers in one stream: who wants fewer or smaller pictures gets those, and can decode them."""

import pathlib
import re

from check_codecs import RAW
from check_simulcast import video_of, wait_size
from harness import check, check_equal, in_long_runs, wait_until

# Chromium's, of 15 pictures a second: a quarter of them is layer 0, a quarter layer 1, half layer 2.
VECTORS = pathlib.Path(__file__).resolve().parents[1] / 'vectors'
CLIP = VECTORS / 'av1-l1t3.mkv'
# Chromium's, too: 320x180 and 640x360, which refers to it, of three temporal layers each.
SPATIAL_CLIP = VECTORS / 'av1-l2t3.mkv'
DECODED = 60


def thinned(bench, decoder, publish, rate):
    """Two viewers, one of which asks for fewer pictures: while the other gets DECODED, it gets three fifths at most."""
    bench.start_server()
    viewers = []
    for name in ('all', 'fewer'):
        viewers.append(bench.launch(name, '%s s.video_0 ! queue ! %s ! identity name=d ! fakesink sync=false' % (
            bench.element('src', name, name='s'), decoder), '--watch=s', '--digest=d'))
        viewers[-1].wait_event('livekit-connection', state='connected')

    def decoded():
        return [len(viewer.events('digest')) for viewer in viewers]
    sender = publish()
    for viewer in viewers:
        viewer.wait_event('first-buffer', pad='video_0')
    viewers[1].tell('set s video_0::max-framerate %d' % rate)

    def settled():
        """Counts over a stretch, until one shows the effect."""
        before = decoded()
        wait_until(lambda: decoded()[0] >= before[0] + DECODED, '%d pictures' % DECODED)
        counts = [after - start for start, after in zip(before, decoded())]
        return counts if 0 < counts[1] * 5 <= counts[0] * 3 else None
    counts = wait_until(settled, 'one viewer gets fewer pictures')
    bench.note('%d pictures decoded, and %d', *counts)
    for viewer in viewers:
        check(not viewer.events('error') and not viewer.events('warning'), '%s cannot decode it', viewer.name)
    sender.close()
    for viewer in viewers:
        viewer.close()


def test_layers_vp8(bench):
    """Two layers that vp8enc makes."""
    text = '%s ! vp8enc name=e deadline=1 cpu-used=16 keyframe-max-dist=600 target-bitrate=400000 ! %s'
    thinned(bench, 'vp8dec', lambda: bench.launch(
        'publisher', text % (RAW % (320, 240, 30), bench.element('sink', 'alice')), '--layers=e'), 15)


def publish_clip(bench, clip, times, first=()):
    text = ['concat name=c ! av1parse ! ' + bench.element('sink', 'alice', name='k')]
    text += ['filesrc location=%s ! matroskademux ! queue ! c.' % name for name in [*first, *[clip] * times]]
    return bench.launch('publisher', ' '.join(text), '--watch=k')


@in_long_runs
def test_layers_av1(bench):
    """Three layers in a file."""
    thinned(bench, 'av1dec', lambda: publish_clip(bench, CLIP, 12), 4)


def watch(bench, name):
    viewer = bench.launch(name, '%s s.video_0 ! queue ! av1dec ! identity name=d ! fakesink sync=false' % bench.element(
        'src', name, name='s'), '--watch=s', '--digest=d', '--caps=d')
    viewer.wait_event('livekit-connection', state='connected')
    return viewer


def wait_widths(viewer, width):
    """Waits for pictures of that width, and for more of them."""
    wait_until(lambda: viewer.events('caps') and width_of(viewer.events('caps')[-1]) == width, '%d wide' % width, 60)

    def keeps_it():
        """A server that finds the way full for a moment goes down for that long."""
        before, n_caps = len(viewer.events('digest')), len(viewer.events('caps'))
        wait_until(lambda: len(viewer.events('digest')) >= before + DECODED // 2, 'pictures', 60)
        return width_of(viewer.events('caps')[-1]) == width and len(viewer.events('caps')) == n_caps
    wait_until(keeps_it, 'pictures %d wide' % width, 60)


@in_long_runs
def test_layers_av1_spatial(bench):
    """Two sizes in a file: each viewer gets the one it asks for, and decodes all of it; bytes are saved."""
    bench.start_server()
    viewer, other = watch(bench, 'viewer'), watch(bench, 'other')
    sender = publish_clip(bench, SPATIAL_CLIP, 60)
    layers = wait_until(lambda: bench.server.participants(bench.room).get('alice', {}).get('tracks'), 'it is published')
    sizes = sorted((layer['width'], layer['height']) for layer in layers[0]['layers'])
    check_equal(sizes, [(320, 180), (640, 360)], 'layers that the server lists')
    wait_widths(viewer, 640)
    other.wait_event('first-buffer', pad='video_0')
    for quality, width in (('low', 320), ('high', 640), ('low', 320)):
        viewer.tell('set s video_0::quality ' + quality)
        wait_widths(viewer, width)
    wait_widths(other, 640)
    before = [watcher.counter('video_0', 'bytes-received') for watcher in (viewer, other)]
    decoded = len(other.events('digest'))
    wait_until(lambda: len(other.events('digest')) >= decoded + 2 * DECODED, 'pictures', 60)
    after = [watcher.counter('video_0', 'bytes-received') for watcher in (viewer, other)]
    few, many = (end - start for start, end in zip(before, after))
    check(0 < few * 3 < many * 2, 'the small one has %d bytes, the large one %d', few, many)
    bench.note('%d bytes of low, %d of high', few, many)
    for watcher in (viewer, other):
        check(not watcher.events('error') and not watcher.events('warning'), '%s cannot decode it', watcher.name)
    sender.close()


@in_long_runs
def test_layers_av1_change(bench):
    """A stream of one size that goes on in two: it is published anew, and both can be had."""
    bench.start_server()
    sender = publish_clip(bench, SPATIAL_CLIP, 60, [CLIP])
    sender.wait_event('livekit-track', action='active')

    def published():
        tracks = bench.server.participants(bench.room).get('alice', {}).get('tracks', [])
        return tracks and len(tracks[0]['layers'])
    wait_until(lambda: published() == 1, 'it is published in one size')
    wait_until(lambda: published() == 2, 'it is published in two')
    viewer = watch(bench, 'viewer')
    for quality, width in (('low', 320), ('high', 640)):
        viewer.tell('set s video-quality ' + quality)
        wait_widths(viewer, width)
    # A clip makes no key frames when asked, which is warned about.
    complaints = sender.events('error') + [w for w in sender.events('warning') if 'key frame' not in w['text']]
    check(not complaints, 'the sender complains: %s', complaints)
    sender.close()


def test_layers_av1_spatial_browser(bench):
    """The same to Chromium, which asks for one size and the other."""
    bench.start_server()
    browser = bench.browser()
    sender = publish_clip(bench, SPATIAL_CLIP, 60)
    bench.wait_published('alice', 1)
    browser.call('join', bench.url, bench.token('chromium'))
    for quality, size in (('HIGH', (640, 360)), ('LOW', (320, 180)), ('HIGH', (640, 360))):
        wait_until(lambda: video_of(browser), 'it has the track')
        browser.call('quality', quality)
        wait_size(browser, size)

        def keeps_it(size=size):
            before = video_of(browser)['frames']
            wait_until(lambda: video_of(browser)['frames'] >= before + DECODED // 2, 'pictures', 60)
            return (video_of(browser)['width'], video_of(browser)['height']) == size
        wait_until(keeps_it, 'pictures of %dx%d' % size)
    sender.close()


def test_layers_from_browser(bench):
    """Chromium's VP9 and AV1 of three spatial and three temporal layers: whole, small and whole again, every picture decoded."""
    bench.start_server()
    browser = bench.browser()
    browser.call('join', bench.url, bench.token('chromium'))
    for codec in ('vp9', 'av1'):
        viewer = bench.launch(codec, '%s s.video_0 ! queue ! identity name=i ! %sdec ! identity name=d ! fakesink sync=false'
                              % (bench.element('src', 'bob-' + codec, name='s'), codec), '--watch=s', '--digest=d',
                              '--digest=i', '--caps=d')
        viewer.wait_event('livekit-connection', state='connected')
        browser.call('publish', {'codec': codec, 'width': 640, 'height': 360, 'fps': 15, 'audio': False,
                                 'backupCodec': False, 'scalabilityMode': 'L3T3_KEY'})
        viewer.wait_event('first-buffer', pad='video_0')
        widths = []
        for quality, most in (('high', 640), ('low', 320), ('high', 640)):
            viewer.tell('set s video_0::quality ' + quality)
            wait_until(lambda: viewer.events('caps'), 'a picture')
            wait_until(lambda: width_of(viewer.events('caps')[-1]) <= most if quality == 'low'
                       else width_of(viewer.events('caps')[-1]) == most, '%s: %s' % (codec, quality))
            before = len(viewer.events('digest', element='d'))
            wait_until(lambda: len(viewer.events('digest', element='d')) >= before + DECODED,
                       '%d pictures of %s' % (DECODED, codec))
            widths.append(width_of(viewer.events('caps')[-1]))
        check(not viewer.events('error') and not viewer.events('warning'), 'it cannot be decoded')
        bench.note('%s: %d pictures decoded of %d, widths %s', codec, len(viewer.events('digest', element='d')),
                   len(viewer.events('digest', element='i')), widths)
        viewer.close()
        browser.call('unpublish')


def width_of(line):
    return int(re.search(r'width\W+int\W+(\d+)', line['caps'])[1])
