# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples do what they say."""

import array
import contextlib
import pathlib
import signal
import subprocess

from check_browser import TONE
from harness import (by_clock, check, check_at_least, check_equal, HERE, in_long_runs, inside, let_pass, PATIENCE,
                     wait_until)

EXAMPLES = HERE.parent.parent / 'examples'


def publish(bench, identity, *extra, pattern='white', size='320x240'):
    width, height = size.split('x')
    text = ('videotestsrc is-live=true pattern=%s ! video/x-raw,width=%s,height=%s,framerate=30/1 ! vp8enc deadline=1 '
            '! %s' % (pattern, width, height, bench.element('sink', identity, name='k')))
    sender = bench.launch(identity, ' '.join([text, *extra]), '--watch=k')
    bench.wait_published(identity, 1 + len(extra))
    return sender


class Example:
    """A running example; `stop` is Ctrl-C."""

    def __init__(self, bench, name, *arguments):
        program = bench.build / 'examples' / ('livekit-' + name)
        command = ['/usr/bin/python3', str(EXAMPLES / name)] if name.endswith('.py') else [str(program)]
        self.name, self.output = name, bench.folder / (name + '.log')
        with open(self.output, 'wb') as file:
            self.process = subprocess.Popen(inside(*command, *arguments), stdin=subprocess.DEVNULL, stdout=file,
                                            stderr=file, env=bench.environment(LIVEKIT_URL=bench.url))
        bench.stack.callback(self.kill)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def printed(self):
        return self.output.read_text(errors='replace')

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        check_equal(self.process.wait(PATIENCE), 0, 'exit code of %s (%s)' % (self.name, self.output))


def length_of(bench, file):
    """Seconds of each stream of a file, by kind."""
    info = bench.probe_file(file)
    kinds = {stream['index']: stream['codec_type'] for stream in info['streams']}
    return {kinds[index]: max(times) - min(times) for index, times in info['times'].items()}


@in_long_runs
def test_example_record_one(bench):
    """record-one: one participant's two tracks in one file, nothing of others; it ends when he leaves."""
    bench.start_server()
    alice = publish(bench, 'alice', TONE + ' ! k.audio_0')
    publish(bench, 'bob')
    file = bench.temporary / 'alice.mkv'
    example = Example(bench, 'record-one', bench.room, 'alice', str(file))
    wait_until(lambda: example.printed().count('recording') == 2, 'two tracks are recorded')
    let_pass(5)
    alice.end('eos')
    check_equal(example.process.wait(PATIENCE), 0, 'exit code')
    lengths = length_of(bench, file)
    bench.note('%s', lengths)
    check_equal(sorted(lengths), ['audio', 'video'], 'streams')
    check_at_least(min(lengths.values()), by_clock(4, 1), 'seconds')


def test_example_record_all(bench):
    """record-all: a file for each track; somebody leaves, somebody comes; Ctrl-C finishes all files."""
    bench.start_server()
    alice = publish(bench, 'alice', TONE + ' ! k.audio_0')
    example = Example(bench, 'record-all', bench.room, str(bench.temporary))
    wait_until(lambda: len(list(bench.temporary.glob('*.mkv'))) == 2, 'two files')
    bob = publish(bench, '../b o b')
    wait_until(lambda: len(list(bench.temporary.glob('*.mkv'))) == 3, 'three files')
    before = [sender.counter('video_0', 'frames-sent', 'k') for sender in (alice, bob)]
    let_pass(3)
    wait_until(lambda: min(sender.counter('video_0', 'frames-sent', 'k') - sent
                           for sender, sent in zip((alice, bob), before)) >= 60, 'frames of both', every=0.1)
    alice.end('eos')
    let_pass(2)
    example.stop()
    files = sorted(bench.temporary.glob('*.mkv'))
    for file in files:
        lengths = length_of(bench, file)
        bench.note('%s: %s', file.name, lengths)
        check_equal(len(lengths), 1, 'streams')
        check_at_least(min(lengths.values()), by_clock(2, 0.5), 'seconds')
    check_equal(sorted(file.name.split('-', 1)[1] for file in files),
                ['___b_o_b-video_1.mkv', 'alice-audio_0.mkv', 'alice-video_0.mkv'], 'names')


