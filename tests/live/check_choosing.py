# SPDX-License-Identifier: LGPL-2.1-or-later
"""What livekitsrc asks for: tracks, quality, nothing for unused pads; RTP packets; URIs in GStreamer's players."""

import contextlib
import re
import subprocess
import time
import urllib.parse

from check_browser import TONE
from check_simulcast import layered
from harness import (by_clock, check, check_at_least, check_at_most, check_equal, Failure, in_long_runs, inside,
                     IS_TIMED, let_pass, PATIENCE, wait_until)

VP8 = 'videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! vp8enc deadline=1'
FRAME_BYTES = 640 * 480 * 3 // 2
# Small: where encoders lose frames, each its own, the server finds no key frames of one instant to switch at.
SIZES = [(160, 90), (320, 180), (640, 360)]


def uri(bench, **properties):
    query = urllib.parse.urlencode(dict({'identity': 'viewer'}, **properties))
    return '%s/%s?%s' % (bench.url.replace('ws', 'livekit', 1), bench.room, query)


def publish(bench):
    browser = bench.browser()
    browser.call('join', bench.url, bench.token('chromium'), {'dynacast': True})
    browser.call('publish', {'codec': 'vp8'})
    wait_until(lambda: browser.call('sent').get('video', {}).get('frames', 0) > 30, 'the browser sends')
    return browser


def run_tool(bench, name, *command, is_enough=lambda: False, seconds=PATIENCE):
    """Runs a program of GStreamer's to its end, until it is enough, or for so many seconds; returns what it printed."""
    output = bench.folder / (name + '.log')
    with open(output, 'wb') as file:
        process = subprocess.Popen(inside(*command), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                   env=bench.environment())
    with contextlib.suppress(Failure):
        wait_until(lambda: process.poll() is not None or is_enough(), name + ' ends', seconds)
    if process.poll() is None:
        process.terminate()
        process.wait(PATIENCE)
    return output.read_text(errors='replace')


def rendered(launch, sink):
    """Buffers that a sink has rendered; 0 while there is no such sink."""
    found = re.search(r'rendered\W+guint64\W+(\d+)', launch.get(sink, 'stats'))
    return int(found[1]) if found else 0


def test_browser_uri_play(bench):
    """gst-play-1.0 livekit://… decodes a Chromium publisher. By the clock it has eight seconds."""
    bench.start_server()
    publish(bench)
    file = bench.temporary / 'frames.i420'

    def frames():
        return file.stat().st_size // FRAME_BYTES if file.exists() else 0
    text = run_tool(bench, 'gst-play', 'gst-play-1.0', '--no-interactive', '--audiosink=fakesink',
                    '--videosink=videoconvert ! video/x-raw,format=I420,width=640,height=480 ! filesink location=%s'
                    % file, uri(bench), is_enough=lambda: frames() >= 90, seconds=by_clock(8, PATIENCE))
    check('ERROR' not in text, 'gst-play-1.0: %s', text)
    check_at_least(frames(), 90, 'frames')


@in_long_runs
def test_browser_uri_playbin3(bench):
    """playbin3 shows a Chromium publisher, picture and sound."""
    bench.start_server()
    publish(bench)
    player = bench.launch('player', 'playbin3 uri="%s" video-sink="fakesink name=v sync=true" '
                          'audio-sink="fakesink name=a sync=true"' % uri(bench))

    wait_until(lambda: rendered(player, 'v') > 0 and rendered(player, 'a') > 0, 'both sinks have data')
    first = rendered(player, 'v'), rendered(player, 'a')
    wait_until(lambda: rendered(player, 'v') >= first[0] + 100 and rendered(player, 'a') >= first[1] + 150,
               '100 frames and 150 pieces of sound', by_clock(5, PATIENCE), every=0.1)
    player.end()


