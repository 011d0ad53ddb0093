# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of the camera gateway share: the gateway itself, cameras, its figures."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading
import urllib.error
import urllib.request

from harness import CACHE, Child, PATIENCE, check, wait_until
from lkserver import die_with_parent, free_ports

CAMERA = ('( videotestsrc is-live=true pattern=smpte ! video/x-raw,format=I420,width=%d,height=%d,framerate=25/1 '
          '! identity name=clock ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=%d key-int-max=25 '
          '! rtph264pay name=pay0 pt=96 )')
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def camera_text(width=640, height=360, bitrate=500):
    """A launch line of a camera whose picture carries the time."""
    return CAMERA % (width, height, bitrate)


def read_metrics(text):
    """Samples as a dict from (name, labels as a frozenset of pairs) to the value."""
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith('#'):
            found = SAMPLE.match(line)
            check(found, 'no line of Prometheus: %s', line)
            samples[found[1], frozenset(LABEL.findall(found[2] or ''))] = float(found[3])
    return samples


class Cameras(Child):
    """gst-rtsp-server with streams by path. `port` stays the same when they are started again."""

    def __init__(self, bench, name, streams, *options, port=0):
        command = [str(bench.build / 'tests' / 'programs' / 'rtspcamera'), '--port', str(port), *options]
        command += ['%s=%s' % pair for pair in streams.items()]
        super().__init__(command, bench.folder / (name + '.log'), bench.environment())
        bench.stack.callback(self.close)
        self.port = self.wait_line(lambda line: line.get('event') == 'listening', 'the cameras listen')['port']

    def url(self, path):
        return 'rtsp://127.0.0.1:%d%s' % (self.port, path)

    def kill(self):
        self.process.kill()
        self.process.wait()


class LateCamera:
    """A camera whose first packets come between TEARDOWN and the answer to it."""

    DESCRIPTION = ('v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=late\r\nt=0 0\r\n'
                   'm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n'
                   'a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\na=control:0\r\n')
    HEADERS = {'OPTIONS': 'Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN\r\n',
               'DESCRIBE': 'Content-Type: application/sdp\r\nContent-Length: %d\r\n' % len(DESCRIPTION),
               'SETUP': 'Session: late\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n'}

    def __init__(self, bench):
        self.requests = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.url = 'rtsp://127.0.0.1:%d/late' % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        bench.stack.callback(self.listener.close)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection, connection.makefile('rb') as lines:
            while first := lines.read(1):
                if first == b'$':  # a packet of RTCP
                    lines.read(struct.unpack('>xH', lines.read(3))[0])
                    continue
                method = (first + lines.readline()).split()[0].decode()
                headers = list(iter(lines.readline, b'\r\n'))
                self.answer(connection, method, next(line for line in headers if line.startswith(b'CSeq')).decode())

    def answer(self, connection, method, number):
        self.requests.append(method)
        if method == 'TEARDOWN':
            packet = struct.pack('>BBHII', 0x80, 0x80 | 96, 1, 3600, 7) + b'\x65\1\2\3'
            connection.sendall(b'$\0' + struct.pack('>H', len(packet)) + packet)
        text = 'RTSP/1.0 200 OK\r\n%s%s\r\n' % (number, self.HEADERS.get(method, 'Session: late\r\n'))
        connection.sendall((text + (self.DESCRIPTION if method == 'DESCRIBE' else '')).encode())


