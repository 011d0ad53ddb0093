# SPDX-License-Identifier: LGPL-2.1-or-later
"""Publishers and receivers of the fault tests: small pictures with numbers, and Opus."""

from mediaclock import FPS

RAW = 'videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=%d/1' % FPS
AUDIO = 'audiotestsrc is-live=true wave=sine freq=440 volume=0.3 ! opusenc'
ENCODERS = {
    'h264': 'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=300 bitrate=500',
    'vp8': 'vp8enc deadline=1 cpu-used=16 keyframe-max-dist=300 target-bitrate=500000',
    'vp9': 'vp9enc deadline=1 cpu-used=8 lag-in-frames=0 keyframe-max-dist=300 target-bitrate=500000',
    'h265': 'x265enc tune=zerolatency speed-preset=ultrafast key-int-max=300 bitrate=500',
}
DECODERS = {'h264': 'avdec_h264', 'vp8': 'vp8dec', 'vp9': 'vp9dec', 'h265': 'avdec_h265'}


def publish(bench, name='publisher', identity='alice', codec='h264', debug=None, **properties):
    text = '%s ! identity name=p ! queue max-size-buffers=5 ! %s ! %s %s ! k.audio_0' % (
        RAW, ENCODERS[codec], bench.element('sink', identity, name='k', **properties), AUDIO)
    return bench.launch(name, text, '--watch=k', '--paint=p', debug=debug)


def receive(bench, name='receiver', identity='bob', codec='h264', of='alice', **properties):
    """Shows video and counts audio of one participant."""
    text = ('%s s.video_0 ! queue ! %s ! videoconvert ! video/x-raw,format=I420 ! identity name=r ! fakesink sync=false '
            's.audio_0 ! queue ! fakesink sync=false' % (
                bench.element('src', identity, name='s', tracks=of, **properties), DECODERS[codec]))
    return bench.launch(name, text, '--watch=s', '--read=r')
