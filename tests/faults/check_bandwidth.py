# SPDX-License-Identifier: LGPL-2.1-or-later
"""Links that are too small, in one direction at a time: what is sent fits, and what comes is chosen to fit.

Short rows wait for what must happen; figures are measured, beside their goals, and depend on the machine.
"""

import datetime
import json
import re
import threading
import time

from check_duplex import ME, Pieces, listener, start_alice
from harness import check, check_at_least, let_pass, percentile, wait_until
from mediaclock import MediaClock
from netbench import inside, run

SNOW = 'videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=480,height=270,framerate=30/1'
ENCODER = 'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=300 bitrate=%d'
AUDIO = 'audiotestsrc is-live=true wave=sine volume=0.3 ! opusenc ! k.audio_0'
LINE = re.compile(r'at=(\d+) up target=(\d+) sent=(\d+) acked=(\d+) padding=(\d+) queue-us=(\d+) loss=([\d.]+) '
                  r'pacer-us=(\d+) (\w+)(!?); down (\d+) acked=(\d+) queue-us=(\d+) loss=([\d.]+) (\w+)(!?)')
FIELDS = ('at', 'target', 'sent', 'acked', 'padding', 'queue', 'loss', 'pacer', 'why', 'congested', 'down',
          'down_acked', 'down_queue', 'down_loss', 'down_why', 'down_congested')


def controls(bench, name, since=0.0):
    """What the estimators of a process said, ten times a second, from its log."""
    found, log = [], bench.folder / (name + '.gst.log')
    for match in LINE.finditer(log.read_text(errors='replace') if log.exists() else ''):
        row = dict(zip(FIELDS, match.groups()))
        row['at'] = int(row['at']) / 1e6
        row.update({key: int(row[key]) / 1000 for key in ('target', 'sent', 'acked', 'queue', 'pacer', 'down',
                                                          'down_acked', 'down_queue')})
        if row['at'] >= since:
            found.append(row)
    return found


def wait_control(bench, name, condition, what, since=0.0, seconds=60):
    """The first word of the estimators that meets the condition."""
    return wait_until(lambda: next((row for row in controls(bench, name, since) if condition(row)), None), what,
                      seconds, every=0.2)


class QueueWatch:
    """Looks at the squeezed queue every 20 ms while it is entered."""

    def __init__(self, bench, kbit, down=False):
        self.bench, self.kbit, self.down = bench, kbit, down
        self.samples = []
        self.over = threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.over.wait(0.02):
            self.samples.append(self.bench.queue_of(self.down))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def use(self, start=0.0, end=float('inf')):
        """The part of the link that was used between two times."""
        inside_it = [sample for sample in self.samples if start <= sample[0] <= end]
        (begin, first, _, _), (finish, last, _, _) = inside_it[0], inside_it[-1]
        return (last - first) * 8 / (finish - begin) / 1000 / self.kbit

    def delays(self, start=0.0):
        return [backlog * 8 / self.kbit for at, _, _, backlog in self.samples if at >= start]

    def last_drop(self):
        """When packets were dropped last; None: never."""
        changes = [two[0] for one, two in zip(self.samples, self.samples[1:]) if two[2] > one[2]]
        return changes[-1] if changes else None

    def drops(self, start=0.0):
        counts = [drops for at, _, drops, _ in self.samples if at >= start]
        return counts[-1] - counts[0]

    def offered(self, start):
        """kbit/s that came to the link since a time: what passed, and what was dropped, in packets of 1200 bytes."""
        seen = [(at, passed + drops * 1200) for at, passed, drops, _ in self.samples if at > start]
        return (seen[-1][1] - seen[0][1]) * 8 / (seen[-1][0] - seen[0][0]) / 1000


LAYERS = ((160, 90, 150), (320, 180, 500), (640, 360, 2000))


def layered(bench, fps=30):
    """Three encoders of one restless picture, nothing of which can be made smaller."""
    text = [bench.element('sink', 'alice', name='k') + ''.join(' video_%d::track-name=front' % pad for pad in range(3)),
            'videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=640,height=360,framerate=%d/1 ! '
            'tee name=t' % fps]
    for pad, (width, height, bitrate) in enumerate(LAYERS):
        text.append('t. ! queue max-size-buffers=2 leaky=downstream ! videoscale ! video/x-raw,width=%d,height=%d ! '
                    '%s ! k.video_%d' % (width, height, ENCODER % bitrate, pad))
    return ' '.join(text)


