# SPDX-License-Identifier: LGPL-2.1-or-later
"""A soak: a fault every minute for an hour, and nothing grows."""

import os
import random
import signal
import time

from check_cycles import measure_memory_evenly
from harness import check, check_at_most, let_pass
from pipelines import publish

MINUTES = int(os.environ.get('SOAK_MINUTES', '60'))
PERIOD = int(os.environ.get('SOAK_PERIOD', '60'))  # seconds from fault to fault
BACK_WITHIN = {'killed': 5, 'cut': 0.5, 'udp': 3, 'terminated': 5}
GROWTH_KIB_PER_HOUR, GROWTH_KIB_PER_RECONNECT = 1024, 8


def receive_all(bench):
    text = '%s %s' % (
        bench.element('src', 'bob', name='s'),
        ' '.join('s.video_%d ! queue ! avdec_h264 ! videoconvert ! video/x-raw,format=I420 ! identity name=r%d ! '
                 'fakesink sync=false s.audio_%d ! queue ! fakesink sync=false' % (n, n, n) for n in range(2)))
    return bench.launch('receiver', text, '--watch=s', '--read=r0', '--read=r1', debug='2,livekit*:3')


def measure(launch):
    mark = len(launch.lines)
    launch.tell('probe')
    return launch.wait_event('probe', after=mark, seconds=30)


def slope(points):
    """Least squares: growth of the second by the first."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def strike(bench, proxy, fault):
    """Returns the time from which on media should be back."""
    if fault == 'terminated':
        # After the first it only takes no new participants.
        bench.signal_server(signal.SIGTERM)
        let_pass(1)
    if fault in ('killed', 'terminated'):
        bench.signal_server(signal.SIGKILL if fault == 'killed' else signal.SIGTERM)
        check(bench.server_ends(10), 'the server does not end')
        let_pass(3)
        return bench.server_again()
    if fault == 'udp':
        bench.drop_udp()
        let_pass(5)
        return bench.heal()
    for _ in range(5):
        for connection in proxy.websockets():
            connection.cut()
        let_pass(1)
    return time.monotonic()


def test_t38_soak(bench):
    """T38: two publishers, one receiver of four tracks, a random fault every minute (SOAK_MINUTES 60, SOAK_PERIOD 60 s)."""
    bench.limit(MINUTES * 60 + 300)
    measure_memory_evenly()
    bench.start_server()
    proxy = bench.start_proxy()
    seed = int(os.environ.get('SOAK_SEED', random.randrange(10 ** 6)))
    bench.note('SOAK_SEED=%d', seed)
    chance = random.Random(seed)
    launches = [publish(bench, 'publisher', 'alice', debug='2,livekit*:3'),
                publish(bench, 'second', 'carol', debug='2,livekit*:3'), receive_all(bench)]
    for element in ('r0', 'r1'):
        bench.wait_frames(launches[2], 60, element=element)
    start = time.monotonic()
    points = {launch.name: [] for launch in launches}
    times, late = {}, []
    for number in range(MINUTES * 60 // PERIOD):
        for launch in launches:
            with launch.new_line:
                launch.lines = [line for line in launch.lines if line.get('event') == 'error']
        let_pass(max(0, start + number * PERIOD + 5 - time.monotonic()))
        fault = chance.choice(sorted(BACK_WITHIN))
        healed = strike(bench, proxy, fault)
        back = max(bench.wait_frames(launches[2], 30, 60, since=healed, element=element).back_after(healed)
                   for element in ('r0', 'r1'))
        times.setdefault(fault, []).append(back)
        if back > BACK_WITHIN[fault]:
            late.append((number, fault, round(back, 2)))
        let_pass(max(0, start + (number + 1) * PERIOD - 5 - time.monotonic()))
        for launch in launches:
            line = measure(launch)
            points[launch.name].append(((time.monotonic() - start) / 3600, int(line['rss-kib']), int(line['threads']),
                                        int(line['fds']), int(line['heap-kib'])))
    for fault, values in sorted(times.items()):
        bench.figure('%s × %d, media back at most after' % (fault, len(values)), max(values), 's', goal=BACK_WITHIN[fault])
    for name, rows in points.items():
        kept = rows[len(rows) // 4:]
        growth = slope([(row[0], row[1]) for row in kept])
        bench.figure('%s grows by' % name, growth, 'KiB/h', goal=GROWTH_KIB_PER_HOUR)
        bench.figure('of that allocated', slope([(row[0], row[4]) for row in kept]), 'KiB/h')
        bench.note('%s: RSS %s KiB, allocated %s KiB, threads %s, descriptors %s', name, [row[1] for row in rows][::5],
                   [row[4] for row in rows][::5], sorted({row[2] for row in kept}), sorted({row[3] for row in kept}))
        if MINUTES >= 60:
            check_at_most(growth, GROWTH_KIB_PER_HOUR, 'KiB/h of ' + name)
        check_at_most(max(row[3] for row in kept[-5:]), max(row[3] for row in rows[:5]) + 2, 'descriptors of ' + name)
        check_at_most(max(row[2] for row in kept[-5:]), max(row[2] for row in rows[:5]) + 6, 'threads of ' + name)
    check(not late, 'media came back too late (minute, fault, s): %s', late)
    for launch in launches:
        check(not launch.events('error'), 'errors of %s: %s', launch.name, launch.events('error')[:3])
    for launch in reversed(launches):
        launch.end()
