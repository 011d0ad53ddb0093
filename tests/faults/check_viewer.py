# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a viewer in Chromium sees of our publisher's faults."""

import contextlib
import time

from check_signal import wait_state
from harness import Failure, check, check_equal, let_pass, wait_until
from netbench import inside
from pipelines import publish


def viewer(bench):
    """Beside the server, so that faults of the link hit the publisher alone."""
    with inside('srv'):
        browser = bench.browser()
        browser.call('join', bench.server.url, bench.token('viewer'))
    return browser


def video_of(browser):
    tracks = [track for track in browser.call('measure')['tracks'] if track['kind'] == 'video']
    return tracks[0] if tracks else None


def decoded(browser):
    return (video_of(browser) or {}).get('frames') or 0


def wait_moving(browser, what, seconds=40):
    """Until two measurements have more frames each than the one before; a new track counts from nothing."""
    seen = [decoded(browser)]

    def moves():
        seen.append(decoded(browser))
        return len(seen) > 2 and 0 < seen[-2] < seen[-1] and seen[-3] != seen[-2]
    wait_until(moves, what, seconds, every=0.1)
    return time.monotonic()


def test_browser_t1(bench):
    """T1 watched in Chromium: the picture comes back without a reload, as soon as livekit-client is back itself."""
    bench.start_server()
    sender = publish(bench)
    browser = viewer(bench)
    wait_moving(browser, 'the browser shows the picture')
    killed = bench.kill_server()
    let_pass(max(0, killed + 3 - time.monotonic()))
    up = bench.server_again()
    bench.figure('our publisher connected after', wait_state(sender, 'connected', up - 0.1), 's', limit=5, goal=3)
    bench.figure('picture moves in Chromium after', wait_moving(browser, 'the picture is back') - up, 's')
    sender.end()


def test_browser_t4(bench):
    """T4 watched in Chromium: our publisher's websocket cut 10 times a second apart, 100 times with --all."""
    cuts = 100 if bench.long else 10
    bench.start_server()
    proxy = bench.start_proxy()
    sender = publish(bench)
    browser = viewer(bench)
    wait_moving(browser, 'the browser shows the picture')
    let_pass(1)
    tracks = bench.server.participants(bench.room)['alice']['tracks']
    first, made = video_of(browser), -len(sender.events('painted'))
    for _ in range(cuts):
        for connection in proxy.websockets():
            connection.cut()
        let_pass(1)
    made += len(sender.events('painted'))
    # What is on its way is waited for: the browser may be behind, not the figure.
    with contextlib.suppress(Failure):
        wait_until(lambda: decoded(browser) - first['frames'] >= made, 'all are decoded', 5)
    last = video_of(browser)
    seconds = (last['at'] - first['at']) / 1000
    bench.figure('%d cuts: frames decoded a second' % cuts, (last['frames'] - first['frames']) / seconds)
    bench.figure('frames fewer than were made', max(made - (last['frames'] - first['frames']), 0), limit=2)
    bench.figure('packets lost', last['lost'] - first['lost'], limit=0)
    bench.figure('freezes', last['freezes'] - first['freezes'], limit=0)
    check_equal([track['sid'] for track in bench.server.participants(bench.room)['alice']['tracks']],
                [track['sid'] for track in tracks], 'tracks of our publisher')
    wait_until(lambda: sender.events('livekit-connection')[-1]['state'] == 'connected', 'connected')
    bench.figure('websockets of our publisher', proxy.count, limit=cuts + 1)
    check(proxy.count > cuts / 2, 'the websocket was cut %d times only', proxy.count - 1)
    sender.end()


def test_browser_t8(bench):
    """T8 watched in Chromium: UDP of our publisher gone for 5 s."""
    bench.start_server()
    sender = publish(bench)
    browser = viewer(bench)
    wait_moving(browser, 'the browser shows the picture')
    bench.drop_udp()
    let_pass(5)
    healed = bench.heal()
    bench.figure('picture moves in Chromium after', wait_moving(browser, 'the picture is back') - healed, 's', limit=3,
                 goal=0.5)
    check(not [line for line in sender.events('livekit-connection') if line['attempt'] > 1], 'it needed a second try')
    sender.end()
