# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sound and picture over a bad network, from a publisher whose clock runs fast."""

import statistics

import check_av
from harness import check_at_least, let_pass, percentile, wait_until
from netbench import inside

SHORT_S, LONG_S = 40, 600
# What was heard before the first picture was there could not wait for it.
SETTLE_S = 1
FAST_PPM = 100


def parts(pairs, count=10):
    """The first and the last of so many parts of what was measured, in order."""
    size = max(1, len(pairs) // count)
    return pairs[:size], pairs[-size:]


def test_sync_jitter(bench):
    """Sound and picture with 30 ms of jitter and 2 % of packets lost, from a clock that is 100 ppm fast."""
    seconds = LONG_S if bench.long else SHORT_S
    bench.limit(seconds + 200)
    bench.start_server()
    relay = bench.start_relay()
    relay.jitter_ms = 30
    bench.drop_udp('numgen', 'random', 'mod', '100', '<', '2')
    # What this machine does meanwhile is not what is measured: it stalls for more than a jitter buffer waits.
    watcher = check_av.receiver(bench, debug='2,livekit*:5', add_reference_timestamp_meta='true', latency=1000)
    watcher.wait_event('livekit-connection', 60, state='connected')
    with inside('srv'):
        sender = check_av.publisher(bench, options=['--clock-ppm=%d' % FAST_PPM], debug='2,livekit*:5')
    wait_until(lambda: len(check_av.offsets(sender, watcher)) >= 4, 'the first beeps', 60, every=0.5)
    let_pass(seconds)
    pairs = check_av.offsets(sender, watcher)
    found = [ms for at, ms in pairs if at >= pairs[0][0] + SETTLE_S]
    check_at_least(len(found), seconds * 1.5, 'beeps heard')
    bench.figure('beeps', len(found))
    bench.figure('median ms of sound after picture:', percentile(found, 0.5))
    sizes = sorted(map(abs, found))
    bench.figure('95 %% of %.0f s within ms:' % seconds, percentile(sizes, 0.95), limit=40)
    bench.figure('most, ms', sizes[-1], limit=80)
    first, last = parts(found)
    bench.figure('ms between the first and the last tenth:', statistics.median(last) - statistics.median(first), limit=20)
    # The earliest pictures of each part have met no jitter: what their times drift against the receiver's clock.
    late = [line['t'] / 1000 - line['pts'] / 1e6 for line in watcher.events('frame')]
    first, last = parts(late)
    bench.figure('ms that times drift against the receiver\'s clock:', abs(min(last) - min(first)), limit=20)
    # The publisher's clock is that of this machine but for the pipeline's, which capture times leave out.
    errors = check_av.capture_errors(sender, watcher)
    bench.figure('capture times wrong by ms at most:', max(map(abs, errors)), goal=20)
    watcher.end()
    sender.end()