def publish(bench, encoder, name='alice', audio=True, **properties):
    text = '%s ! identity name=p ! queue max-size-buffers=3 ! %s ! %s' % (
        SNOW, encoder, bench.element('sink', name, name='k', **properties))
    return bench.launch(name, text + (' ' + AUDIO if audio else ''), '--watch=k', '--paint=p')


def viewing(bench, name, tracks, decoder='avdec_h264', **properties):
    return '%s ! queue ! %s ! videoconvert ! video/x-raw,format=I420 ! identity name=r ! fakesink sync=false' % (
        bench.element('src', name, name='s', tracks=tracks, **properties), decoder)


def watch(bench, of='alice', name='viewer', reads=True, decoder='avdec_h264', **properties):
    """Beside the server, so that the link hits the publisher alone."""
    text = viewing(bench, name, of + '/video', decoder, **properties)
    with inside('srv'):
        viewer = bench.launch(name, text, '--watch=s', *(['--read=r'] if reads else []))
    viewer.wait_event('first-buffer', 40, pad='video_0')
    return viewer


def after(bench, what, moment, start, goal=None):
    """The figure of something that happened some time after another, or never."""
    value, unit = ('never', '') if moment is None else (max(0.0, moment - start), 's')
    bench.figure(what, value, unit, goal=goal)


def squeeze_uplink(bench, kbit, seconds, wait_below):
    """What is sent goes through a link that is too small, with the figures that any sender has. wait_below takes when
    that began, and gives when the sender's target was below the link, or None. Returns when it began, and the queue."""
    limit = bench.squeeze(kbit)
    with QueueWatch(bench, kbit) as queue:
        below = wait_below(limit)
        let_pass(seconds)
    after(bench, 'target below the link after', below, limit, goal=0.8)
    after(bench, 'last loss after', queue.last_drop() or limit, limit, goal=1.3)
    settled = limit + 5
    bench.figure('use of the link', queue.use(settled) * 100, '%', goal='90')
    bench.figure('queue p95', percentile(queue.delays(settled), 0.95), 'ms', goal=80)
    bench.figure('lost after 5 s', queue.drops(settled), 'packets')
    bench.figure('offered to the link after 2 s', queue.offered(limit + 2), 'kbit/s', goal=1.05 * kbit)
    return limit, queue


def leave_run(bench, kbit, limit, wide, rows, queue):
    """What plot.py draws. Times are seconds of the monotonic clock, rates kbit/s."""
    (bench.folder / 'run.json').write_text(json.dumps({
        'kbit': kbit, 'limit': limit, 'wide': wide, 'rows': [(row['at'], row['target'], row['sent']) for row in rows],
        'queue': [(at, backlog * 8 / kbit) for at, _, _, backlog in queue.samples]}))


def adapt(bench, kbit, full, seconds):
    """An encoder that follows, into a link that becomes too small and wide again."""
    bench.limit(240)
    bench.start_server()
    publish(bench, ENCODER % full + ' ! livekitbitrate')
    watch(bench)
    wait_control(bench, 'alice', lambda row: row['acked'] > 0.8 * full, 'the encoder makes what it may')
    let_pass(6)
    before = controls(bench, 'alice')
    check(all(row['why'] == 'nothing' for row in before), 'limited before there was a limit: %s',
          [row for row in before if row['why'] != 'nothing'][:1])
    limit, queue = squeeze_uplink(bench, kbit, seconds, lambda limit: wait_control(
        bench, 'alice', lambda row: row['target'] < kbit, 'the target is below the link', limit)['at'])
    wide = bench.widen()
    back = wait_control(bench, 'alice', lambda row: row['acked'] > 0.95 * full, 'the full rate is back', wide)
    bench.figure('back at 95 % after', back['at'] - wide, 's', goal=8)
    leave_run(bench, kbit, limit, wide, controls(bench, 'alice'), queue)


def test_bandwidth_follows(bench):
    """For every change: a small encoder with livekitbitrate is lowered on a smaller link, told so, and raised again."""
    bench.start_server()
    text = ('videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=180,framerate=15/1 ! '
            'queue max-size-buffers=3 ! %s ! livekitbitrate name=b ! %s' % (
                ENCODER % 500, bench.element('sink', 'alice', name='k')))
    sender = bench.launch('alice', text, '--watch=k')
    watch(bench, reads=False)
    wait_control(bench, 'alice', lambda row: row['acked'] > 50, 'the server reports')
    known = len(sender.lines)
    bench.squeeze(150)
    wait_until(lambda: 0 < int(sender.get('b', 'bitrate')) < 200000, 'the encoder is lowered', 60, every=0.5)
    sender.wait_line(lambda line: line.get('event') == 'livekit-bandwidth' and line.get('limited-by') != 'nothing',
                     'the message says so', 30, known)
    check(int(sender.get('k', 'video_0::target-bitrate')) < 200000, 'target-bitrate of the pad')
    bench.widen()
    wait_until(lambda: int(sender.get('b', 'bitrate')) > 400000, 'the encoder is raised again', 120, every=0.5)
    sender.end()


