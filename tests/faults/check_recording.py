# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recordings through mutes, changes of size and a restart of the server, by the launch lines of docs/recording.md."""

import pathlib
import statistics
import subprocess

import check_av
from check_signal import wait_state
from harness import check, check_at_least, check_at_most, check_equal, decode, let_pass
from mediaclock import FPS

SIZES = ['width=480,height=270', 'width=320,height=180']
RAW = 'videotestsrc is-live=true pattern=ball ! capsfilter name=cf caps=%s ! videoconvert'
CAPS = 'video/x-raw,format=I420,framerate=%d/1,' % FPS
ROOMY = 'queue max-size-time=0 max-size-bytes=0 max-size-buffers=0'
H264 = 'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=500'
VP8 = 'vp8enc deadline=1 cpu-used=16 keyframe-max-dist=60 target-bitrate=500000'
# Players of HLS know no Opus, and mpegtsmux 1.22 cannot begin a second file with it. Encoders count samples: audiorate fills mutes,
# and, unless told to skip it, the time from the pipeline's start to the first sound. Its own tolerance is 40 ms. Ogg knows no holes
# in Opus.
FILLED = 'opusdec ! audiorate skip-to-first=true tolerance=10000000 ! '
THROUGH = {'.ts': FILLED + 'audioconvert ! avenc_aac ! ', '.ogg': FILLED + 'opusenc ! '}
# File name, what the video goes through, pads and muxer.
H264_FILES = [
    ('one.mp4', 'h264parse ! video/x-h264,stream-format=avc3', '{m}.video_0', '{m}.audio_0',
     'mp4mux name={m} ! filesink location={file}'),
    ('one.mkv', 'h264parse ! video/x-h264,stream-format=avc3', '{m}.video_0', '{m}.audio_0',
     'matroskamux name={m} ! filesink location={file}'),
    ('part-%03d.mp4', 'h264parse ! video/x-h264,stream-format=avc3', '{m}.video', '{m}.audio_0',
     'splitmuxsink name={m} location={file} max-size-time=5000000000 send-keyframe-requests=true'),
    ('part-%03d.ts', 'h264parse', '{m}.video', '{m}.audio',
     'hlssink2 name={m} location={file} playlist-location={folder}/list.m3u8 target-duration=5 playlist-length=0 max-files=0'),
]
VP8_FILES = [
    ('one.webm', 'identity', '{m}.video_0', '{m}.audio_0', 'webmmux name={m} ! filesink location={file}'),
    ('one.mkv', 'identity', '{m}.video_0', '{m}.audio_0', 'matroskamux name={m} ! filesink location={file}'),
    ('one.ogg', None, None, '{m}.', 'oggmux name={m} ! filesink location={file}'),
]


def recorder_text(bench, files):
    lines = ['%s s.video_0 ! queue ! tee name=v s.audio_0 ! queue ! opusparse ! tee name=a' % bench.element(
        'src', 'recorder', name='s', tracks='alice')]
    for number, (name, through, video, audio, muxer) in enumerate(files):
        names = {'m': 'm%d' % number, 'file': bench.folder / name, 'folder': bench.folder}
        lines.append(muxer.format(**names))
        if video:
            lines.append('v. ! %s ! %s ! %s' % (ROOMY, through, video.format(**names)))
        lines.append('a. ! %s ! %s%s' % (ROOMY, THROUGH.get(pathlib.Path(name).suffix, ''), audio.format(**names)))
    return ' '.join(lines)


def mute(sender, pads, seconds):
    for pad in pads:
        sender.tell('set k %s::muted true' % pad)
    let_pass(seconds)
    for pad in pads:
        sender.tell('set k %s::muted false' % pad)


