# SPDX-License-Identifier: LGPL-2.1-or-later
"""endless-stream: files in a loop, into a room and into a sink of one's own."""

import re
import subprocess

from harness import check, check_equal, wait_until
from programs import Program


def make_file(bench, name, *elements):
    file = bench.temporary / name
    subprocess.run(['gst-launch-1.0', '-q', *' '.join(elements).split(), 'filesink', 'location=%s' % file], check=True)
    return file


def codecs(bench):
    tracks = bench.server.participants(bench.room)['endless-0']['tracks']
    return sorted(track.get('mime_type', '').lower() for track in tracks)


def endless(bench, *arguments, **variables):
    return Program(bench, 'endless-stream', 'livekit-endless-stream', None, *arguments, **variables)


VIDEO = 'videotestsrc num-buffers=45 ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 !'


def test_endless_stream_room(bench):
    """H.264 and AAC from MP4: the picture as it is, the sound as Opus; several times the length of the file."""
    bench.start_server()
    file = make_file(bench, 'yard.mp4', VIDEO, 'x264enc tune=zerolatency key-int-max=15 ! h264parse ! m. '
                     'audiotestsrc num-buffers=66 ! audioconvert ! avenc_aac ! m. mp4mux name=m !')
    program = endless(bench, '--room', bench.room, str(file), LIVEKIT_URL=bench.url)
    check_equal([track['name'] for track in bench.wait_published('endless-0', 2)], ['yard.mp4'] * 2, 'names')
    wait_until(lambda: codecs(bench) == ['audio/opus', 'video/h264'], 'the server knows the codecs')
    watcher = bench.launch('receiver', bench.element('src', 'bob', name='s'), '--watch=s', '--branch=s=fakesink')
    for pad in ('video_0', 'audio_0'):
        watcher.wait_event('first-buffer', pad=pad)
    stats = {}

    def received(pad):
        text = watcher.get('s', pad + '::stats')
        stats[pad] = int(re.search(r'frames-received\W+guint64\W+(\d+)', text)[1])
        return stats[pad]
    # three times the file
    wait_until(lambda: received('video_0') > 135 and received('audio_0') > 225, 'three rounds', 60)
    bench.note('received %s', stats)
    check('starts again' not in program.printed(), 'it does not play on: %s', program.printed())
    watcher.end()
    program.stop()


def test_endless_stream_sink(bench):
    """Decoded, into a sink as a video device would be: frames without end."""
    file = make_file(bench, 'yard.mkv', VIDEO, 'vp8enc deadline=1 ! matroskamux !')
    output = bench.temporary / 'frames.gray'
    program = endless(bench, '%s=video/x-raw,format=GRAY8 ! filesink sync=true buffer-mode=unbuffered location=%s' % (
        file, output))
    wait_until(lambda: output.exists() and output.stat().st_size > 3 * 45 * 320 * 240, 'three rounds', 60)
    check('starts again' not in program.printed(), 'it does not play on: %s', program.printed())
    program.stop()


def test_endless_stream_bad_arguments(bench):
    """Files, devices and rooms that are missing: all told, exit code 2."""
    file = make_file(bench, 'yard.mkv', VIDEO, 'vp8enc deadline=1 ! matroskamux !')
    program = endless(bench, 'nothing.mp4=/dev/video-none', str(file), '%s=nosink sync=true' % file)
    check_equal(program.wait_end(), 2, 'exit code')
    for text in ('nothing.mp4: there is no such file\n', 'nothing.mp4: there is no device /dev/video-none',
                 '%s: where to?' % file, '%s: no element "nosink" in "videoconvert ! nosink sync=true"\n' % file):
        check(text in program.printed(), 'not told: %s in\n%s', text, program.printed())
