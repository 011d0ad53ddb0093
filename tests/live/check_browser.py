# SPDX-License-Identifier: LGPL-2.1-or-later
"""livekitsink to Chromium with livekit-client, and Chromium to livekitsrc."""

from check_harness import measure_both
from check_loopback import CODECS
from harness import (by_clock, check, check_at_least, check_at_most, check_equal, in_long_runs, IS_TIMED,
                     JOIN_TIMEOUT_MS, let_pass, wait_until)

TONE = 'audiotestsrc is-live=true wave=sine freq=440 ! opusenc'
VGA = 'video/x-raw,format=I420,width=640,height=480,framerate=30/1'
QVGA = 'video/x-raw,format=I420,width=320,height=240,framerate=30/1'
RECORD_SECONDS = 20 if IS_TIMED else 10


def publishing(bench, codec, caps=VGA):
    """The text of a pipeline of our sink with the test picture and a tone."""
    return 'videotestsrc is-live=true pattern=ball ! %s ! %s ! %s %s ! k.audio_0' % (
        caps, CODECS[codec][0], bench.element('sink', 'alice', name='k'), TONE)


def check_decoded(bench, browser, seconds):
    """The browser shows 640x480 and hears the tone; by the clock at 29 of 30 frames a second, with no freeze."""
    first, last = measure_both(browser, seconds)
    video, elapsed = last['video'], (last['video']['at'] - first['video']['at']) / 1000
    fps = (video['frames'] - first['video']['frames']) / elapsed
    bench.note('first frame %.0f ms after the join, %.2f frames/s, %d freezes, %d dropped, %d PLIs in %.0f s',
               video['firstFrame'], fps, video['freezes'], video['dropped'], video['plis'], elapsed)
    browser.call('screenshot', str(bench.folder / 'browser.png'))
    check_equal((video['width'], video['height']), (640, 480), 'size')
    check_at_least(fps, by_clock(29, 3), 'frames per second')
    check_at_most(video['freezes'] - first['video']['freezes'], by_clock(0, 5), 'freezes')
    check_at_most(video['firstFrame'], by_clock(1000, 30000), 'first frame after the join in ms')
    audio = last['audio']
    rate = (audio['samples'] - first['audio']['samples']) / ((audio['at'] - first['audio']['at']) / 1000)
    bench.note('%.0f audio samples/s, energy %.3f, %d concealed', rate, audio['energy'], audio['concealed'])
    check_at_least(rate, by_clock(47000, 20000), 'audio samples per second')
    heard = audio['seconds'] - first['audio']['seconds']
    check_at_least(audio['energy'] - first['audio']['energy'], by_clock(0.01, 0.003) * heard, 'energy of the tone')


def sink_to_browser(bench, codec, seconds):
    browser = bench.browser()
    sender = bench.launch('publisher', publishing(bench, codec), '--watch=k')
    bench.wait_published('alice', 2)
    browser.call('join', bench.url, bench.token('viewer'))
    check_decoded(bench, browser, seconds)
    mimes = sorted(track['mime'].lower() for track in browser.call('measure')['tracks'])
    check_equal(mimes, ['audio/opus', 'video/' + codec], 'codecs')
    sender.end('eos')
    wait_until(lambda: not browser.call('measure')['tracks'], 'the tracks are gone from the browser')
    check_equal(browser.call('leave'), [], 'errors in the page')


def test_browser_h264(bench):
    """Chromium decodes our H.264 and Opus for 30 s."""
    bench.start_server()
    sink_to_browser(bench, 'h264', 30)


def test_browser_vp8(bench):
    """Chromium decodes our VP8 and Opus for 10 s, or 30."""
    bench.start_server()
    sink_to_browser(bench, 'vp8', 30 if IS_TIMED else 10)


def test_browser_v0(bench):
    """Our sink on a server that knows only v0, the browser on the server itself."""
    server = bench.start_server()
    bench.start_v0_proxy()
    browser = bench.browser()
    bench.launch('publisher', publishing(bench, 'h264'), '--watch=k')
    bench.wait_published('alice', 2)
    browser.call('join', server.url, bench.token('viewer'))
    check_decoded(bench, browser, 8)


