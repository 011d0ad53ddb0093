# SPDX-License-Identifier: LGPL-2.1-or-later
"""The camera gateway as a service: its configuration, its figures, several of them, ways through networks."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from cctvbench import Cameras, Gateway, LateCamera, Redis, camera_text, layered
from harness import check, check_equal, in_long_runs, let_pass, wait_until
from lkserver import die_with_parent, free_ports


def test_cctv_reload(bench):
    """SIGHUP: cameras are added, changed and removed, the others are not touched; a bad file changes nothing."""
    bench.start_server()
    cameras = Cameras(bench, 'cameras', {'/one': camera_text(), '/two': camera_text(320, 180, 150)})
    one, two = cameras.url('/one'), cameras.url('/two')
    stays = {'id': 'stays', 'url': one}
    gateway = Gateway(bench, {'cameras': [stays, {'id': 'goes', 'url': one}, {'id': 'changes', 'url': one}]})
    for camera in ('stays', 'goes', 'changes'):
        gateway.wait_state(camera, 'publishing')
    gateway.write({'cameras': [stays, {'id': 'changes', 'url': two}, {'id': 'comes', 'url': two}]})
    gateway.signal(signal.SIGHUP)
    gateway.wait_state('goes', None)
    gateway.wait_state('comes', 'publishing')
    gateway.wait_log('camera changes: stops')
    gateway.wait_state('changes', 'publishing')
    wait_until(lambda: not bench.server.participants('camera_goes'), 'the camera that goes has left')
    gateway.write({'cameras': [{'id': 'bad id', 'url': one}]})
    gateway.signal(signal.SIGHUP)
    gateway.wait_log('a camera needs an id')
    check_equal(gateway.metric('failed_reloads_total'), 1, 'failed reloads')
    check_equal(gateway.metric('camera_joins_total', camera='stays'), 1, 'joins of the one that stays')
    check_equal(gateway.metric('stream_connects_total', camera='stays', stream='0'), 1, 'its connections')
    check_equal(gateway.state('stays'), 'publishing', 'state of the one that stays')
    gateway.stop()


def test_cctv_bad_settings(bench):
    """All faults are told with their lines, and the exit code is 2; secrets are not told."""
    bench.start_server()
    path = bench.temporary / 'bad.yaml'
    path.write_text('livekit: {url: nonsense, api-key: k, api-secret: hushhush}\ncameras:\n  - {id: a}\n'
                    '  - {id: b, url: "rtsp://joe:hushhush@/x"}\npublsh: always\n')
    done = subprocess.run([bench.build / 'examples' / 'cctv' / 'livekit-cctv', path], capture_output=True, text=True,
                          env=bench.environment(), timeout=60, check=False)
    check_equal(done.returncode, 2, 'exit code')
    for line, words in ((1, 'url must be'), (3, 'has no url'), (4, 'not like rtsp'), (5, 'publsh')):
        check(re.search(r'bad\.yaml:%d: .*%s' % (line, words), done.stderr), 'line %d: %s', line, done.stderr)
    check('hushhush' not in done.stderr, 'a secret was printed')
    gateway = Gateway(bench, {'cameras': []})
    port = gateway.address.rsplit(':', 1)[1]
    path.write_text(json.dumps({'livekit': gateway.livekit, 'listen': '127.0.0.1:' + port, 'cameras': []}))
    done = subprocess.run([bench.build / 'examples' / 'cctv' / 'livekit-cctv', path], capture_output=True, text=True,
                          env=bench.environment(), timeout=60, check=False)
    check_equal(done.returncode, 1, 'exit code when the port is taken')
    check('cannot listen' in done.stderr, 'the port: %s', done.stderr)
    gateway.stop()


def test_cctv_wrong_key(bench):
    """A server that does not take the key: told, tried again later, and without the secret in any log."""
    bench.start_server()
    cameras = Cameras(bench, 'cameras', {'/one': camera_text()}, '--user=joe', '--password=hushhush')
    url = cameras.url('/one').replace('rtsp://', 'rtsp://joe:hushhush@')
    gateway = Gateway(bench, {'livekit': {'url': bench.url, 'api-key': 'devkey', 'api-secret': 'wrongsecret'},
                              'cameras': [{'id': 'one', 'url': url}]})
    gateway.wait_log('Next attempt')
    gateway.wait_state('one', 'waiting')
    gateway.write({'cameras': [{'id': 'one', 'url': url}]})
    gateway.signal(signal.SIGHUP)
    gateway.wait_state('one', 'publishing')
    gateway.wait_stream('one', 0, 'flowing')
    gateway.stop()
    for log in bench.folder.glob('gateway*'):
        text = log.read_text(errors='replace')
        check('hushhush' not in text and 'wrongsecret' not in text, 'a secret is in %s', log)


def test_cctv_late_media(bench):
    """First packets come while the camera is being let go: rtspsrc stumbles (upstream.txt), the gateway does not."""
    bench.start_server()
    camera = LateCamera(bench)
    for i in range(5):
        settings = {'id': 'late', 'url': camera.url, 'publish': 'always'}
        gateway = Gateway(bench, {'cameras': [settings]}, 'gateway-%d' % i)
        wait_until(lambda before=i: camera.requests.count('PLAY') > before, 'the camera is asked to play')
        gateway.wait_state('late', 'publishing')  # else the stop may wait for the certificate of DTLS to be made
        gateway.stop()
        check_equal(camera.requests.count('TEARDOWN'), i + 1, 'goodbyes to the camera')
    bench.wait_alone()


def own(gateway, cameras):
    """Which of the cameras a gateway publishes."""
    return {camera for camera in cameras if gateway.state(camera) == 'publishing'}


def test_cctv_leases(bench):
    """Two gateways share cameras through Redis: each has one of them, also when one is killed, and when Redis is."""
    bench.start_server()
    redis = Redis(bench)
    cameras = Cameras(bench, 'cameras', {'/one': camera_text(160, 90, 80)})
    names = ['c%d' % i for i in range(4)]
    config = {'redis': {'address': redis.address, 'password': 'redispass'}, 'pause-after': 3600,
              'cameras': [{'id': name, 'url': cameras.url('/one')} for name in names]}
    first = Gateway(bench, config, 'gateway-1')
    second = Gateway(bench, config, 'gateway-2')

    def are_shared():
        here, there = own(first, names), own(second, names)
        return here | there == set(names) and not here & there and len(here) == 2
    wait_until(are_shared, 'each gateway has two cameras', 60)
    start = time.monotonic()
    first.process.kill()
    first.process.wait()
    wait_until(lambda: own(second, names) == set(names), 'the second has them all', 60)
    bench.note('all taken over %.1f s after the kill', time.monotonic() - start)
    redis.kill()
    second.wait_log('Redis:')
    wait_until(lambda: second.metric('redis_up') == 0, 'Redis is missed')
    let_pass(6)  # longer than a lease
    check_equal(own(second, names), set(names), 'cameras while Redis is gone')
    check_equal(second.get('/ready')[0], 503, '/ready without Redis')
    first.start()
    first.wait_log('Redis:')
    check_equal(own(first, names), set(), 'cameras of one that begins without Redis')
    redis.start()
    wait_until(are_shared, 'each gateway has two cameras again', 60)
    start = time.monotonic()
    first.stop()
    wait_until(lambda: own(second, names) == set(names), 'the second has them all again', 60)
    bench.note('all taken over %.1f s after the stop', time.monotonic() - start)
    second.stop()
    for log in bench.folder.glob('gateway*'):
        check('redispass' not in log.read_text(errors='replace'), 'the password is in %s', log)


class Wire:
    """A way to a port that can be cut."""

    def __init__(self, bench, port):
        self.target, self.ends = port, []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        bench.stack.callback(self.cut)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.create_connection(('127.0.0.1', self.target))
                self.ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    @staticmethod
    def pass_on(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def cut(self):
        for end in (self.listener, *self.ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@in_long_runs
def test_cctv_leases_cut(bench):
    """One of two gateways loses Redis: the other takes its camera when the lease has run out, and keeps it."""
    bench.start_server()
    redis = Redis(bench)
    wire = Wire(bench, redis.port)
    cameras = Cameras(bench, 'cameras', {'/one': camera_text(160, 90, 80)})

    def gateway(name, port):
        return Gateway(bench, {'redis': {'address': '127.0.0.1:%d' % port, 'password': 'redispass'},
                               'pause-after': 3600, 'cameras': [{'id': 'one', 'url': cameras.url('/one')}]}, name)
    first = gateway('gateway-1', wire.port)
    first.wait_state('one', 'publishing')
    second = gateway('gateway-2', redis.port)
    wait_until(lambda: second.metric('redis_up') == 1, 'the second has Redis')
    wire.cut()
    second.wait_state('one', 'publishing', 60)
    first.wait_log('camera one: another gateway has it now', 60)
    wait_until(lambda: first.state('one') is None, 'the first has let it go', 60)
    let_pass(5)  # longer than its first attempts to come back would take
    check_equal((second.state('one'), second.metric('camera_failures_total', camera='one')), ('publishing', 0),
                'state and failures of the second')
    first.stop()
    second.stop()


def start_prometheus(bench, target):
    """A Prometheus that scrapes one target each second; its address."""
    program = shutil.which('prometheus')
    check(program, 'no prometheus in PATH: sh tests/run.sh installs it')
    [port] = free_ports(socket.SOCK_STREAM)
    config = bench.temporary / 'prometheus.yml'
    config.write_text(json.dumps({'global': {'scrape_interval': '1s', 'scrape_timeout': '1s'}, 'scrape_configs': [
        {'job_name': 'cctv', 'static_configs': [{'targets': [target]}]}]}))
    with open(bench.folder / 'prometheus.log', 'ab') as output:
        process = subprocess.Popen(
            [program, '--config.file=%s' % config, '--storage.tsdb.path=%s' % (bench.temporary / 'tsdb'),
             '--web.listen-address=127.0.0.1:%d' % port], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            preexec_fn=die_with_parent)
    bench.stack.callback(process.wait)
    bench.stack.callback(process.kill)
    return 'http://127.0.0.1:%d' % port


def ask_prometheus(address, query):
    """Values by their labels; nothing while it does not answer."""
    try:
        url = address + '/api/v1/query?' + urllib.parse.urlencode({'query': query})
        with urllib.request.urlopen(url, timeout=10) as reply:
            found = json.load(reply)['data']['result']
    except OSError:
        return []
    return [(entry['metric'], float(entry['value'][1])) for entry in found]


def test_cctv_prometheus(bench):
    """promtool finds no fault in the figures, and a Prometheus has them, with a viewer who loses packets."""
    bench.start_server()
    cameras, gateway = layered(bench, **{'pause-after': 3600})
    gateway.wait_state('yard', 'publishing')
    viewer = bench.launch('viewer', bench.element('src', 'viewer', name='s', room='camera_yard'), '--watch=s',
                          '--branch=s=fakesink')
    viewer.wait_event('first-buffer', seconds=60)
    wait_until(lambda: gateway.metric('camera_round_trip_seconds', camera='yard'), 'a round trip time', 60)
    checked = subprocess.run(['promtool', 'check', 'metrics'], input=gateway.get('/metrics')[1], capture_output=True,
                             text=True, timeout=60, check=False)
    check_equal((checked.returncode, checked.stdout + checked.stderr), (0, ''), 'promtool')
    address = start_prometheus(bench, gateway.address.split('//')[1])
    rows = wait_until(lambda: ask_prometheus(address, 'livekit_cctv_camera_state == 1'), 'Prometheus has the state', 60)
    check_equal([(labels['camera'], labels['state']) for labels, _ in rows], [('yard', 'publishing')], 'states')
    for name in ('stream_received_bytes_total', 'layer_sent_bytes_total', 'layer_sent_packets_total'):
        wait_until(lambda name=name: [value for labels, value in ask_prometheus(
            address, 'rate(livekit_cctv_%s{stream="0"}[10s])' % name) if value > 0], name + ' grows', 60)
    # Each of them: a scrape that takes longer than its second leaves none until the next one.
    for name in ('layer_nacks_total', 'layer_plis_total', 'layer_active', 'camera_reconnects_total',
                 'camera_round_trip_seconds', 'stream_receive_latency_seconds', 'layer_send_latency_seconds'):
        wait_until(lambda name=name: ask_prometheus(address, 'livekit_cctv_' + name), 'Prometheus has ' + name)
    bench.note('latency of the hop: %.1f ms in, %.1f ms out', *(
        1000 * gateway.metric('%s_latency_seconds' % part, camera='yard', stream='0')
        for part in ('stream_receive', 'layer_send')))
    bench.note('%d series of one camera with three streams', len(ask_prometheus(address, '{camera="yard"}')))
    viewer.end()
    gateway.stop()


def selected_pair(bench):
    """The transport that the gateway's connections chose, as the server saw it."""
    log = (bench.folder / 'livekit-server.log').read_text(errors='replace')
    return set(re.findall(r'"connectionType": "(\w+)"', log))