class Gateway:
    """A livekit-cctv with a configuration that is a dict. What is alive at its end fails the test."""

    def __init__(self, bench, config, name='gateway', traces_leaks=True):
        self.bench, self.name, self.traces_leaks = bench, name, traces_leaks
        self.path, self.log = bench.temporary / (name + '.yaml'), bench.folder / (name + '.log')
        self.livekit = {'url': bench.url, 'api-key': 'devkey', 'api-secret': 'secret'}
        self.process = None
        self.write(config)
        self.start()
        bench.stack.callback(self.close)

    def write(self, config):
        whole = {'listen': '127.0.0.1:0', 'livekit': self.livekit, **config}
        self.path.write_text(json.dumps(whole))  # JSON is YAML

    def start(self):
        command = [str(self.bench.build / 'examples' / 'cctv' / 'livekit-cctv'), str(self.path)]
        variables = {'GST_DEBUG': '2,livekit*:5', 'GST_DEBUG_FILE': str(self.bench.folder / (self.name + '.gst.log'))}
        if self.traces_leaks:
            variables.update(GST_TRACERS='leaks', GST_DEBUG=variables['GST_DEBUG'] + ',GST_TRACER:7')
        with open(self.log, 'ab') as output:
            self.offset = output.tell()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=self.bench.environment(LOG_LEVEL='debug', **variables))
        found = wait_until(lambda: re.search(r'cameras, port (\d+)', self.text()), self.name + ' listens')
        self.address = 'http://127.0.0.1:' + found[1]

    def text(self):
        """What this process has logged."""
        return self.log.read_bytes()[self.offset:].decode(errors='replace')

    def wait_log(self, words, seconds=PATIENCE):
        wait_until(lambda: words in self.text(), '%s says "%s"' % (self.name, words), seconds)

    def get(self, path):
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        return read_metrics(self.get('/metrics')[1])

    def metric(self, name, **labels):
        return self.metrics().get(('livekit_cctv_' + name, frozenset(labels.items())))

    def state(self, camera):
        """The camera's state, or None when it is not here."""
        return next((dict(labels)['state'] for (name, labels), value in self.metrics().items()
                     if name == 'livekit_cctv_camera_state' and value and ('camera', camera) in labels), None)

    def stream_state(self, camera, stream=0):
        return next((dict(labels)['state'] for (name, labels), value in self.metrics().items()
                     if name == 'livekit_cctv_stream_state' and value
                     and {('camera', camera), ('stream', str(stream))} <= labels), None)

    def wait_state(self, camera, state, seconds=PATIENCE):
        wait_until(lambda: self.state(camera) == state, '%s: %s is %s' % (self.name, camera, state), seconds)

    def wait_stream(self, camera, stream, state, seconds=PATIENCE):
        wait_until(lambda: self.stream_state(camera, stream) == state,
                   '%s: stream %d of %s is %s' % (self.name, stream, camera, state), seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=PATIENCE):
        """Ends it in peace; its exit code must be 0."""
        self.process.terminate()
        code = self.process.wait(seconds)
        check(code == 0, '%s exited with %s (%s)', self.name, code, self.log)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class MediaMtx:
    """A MediaMTX with paths; RTSP over TCP, and RTMP, on ports that stay the same when it is started again."""

    def __init__(self, bench, paths):
        self.bench = bench
        self.command = os.environ.get('LIVE_MEDIAMTX') or shutil.which('mediamtx') or str(CACHE / 'bin' / 'mediamtx')
        check(pathlib.Path(self.command).exists(), 'no %s: sh tests/run.sh builds it', self.command)
        self.port, self.rtmp_port = free_ports(socket.SOCK_STREAM, socket.SOCK_STREAM)
        self.path = bench.temporary / 'mediamtx.yml'
        off = {name: False for name in ('hls', 'webrtc', 'srt', 'api', 'metrics', 'playback', 'pprof')}
        self.path.write_text(json.dumps({'rtspAddress': '127.0.0.1:%d' % self.port, 'rtspTransports': ['tcp'],
                                         'rtmpAddress': '127.0.0.1:%d' % self.rtmp_port, 'logLevel': 'info',
                                         'paths': paths(self.port), **off}))
        self.start()
        bench.stack.callback(self.kill)

    def start(self):
        with open(self.bench.folder / 'mediamtx.log', 'ab') as output:
            self.process = subprocess.Popen([self.command, str(self.path)], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, preexec_fn=die_with_parent)
        wait_until(lambda: answers(self.port), 'MediaMTX listens')

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def url(self, path):
        return 'rtsp://127.0.0.1:%d/%s' % (self.port, path)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


def cpu_seconds(process):
    """Processor time that a process has used so far."""
    fields = pathlib.Path('/proc/%d/stat' % process.pid).read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Redis:
    """A redis-server (or valkey-server) that keeps nothing, gone with the bench."""

    def __init__(self, bench):
        self.bench = bench
        self.command = shutil.which('redis-server') or shutil.which('valkey-server')
        check(self.command, 'no redis-server in PATH: sh tests/run.sh installs it')
        [self.port] = free_ports(socket.SOCK_STREAM)
        self.address = '127.0.0.1:%d' % self.port
        self.start()
        bench.stack.callback(self.kill)

    def start(self):
        with open(self.bench.folder / 'redis.log', 'ab') as output:
            self.process = subprocess.Popen(
                [self.command, '--port', str(self.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
                 '--requirepass', 'redispass'], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.bench.temporary)
        wait_until(lambda: answers(self.port), 'Redis answers')

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def frames_of(browser):
    """Decoded frames by identity of the publisher."""
    return {track['identity']: track.get('frames') or 0 for track in browser.call('measure')['tracks']
            if track['kind'] == 'video'}


def video(browser):
    return next((track for track in browser.call('measure')['tracks'] if track['kind'] == 'video'), {})


def watch(bench, browser, camera, grants=None):
    """Chromium joins the camera's room."""
    browser.call('join', bench.url, bench.server.token('camera_' + camera, 'viewer', **(grants or {})))


def wait_frames(browser, identity, more=10, seconds=PATIENCE):
    start = frames_of(browser).get(identity, 0)
    wait_until(lambda: frames_of(browser).get(identity, 0) >= start + more, 'Chromium decodes ' + identity, seconds)


def layered(bench, **settings):
    """A camera with three streams, from large to small."""
    cameras = Cameras(bench, 'cameras', {'/main': camera_text(1280, 720, 1500), '/sub': camera_text(640, 360, 500),
                                         '/third': camera_text(320, 180, 150)})
    camera = {'id': 'yard', 'url': cameras.url('/main'), 'sub-streams': [cameras.url('/sub'), cameras.url('/third')]}
    return cameras, Gateway(bench, {'cameras': [camera], **settings})
