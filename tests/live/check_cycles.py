# SPDX-License-Identifier: LGPL-2.1-or-later
"""From NULL to PLAYING and back, many times, with media: nothing may be left behind. LIVE_CYCLES changes how many."""

import os

from check_browser import QVGA, publishing
from harness import by_clock, check_at_least, check_at_most, check_equal, wait_until

CYCLES = int(os.environ.get('LIVE_CYCLES', '100'))
WARM_UP = 50
KIB_PER_CYCLE = 8


def slope(values):
    """Growth for each step, by least squares."""
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    spread = sum((i - middle) ** 2 for i in range(len(values)))
    return sum((i - middle) * (value - mean) for i, value in enumerate(values)) / spread


def measure_memory_evenly():
    """One arena, and no caches of GLib's (before 2.76): else what grows is how much of them each thread has touched.
    And no filling of freed memory by meson."""
    os.environ['MALLOC_ARENA_MAX'] = '1'
    os.environ['G_SLICE'] = 'always-malloc'
    os.environ.pop('MALLOC_PERTURB_', None)


def check_cycles(bench, launch):
    code = launch.wait(CYCLES * 5 + 60)
    failed = launch.events('cycle-failed') + launch.events('error')
    check_equal((code, failed), (0, []), 'exit code and failures (%s)' % launch.log)
    cycles = launch.events('cycle')
    check_equal(len(cycles), CYCLES, 'cycles')
    steady = cycles[min(WARM_UP, CYCLES // 2):]
    growth = slope([line['rss-kib'] for line in steady])
    downs = sorted(line['down-us'] / 1000 for line in cycles)
    bench.note('%.0f ms a cycle; to NULL: median %.0f ms, most %.0f ms; memory %d to %d KiB, %.1f KiB a cycle; '
               'threads %d to %d, descriptors %d to %d', (cycles[-1]['t'] - cycles[0]['t']) / 1000 / (CYCLES - 1),
               downs[CYCLES // 2], downs[-1], steady[0]['rss-kib'], steady[-1]['rss-kib'], growth,
               cycles[1]['threads'], cycles[-1]['threads'], cycles[1]['fds'], cycles[-1]['fds'])
    # One count may meet a thread that is about to end, or a pool that will have one more; what is left behind stays.
    part = max(2, CYCLES // 10)
    for what in ('threads', 'fds'):
        check_at_most(min(line[what] for line in cycles[-part:]), max(line[what] for line in cycles[1:part]), what)
    check_at_most(downs[-1], by_clock(2000, 10000), 'ms to NULL')
    if CYCLES >= WARM_UP * 2:
        check_at_most(growth, KIB_PER_CYCLE, 'KiB that memory grows in a cycle')


def test_cycles_sink(bench):
    """livekitsink with audio and video, while somebody watches."""
    measure_memory_evenly()
    bench.start_server()
    watcher = bench.launch('watcher', bench.element('src', 'bob', name='s'), '--watch=s',
                           '--branch=s=fakesink sync=false', '--stay', debug='2')
    watcher.wait_event('livekit-connection', state='connected')
    launch = bench.launch('cycles', publishing(bench, 'h264', QVGA), '--watch=k', '--cycles=%d' % CYCLES, '--pads=2',
                          '--until=15', debug='2')
    check_cycles(bench, launch)
    # A cycle lasts half a second, which on a loaded machine a track may need to be seen.
    check_at_least(len(watcher.events('first-buffer')), 2 * CYCLES * by_clock(0.7, 0.2), 'tracks that the watcher had')
    watcher.end()


def test_cycles_src(bench):
    """livekitsrc with audio and video."""
    measure_memory_evenly()
    bench.start_server()
    sender = bench.launch('publisher', publishing(bench, 'h264', QVGA), '--watch=k', debug='2')
    bench.wait_published('alice', 2)
    launch = bench.launch('cycles', bench.element('src', 'bob', name='s'), '--watch=s', '--branch=s=queue ! fakesink',
                          '--cycles=%d' % CYCLES, '--pads=2', '--until=10', debug='2')
    check_cycles(bench, launch)
    wait_until(lambda: not sender.events('error'), 'the publisher is well', 1)
    sender.end()