def through(bench, livekit):
    """One camera and one viewer, on the way that the server or the settings prescribe."""
    cameras = Cameras(bench, 'cameras', {'/one': camera_text()})
    gateway = Gateway(bench, {'cameras': [{'id': 'one', 'url': cameras.url('/one')}],
                              'livekit': {'url': bench.url, 'api-key': 'devkey', 'api-secret': 'secret', **livekit}})
    gateway.wait_state('one', 'publishing', 60)
    viewer = bench.launch('viewer', bench.element('src', 'viewer', name='s', room='camera_one'), '--watch=s',
                          '--branch=s=fakesink')
    viewer.wait_event('first-buffer', seconds=60)
    viewer.end()
    gateway.stop()


def test_cctv_tcp(bench):
    """A server that offers TCP only."""
    bench.start_server({'rtc': {'force_tcp': True}})
    through(bench, {})
    check_equal(selected_pair(bench), {'tcp'}, 'ways to the server')


def test_cctv_turn(bench):
    """Through coturn alone."""
    program = shutil.which('turnserver')
    check(program, 'no turnserver in PATH: sh tests/run.sh installs coturn')
    [port] = free_ports(socket.SOCK_DGRAM)
    with open(bench.folder / 'turnserver.log', 'ab') as output:
        turn = subprocess.Popen(
            [program, '-n', '--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', '--listening-port=%d' % port,
             '--no-tls', '--no-dtls', '--no-cli', '--allow-loopback-peers', '--lt-cred-mech', '--fingerprint',
             '--realm=livekit', '--user=u:turnpass', '--log-file=stdout',
             '--pidfile=%s' % (bench.temporary / 'turn.pid'),
             '--userdb=%s' % (bench.temporary / 'turn.db')], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            preexec_fn=die_with_parent)
    bench.stack.callback(turn.wait)
    bench.stack.callback(turn.kill)
    # of one interface only: by chance the server gives 127.0.0.1 for another, from which coturn takes nothing
    bench.start_server({'rtc': {'interfaces': {'includes': ['lo']}, 'turn_servers': [{
        'host': '127.0.0.1', 'port': port, 'protocol': 'udp', 'username': 'u', 'credential': 'turnpass'}]}})
    through(bench, {'relay-only': True})
    check('turn' in selected_pair(bench), 'ways to the server: %s', selected_pair(bench))
