# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recordings by gst-launch end as playable files, by Ctrl-C and by the end of the tracks."""

import signal

from check_browser import publishing
from harness import JOIN_TIMEOUT_MS, by_clock, check, check_at_least, check_at_most, check_equal, wait_until

ENOUGH_BYTES = 200000  # some seconds
MUXED = ('-e livekitsrc name=s room={room} join-timeout={wait} identity=recorder s.video_0 ! queue ! h264parse ! m. '
         's.audio_0 ! queue ! opusparse ! m. mp4mux name=m ! filesink location={file}')
VIDEO_ONLY = ('-e livekitsrc room={room} join-timeout={wait} tracks=alice/camera ! h264parse ! video/x-h264,stream-format=avc3 ! '
              'mp4mux ! filesink location={file}')


def record(bench, line, ending):
    """Records for some seconds, ends it, and returns what ffprobe says about the file."""
    server = bench.start_server()
    sender = bench.launch('publisher', publishing(bench, 'h264'), '--watch=k')
    bench.wait_published('alice', 2)
    file = bench.folder / 'recording.mp4'
    process, output = bench.gst_launch('recorder', *line.format(room=bench.room, file=file, wait=JOIN_TIMEOUT_MS).split(),
                                       variables={'LIVEKIT_URL': server.url})
    wait_until(lambda: process.poll() is not None or (file.exists() and file.stat().st_size > ENOUGH_BYTES),
               'the file grows')
    ending(process, sender)
    wait_until(lambda: process.poll() is not None, 'gst-launch ended (%s)' % output)
    check_equal(process.returncode, 0, 'exit code (%s)' % output)
    info = bench.probe_file(file)
    kinds = {stream['codec_name']: info['times'][stream['index']] for stream in info['streams']}
    for codec, times in kinds.items():
        bench.note('%s: %d packets, %.2f s', codec, len(times), max(times) - min(times))
    check_at_least(len(kinds['h264']), 30, 'video packets')
    wrong = [b - a for a, b in zip(sorted(kinds['h264']), sorted(kinds['h264'])[1:]) if not 0.02 < b - a < 0.06]
    check_at_most(len(wrong) / len(kinds['h264']), by_clock(0.1, 0.7), 'share of frames not 20 to 60 ms apart')
    return kinds


def interrupt(process, _):
    process.send_signal(signal.SIGINT)


def publisher_leaves(_, sender):
    sender.end('eos')


def test_interrupted_recording(bench):
    """gst-launch -e and Ctrl-C: audio and video in a playable MP4."""
    check_equal(sorted(record(bench, MUXED, interrupt)), ['h264', 'opus'], 'codecs')


def test_ended_recording(bench):
    """The publisher leaves: EOS finishes the file without any hand."""
    check_equal(sorted(record(bench, MUXED, publisher_leaves)), ['h264', 'opus'], 'codecs')


def test_video_recording(bench):
    """The launch line of the documentation: one participant's camera to a file."""
    kinds = record(bench, VIDEO_ONLY, interrupt)
    check(sorted(kinds) == ['h264'], 'streams: %s', sorted(kinds))
