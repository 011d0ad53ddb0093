# SPDX-License-Identifier: LGPL-2.1-or-later
"""The camera gateway with real cameras (gst-rtsp-server), a real server and Chromium."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request

from cctvbench import Cameras, Gateway, camera_text, layered, video, wait_frames, watch
from harness import check, check_at_least, check_at_most, check_equal, in_long_runs, let_pass, wait_until
from lkserver import free_ports

GARBAGE = camera_text(320, 180, 200).replace('! rtph264pay', '! video/x-h264,stream-format=byte-stream '
                                             '! identity name=spoil ! rtph264pay')
H265 = ('( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=180,framerate=15/1 '
        '! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph265pay name=pay0 pt=96 )')


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
                           'Chromium shows %s' % quality, every=0.05)
        bench.note('%s after %.2f s', quality, (shown['at'] - start) / 1000)
        wait_frames(browser, 'camera-yard')
    log = (bench.folder / 'livekit-server.log').read_text(errors='replace')
    bench.note('%d times the server found a layer too far behind', log.count('too far behind'))
    gateway.stop()


@in_long_runs
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
    first = wait_until(lambda: video(browser).get('firstFrame'), 'Chromium has a picture', every=0.05)
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
    first = wait_until(lambda: video(browser).get('firstFrame'), 'Chromium has a picture', every=0.05)
    bench.note('picture %.2f s after the join', first / 1000)
    check_at_least(gateway.metric('webhooks_total'), 1, 'webhooks')
    check_equal(gateway.metric('forged_webhooks_total'), 0, 'forged webhooks')
    browser.call('leave')
    gateway.wait_state('one', 'idle', 60)
    wait_until(lambda: len([line for line in cameras.lines if line['event'] == 'closed']) >= 1, 'the camera is let go')
    watch(bench, browser, 'one')
    gateway.wait_state('one', 'publishing', 60)
    check_equal(gateway.metric('camera_joins_total', camera='one'), 2, 'joins')
    check_equal(gateway.metric('camera_reconnects_total', camera='one'), 0, 'reconnects: it left by itself')
    # a webhook that nobody has signed
    request = urllib.request.Request(gateway.address + '/webhook', b'{"event": "participant_joined"}')
    try:
        urllib.request.urlopen(request, timeout=10)
        check(False, 'a forged webhook was taken')
    except urllib.error.HTTPError as error:
        check_equal(error.code, 401, 'answer to a forged webhook')
    check_equal(gateway.metric('forged_webhooks_total'), 1, 'forged webhooks')
    gateway.stop()


@in_long_runs
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


def test_cctv_alone(bench):
    """Cameras fail alone: one is away, sends garbage or hangs, the others go on; each comes back by itself."""
    bench.start_server()
    good = Cameras(bench, 'good', {'/one': camera_text()})
    bad = Cameras(bench, 'bad', {'/one': camera_text(320, 180, 200)})
    garbage = Cameras(bench, 'garbage', {'/one': GARBAGE})
    gateway = Gateway(bench, {'pause-after': 3600, 'cameras': [
        {'id': 'good', 'url': good.url('/one')}, {'id': 'bad', 'url': bad.url('/one')},
        {'id': 'garbage', 'url': garbage.url('/one')}, {'id': 'nowhere', 'url': 'rtsp://127.0.0.1:1/'}]})
    for camera in ('good', 'bad'):
        gateway.wait_state(camera, 'publishing')
        gateway.wait_stream(camera, 0, 'flowing')
    gateway.wait_log('camera nowhere, stream 0:')
    gateway.wait_log('camera garbage, stream 0: What comes has no picture in it', 60)
    bad.kill()
    gateway.wait_stream('bad', 0, 'waiting', 60)
    again = Cameras(bench, 'bad-again', {'/one': camera_text(320, 180, 200)}, port=bad.port)
    gateway.wait_stream('bad', 0, 'flowing', 60)
    again.process.send_signal(signal.SIGSTOP)
    gateway.wait_log('camera bad, stream 0: Nothing comes any more', 60)
    again.process.send_signal(signal.SIGCONT)
    gateway.wait_stream('bad', 0, 'flowing', 60)
    check_equal(gateway.metric('camera_joins_total', camera='bad'), 1, 'joins of the camera that failed')
    check_equal(gateway.metric('stream_connects_total', camera='good', stream='0'), 1, 'connections to the good one')
    check_equal(gateway.get('/ready')[0], 200, '/ready')
    gateway.stop()


def answer_all(bench, answer, again=b''):
    """Something that is no camera: the same answer to everybody, then `again` now and then. Its port."""
    pause = threading.Event()
    listener = socket.create_server(('127.0.0.1', 0))
    bench.stack.callback(listener.close)

    def talk(peer):
        with peer, contextlib.suppress(OSError):
            peer.recv(4096)
            peer.sendall(answer)
            while again:
                peer.sendall(again)
                pause.wait(0.2)
            while peer.recv(4096):
                peer.sendall(answer)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def describe(sdp):
    return (b'RTSP/1.0 200 OK\r\nCSeq: 2\r\nPublic: DESCRIBE, SETUP, PLAY\r\nContent-Type: application/sdp\r\n'
            b'Content-Length: %d\r\n\r\n%s' % (len(sdp), sdp))


@in_long_runs
def test_cctv_no_cameras(bench):
    """Servers that speak no RTSP, too much of it, or nonsense: each is told, and none harms the gateway."""
    bench.url = 'ws://127.0.0.1:1'
    ports = {
        'noise': answer_all(bench, os.urandom(65536)),
        'http': answer_all(bench, b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
        'endless-body': answer_all(bench, b'RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 2000000000\r\n\r\n'),
        'negative': answer_all(bench, b'RTSP/1.0 200 OK\r\nCSeq: -1\r\nContent-Length: -1\r\n\r\n'),
        'no-sdp': answer_all(bench, describe(os.urandom(2000))),
        'odd-sdp': answer_all(bench, describe(b'v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/0\r\na=fmtp:96 '
                                              b'sprop-parameter-sets=%%%;;=\r\nm=video -1 RTP/AVP\r\nm=\r\n')),
        'login': answer_all(bench, b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="'
                            + b'x' * 30000 + b'", nonce=""\r\n\r\n'),
        'elsewhere': answer_all(bench, b'RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: file:///etc/passwd\r\n\r\n'),
    }
    gateway = Gateway(bench, {'cameras': [
        {'id': name, 'url': 'rtsp://127.0.0.1:%d/' % port, 'user': 'joe', 'password': 'hushhush'}
        for name, port in ports.items()]})
    for name in ports:
        gateway.wait_log('camera %s, stream 0:' % name, 60)
    wait_until(lambda: all(gateway.metric('stream_failures_total', camera=name, stream='0') > 1 for name in ports),
               'each is tried again', 120)
    gateway.wait_log('camera http, stream 0: Could not read from resource. Attempt 5,', 60)
    attempts = re.findall(r'camera http, .* Attempt (\d+),', gateway.text())
    check_equal(attempts, [str(i + 1) for i in range(len(attempts))], 'attempts')
    memory = int(re.search(r'VmRSS:\s+(\d+)', pathlib.Path('/proc/%d/status' % gateway.process.pid).read_text())[1])
    bench.note('%d MiB', memory // 1024)
    check_at_most(memory, 512 * 1024, 'KiB of memory')
    gateway.stop()
    check('hushhush' not in gateway.text(), 'the password is in the log')


@in_long_runs
def test_cctv_endless_header(bench):
    """A camera whose answer never ends: it has one connection at a time, and does not keep the gateway from its end."""
    bench.url = 'ws://127.0.0.1:1'
    port = answer_all(bench, b'RTSP/1.0 200 OK\r\nX: ', b'x')
    gateway = Gateway(bench, {'cameras': [{'id': 'endless', 'url': 'rtsp://127.0.0.1:%d/' % port}]})
    gateway.wait_log('camera endless, stream 0: Nothing comes', 60)
    gateway.wait_log('camera endless, stream 0: its last connection does not end', 60)
    check_equal(gateway.metric('stream_connects_total', camera='endless', stream='0'), 1, 'connections')
    gateway.signal(signal.SIGTERM)
    check_equal(gateway.process.wait(60), 1, 'exit code')
    check('camera endless: does not end' in gateway.text(), 'it is not told')


def test_cctv_server_back(bench):
    """The server is killed and comes back, with the cameras in it."""
    server = bench.start_server()
    cameras = Cameras(bench, 'cameras', {'/one': camera_text(), '/two': camera_text(320, 180, 150)})
    gateway = Gateway(bench, {'cameras': [
        {'id': 'one', 'url': cameras.url('/one'), 'sub-streams': [cameras.url('/two')]},
        {'id': 'two', 'url': cameras.url('/two')}]})
    for camera in ('one', 'two'):
        gateway.wait_state(camera, 'publishing')
    server.process.kill()
    server.process.wait()
    for camera in ('one', 'two'):
        gateway.wait_state(camera, 'joining')
    wait_until(lambda: gateway.get('/ready')[0] == 503, 'not ready')
    check(server.start_process(), 'the server did not start again')
    for camera in ('one', 'two'):
        gateway.wait_state(camera, 'publishing', 60)
    check_equal(gateway.metric('camera_reconnects_total', camera='one'), 1, 'reconnects')
    check_equal(gateway.metric('stream_connects_total', camera='one', stream='0'), 1, 'connections to the camera')
    gateway.stop()


@in_long_runs
def test_cctv_formats_browser(bench):
    """A camera with a password, over UDP, with AAC; one with G.711: Chromium sees and hears both."""
    bench.start_server()
    picture = camera_text().replace('pt=96 )', 'pt=96 ')
    tone = 'audiotestsrc is-live=true freq=440 volume=0.8 ! '
    aac = tone + 'audio/x-raw,rate=16000,channels=1 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97 )'
    law = tone + 'audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0 )'
    cameras = Cameras(bench, 'cameras', {'/aac': picture + aac, '/law': picture + law}, '--user=joe',
                      '--password=s3cret')
    login = {'user': 'joe', 'password': 's3cret'}
    gateway = Gateway(bench, {'cameras': [{'id': 'aac', 'url': cameras.url('/aac'), 'transport': 'udp', **login},
                                          {'id': 'law', 'url': cameras.url('/law'), **login}]})
    for camera, mime in (('aac', 'audio/opus'), ('law', 'audio/pcmu')):
        gateway.wait_state(camera, 'publishing')
        browser = bench.browser('browser-' + camera)
        watch(bench, browser, camera)
        wait_frames(browser, 'camera-' + camera)

        def audible():
            sound = [t for t in browser.call('measure')['tracks'] if t['kind'] == 'audio']
            return sound and sound[0]['energy'] > 0.01 and sound[0]
        sound = wait_until(audible, 'Chromium hears ' + camera)
        check_equal(sound['mime'].lower(), mime, 'codec of the sound')
        browser.call('leave')
    gateway.stop()


def test_cctv_replay(bench):
    """A camera that makes one key frame and no more: who comes later has a picture, and so has the next."""
    bench.start_server()
    # Five frames a second: the gateway keeps 600 of them, so that there are two minutes to come in.
    text = camera_text(320, 180, 50).replace('key-int-max=25', 'key-int-max=100000').replace('=25/1', '=5/1')
    cameras = Cameras(bench, 'cameras', {'/one': text})
    gateway = Gateway(bench, {'cameras': [{'id': 'one', 'url': cameras.url('/one'), 'audio': False}]})
    gateway.wait_state('one', 'publishing')
    wait_until(lambda: gateway.metric('stream_received_frames_total', camera='one', stream='0') > 10, 'frames')
    for name in ('first', 'second'):
        start = time.monotonic()
        viewer = bench.launch(name, bench.element('src', name, name='s', room='camera_one'), '--watch=s',
                              '--branch=s=h264parse ! avdec_h264 ! fakesink')
        viewer.wait_event('first-buffer', seconds=60, key=True)
        bench.note('the %s has a key frame %.1f s after its start', name, time.monotonic() - start)
    check_equal(gateway.metric('stream_received_key_frames_total', camera='one', stream='0'), 1, 'of the camera')
    viewer.end()
    gateway.stop()


def test_cctv_h265(bench):
    """H.265 is published as it is."""
    bench.start_server()
    cameras = Cameras(bench, 'cameras', {'/one': H265})
    gateway = Gateway(bench, {'cameras': [{'id': 'one', 'url': cameras.url('/one')}]})
    gateway.wait_state('one', 'publishing')
    bench.room = 'camera_one'
    tracks = bench.wait_published('camera-one', 1)
    check_equal(tracks[0]['mime_type'].lower(), 'video/h265', 'codec')
    viewer = bench.launch('viewer', bench.element('src', 'viewer', name='s', room='camera_one'), '--watch=s',
                          '--branch=s=fakesink')
    viewer.wait_event('first-buffer', seconds=60)
    viewer.end()
    gateway.stop()