def test_browser_uri_discoverer(bench):
    """gst-discoverer-1.0 names the codecs."""
    bench.start_server()
    publish(bench)
    text = run_tool(bench, 'gst-discoverer', 'gst-discoverer-1.0', '--timeout=%d' % (PATIENCE // 2), uri(bench))
    bench.note('%s', text)
    check('VP8' in text, 'no VP8')
    check('Opus' in text, 'no Opus')


def taken(receiver, pad, seconds):
    """Bytes and frames that came for a pad meanwhile, wanted or not."""
    before = receiver.counter(pad, 'bytes-received'), receiver.counter(pad, 'frames-dropped')
    let_pass(seconds)
    return receiver.counter(pad, 'bytes-received') - before[0], receiver.counter(pad, 'frames-dropped') - before[1]


def wait_bytes(receiver, pad, least, when):
    before = receiver.counter(pad, 'bytes-received')
    wait_until(lambda: receiver.counter(pad, 'bytes-received') >= before + least, '%d bytes %s' % (least, when),
               by_clock(2, PATIENCE))


def unused(bench, stop, start):
    """Nothing comes for a pad after `stop`, and dynacast stops the publisher; after `start` there is a key frame."""
    browser = publish(bench)
    receiver = bench.launch('receiver', bench.element('src', 'viewer', name='s'), '--watch=s',
                            '--branch=s=fakesink sync=false')
    receiver.wait_event('first-buffer', pad='video_0')
    let_pass(2)
    wait_bytes(receiver, 'video_0', 20000, 'while linked')
    for _ in range(2 if IS_TIMED else 1):
        stop(receiver)
        wait_until(lambda: taken(receiver, 'video_0', 3) == (0, 0), 'for 3 s nothing comes for the pad')
        wait_until(lambda: quiet(browser), 'the browser sends no video')
        keys = receiver.counter('video_0', 'key-frames-received')
        start(receiver)
        took = seconds_until(lambda: receiver.counter('video_0', 'key-frames-received') > keys)
        bench.note('key frame after %.2f s', took)
        check_at_most(took, by_clock(1.5, PATIENCE), 'seconds until the key frame')
        wait_bytes(receiver, 'video_0', 10000, 'when linked again')
    check(not receiver.events('error'), 'errors')
    receiver.end()


def quiet(browser):
    before = browser.call('sent')['video']['frames']
    let_pass(1)
    return browser.call('sent')['video']['frames'] == before


def seconds_until(condition):
    start = time.monotonic()
    wait_until(condition, 'a key frame', every=0.01)
    return time.monotonic() - start


def test_browser_unlinked_pad(bench):
    """An unlinked pad receives nothing, the publisher stops; linked, it has a key frame within a second."""
    bench.start_server()
    unused(bench, lambda receiver: receiver.tell('unlink s video_0'),
           lambda receiver: receiver.tell('relink s video_0'))


@in_long_runs
def test_browser_flushing_pad(bench):
    """The same for a pad whose sink is in READY."""
    bench.start_server()
    unused(bench, lambda receiver: receiver.tell('branch-state video_0 ready'),
           lambda receiver: receiver.tell('branch-state video_0 playing'))


def test_choose_tracks(bench):
    """Tracks come and go by tracks, enabled and auto-subscribe; each time with a key frame, on the same pad name."""
    bench.start_server()
    choose_tracks(bench)


@in_long_runs
def test_choose_tracks_v0(bench):
    """The same on a server that knows only v0."""
    bench.start_server()
    bench.start_v0_proxy()
    choose_tracks(bench)


def choose_tracks(bench):
    bench.launch('publisher', '%s ! %s %s ! k.audio_0' % (VP8, bench.element('sink', 'alice', name='k'), TONE))
    bench.wait_published('alice', 2)
    receiver = bench.launch('receiver', bench.element('src', 'viewer', name='s', **{'auto-subscribe': 'false'}),
                            '--watch=s', '--branch=s=fakesink sync=false')
    receiver.wait_event('pad-added', pad='video_0', enabled=False)
    receiver.wait_event('pad-added', pad='audio_0', enabled=False)
    check_equal(taken(receiver, 'video_0', 1), (0, 0), 'bytes and frames of a pad that is not enabled')
    for _ in range(3):
        keys = receiver.counter('video_0', 'key-frames-received')
        receiver.tell('set s video_0::enabled true')
        took = seconds_until(lambda before=keys: receiver.counter('video_0', 'key-frames-received') > before)
        bench.note('enabled: key frame after %.2f s', took)
        check_equal(receiver.counter('audio_0', 'frames-dropped'), 0, 'audio frames that nobody asked for')
        receiver.tell('set s video_0::enabled false')
        wait_until(lambda: taken(receiver, 'video_0', 1.5) == (0, 0), 'for 1.5 s nothing comes for the pad')
    receiver.tell('set s auto-subscribe true')
    receiver.wait_event('first-buffer', pad='audio_0')
    receiver.tell('set s tracks */audio')
    receiver.wait_event('pad-removed', pad='video_0')
    mark = len(receiver.lines)
    receiver.tell('set s tracks *')
    receiver.wait_event('pad-added', pad='video_0', after=mark)
    receiver.tell('set s video_0::enabled true')
    check(receiver.wait_event('first-buffer', pad='video_0', after=mark)['key'], 'the first buffer is a key frame')
    check(not receiver.events('error'), 'errors')
    receiver.end()


def size_of(receiver):
    """Width and height of what the element c last let through."""
    with receiver.new_line:
        caps = [line['caps'] for line in receiver.lines if line.get('event') == 'caps']
    found = caps and re.search(r'width\W+int\W+(\d+)\W+height\W+int\W+(\d+)', caps[-1])
    return found and (int(found[1]), int(found[2]))


def test_choose_by_launch_line(bench):
    """A pad's property in a launch line is set when the pad comes."""
    bench.start_server()
    bench.launch('publisher', '%s ! %s %s ! k.audio_0' % (VP8, bench.element('sink', 'alice', name='k'), TONE))
    bench.wait_published('alice', 2)
    text = bench.element('src', 'viewer', name='s', **{'auto-subscribe': 'false'}) + ' video_0::enabled=true'
    receiver = bench.launch('receiver', text, '--watch=s', '--branch=s=fakesink sync=false')
    receiver.wait_event('first-buffer', pad='video_0')
    receiver.wait_event('first-gap', pad='audio_0')
    check_equal(receiver.counter('audio_0', 'bytes-received'), 0, 'bytes of sound')
    receiver.end()


def test_choose_quality(bench):
    """Three layers: video-quality, quality, height: the size of what comes follows within two seconds."""
    bench.start_server()
    bench.launch('publisher', layered(bench, fps=15, sizes=SIZES), '--watch=k')
    bench.wait_published('alice', 1)
    receiver = bench.launch('receiver', bench.element('src', 'viewer', name='s') + ' ! h264parse ! capsfilter name=c '
                            '! fakesink sync=false', '--watch=s', '--caps=c')
    receiver.wait_event('first-buffer', pad='video_0')
    for text, size in (('set s video_0::quality low', 0), ('set s video_0::quality high', 2),
                       ('set s video_0::height 180', 1), ('set s video_0::height 0', 2),
                       ('set s video_0::quality auto', 2), ('set s video-quality medium', 1),
                       ('set s video-quality low', 0), ('set s video-quality auto', 2)):
        receiver.tell(text)
        wait_until(lambda: size_of(receiver) == SIZES[size], '%s: %dx%d' % (text, *SIZES[size]), by_clock(2, PATIENCE))
    check(not receiver.events('error'), 'errors')
    receiver.end()


def choose_quality_of(bench, codec, decoder):
    bench.start_server()
    bench.launch('publisher', layered(bench, codec, sizes=SIZES), '--watch=k')
    bench.wait_published('alice', 1)
    receiver = bench.launch('receiver', bench.element('src', 'viewer', name='s') + ' ! %s ! capsfilter name=c '
                            '! fakesink sync=false' % decoder, '--watch=s', '--caps=c')
    receiver.wait_event('first-buffer', pad='video_0')
    for quality, size in (('low', 0), ('high', 2), ('medium', 1), ('low', 0)):
        receiver.tell('set s video_0::quality ' + quality)
        wait_until(lambda: size_of(receiver) == SIZES[size], '%s: %dx%d' % (quality, *SIZES[size]))
    check(not receiver.events('error'), 'errors')
    receiver.end()


@in_long_runs
def test_choose_quality_av1(bench):
    """Three pads of AV1: the size of what comes follows."""
    choose_quality_of(bench, 'av1', 'av1dec')


def test_choose_quality_vp9(bench):
    """Three pads of VP9: the size of what comes follows."""
    choose_quality_of(bench, 'vp9', 'vp9dec')


def test_choose_rtp(bench):
    """output=rtp: packets that GStreamer's depayloaders and decoders understand, in clean caps."""
    bench.start_server()
    bench.launch('publisher', '%s ! %s %s ! k.audio_0' % (VP8, bench.element('sink', 'alice', name='k'), TONE))
    bench.wait_published('alice', 2)
    text = ('%s s.video_0 ! rtpvp8depay ! vp8dec ! fakesink name=v sync=false s.audio_0 ! rtpopusdepay ! opusdec ! '
            'fakesink name=a sync=false' % bench.element('src', 'viewer', name='s', output='rtp'))
    receiver = bench.launch('receiver', text, '--watch=s')
    for pad, media in (('video_0', 'video'), ('audio_0', 'audio')):
        caps = receiver.wait_event('first-buffer', pad=pad)['caps'].replace('\\', '').strip('"')
        bench.note('%s', caps)
        check(caps.startswith('application/x-rtp, media=(string)%s' % media), 'caps %s', caps)
        fields = set(re.findall(r' ([^ =]+)=', caps))
        allowed = {'media', 'payload', 'clock-rate', 'encoding-name', 'encoding-params', 'ssrc', 'minptime',
                   'useinbandfec'}
        check_equal({field for field in fields - allowed if not field.startswith('extmap-')}, set(), 'private fields')

    wait_until(lambda: rendered(receiver, 'v') > 60 and rendered(receiver, 'a') > 60, 'frames are decoded')
    check(not receiver.events('error'), 'errors')
    receiver.end()
