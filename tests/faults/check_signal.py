# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of the server and of the websocket."""

import signal
import time

from harness import Skipped, check, check_at_least, check_equal, let_pass, wait_until
from mediaclock import MediaClock
from netbench import inside
from pipelines import publish, receive


def pair(bench, codec='h264', **properties):
    """Our publisher and our receiver, both of which the fault hits; media flows when this returns."""
    sender = publish(bench, codec=codec, **properties)
    watcher = receive(bench, codec=codec, **properties)
    bench.wait_frames(watcher, 90)
    bench.remember_probes(sender, watcher)
    return sender, watcher


def states(launch, since):
    return [(round(line['t'] / 1e6 - since, 3), line['state'], line['reason'], line['attempt'], line['next-try-ms'])
            for line in launch.events('livekit-connection') if line['t'] / 1e6 > since]


def wait_state(launch, state, since, seconds=20):
    """Seconds from a moment until the element says that it is in that state."""
    line = launch.wait_line(lambda line: line.get('event') == 'livekit-connection' and line['state'] == state and
                            line['t'] / 1e6 > since, state, seconds)
    return line['t'] / 1e6 - since


def check_one_pad_each(*launches):
    for launch in launches:
        check_equal(len(launch.events('pad-added')), 2, 'pads that came in ' + launch.name)
        check_equal(launch.events('pad-removed'), [], 'pads that went in ' + launch.name)
        check_equal(launch.events('error'), [], 'errors of ' + launch.name)


def test_t1_server_killed(bench):
    """T1: server killed and restarted after 3 s; our publisher and our receiver come back on the same pads."""
    server = bench.start_server()
    sender, watcher = pair(bench)
    sids = sorted(track['sid'] for track in bench.wait_published('alice', 2))
    killed = bench.kill_server()
    for launch in (sender, watcher):
        bench.figure('%s says reconnecting after' % launch.name, wait_state(launch, 'reconnecting', killed), 's', 1)
    let_pass(max(0, killed + 3 - time.monotonic()))
    up = bench.server_again()
    for launch in (sender, watcher):
        bench.figure('%s connected after' % launch.name, wait_state(launch, 'connected', up - 0.1, 10), 's')
    clock = bench.wait_frames(watcher, 90, 30, since=up)
    bench.figure('media after the server listens:', clock.back_after(up), 's', limit=5, goal=3)
    check(clock.in_order, 'frames out of order after the restart')
    fresh = sorted(track['sid'] for track in server.participants(bench.room)['alice']['tracks'])
    check(len(fresh) == 2 and not set(fresh) & set(sids), 'track sids before %s, after %s', sids, fresh)
    check_one_pad_each(sender, watcher)
    bench.check_probes(sender, watcher)
    watcher.end()
    sender.end()


def test_t4_websocket_cut(bench):
    """T4: websocket cut, media alive, 10 times a second apart; in the long form each 10 s for 10 min, too."""
    survive_cuts(bench, ((10, 1), (60, 10)) if bench.long else ((10, 1),))


def test_t4_hundred_cuts(bench):
    """T4: websocket cut 100 times a second apart (by name, or with --all)."""
    survive_cuts(bench, ((100, 1),))


def survive_cuts(bench, rounds):
    bench.limit(900)
    server = bench.start_server()
    with inside('srv'):
        sdk = bench.sdk_watcher()
    sdk.call('join', server.url, bench.token('sdk'))
    proxy = bench.start_proxy()
    sender, watcher = pair(bench)
    wait_until(lambda: len(sdk.call('frames')) > 60, 'the SDK has frames', every=0.2)
    for times, every in rounds:
        cut_websocket(bench, (sender, watcher), sdk, proxy, times, every)
    check_one_pad_each(sender, watcher)
    bench.check_probes(sender, watcher)
    watcher.end()
    sender.end()


