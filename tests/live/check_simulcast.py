# SPDX-License-Identifier: LGPL-2.1-or-later
"""Simulcast and dynacast: layers from several pads, the browser's choice, nothing sent that nobody watches."""

from harness import (IS_TIMED, PATIENCE, by_clock, check, check_at_least, check_at_most, check_equal, in_long_runs,
                     let_pass, wait_until)

SIZES = [(320, 180), (640, 360), (1280, 720)]
SMALL_SIZES = [(160, 90), (320, 180), (640, 360)]      # for encoders that are slow
BITRATES = (150, 500, 1500)
ENCODERS = {
    'h264': 'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=600 bitrate=%d',
    'vp9': 'vp9enc deadline=1 cpu-used=8 lag-in-frames=0 keyframe-max-dist=600 target-bitrate=%d000',
    'vp8': 'vp8enc deadline=1 cpu-used=16 keyframe-max-dist=600 target-bitrate=%d000',
    'av1': 'av1enc usage-profile=realtime cpu-used=10 keyframe-max-dist=10 target-bitrate=%d ! av1parse',
}


def layered(bench, codec='h264', fps=20, order=(0, 1, 2), sizes=SIZES, **properties):
    """Three encoders behind one picture; pads of one track-name, in an order."""
    text = [bench.element('sink', 'alice', name='k', **properties) + ' '.join(
        ' video_%d::track-name=front' % pad for pad in range(len(order)))]
    text.append('videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=%d,height=%d,'
                'framerate=%d/1 ! tee name=t' % (*max(sizes), fps))
    for pad, layer in enumerate(order):
        text.append('t. ! queue max-size-buffers=2 leaky=downstream ! videoscale ! video/x-raw,width=%d,height=%d ! %s '
                    '! k.video_%d' % (*sizes[layer], ENCODERS[codec] % BITRATES[layer], pad))
    return ' '.join(text)


def video_of(browser):
    tracks = [track for track in browser.call('measure')['tracks'] if track['kind'] == 'video']
    return tracks[0] if tracks else None


def wait_size(browser, size, promised=None):
    """Waits for the picture to have the size; returns how many seconds that took."""
    start = wait_until(lambda: video_of(browser), 'the browser has the track')['at']
    shown = wait_until(lambda: (lambda v: v and (v['width'], v['height']) == tuple(size) and v)(video_of(browser)),
                       'the browser shows %dx%d' % tuple(size), by_clock(promised or 30, PATIENCE), every=0.05)
    return (shown['at'] - start) / 1000


def choose_each(bench, browser, sizes=SIZES, fps=20):
    qualities = dict(zip(('LOW', 'MEDIUM', 'HIGH'), sizes))
    wait_until(lambda: (video_of(browser) or {}).get('frames'), 'the browser decodes')
    for name in ('LOW', 'MEDIUM', 'HIGH', 'LOW', 'HIGH', 'MEDIUM'):
        browser.call('quality', name)
        bench.note('%s after %.2f s', name, wait_size(browser, qualities[name], 2))
        before = video_of(browser)
        let_pass(1.5)
        after = wait_until(lambda: (lambda v: v['frames'] >= before['frames'] + 5 and v)(video_of(browser)),
                           'frames of ' + name)
        if IS_TIMED:
            check_at_least((after['frames'] - before['frames']) / ((after['at'] - before['at']) / 1000), fps * 0.6,
                           'frames per second of ' + name)


def simulcast(bench, codec, order=(0, 1, 2), url=None, sizes=SIZES, fps=20):
    browser = bench.browser()
    sender = bench.launch('publisher', layered(bench, codec, fps=fps, order=order, sizes=sizes), '--watch=k')
    tracks = bench.wait_published('alice', 1)
    layers = sorted((layer.get('width'), layer.get('height')) for layer in tracks[0]['layers'])
    check_equal(layers, sizes, 'layers that the server lists')
    check(tracks[0].get('simulcast'), 'the server does not take the track for simulcast: %s', tracks[0])
    browser.call('join', url or bench.url, bench.token('viewer'))
    choose_each(bench, browser, sizes, fps)
    sender.end()