def test_bandwidth_duplex(bench):
    """A sink joins the session of a src, fits a small link, leaves and comes again; the src goes and comes on it."""
    bench.limit(400)
    bench.start_server()
    with inside('srv'):
        alice = start_alice(bench)
    texts = {'in': listener(bench), 'out': (
        'videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=180,framerate=15/1 ! '
        'queue max-size-buffers=3 ! %s ! livekitbitrate name=b ! %s' % (
            ENCODER % 500, bench.element('sink', ME, name='k')))}
    pieces = Pieces(bench)

    def wait_bitrate(condition, what):
        wait_until(lambda: condition(int(pieces.get('b', 'bitrate'))), what, 120, every=0.5)
    pieces.state('playing')
    pieces.add('in', texts['in'])
    pieces.wait_more('in', 30)
    pieces.add('out', texts['out'])
    alice.wait_more('viewer', 30)
    bench.squeeze(150)
    wait_bitrate(lambda bitrate: 0 < bitrate < 200000, 'the encoder is lowered')
    for element in ('k', 's'):
        wait_until(lambda name=element: 'sending' in pieces.get(name, 'stats'), 'stats of both tell of sending', 30)
    pieces.remove('out')
    pieces.wait_more('in', 30)
    pieces.add('out', texts['out'])
    wait_bitrate(lambda bitrate: 0 < bitrate < 200000, 'the encoder is lowered in the second stay')
    pieces.remove('in')
    bench.widen()
    wait_bitrate(lambda bitrate: bitrate > 400000, 'the encoder is raised again')
    pieces.add('in', texts['in'])
    pieces.wait_more('in', 30)
    pieces.end()
    alice.end()


def test_bandwidth_clean(bench):
    """A link without limits: the estimate is never one."""
    seconds = 600 if bench.long else 60
    bench.limit(seconds + 120)
    bench.start_server()
    sender = publish(bench, ENCODER % 2850 + ' ! livekitbitrate name=b')
    watch(bench, reads=False)
    let_pass(seconds)
    rows = controls(bench, 'alice')
    bench.figure('seconds', seconds)
    bench.figure('least estimate', min(row['target'] for row in rows), 'kbit/s')
    bench.figure('limited of %d times:' % len(rows), sum(row['why'] != 'nothing' for row in rows), goal=0)
    bench.figure('the encoder was set to', int(sender.get('b', 'bitrate')) / 1000, 'kbit/s', goal=2850)


def test_bandwidth_shared(bench):
    """Two participants of ours and one of Chromium send through one link of 3 Mbit/s."""
    kbit = 3000
    bench.limit(300)
    bench.start_server()
    bench.squeeze(kbit)
    for name in ('alice', 'carol'):
        publish(bench, ENCODER % 2500 + ' ! livekitbitrate', name, audio=False)
        watch(bench, name, 'viewer-' + name, reads=False)
    browser = bench.browser()
    browser.call('join', bench.url, bench.token('chromium'))
    browser.call('publish', {'width': 1280, 'height': 720, 'audio': False})
    bench.wait_published('chromium', 1)
    with inside('srv'):
        bench.launch('viewer-chromium', '%s ! fakesink' % bench.element('src', 'viewer-c', name='s', tracks='chromium'),
                     '--watch=s').wait_event('first-buffer', 40)
    let_pass(20)
    start = time.monotonic()
    with QueueWatch(bench, kbit) as queue:
        let_pass(30 if bench.long else 15)
    used = queue.use() * kbit
    for name in ('alice', 'carol'):
        rows = controls(bench, name, start)
        mean = sum(row['acked'] for row in rows) / len(rows)
        used -= mean
        bench.figure(name, mean, 'kbit/s', goal='500 (half its share)')
    bench.figure('Chromium (the rest)', used, 'kbit/s', goal='500')
    bench.figure('queue p95', percentile(queue.delays(), 0.95), 'ms')


