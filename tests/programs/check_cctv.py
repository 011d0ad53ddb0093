# SPDX-License-Identifier: LGPL-2.1-or-later
"""The camera gateway with real cameras (gst-rtsp-server), a real server and Chromium."""

import signal
import socket
import urllib.error
import urllib.request

from cctvbench import Cameras, Gateway, camera_text, frames_of
from lkserver import free_ports
from harness import check, check_at_least, check_equal, let_pass, wait_until


def watch(bench, browser, camera, grants=None):
    """Chromium joins the camera's room."""
    browser.call('join', bench.url, bench.server.token('camera_' + camera, 'viewer', **(grants or {})))


def wait_frames(browser, identity, more=10, seconds=30):
    start = frames_of(browser).get(identity, 0)
    wait_until(lambda: frames_of(browser).get(identity, 0) >= start + more, 'Chromium decodes ' + identity, seconds)


def test_cctv_browser(bench):
    """One camera: its picture in Chromium; the participant may publish only; the gateway ends cleanly."""
    bench.start_server()
    cameras = Cameras(bench, 'cameras', {'/one': camera_text()})
    gateway = Gateway(bench, {'cameras': [{'id': 'one', 'name': 'First', 'url': cameras.url('/one')}]})
    gateway.wait_state('one', 'publishing')
    browser = bench.browser()
    watch(bench, browser, 'one')
    wait_frames(browser, 'camera-one')
    track = [t for t in browser.call('measure')['tracks'] if t['kind'] == 'video'][0]
    check_equal((track['width'], track['height'], track['name']), (640, 360, 'camera'), 'size and name')
    participant = bench.server.participants('camera_one')['camera-one']
    check_equal(participant['name'], 'First', 'name of the participant')
    permission = participant['permission']
    check(permission.get('can_publish') and not permission.get('can_subscribe')
          and not permission.get('can_publish_data'), 'permissions: %s', permission)
    check_equal(gateway.get('/health')[0], 200, '/health')
    check_equal(gateway.get('/ready'), (200, 'ok\n'), '/ready')
    check_at_least(gateway.metric('layer_sent_frames_total', camera='one', stream='0'), 10, 'frames sent')
    gateway.stop()
    wait_until(lambda: 'camera-one' not in bench.server.participants('camera_one'), 'the camera has left')


def layered(bench, **settings):
    """A camera with three streams, from large to small."""
    cameras = Cameras(bench, 'cameras', {'/main': camera_text(1280, 720, 1500), '/sub': camera_text(640, 360, 500),
                                         '/third': camera_text(320, 180, 150)})
    camera = {'id': 'yard', 'url': cameras.url('/main'), 'sub-streams': [cameras.url('/sub'), cameras.url('/third')]}
    return cameras, Gateway(bench, {'cameras': [camera], **settings})


def video(browser):
    return next((track for track in browser.call('measure')['tracks'] if track['kind'] == 'video'), {})


def test_cctv_layers_browser(bench):
    """Main and sub streams are layers of one track: Chromium gets each that it asks for."""
    bench.start_server()
    cameras, gateway = layered(bench)
    gateway.wait_state('yard', 'publishing')
    browser = bench.browser()
    bench.room = 'camera_yard'
    tracks = bench.wait_published('camera-yard', 1)
    sizes = sorted((layer.get('width'), layer.get('height')) for layer in tracks[0]['layers'])
    check_equal(sizes, [(320, 180), (640, 360), (1280, 720)], 'layers that the server lists')
    watch(bench, browser, 'yard')
    wait_frames(browser, 'camera-yard')
    for quality, width in (('LOW', 320), ('HIGH', 1280), ('MEDIUM', 640), ('HIGH', 1280), ('LOW', 320)):
        start = video(browser)['at']
        browser.call('quality', quality)
        shown = wait_until(lambda: (lambda v: v.get('width') == width and v)(video(browser)),
                           'Chromium shows %s' % quality, 30, every=0.05)
        bench.note('%s after %.2f s', quality, (shown['at'] - start) / 1000)
        wait_frames(browser, 'camera-yard')
    log = (bench.folder / 'livekit-server.log').read_text(errors='replace')
    bench.note('%d times the server found a layer too far behind', log.count('too far behind'))
    gateway.stop()