def test_simulcast_h264(bench):
    """Three H.264 layers: Chromium asks for low, medium, high in turn and gets each within 2 s."""
    bench.start_server()
    simulcast(bench, 'h264')


@in_long_runs
def test_simulcast_vp8(bench):
    """The same with VP8, and with the pads from large to small."""
    bench.start_server()
    simulcast(bench, 'vp8', order=(2, 1, 0))


def test_simulcast_vp9(bench):
    """The same with VP9, whose packets name no layer, which the server would take for the lowest."""
    bench.start_server()
    simulcast(bench, 'vp9', sizes=SMALL_SIZES)


@in_long_runs
def test_simulcast_av1(bench):
    """The same with AV1, which could have its layers in one stream."""
    bench.start_server()
    simulcast(bench, 'av1', sizes=SMALL_SIZES)


def test_simulcast_skew(bench):
    """The encoder of the largest layer is 120 ms slower than the others: the server still switches to it."""
    bench.start_server()
    browser = bench.browser()
    text = layered(bench).replace('! k.video_2', '! queue min-threshold-time=120000000 ! k.video_2')
    sender = bench.launch('publisher', text, '--watch=k')
    bench.wait_published('alice', 1)
    browser.call('join', bench.url, bench.token('viewer'))
    choose_each(bench, browser)
    log = (bench.folder / 'livekit-server.log').read_text(errors='replace')
    check_equal(log.count('too far behind'), 0, 'refusals of the server to switch')
    sender.end()


def test_simulcast_unsized(bench):
    """Layers whose caps have no size, as those of depayloaders: they are published with the sizes in the streams."""
    bench.start_server()
    text = layered(bench)
    for pad in range(3):
        text = text.replace('! k.video_%d' % pad, '! capssetter replace=true '
                            'caps=video/x-h264,stream-format=byte-stream,alignment=au ! k.video_%d' % pad)
    sender = bench.launch('publisher', text, '--watch=k')
    tracks = bench.wait_published('alice', 1)
    layers = sorted((layer.get('width'), layer.get('height')) for layer in tracks[0]['layers'])
    check_equal(layers, SIZES, 'layers that the server lists')
    sender.end()


@in_long_runs
def test_simulcast_v0(bench):
    """Three layers on a server that knows only v0."""
    server = bench.start_server()
    bench.start_v0_proxy()
    simulcast(bench, 'h264', url=server.url)


def bytes_sent(sender):
    return {pad: sender.counter(pad, 'bytes-sent', 'k') for pad in ('video_0', 'video_1', 'video_2')}


def check_low_alone(bench, sender):
    """The low layer is sent, and of the other ones nothing."""
    before = bytes_sent(sender)
    let_pass(2)
    wait_until(lambda: bytes_sent(sender)['video_0'] >= before['video_0'] + 2000, 'the low layer is sent')
    low = {pad: value - before[pad] for pad, value in bytes_sent(sender).items()}
    bench.note('with one viewer of "low": %s', low)
    check_equal((low['video_1'], low['video_2']), (0, 0), 'bytes of the other layers')


def test_dynacast(bench):
    """Without viewers nothing is sent; a viewer of "low" gets only that, and has a picture within a second."""
    bench.start_server()
    browser = bench.browser()
    sender = bench.launch('publisher', layered(bench), '--watch=k')
    bench.wait_published('alice', 1)
    wait_until(lambda: sum(bytes_sent(sender).values()) >= 20000, 'it is sent before viewers are asked')
    for pad in range(3):
        sender.wait_event('livekit-track', action='inactive', pad='video_%d' % pad)
    before = sum(bytes_sent(sender).values())
    let_pass(2)
    idle = sum(bytes_sent(sender).values()) - before
    bench.note('%d bytes at first, %d in 2 s without viewers', before, idle)
    check_at_most(idle, before / 100, 'bytes sent without viewers')
    browser.call('join', bench.url, bench.token('viewer'))
    first = wait_until(lambda: (lambda v: v and v['firstFrame'] and v)(video_of(browser)), 'a picture')
    bench.note('first picture %.0f ms after the join, %.0f ms after the subscription', first['firstFrame'],
               first['firstFrame'] - first['subscribed'])
    check_at_most(first['firstFrame'] - first['subscribed'], by_clock(1000, 30000), 'ms from subscription to picture')
    mark = len(sender.lines)
    browser.call('quality', 'LOW')
    wait_size(browser, SIZES[0])
    for pad in (1, 2):
        sender.wait_event('livekit-track', action='inactive', pad='video_%d' % pad, after=mark)
    check_low_alone(bench, sender)
    mark = len(sender.lines)
    browser.call('watch', False)
    sender.wait_event('livekit-track', action='inactive', pad='video_0', after=mark)
    sender.end()