def brightness(frame, x, y):
    """Of a small piece of a GRAY8 frame of 1280x720."""
    piece = [frame[(y + dy) * 1280 + x + dx] for dy in range(8) for dx in range(8)]
    return sum(piece) / len(piece)


def test_example_wall(bench):
    """wall: two cameras side by side; when one leaves, the other one fills the wall."""
    bench.start_server()
    publish(bench, 'alice', size='320x180')
    file = pathlib.Path(bench.temporary) / 'wall.gray'
    sink = 'videoconvert ! video/x-raw,format=GRAY8 ! filesink location=%s buffer-mode=unbuffered' % file
    example = Example(bench, 'wall', bench.room, sink)

    def last_frame():
        size = file.stat().st_size // (1280 * 720) if file.exists() else 0
        if size == 0:
            return bytes(1280 * 720)
        with open(file, 'rb') as data:
            data.seek((size - 1) * 1280 * 720)
            return data.read(1280 * 720)

    def picture():
        frame = last_frame()
        return [brightness(frame, x, y) > 128 for x, y in ((320, 180), (960, 180), (640, 600))]
    wait_until(lambda: picture() == [True, True, True], 'one camera fills the wall', every=0.2)
    bob = publish(bench, 'bob', size='320x180')
    wait_until(lambda: picture() == [True, True, False], 'two cameras side by side', every=0.2)
    bob.end('eos')
    wait_until(lambda: picture() == [True, True, True], 'one camera fills the wall again', every=0.2)
    example.stop()


def test_example_brightness(bench):
    """brightness.py tells a white camera from a black one."""
    bench.start_server()
    publish(bench, 'alice')
    publish(bench, 'bob', pattern='black')
    example = Example(bench, 'brightness.py', bench.room)

    def values(identity):
        lines = [line for line in example.printed().splitlines() if line.startswith(identity + ':')]
        return [float(line.split()[-1]) for line in lines]
    wait_until(lambda: len(values('alice')) > 1 and len(values('bob')) > 1, 'both cameras')
    check_at_least(values('alice')[-1], 200, 'brightness of white')
    check(values('bob')[-1] < 30, 'brightness of black: %s', values('bob'))
    example.stop()


def loudest(file):
    """The largest sample of the last tenth of a second of a file of 16-bit stereo sound."""
    data = file.read_bytes()[-19200:] if file.exists() else b''
    samples = array.array('h', data[:len(data) // 2 * 2])
    return max((abs(sample) for sample in samples), default=0)


def test_example_echo(bench):
    """echo: one participant that says what it hears, and is silent when nobody speaks; it does not hear itself."""
    bench.start_server()
    example = Example(bench, 'echo', bench.room, 'parrot', '300')
    bench.wait_published('parrot', 1)
    file = pathlib.Path(bench.temporary) / 'heard.raw'
    bench.launch('carol', '%s ! opusdec ! audioconvert ! audio/x-raw,format=S16LE,channels=2,rate=48000 ! filesink '
                 'buffer-mode=unbuffered location=%s' % (bench.element('src', 'carol', tracks='parrot/audio'), file))
    wait_until(lambda: file.exists() and file.stat().st_size > 192000 and loudest(file) < 100, 'it is silent', 60)
    for _ in range(2):
        alice = bench.launch('alice', '%s ! %s' % (TONE, bench.element('sink', 'alice')))
        wait_until(lambda: loudest(file) > 1000, 'the echo is heard', 60)
        check_equal(sorted(bench.server.participants(bench.room)), ['alice', 'carol', 'parrot'], 'participants')
        alice.end()
        wait_until(lambda: loudest(file) < 100, 'it is silent again', 60)
    check_equal(example.printed().count('listening to alice'), 2, 'times that it listened')
    check_equal(example.printed().count('listening'), 2, 'times that it listened to anybody')
    example.stop()
