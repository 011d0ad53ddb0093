# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many tracks at once."""

from harness import check_equal, wait_until

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
