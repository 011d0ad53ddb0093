# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many tracks at once."""

import os
import re
import time

from harness import check_at_most, check_equal, in_long_runs, let_pass, Skipped, wait_until
from lkserver import KEY, SECRET

VIDEO_PADS, AUDIO_PADS = 20, 10
BUFFERS = 20


def fan_out(kind, count):
    return ' '.join('%s. ! queue ! k.%s_%d' % (kind[0] + 't', kind, number) for number in range(count))


def test_many_pads(bench):
    """20 video and 10 audio pads in one livekitsink: all published, and all received by one livekitsrc."""
    bench.start_server()
    receiver = bench.launch('receiver', bench.element('src', 'bob', name='s'), '--watch=s',
                            '--branch=s=queue ! fakesink sync=false', debug='2,livekit*:4')
    receiver.wait_event('livekit-connection', state='connected')
    text = ('%s videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=180,framerate=15/1 '
            '! vp8enc deadline=1 cpu-used=8 target-bitrate=200000 ! tee name=vt '
            'audiotestsrc is-live=true ! opusenc ! tee name=at %s %s' % (
                bench.element('sink', 'alice', name='k'), fan_out('video', VIDEO_PADS), fan_out('audio', AUDIO_PADS)))
    sender = bench.launch('publisher', text, '--watch=k', debug='2,livekit*:4')
    total = VIDEO_PADS + AUDIO_PADS
    wait_until(lambda: len(sender.events('livekit-track', action='published')) >= total, 'all published')
    times = [line['t'] for line in sender.events('livekit-track', action='published')]
    bench.note('%d tracks published %.2f s after the start', total, (times[-1] - sender.wait_event('start')['t']) / 1e6)
    check_equal(len(bench.wait_published('alice', total)), total, 'tracks that the server lists')
    wait_until(lambda: len(receiver.events('first-buffer')) >= total, 'media on all pads of the receiver')
    last = max(line['t'] for line in receiver.events('first-buffer')) - sender.wait_event('start')['t']
    bench.note('media on all pads of the receiver %.2f s after the start', last / 1e6)
    check_equal(len(receiver.events('pad-added')), total, 'pads')
    pads = [line['pad'] for line in receiver.events('pad-added')]
    wait_until(lambda: all(receiver.counter(pad, 'frames-received') >= BUFFERS for pad in pads),
               '%d buffers on each pad' % BUFFERS, every=0.2)
    receiver.end()
    sender.end()


def crowd(bench, count, per_second=10):
    """So many participants of the Go SDK with a track each come, ten a second; half of them go and come again. Returns the seconds
    until all was there, how long the room loop was held at most in ms, and the seconds that the stop took."""
    bench.start_server()
    receiver = bench.launch('receiver', bench.element('src', 'bob', name='s'), '--watch=s',
                            '--branch=s=queue ! fakesink sync=false', debug='1,livekit*:5')
    receiver.wait_event('livekit-connection', state='connected')
    others = bench.go_peer()

    def come(first, last):
        others.call('crowd-join', str(first), str(last), str(per_second), bench.url, KEY, SECRET, bench.room)

    began = time.monotonic()
    come(1, count)
    wait_until(lambda: len(receiver.events('first-buffer')) >= count, 'media of all', 120 + count, every=0.2)
    shown = max(line['t'] for line in receiver.events('pad-added')) / 1e6 - began
    media = max(line['t'] for line in receiver.events('first-buffer')) / 1e6 - began
    bench.note('%d pads after %.1f s, media on all after %.1f s; the last began to join after %.1f s', count, shown, media,
               (count - 1) / per_second)
    check_equal(len(receiver.events('pad-added')), count, 'pads')
    others.call('crowd-leave', '1', str(count // 2), str(per_second))
    wait_until(lambda: len(receiver.events('pad-removed')) >= count // 2, 'the pads of those who left are gone', 120, every=0.2)
    come(1, count // 2)
    wait_until(lambda: len(receiver.events('first-buffer')) >= count + count // 2, 'media of all again', 120, every=0.2)
    check_equal(others.call('crowd-count'), {'members': count, 'errors': 0}, 'the crowd')
    check_equal(len(receiver.events('pad-added')), count + count // 2, 'pads in all')
    let_pass(1)
    stats = receiver.get('s', 'stats').replace('\\', '')
    longest, held, cpu = (int(re.search(name + r'=\(uint\)(\d+)', stats).group(1)) / 1000
                          for name in ('loop-longest-us', 'loop-longest-held-us', 'loop-longest-cpu-us'))
    bench.note('the room loop was busy for %.1f ms at most, %.1f ms without what others had the processors for, and used '
               'one for %.1f ms', longest, held, cpu)
    receiver.end()
    stop = receiver.events('stopped')[0]['us'] / 1e6
    bench.note('stopped in %.2f s', stop)
    return media, held, stop


@in_long_runs
def test_crowd(bench):
    """Thirty participants come, half of them go and come again: a pad each, none too many."""
    crowd(bench, 30)


def test_crowd_of_hundred(bench):
    """With LIVE_LONG: a hundred. All pads within 15 s, the room loop never busy for 50 ms, stopped within 3 s."""
    if not os.environ.get('LIVE_LONG'):
        raise Skipped('set LIVE_LONG=1 for it, on a machine with nothing else to do')
    media, held, stop = crowd(bench, 100)
    check_at_most(media, 15, 'seconds until all is there')
    check_at_most(held, 50, 'ms that the loop was held')
    check_at_most(stop, 3, 'seconds to stop')