def test_bandwidth_adapts(bench):
    """An encoder of 3 Mbit/s with livekitbitrate follows a link of 1 Mbit/s, and comes back."""
    adapt(bench, 1000, 2850, 30 if bench.long else 12)


def test_bandwidth_adapts_300(bench):
    """The same at 300 kbit/s."""
    adapt(bench, 300, 2850, 30 if bench.long else 15)


def squeeze_layers(bench, small, wait_largest):
    """Three layers go through a link for two. wait_largest (is_on, since) gives when the largest one went off or on;
    small shows the middle one."""
    limit = bench.squeeze(1000)
    after(bench, 'largest layer off after', wait_largest(False, limit), limit, goal=1)
    let_pass(15 if bench.long else 6)
    seen = [line['t'] / 1e6 for line in small.events('frame')]
    longest = max((two - one for one, two in zip(seen, seen[1:]) if two > limit), default=0)
    bench.figure('longest time without a frame of the middle layer', longest * 1000, 'ms')
    wide = bench.widen()
    after(bench, 'on again after', wait_largest(True, wide), wide, goal=10)
    check_at_least(len(small.events('frame')), 30, 'frames of the middle layer')


def test_bandwidth_layers(bench):
    """Three fixed layers into a link for two: the largest goes off and comes back, the others play on."""
    bench.limit(240)
    bench.start_server()
    sender = bench.launch('alice', layered(bench), '--watch=k')
    bench.wait_published('alice', 1)
    with inside('srv'):
        viewer = bench.launch('viewer', '%s ! queue ! avdec_h264 ! fakesink' % bench.element(
            'src', 'viewer', name='s', tracks='alice', video_quality='high'), '--watch=s')
    small = watch(bench, name='small', video_quality='medium')
    viewer.wait_event('first-buffer', 40, pad='video_0')
    wait_control(bench, 'alice', lambda row: row['acked'] > 1500, 'all three layers are sent')
    let_pass(5)
    known = len(sender.lines)

    def wait_largest(is_on, since):
        action = 'active' if is_on else 'inactive'
        return sender.wait_line(lambda line: line.get('event') == 'livekit-track' and line.get('pad') == 'video_2' and
                                line.get('action') == action and line['t'] / 1e6 > since, action, 60)['t'] / 1e6
    squeeze_layers(bench, small, wait_largest)
    for pad in ('video_0', 'video_1'):
        check(not [line for line in sender.lines[known:] if line.get('event') == 'livekit-track'
                   and line.get('pad') == pad and line.get('action') == 'inactive'], '%s went off as well', pad)
    sender.end()


def wait_whole(viewer, wide):
    """Until so many frames were shown since the link is wide as a stream that is whole has in five seconds."""
    known = len(viewer.events('frame'))
    wait_until(lambda: len(viewer.events('frame')) > known + 150, 'the stream is whole again', 120)
    return viewer.events('frame')[known + 150]['t'] / 1e6 - wide


def test_bandwidth_fixed(bench):
    """A stream of 3 Mbit/s that nothing makes smaller, into 1 Mbit/s: thinned, with a warning, never a flood."""
    bench.limit(240)
    bench.start_server()
    sender = publish(bench, (ENCODER % 3000).replace('key-int-max=300', 'key-int-max=60'))
    viewer = watch(bench)
    wait_control(bench, 'alice', lambda row: row['acked'] > 2200, 'the encoder makes what it may')
    let_pass(4)
    limit = bench.squeeze(1000)
    with QueueWatch(bench, 1000) as queue:
        sender.wait_event('warning', 60)
        let_pass(15 if bench.long else 8)
    bench.figure('offered to the link after 2 s', queue.offered(limit + 2), 'kbit/s', goal=1050)
    bench.figure('dropped by the link', queue.drops(limit), 'packets')
    seen = MediaClock.of(viewer, since=limit + 2)
    bench.figure('frames shown a second', len(seen.frames) / max(seen.seconds, 1), '')
    bench.figure('150 frames shown after', wait_whole(viewer, bench.widen()), 's')


REACTIONS = re.compile(r'^(\S+)Z\t.*(?:applying channel capacity update|congestion state change|'
                       r'changing channel capacity)')


def reactions(bench):
    """When the server noticed that the path is full, in seconds of the monotonic clock, by its log."""
    shift = time.time() - time.monotonic()
    for line in (bench.folder / 'livekit-server.log').read_text(errors='replace').splitlines():
        found = REACTIONS.match(line)
        if found:
            moment = datetime.datetime.fromisoformat(found.group(1)).replace(tzinfo=datetime.timezone.utc)
            yield moment.timestamp() - shift


