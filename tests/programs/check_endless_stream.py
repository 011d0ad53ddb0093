# SPDX-License-Identifier: LGPL-2.1-or-later
"""endless-stream: files in a loop, into a room and into a sink of one's own."""

import re
import subprocess

from harness import check, check_equal, wait_until
from programs import Program, ask, free_port, metrics, wait_up


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


def test_endless_stream_service(bench):
    """By a settings file: health, figures and readiness; a file that cannot be played holds up no other."""
    bench.start_server()
    file = make_file(bench, 'yard.mkv', VIDEO, 'vp8enc deadline=1 ! matroskamux !')
    broken = bench.temporary / 'broken.mkv'
    port = free_port()
    settings = ('LIVEKIT_SERVER: %s\nLIVEKIT_API_KEY: devkey\nLIVEKIT_API_SECRET: secret\nROOM_ID: %s\n'
                'CLIENT_ID: yard\nHTTP_LISTEN: 127.0.0.1:%d\nFILE_0: %s\nFILE_1: %s=fakesink sync=true\n' % (
                    bench.url, bench.room, port, file, file))
    url = 'http://127.0.0.1:%d/' % port

    def labels(number, path):
        return '{number="%d",file="%s"' % (number, path)

    program = Program(bench, 'endless-stream', 'livekit-endless-stream', settings, '--check', label='check')
    check_equal(program.wait_end(), 0, 'exit code of --check')
    program = Program(bench, 'endless-stream', 'livekit-endless-stream', settings)
    wait_up(url + 'health')
    bench.wait_published('yard-0', 1)
    wait_until(lambda: ask(url + 'ready')[0] == 200, 'ready')
    names = ['endless_stream_rounds_total%s}' % labels(number, file) for number in (0, 1)]
    wait_until(lambda: all(metrics(url + 'metrics')[name] >= 2 for name in names), 'two rounds of both', 60)
    values = metrics(url + 'metrics')
    check_equal(values['endless_stream_connected%s}' % labels(0, file)], 1, 'connected')
    check_equal(values['endless_stream_state%s,state="playing"}' % labels(1, file)], 1, 'state')
    program.stop()
    wait_until(lambda: 'yard-0' not in bench.server.participants(bench.room), 'it has left the room')

    broken.write_bytes(b'no film' * 1000)
    program = Program(bench, 'endless-stream', 'livekit-endless-stream', settings + 'FILE_2: %s\n' % broken,
                      label='with-a-broken-one')
    wait_up(url + 'health')
    restarts = 'endless_stream_restarts_total%s}' % labels(2, broken)
    wait_until(lambda: metrics(url + 'metrics')[restarts] >= 2, 'it starts again')
    wait_until(lambda: all(metrics(url + 'metrics')[name] >= 2 for name in names), 'two rounds of the others', 60)
    status, _, text = ask(url + 'ready')
    check_equal(status, 503, 'ready')
    check('%s is ' % broken in text and str(file) not in text, 'said: %s', text)
    check_equal([metrics(url + 'metrics')['endless_stream_restarts_total%s}' % labels(number, file)]
                 for number in (0, 1)], [0, 0], 'restarts of the others')
    program.stop()


def test_endless_stream_bad_settings(bench):
    """Settings that are missing or wrong: all told, exit code 2. Without any, too."""
    file = make_file(bench, 'yard.mkv', VIDEO, 'vp8enc deadline=1 ! matroskamux !')
    program = Program(bench, 'endless-stream', 'livekit-endless-stream',
                      'ROOM_ID: yard\nTOKEN_SERVER: 127.0.0.1:1\nHTTP_LISTEN: here\nFILE_0: %s\nFILE_2: x.mp4\n' % file)
    check_equal(program.wait_end(), 2, 'exit code')
    for text in ('LIVEKIT_SERVER is not set', 'HTTP_LISTEN: "here" is no address', 'FILE_2 is not used'):
        check(text in program.printed(), 'not told: %s in\n%s', text, program.printed())
    program = endless(bench)
    check_equal(program.wait_end(), 2, 'exit code without files')
    check('FILE_0 is not set' in program.printed(), 'said: %s', program.printed())
