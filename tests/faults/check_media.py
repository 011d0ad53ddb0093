# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of the path of the media, in both directions, and a recording that lives through all of them."""

import re
import time

from check_signal import check_one_pad_each, end_all, wait_state
from harness import check, check_at_least, check_equal, decode, let_pass, wait_until
from mediaclock import FPS, MediaClock
from netbench import inside
from pipelines import ENCODERS, publish, receive


# A key frame is asked for once a second at most: where one is lost with all that repairs it, the next comes that late.
LONGEST_FREEZE = 1.25


def cross(bench, codec='h264'):
    """alice in cli to a viewer in srv, dave in srv to bob in cli: faults of the link hit one end of each."""
    alice = publish(bench, 'alice', 'alice', codec)
    bob = receive(bench, 'bob', 'bob', codec, of='dave')
    with inside('srv'):
        dave = publish(bench, 'dave', 'dave', codec)
        viewer = receive(bench, 'viewer', 'viewer', codec, of='alice')
    for launch in (bob, viewer):
        bench.wait_frames(launch, 90)
    bench.remember_probes(alice, bob)
    return alice, bob, dave, viewer


def lose_udp(bench, seconds, keeps_session, goal, limit=None):
    server = bench.start_server()
    alice, bob, dave, viewer = cross(bench)
    before = server.participants(bench.room)
    lost = bench.drop_udp()
    let_pass(max(0, lost + seconds - time.monotonic()))
    healed = bench.heal()
    for title, launch in (('publishing', viewer), ('subscribing', bob)):
        clock = bench.wait_frames(launch, 60, 40, since=healed)
        bench.figure('%s: media after' % title, clock.back_after(healed), 's', limit=limit, goal=goal)
    after = server.participants(bench.room)
    if keeps_session:
        for identity in ('alice', 'bob'):
            check_equal(after[identity]['sid'], before[identity]['sid'], 'sid of ' + identity)
    check_one_pad_each(alice, bob, dave)
    bench.check_probes(alice, bob)
    end_all(viewer, bob, alice, dave)


def test_t8_udp_gone_5s(bench):
    """T8: UDP gone for 5 s: media again within 3 s, no rejoin."""
    lose_udp(bench, 5, True, 0.2, 3)


def test_t8_udp_gone_12s(bench):
    """T8: UDP gone for 12 s: a resume at most."""
    lose_udp(bench, 12, True, 0.5)


def test_t8_udp_gone_40s(bench):
    """T8: UDP gone for 40 s: a full reconnect."""
    lose_udp(bench, 40, False, 3)


def never_udp(bench, limit, goal, extra=None, drop=False):
    bench.start_server(extra)
    if drop:
        bench.drop_udp()
    for launch in (publish(bench), receive(bench)):
        took = launch.wait_event('livekit-connection', 40, state='connected')['t'] - launch.wait_event('start')['t']
        bench.figure('%s connected after' % launch.name, took / 1e6, 's')
    clock = bench.wait_frames(launch, 60, 40)
    bench.figure('first media after', clock.frames[0][0] - launch.wait_event('start')['t'] / 1e6, 's', limit, goal)
    kinds = re.findall(r'candidate-type[^,]*|protocol[^,]*', launch.get('s', 'stats'))
    bench.note('stats: %s', sorted(set(kinds)))
    check('tcp' in launch.get('s', 'stats').lower(), 'the stats do not say tcp')


def test_t9_udp_blocked(bench):
    """T9a: UDP never passes, ICE-TCP is open."""
    never_udp(bench, 20, 2, drop=True)


def test_t9_force_tcp(bench):
    """T9b: the server offers TCP only."""
    never_udp(bench, 5, 2, extra={'rtc': {'force_tcp': True}})


def impaired(bench, codec, spoil, limit_part=None):
    bench.start_server()
    relay = bench.start_relay() if spoil in (shake, far, farther) else None
    alice, bob, dave, viewer = cross(bench, codec)
    spoil(bench, relay)
    start, seconds = time.monotonic(), 60 if bench.long else 20
    let_pass(seconds)
    bench.heal()
    for direction, launch in (('publishing', viewer), ('subscribing', bob)):
        clock = MediaClock.of(launch, since=start)
        bench.note('%s: %s', direction, clock)
        bench.figure('%s: frames' % direction, '%d of %d' % (len(clock.frames), seconds * FPS), goal='all')
        bench.figure('%s: frozen %%' % direction, clock.frozen_part * 100, limit=limit_part)
        bench.figure('%s: longest freeze' % direction, max(clock.freezes, default=0.0), 's', limit=LONGEST_FREEZE)
        # A damaged picture may also show another number.
        check(clock.in_order or clock.unreadable, '%s: frames out of order', direction)
    for launch, name in ((alice, 'k'), (dave, 'k')):
        asked = max(map(int, re.findall(r'key-frames-requested=\(guint64\)(\d+)', launch.get(name, 'stats').replace(
            '\\', ''))), default=0)
        bench.figure('%s: key frames asked for' % launch.name, asked, limit=seconds + 5)
    check_one_pad_each(alice, bob, dave)
    end_all(viewer, bob, alice, dave)