@in_long_runs
def test_dynacast_src(bench):
    """The same with a viewer of ours: of what nobody watches nothing is sent."""
    bench.start_server()
    sender = bench.launch('publisher', layered(bench), '--watch=k')
    bench.wait_published('alice', 1)
    for pad in range(3):
        sender.wait_event('livekit-track', action='inactive', pad='video_%d' % pad)
    viewer = bench.launch('viewer', bench.element('src', 'bob', name='s') + ' ! fakesink sync=false', '--watch=s')
    viewer.wait_event('first-buffer', pad='video_0')
    mark = len(sender.lines)
    viewer.tell('set s video_0::quality low')
    for pad in (1, 2):
        sender.wait_event('livekit-track', action='inactive', pad='video_%d' % pad, after=mark)
    check_low_alone(bench, sender)
    mark = len(sender.lines)
    viewer.close()
    sender.wait_event('livekit-track', action='inactive', pad='video_0', after=mark)
    sender.end()


def test_simulcast_late_layer(bench):
    """A pad that gets its caps three seconds later joins the track as the layer that it is."""
    bench.start_server()
    browser = bench.browser()
    text = layered(bench).replace('t. ! queue max-size-buffers=2 leaky=downstream ! videoscale ! '
                                  'video/x-raw,width=1280,height=720',
                                  't. ! queue max-size-buffers=2 leaky=downstream ! valve name=v drop=true ! videoscale '
                                  '! video/x-raw,width=1280,height=720')
    sender = bench.launch('publisher', text, '--watch=k')
    sid = bench.wait_published('alice', 1)[0]['sid']
    browser.call('join', bench.url, bench.token('viewer'))
    wait_size(browser, SIZES[1])
    sender.tell('set v drop false')
    bench.note('the late layer is seen %.2f s after its first frame', wait_size(browser, SIZES[2]))
    check_equal(bench.wait_published('alice', 1)[0]['sid'], sid, 'the track')
    sender.end()


def test_simulcast_layer_ends(bench):
    """The largest layer's pad goes; the viewer gets the next one."""
    bench.start_server()
    browser = bench.browser()
    sender = bench.launch('publisher', layered(bench), '--watch=k')
    bench.wait_published('alice', 1)
    browser.call('join', bench.url, bench.token('viewer'))
    wait_size(browser, SIZES[2])
    sender.tell('release k video_2')
    bench.note('next layer after %.2f s', wait_size(browser, SIZES[1]))
    before = video_of(browser)['frames']
    wait_until(lambda: video_of(browser)['frames'] > before + 40, 'the picture moves')
    sender.end()


def refused(bench, order, sizes, words, codecs=None):
    """One track of several pads that does not go; another one beside it does."""
    text = layered(bench, order=order, sizes=sizes)
    if codecs:
        text = text.replace(ENCODERS['h264'] % BITRATES[codecs], ENCODERS['vp8'] % BITRATES[codecs])
    text += ' videotestsrc is-live=true ! video/x-raw,width=160,height=90 ! vp8enc deadline=1 ! k.video_9'
    sender = bench.launch('publisher', text, '--watch=k')
    line = sender.wait_event('livekit-track', action='failed')
    check(words in line['text'], 'the text says "%s"', line['text'])
    published = bench.wait_published('alice', 1)
    check_equal(published[0]['name'], 'video_9', 'what is published')
    let_pass(1)
    check_equal(len(sender.events('error')), 0, 'errors')
    sender.end()