def cut_websocket(bench, launches, sdk, proxy, times, every):
    sender, watcher = launches
    server = bench.server
    before = server.participants(bench.room)
    published = len(sender.events('livekit-track', action='published'))
    start = time.monotonic()
    for _ in range(times):
        moment = time.monotonic()
        for connection in proxy.websockets():
            connection.cut()
        let_pass(max(0, moment + every - time.monotonic()))
    for launch in (sender, watcher):
        wait_until(lambda launch=launch: launch.events('livekit-connection')[-1]['state'] == 'connected', 'connected')
    painted = sum(line['t'] / 1e6 >= start for line in sender.events('painted'))
    let_pass(1)
    foreign = MediaClock([frame for frame in sdk.call('frames') if frame[0] >= start])
    for title, clock in (('livekitsrc', MediaClock.of(watcher, since=start)), ('the Python SDK', foreign)):
        bench.note('%s: %s; %d were made', title, clock, painted)
        check(clock.in_order and len(clock.frames) > painted * 0.8 > 0, '%s: %s', title, clock)
        bench.figure('%d cuts: missing frames in a row at %s:' % (times, title), clock.most_missing, limit=1, goal=1)
        bench.figure('longest time without a frame', clock.longest * 1000, 'ms')
    after = server.participants(bench.room)
    for identity in before:
        check_equal(after[identity]['sid'], before[identity]['sid'], 'sid of ' + identity)
        check_equal([t['sid'] for t in after[identity].get('tracks', [])],
                    [t['sid'] for t in before[identity].get('tracks', [])], 'tracks of ' + identity)
    check_equal(len(sender.events('livekit-track', action='published')), published, 'times that a track was published')
    bench.figure('websockets', proxy.count)


def end_all(*launches):
    for launch in launches:
        launch.end()


def test_t2_server_gone(bench):
    """T2: server killed for good, reconnect-timeout of 50 s: back-off by policy, then one error."""
    bench.start_server()
    launches = pair(bench, reconnect_timeout=50000)
    killed = bench.kill_server()
    for launch in launches:
        launch.wait_event('error', 70)
    for launch in launches:
        errors = launch.events('error')
        check_equal([(line['reason']) for line in errors], ['connection-lost'], 'reasons of errors of ' + launch.name)
        after = errors[0]['t'] / 1e6 - killed
        bench.figure('%s ends after' % launch.name, after, 's', limit=55)
        check_at_least(after, 45, 'seconds until the error')
        tries = [(at, ms / 1000) for at, state, _, _, ms in states(launch, killed) if state == 'reconnecting']
        bench.figure('%s tries' % launch.name, len(tries))
        slow = [ms for at, ms in tries if at > 20 and ms]
        check(slow and min(slow) >= 5.6 and max(slow) <= 8.4, 'delays after 20 s: %s', slow)
        quick = [ms for at, ms in tries if at < 9 and ms]
        check(quick and max(quick) <= 1.2, 'delays in the first seconds: %s', quick)


def test_t2_server_gone_for_ever(bench):
    """T2: reconnect-timeout of 0, the server gone for 10 minutes (--all; else 1): it is tried again and again, then found."""
    minutes = 10 if bench.long else 1
    bench.limit(minutes * 60 + 120)
    bench.start_server()
    launches = pair(bench, reconnect_timeout=0)
    killed = bench.kill_server()
    let_pass(minutes * 60)
    up = bench.server_again()
    for launch in launches:
        check_equal(launch.events('error'), [], 'errors of ' + launch.name)
        tries = [at for at, state, *_ in states(launch, killed) if state == 'reconnecting' and 20 < at < minutes * 60]
        apart = [two - one for one, two in zip(tries, tries[1:])]
        bench.figure('%s: fewest seconds from try to try' % launch.name, min(apart), 's')
        check_at_least(min(apart), 5.6, 'seconds from try to try')
        bench.figure('%s connected after' % launch.name, wait_state(launch, 'connected', up - 0.1, 30), 's')
    for launch in reversed(launches):
        launch.end()


def freeze_server(bench, seconds):
    """SIGSTOP, then SIGCONT after so many seconds; a third pipeline is stopped meanwhile."""
    bench.start_server()
    sender, watcher = pair(bench)
    third = receive(bench, 'third', 'third')
    bench.wait_frames(third, 30)
    stopped = bench.signal_server(signal.SIGSTOP)
    try:
        let_pass(max(0, seconds / 2))
        third.tell('quit')
        bench.figure('stop while the server is frozen', third.wait_event('stopped', 10)['us'] / 1e6, 's', limit=2)
        let_pass(max(0, stopped + seconds - time.monotonic()))
    finally:
        woken = bench.signal_server(signal.SIGCONT)
    clock = bench.wait_frames(watcher, 60, 40, since=woken)
    bench.figure('%d s frozen: media after' % seconds, clock.back_after(woken), 's', limit=5, goal=0.1)
    for launch in (sender, watcher):
        lost = [line for line in states(launch, stopped) if line[1] == 'reconnecting']
        if seconds < 10:
            check_equal(lost, [], 'what %s says' % launch.name)
        else:
            check(lost, '%s did not notice', launch.name)
            bench.figure('%s notices after' % launch.name, lost[0][0], 's', limit=20)
            wait_until(lambda launch=launch: launch.events('livekit-connection')[-1]['state'] == 'connected', 'connected')
    check_one_pad_each(sender, watcher)
    bench.check_probes(sender, watcher)
    end_all(watcher, sender)