def publish_by_chromium(bench):
    with inside('srv'):
        browser = bench.browser()
        browser.call('join', bench.url, bench.token('alice'))
        browser.call('publish', {'width': 1280, 'height': 720, 'audio': False, 'simulcast': True})


def publish_layers(bench):
    with inside('srv'):
        bench.launch('alice', layered(bench), '--watch=k')


def squeeze_downlink(bench, kbit, frames, notice=None):
    """What comes to a viewer goes through a link that is too small. frames gives when it had frames, notice when it
    noticed. Returns whether the server did."""
    wait_until(lambda: rate(bench, 1) > 1200, 'the largest layer comes', 90, every=0)
    let_pass(6)
    limit = bench.squeeze(kbit, down=True)
    with QueueWatch(bench, kbit, down=True) as queue:
        noticed = notice(limit) if notice else None
        let_pass(20 if bench.long else 12)
    if noticed:
        after(bench, 'we notice after', noticed, limit)
    moments = [moment for moment in reactions(bench) if moment > limit]
    after(bench, 'the server reacts after', next(iter(moments), None), limit, goal=1)
    end = queue.samples[-1][0]
    seen = [at for at in frames() if limit - 0.5 < at < end]
    check_at_least(len(seen), 2, 'frames')
    bench.figure('largest frame gap', max(b - a for a, b in zip(seen, seen[1:] + [end])) * 1000, 'ms', goal=200)
    bench.figure('frames a second after 5 s', sum(at > limit + 5 for at in seen) / (end - limit - 5))
    after(bench, 'last loss after', queue.last_drop() or limit, limit)
    bench.figure('lost', queue.drops(limit), 'packets')
    bench.figure('use of the link', queue.use(limit + 5) * 100, '%')
    bench.figure('queue p95', percentile(queue.delays(limit + 5), 0.95), 'ms')
    wide = bench.widen(down=True)
    wait_until(lambda: rate(bench, 1) > 1200, 'the largest layer is back', 120, every=0)
    bench.figure('full quality after', time.monotonic() - wide, 's', goal=10)
    return bool(moments)


def start_downlink(bench, publish_all, server=None):
    """Three layers are published beside the server."""
    bench.limit(300)
    bench.start_server(server)
    publish_all(bench)
    bench.wait_published('alice', 1)


def choose(bench, kbit, publish_all, decoder, server=None):
    """What comes to us of three layers goes through a link that becomes too small."""
    start_downlink(bench, publish_all, server)
    viewer = bench.launch('bob', viewing(bench, 'bob', 'alice/video', decoder), '--watch=s', '--read=r')
    viewer.wait_event('first-buffer', 60, pad='video_0')

    def notice(limit):
        return wait_control(bench, 'bob', lambda row: row['down_congested'], 'we notice', limit)['at']

    def frames():
        return [line['t'] / 1e6 for line in viewer.events('frame')]
    check(squeeze_downlink(bench, kbit, frames, None if server else notice), 'the server has not reacted')
    check(not viewer.events('error'), 'errors')


def rate(bench, seconds, way='rx'):
    """kbit/s that come to the client, or (tx) leave it."""
    def count():
        return json.loads(run('ip', '-s', '-j', 'link', 'show', 'eth-c'))[0]['stats64'][way]['bytes']
    before, start = count(), time.monotonic()
    let_pass(seconds)
    return (count() - before) * 8 / (time.monotonic() - start) / 1000


SEND_SIDE = {'rtc': {'congestion_control': {'use_send_side_bwe': True}}}


def test_bandwidth_down(bench):
    """Three layers of ours through 1 Mbit/s: the server chooses by our REMB."""
    choose(bench, 1000, publish_layers, 'avdec_h264')


def test_bandwidth_down_send_side(bench):
    """The same with a server that estimates by itself, from our transport-wide feedback."""
    choose(bench, 1000, publish_layers, 'avdec_h264', SEND_SIDE)


def test_bandwidth_down_chromium(bench):
    """Chromium's simulcast in VP8, by REMB."""
    choose(bench, 1000, publish_by_chromium, 'vp8dec')


def test_bandwidth_down_chromium_send_side(bench):
    """Chromium's simulcast in VP8, by transport-wide feedback."""
    choose(bench, 1000, publish_by_chromium, 'vp8dec', SEND_SIDE)