def test_browser_launch_line(bench):
    """The first launch line of the documentation with a camera that gives YUY2, by gst-launch itself."""
    server = bench.start_server()
    browser = bench.browser()
    camera = 'videotestsrc is-live=true ! video/x-raw,format=YUY2,width=640,height=480,framerate=30/1'
    sink = 'livekitsink join-timeout=%d room=%s' % (JOIN_TIMEOUT_MS, bench.room)
    line = camera + ' ! videoconvert ! x264enc tune=zerolatency ! ' + sink
    bench.gst_launch('gst-launch', *line.split(), variables={'LIVEKIT_URL': server.url})
    bench.gst_launch('tone', *('%s ! %s identity=tone' % (TONE, sink)).split(),
                     variables={'LIVEKIT_URL': server.url})
    wait_until(lambda: sum(len(p.get('tracks', [])) for p in server.participants(bench.room).values()) == 2,
               'two tracks in the room')
    browser.call('join', server.url, bench.token('viewer'))
    check_decoded(bench, browser, 8)


def record(bench, codec, muxer, suffix, parser):
    """Chromium is publishing; livekitsrc joins, records, and ends by EOS."""
    bench.start_server()
    browser = bench.browser()
    browser.call('join', bench.url, bench.token('chromium'))
    browser.call('publish', {'codec': codec})
    wait_until(lambda: browser.call('sent').get('video', {}).get('frames', 0) > 60, 'the browser sends')
    check_equal(bench.wait_published('chromium', 2)[0].get('muted', False), False, 'muted')
    file = bench.folder / ('recording.' + suffix)
    text = '%s s.video_0 ! queue ! %s ! m.video_0 s.audio_0 ! queue ! m.audio_0 %s name=m ! filesink location=%s' % (
        bench.element('src', 'recorder', name='s'), parser, muxer, file)
    recorder = bench.launch('recorder', text, '--watch=s')
    pads = {'video': 'video_0', 'audio': 'audio_0'}
    starts = {kind: recorder.wait_event('first-buffer', pad=pad)['t'] / 1e6 for kind, pad in pads.items()}
    let_pass(RECORD_SECONDS)
    totals = recorder.end('eos')
    ends = {kind: recorder.wait_event('pad-eos', pad=pad)['t'] / 1e6 for kind, pad in pads.items()}
    check_recording(bench, file, starts, ends, totals)


def check_recording(bench, file, starts, ends, totals):
    seconds = {kind: ends[kind] - starts[kind] for kind in starts}
    seconds['file'] = max(ends.values()) - min(starts.values())
    info = bench.probe_file(file)
    kinds = {stream['index']: stream['codec_type'] for stream in info['streams']}
    times = {kinds[index]: sorted(values) for index, values in info['times'].items()}
    check_equal(sorted(times), ['audio', 'video'], 'streams')
    lengths = {kind: values[-1] - values[0] for kind, values in times.items()}
    apart = abs(times['audio'][0] - times['video'][0])
    length = max(values[-1] for values in times.values()) - min(values[0] for values in times.values())
    fps = len(times['video']) / lengths['video']
    bench.note('recorded %.2f s of %.2f s (video %.2f, audio %.2f), first audio and video %.0f ms apart, %.1f frames/s',
               length, seconds['file'], lengths['video'], lengths['audio'], apart * 1000, fps)
    check_at_most(apart, by_clock(0.1, 2), 'seconds between first audio and first video')
    came = starts['audio'] - starts['video']
    check_at_most(abs(times['audio'][0] - times['video'][0] - came), 2, 'seconds that sound is off from when it came')
    for what, value in dict(lengths, file=length).items():
        check_at_most(abs(value - seconds[what]), by_clock(0.02, 0.15) * seconds[what],
                      'length of %s is off by, in s' % what)
    check_at_least(totals['video_0']['keyframes'], 1, 'key frames')


def test_record_browser_mkv(bench):
    """Chromium's camera in VP8 and microphone into Matroska."""
    record(bench, 'vp8', 'matroskamux', 'mkv', 'identity')


@in_long_runs
def test_record_browser_mp4(bench):
    """Chromium's camera in H.264 and microphone into MP4."""
    record(bench, 'h264', 'mp4mux', 'mp4', 'h264parse ! video/x-h264,stream-format=avc3')


def test_browser_mutes(bench):
    """A browser that mutes its camera: GAP events, then frames again."""
    bench.start_server()
    browser = bench.browser()
    watcher = bench.launch('receiver', bench.element('src', 'bob', name='s'), '--watch=s', '--branch=s=fakesink')
    browser.call('join', bench.url, bench.token('chromium'))
    browser.call('publish', {})
    watcher.wait_event('first-buffer', pad='video_0')
    browser.call('mute', 'video', True)
    watcher.wait_event('first-gap', pad='video_0')
    browser.call('mute', 'video', False)
    browser.call('unpublish')
    for pad in ('video_0', 'audio_0'):
        watcher.wait_event('pad-eos', pad=pad)
        watcher.wait_event('pad-removed', pad=pad)
    check(not watcher.events('error'), 'errors on the bus')
    watcher.end()