def test_cctv_pause_browser(bench):
    """Nobody watches: nothing is sent, and after a while nothing comes from the camera. Who comes has a picture."""
    bench.start_server()
    cameras, gateway = layered(bench, **{'pause-after': 2})
    gateway.wait_state('yard', 'publishing')
    for stream in range(3):
        gateway.wait_stream('yard', stream, 'paused', 60)
    before = gateway.metrics()
    let_pass(3)
    after = gateway.metrics()
    for key, value in after.items():
        if key[0].endswith('_bytes_total'):
            check_equal(value, before[key], str(key))
    browser = bench.browser()
    watch(bench, browser, 'yard')
    first = wait_until(lambda: video(browser).get('firstFrame'), 'Chromium has a picture', 30, every=0.05)
    bench.note('picture %.2f s after the join', first / 1000)
    browser.call('leave')
    for stream in range(3):
        gateway.wait_stream('yard', stream, 'paused', 60)
    gateway.stop()


def test_cctv_demand_browser(bench):
    """On demand: the server's webhook brings the camera, and it leaves when the last viewer has gone for a while."""
    [port] = free_ports(socket.SOCK_STREAM)
    bench.start_server({'webhook': {'api_key': 'devkey', 'urls': ['http://127.0.0.1:%d/webhook' % port]}})
    cameras = Cameras(bench, 'cameras', {'/one': camera_text()})
    gateway = Gateway(bench, {'listen': '127.0.0.1:%d' % port, 'publish': 'on-demand', 'leave-after': 2,
                              'cameras': [{'id': 'one', 'url': cameras.url('/one')}]})
    gateway.wait_state('one', 'idle')
    check_equal([line for line in cameras.lines if line['event'] == 'open'], [], 'connections to the camera')
    browser = bench.browser()
    watch(bench, browser, 'one')
    first = wait_until(lambda: video(browser).get('firstFrame'), 'Chromium has a picture', 30, every=0.05)
    bench.note('picture %.2f s after the join', first / 1000)
    check_at_least(gateway.metric('webhooks_total'), 1, 'webhooks')
    check_equal(gateway.metric('forged_webhooks_total'), 0, 'forged webhooks')
    browser.call('leave')
    gateway.wait_state('one', 'idle', 60)
    wait_until(lambda: len([line for line in cameras.lines if line['event'] == 'closed']) >= 1, 'the camera is let go')
    # a webhook that nobody has signed
    request = urllib.request.Request(gateway.address + '/webhook', b'{"event": "participant_joined"}')
    try:
        urllib.request.urlopen(request, timeout=10)
        check(False, 'a forged webhook was taken')
    except urllib.error.HTTPError as error:
        check_equal(error.code, 401, 'answer to a forged webhook')
    check_equal(gateway.metric('forged_webhooks_total'), 1, 'forged webhooks')
    gateway.stop()


def test_cctv_missed_webhook(bench):
    """On demand: a viewer who was there before the gateway is found without a webhook."""
    bench.start_server()
    cameras = Cameras(bench, 'cameras', {'/one': camera_text()})
    viewer = bench.launch('viewer', bench.element('src', 'viewer', name='s', room='camera_one'),
                          '--watch=s', '--branch=s=fakesink')
    wait_until(lambda: 'viewer' in bench.server.participants('camera_one'), 'the viewer is there')
    gateway = Gateway(bench, {'publish': 'on-demand', 'cameras': [{'id': 'one', 'url': cameras.url('/one')}]})
    gateway.wait_state('one', 'publishing', 60)
    viewer.wait_event('first-buffer')
    viewer.end()
    gateway.stop()
