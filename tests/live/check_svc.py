# SPDX-License-Identifier: LGPL-2.1-or-later
"""Temporal layers in one stream: who wants fewer pictures gets fewer, and can decode them."""

import pathlib
import re

from check_codecs import RAW
from harness import check, check_at_most, wait_until

# Chromium's, of 15 pictures a second: a quarter of them is layer 0, a quarter layer 1, half layer 2.
CLIP = pathlib.Path(__file__).resolve().parents[1] / 'vectors' / 'av1-l1t3.mkv'
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
        return counts if counts[1] * 5 <= counts[0] * 3 else None
    counts = wait_until(settled, 'one viewer gets fewer pictures', 30)
    check(counts[1] > 0, 'it gets none at all')
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


def test_layers_av1(bench):
    """Three layers in a file."""
    def publish():
        text = ['concat name=c ! av1parse ! ' + bench.element('sink', 'alice')]
        text += ['filesrc location=%s ! matroskademux ! queue ! c.' % CLIP] * 12
        return bench.launch('publisher', ' '.join(text))
    thinned(bench, 'av1dec', publish, 4)


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
        viewer.wait_event('first-buffer', 30, pad='video_0')
        widths = []
        for quality, most in (('high', 640), ('low', 320), ('high', 640)):
            viewer.tell('set s video_0::quality ' + quality)
            wait_until(lambda: viewer.events('caps'), 'a picture', 30)
            wait_until(lambda: width_of(viewer.events('caps')[-1]) <= most if quality == 'low'
                       else width_of(viewer.events('caps')[-1]) == most, '%s: %s' % (codec, quality), 30)
            before = len(viewer.events('digest', element='d'))
            wait_until(lambda: len(viewer.events('digest', element='d')) >= before + DECODED,
                       '%d pictures of %s' % (DECODED, codec), 30)
            widths.append(width_of(viewer.events('caps')[-1]))
        check(not viewer.events('error') and not viewer.events('warning'), 'it cannot be decoded')
        bench.note('%s: %d pictures decoded of %d, widths %s', codec, len(viewer.events('digest', element='d')),
                   len(viewer.events('digest', element='i')), widths)
        viewer.close()
        browser.call('unpublish')


def width_of(line):
    return int(re.search(r'width\W+int\W+(\d+)', line['caps'])[1])