def disturb(bench, launches, sender):
    """Ten mutes, two sizes and a restart in a minute; a third of it in the short form."""
    kinds = [['audio_0'], ['video_0'], ['audio_0', 'video_0']]
    n_mutes, pause = (10, 2.5) if bench.long else (3, 1)
    for number in range(n_mutes):
        mute(sender, kinds[number % 3], 1.5)
        let_pass(pause)
        if number in (1, 2 * n_mutes // 3):
            sender.tell('set cf caps ' + CAPS + SIZES[number > 1])
        if number == n_mutes // 2:
            known = bench.kill_server()
            let_pass(2)
            bench.server_again()
            for launch in launches:
                wait_state(launch, 'connected', known)
            let_pass(pause)
    let_pass(4)


def watch(bench, file, has_video):
    """Plays a recording with eyes and ears."""
    text = 'filesrc location=%s ! decodebin name=d d. ! audio/x-raw ! queue ! audioconvert ! ' \
        'audio/x-raw,format=S16LE,channels=1 ! identity name=h ! fakesink' % file
    options = ['--beep=h']
    if has_video:
        text += ' d. ! video/x-raw ! queue ! videoconvert ! video/x-raw,format=I420 ! identity name=r ! fakesink'
        options.append('--read=r')
    reader = bench.launch('player-' + file.name, text, *options, debug='2')
    check_equal(reader.wait(120), 0, 'exit code of the player of ' + file.name)
    return reader


def copy_to_matroska(part):
    """For players: qtdemux leaves out a picture that is shorter than a fifth of its file, as a mute and a restart make it."""
    copy = part.with_suffix('.copy.mkv')
    subprocess.run(['ffmpeg', '-nostdin', '-v', 'error', '-y', '-i', part, '-c', 'copy', copy], check=True, timeout=60)
    return copy


def check_aligned(bench, name, sender, readers):
    """Sound is where it was to the picture, from the start to the end. (AAC itself begins 21 to 43 ms late.)"""
    found = [ms for reader in readers for _, ms in check_av.offsets(sender, reader)]
    check_at_least(len(found), 12, 'beeps in ' + name)
    start, end = statistics.median(found[:5]), statistics.median(found[-5:])
    bench.figure('%s: ms of sound after picture at the start' % name, start)
    bench.figure('at the end', end)
    check_at_most(abs(start), 100, 'ms at the start of ' + name)
    check_at_most(abs(end - start), 40, 'ms between start and end of ' + name)


def check_beeps(bench, name, reader, other):
    """Sound alone that was encoded again is where it is in the file that has it as it came, from the start to the end."""
    heard, right = ([line['pts'] / 1e6 for line in player.events('beep')] for player in (reader, other))
    check_at_least(len(heard), 12, 'beeps in ' + name)
    late = [ms - min(right, key=lambda at: abs(at - ms)) for ms in heard]
    bench.figure('%s: most ms that sound is off' % name, max(map(abs, late)))
    drift = statistics.median(late[-5:]) - statistics.median(late[:5])
    bench.figure('%s: ms of sound at the end against the start' % name, drift)
    check_at_most(abs(drift), 40, 'ms between start and end of ' + name)


def check_length(bench, file, seconds):
    info = bench.probe_file(file)
    for stream in info['streams']:
        times = info['times'][stream['index']]
        length = max(times) - min(times)
        bench.figure('%s: seconds of %s' % (file.name, stream['codec_type']), length)
        check(abs(length - seconds) < 0.02 * seconds + 0.5, '%s of %s is %.2f s long of %.2f s', stream['codec_type'],
              file.name, length, seconds)


def check_recording(bench, name, sender, seconds, as_it_came):
    """Returns the players of its files. @as_it_came: the player of another file with the same sound."""
    parts = sorted(bench.folder.glob(name.replace('%03d', '*')))
    for file in parts:
        decode(file)
    bench.note('%s: %d files', name, len(parts))
    has_video = not name.endswith('.ogg')
    if name.endswith('.ts'):
        check_length(bench, bench.folder / 'list.m3u8', seconds)
    elif len(parts) == 1:
        check_length(bench, parts[0], seconds)
    are_short = name.startswith('part') and name.endswith('.mp4')
    players = [watch(bench, copy_to_matroska(file) if are_short else file, has_video) for file in parts]
    if has_video:
        check_aligned(bench, name, sender, players)
    else:
        check_beeps(bench, name, players[0], as_it_came)
    return players


def record(bench, encoder, files):
    bench.limit(600)
    bench.start_server()
    sender = check_av.publisher(bench, encoder=encoder, raw=RAW % (CAPS + SIZES[1]), debug='2,livekit*:5')
    recorder = bench.launch('recorder', recorder_text(bench, files), '--watch=s', debug='2,livekit*:5')
    start = max(recorder.wait_event('first-buffer', 60, pad=pad)['t'] for pad in ('video_0', 'audio_0')) / 1e6
    let_pass(2)
    disturb(bench, (sender, recorder), sender)
    recorder.end('eos', 60)
    seconds = recorder.wait_event('pad-eos')['t'] / 1e6 - start
    bench.figure('recorded seconds', seconds)
    players = [None]
    for name, *_ in files:
        players = check_recording(bench, name, sender, seconds, players[0])
    sender.end()


def test_recording_h264(bench):
    """H.264 and Opus into MP4, Matroska, parts of MP4 and HLS: mutes, changes of size and a restart of the server."""
    record(bench, H264, H264_FILES)


def test_recording_vp8(bench):
    """VP8 and Opus into WebM, Matroska and, sound alone, Ogg: the same."""
    record(bench, VP8, VP8_FILES)