def test_t1_killed_again(bench):
    """T1 twice, the second time for longer than pads wait for tracks after the first: the pads stay."""
    bench.start_server()
    sender, watcher = pair(bench)
    killed = bench.kill_server()
    bench.server_again()
    wait_state(sender, 'connected', killed)
    wait_state(watcher, 'connected', killed)
    killed = bench.kill_server()
    let_pass(12)
    check_one_pad_each(watcher)
    up = bench.server_again()
    bench.wait_frames(watcher, 60, 40, since=up)
    check_one_pad_each(sender, watcher)
    end_all(watcher, sender)


def test_t1_publisher_replaced(bench):
    """T1, and the publisher gets a new session once more when the receiver is back: the pads stay."""
    bench.start_server()
    sender, watcher = pair(bench)
    killed = bench.kill_server()
    bench.server_again()
    wait_state(watcher, 'connected', killed)
    wait_state(sender, 'connected', killed)
    bench.wait_published('alice', 2)
    # as the server does it with tries that it took up late: another session of the same participant
    again = publish(bench, 'publisher-again', 'alice')
    check_equal(sender.wait_event('error')['reason'], 'duplicate-identity', 'error of the first publisher')
    replaced = time.monotonic()
    bench.wait_frames(watcher, 60, 30, since=replaced)
    check_one_pad_each(watcher, again)
    end_all(watcher, again)


def test_t3_server_frozen_4s(bench):
    """T3: server stopped for 4 s: nothing happens."""
    freeze_server(bench, 4)


def test_t3_server_frozen_20s(bench):
    """T3: server stopped for 20 s: found by ping, back after it goes on."""
    freeze_server(bench, 20)


def test_t3_server_frozen_60s(bench):
    """T3: server stopped for 60 s (long form only)."""
    if not bench.long:
        raise Skipped('T3 60 s: only with --all')
    freeze_server(bench, 60)


def test_t11_half_open(bench):
    """T11: TCP of the websocket stays, but nothing passes: found by ping, media goes on."""
    bench.start_server()
    proxy = bench.start_proxy()
    sender, watcher = pair(bench)
    stalled = time.monotonic()
    for connection in proxy.websockets():
        connection.flowing.clear()
    for launch in (sender, watcher):
        bench.figure('%s notices after' % launch.name, wait_state(launch, 'reconnecting', stalled, 40), 's', limit=21)
        wait_state(launch, 'connected', stalled, 20)
    let_pass(1)
    clock = MediaClock.of(watcher, since=stalled)
    bench.note('%s', clock)
    bench.figure('missing frames in a row', clock.most_missing, limit=1)
    check_one_pad_each(sender, watcher)
    end_all(watcher, sender)


def test_t18_server_shutdown(bench):
    """T18: after one SIGTERM the server waits for its rooms to end; after the second it goes, and is back 3 s later."""
    bench.start_server()
    sender, watcher = pair(bench)
    asked = bench.signal_server(signal.SIGTERM)
    check(not bench.server_ends(5), 'the server ended after one SIGTERM')
    clock = MediaClock.of(watcher, since=asked)
    bench.figure('one SIGTERM, 5 s: missing frames', clock.missing, limit=0)
    check_equal(states(sender, asked) + states(watcher, asked), [], 'what our elements say after one SIGTERM')
    asked = bench.signal_server(signal.SIGTERM)
    check(bench.server_ends(10), 'the server did not end after two SIGTERM')
    let_pass(3)
    up = bench.server_again()
    clock = bench.wait_frames(watcher, 60, 30, since=up)
    bench.figure('two: media after the server listens:', clock.back_after(up), 's', limit=5, goal=5)
    # the server may end before it has told each
    reasons = [line[2] for launch in (sender, watcher) for line in states(launch, asked)]
    check('server-shutdown' in reasons, 'nobody says server-shutdown: %s', reasons)
    check_one_pad_each(sender, watcher)
    bench.check_probes(sender, watcher)
    end_all(watcher, sender)