def test_simulcast_same_size(bench):
    """Two layers of one size: an error on that track, another one goes on."""
    bench.start_server()
    refused(bench, (0, 1), [(320, 180), (320, 180)], 'same size')


def test_simulcast_other_codec(bench):
    """Layers of two codecs: an error on that track."""
    bench.start_server()
    refused(bench, (0, 1), SIZES, 'different codecs', codecs=1)


def test_simulcast_six_layers(bench):
    """Six pads of one name: an error on that track."""
    bench.start_server()
    sizes = [(160 + 32 * n, 90 + 18 * n) for n in range(6)]
    text = layered(bench, order=(0, 1, 2), sizes=sizes)
    extra = ' '.join(' video_%d::track-name=front' % pad for pad in range(3, 6))
    text = text.replace('video_2::track-name=front', 'video_2::track-name=front' + extra)
    for pad in range(3, 6):
        text += (' t. ! queue max-size-buffers=2 leaky=downstream ! videoscale ! video/x-raw,width=%d,height=%d ! %s '
                 '! k.video_%d' % (*sizes[pad], ENCODERS['h264'] % 100, pad))
    sender = bench.launch('publisher', text, '--watch=k')
    line = sender.wait_event('livekit-track', action='failed')
    check('6 layers' in line['text'], 'the text says "%s"', line['text'])
    sender.end()


def test_simulcast_other_aspect(bench):
    """A layer of another aspect: a warning, published, ordered by area."""
    bench.start_server()
    sender = bench.launch('publisher', layered(bench, sizes=[(240, 180), (640, 360), (1280, 720)]), '--watch=k')
    sender.wait_event('warning')
    check_equal(sorted(layer['width'] for layer in bench.wait_published('alice', 1)[0]['layers']), [240, 640, 1280],
                'layers')
    sender.end()


def test_simulcast_same_height(bench):
    """Layers of one height and almost one width: a warning, published."""
    bench.start_server()
    sender = bench.launch('publisher', layered(bench, order=(0, 1), sizes=[(640, 360), (648, 360)]), '--watch=k')
    sender.wait_event('warning')
    check_equal(sorted(layer['width'] for layer in bench.wait_published('alice', 1)[0]['layers']), [640, 648], 'layers')
    sender.end()


CAMERAS = 20


def test_simulcast_many(bench):
    """20 cameras of three layers in one participant: all published, all layers of some watched in Chromium."""
    bench.start_server()
    names = ' '.join('video_%d::track-name=cam%d' % (3 * camera + layer, camera)
                     for camera in range(CAMERAS) for layer in range(3))
    text = [bench.element('sink', 'alice', name='k') + ' ' + names]
    for layer, (width, height) in enumerate([(160, 90), (320, 180), (640, 360)]):
        text.append('videotestsrc is-live=true ! video/x-raw,format=I420,width=%d,height=%d,framerate=10/1 ! vp8enc '
                    'deadline=1 cpu-used=16 keyframe-max-dist=100 target-bitrate=%d ! tee name=t%d' % (
                        width, height, 40000 << layer, layer))
        text += ['t%d. ! queue ! k.video_%d' % (layer, 3 * camera + layer) for camera in range(CAMERAS)]
    sender = bench.launch('publisher', ' '.join(text), '--watch=k', debug='2,livekit*:4')
    wait_until(lambda: len(sender.events('livekit-track', action='published')) >= CAMERAS, 'all published')
    times = [line['t'] for line in sender.events('livekit-track', action='published')]
    bench.note('%d tracks of 3 layers published %.2f s after the start', CAMERAS,
               (times[-1] - sender.wait_event('start')['t']) / 1e6)
    tracks = bench.wait_published('alice', CAMERAS)
    check_equal([len(track['layers']) for track in tracks], [3] * CAMERAS, 'layers of each track')
    browser = bench.browser()
    browser.call('join', bench.url, bench.token('viewer'))
    wait_until(lambda: len([track for track in browser.call('measure')['tracks'] if track.get('frames')]) == CAMERAS,
               'the browser decodes all of them', every=0.5)
    sender.end()