def lose(percent):
    return lambda bench, _: bench.drop_udp('numgen', 'random', 'mod', '100', '<', str(percent))


def lose_bursts(bench, _):
    bench.drop_udp('numgen', 'inc', 'mod', '50', '<', '5')


def shake(_, relay):
    relay.delay_ms, relay.jitter_ms, relay.reorder = 25, 20, 0.01


def far(_, relay):
    relay.delay_ms = 50


def farther(_, relay):
    relay.delay_ms = 100


SPOILS = {'loss_1': (lose(1), 3), 'loss_3': (lose(3), 3), 'loss_5': (lose(5), 3), 'bursts': (lose_bursts, None),
          'jitter': (shake, 3), 'delay_50_ms': (far, 3), 'delay_100_ms': (farther, 3)}


def add_impaired(codec, name):
    def test(bench):
        impaired(bench, codec, *SPOILS[name])
    test.__doc__ = 'T23: %s, %s, both directions.' % (name.replace('_', ' of ', 1).replace('_', ' '), codec)
    globals()['test_t23_%s_%s' % (name, codec)] = test


for each_codec in ENCODERS:
    for each_name in SPOILS:
        add_impaired(each_codec, each_name)


def test_rights(bench):
    """The right to publish is taken and given back."""
    server = bench.start_server()
    sender = publish(bench)
    watcher = bench.launch('receiver', bench.element('src', 'bob', name='s', tracks='alice'), '--watch=s',
                           '--branch=s=fakesink sync=false', '--stay')
    watcher.wait_event('first-buffer', pad='video_0')

    def permit(allowed):
        server.api('UpdateParticipant', room=bench.room, identity='alice', permission={
            'canSubscribe': True, 'canPublish': allowed, 'canPublishData': True})
        return time.monotonic()
    permit(False)
    wait_until(lambda: not server.participants(bench.room)['alice'].get('tracks'), 'the server took the tracks away')
    let_pass(3)
    known = len(watcher.lines)
    given = permit(True)
    back = watcher.wait_event('first-buffer', 20, after=known, pad='video_0')['t'] / 1e6
    bench.figure('media after the right is given back:', back - given, 's', goal=2)
    check_equal(sender.events('error'), [], 'errors')
    end_all(watcher, sender)


def record(bench, muxer, suffix):
    bench.limit(300)
    bench.start_server()
    proxy = bench.start_proxy()
    sender = publish(bench)
    file = bench.folder / ('recording.' + suffix)
    text = ('%s s.video_0 ! queue ! h264parse ! m.video_0 s.audio_0 ! queue ! opusparse ! m.audio_0 %s name=m ! '
            'filesink location=%s' % (bench.element('src', 'recorder', name='s', tracks='alice'), muxer, file))
    recorder = bench.launch('recorder', text, '--watch=s')
    start = max(recorder.wait_event('first-buffer', pad=pad)['t'] for pad in ('video_0', 'audio_0')) / 1e6
    let_pass(3)
    killed = bench.kill_server()
    let_pass(3)
    up = bench.server_again()
    for launch in (sender, recorder):
        wait_state(launch, 'connected', killed)
    let_pass(max(0, up + 6 - time.monotonic()))
    for _ in range(5):
        for connection in proxy.websockets():
            connection.cut()
        let_pass(1)
    bench.drop_udp()
    let_pass(5)
    bench.heal()
    let_pass(8)
    recorder.end('eos')
    seconds = recorder.wait_event('pad-eos')['t'] / 1e6 - start
    check_one_pad_each(sender)
    info = bench.probe_file(file)
    for stream in info['streams']:
        times = sorted(info['times'][stream['index']])
        length = times[-1] - times[0]
        bench.figure('%s: seconds of %.1f:' % (stream['codec_type'], seconds), length)
        check(abs(length - seconds) < 0.02 * seconds + 0.5, '%s %.2f s long of %.2f s', stream['codec_type'], length,
              seconds)
    decode(file)
    reader = bench.launch('reader', 'filesrc location=%s ! decodebin ! video/x-raw ! videoconvert ! '
                          'video/x-raw,format=I420 ! identity name=r ! fakesink' % file, '--read=r')
    check_equal(reader.wait(60), 0, 'exit code of the player')
    drift = [line['pts'] / 1e9 - line['number'] / FPS for line in reader.events('frame') if line['number'] >= 0]
    check_at_least(len(drift), FPS * (seconds - 15), 'frames in the file')
    bench.figure('frames in the file', len(drift))
    bench.figure('most that time in the file is off', max(drift) - min(drift), 's')
    sender.end()


def test_recorder_mp4(bench):
    """A recorder into MP4 lives through T1, T4 and T8; the file plays from start to end."""
    record(bench, 'mp4mux', 'mp4')


def test_recorder_mkv(bench):
    """The same into Matroska."""
    record(bench, 'matroskamux', 'mkv')
