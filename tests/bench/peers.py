# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is measured: our elements, LiveKit's Go SDK, those of gst-plugin-webrtc, Chromium, and the floor below all.

Each is found or built in the cache folder; what cannot be had is a Missing, which the output names.
"""

import os
import pathlib
import shlex
import shutil
import socket
import subprocess

from harness import CACHE, CHROMIUM, GO_PEER, MODULES, Caller, Child, wait_until

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = CACHE / 'bench'
CRATE = 'gst-plugin-webrtc'
CRATE_VERSION = '0.15.4'
CRATE_FILE = 'libgstrswebrtc.so'
MANIFEST = '''[package]
name = "bench-peer"
version = "0.0.0"
edition = "2021"
# Versions of dependencies that this compiler can build.
resolver = "3"

[lib]
path = "lib.rs"

[dependencies]
%s = { version = "=%s", default-features = false, features = ["livekit", "rustls-ring"] }
# livekit-api 0.5.6 does not know the fields of newer ones.
livekit-protocol = "=0.7.10"
''' % (CRATE, CRATE_VERSION)
# 30 bytes of key and salt for AES-128 with an 80 bit tag, as DTLS-SRTP gives them.
SRTP_KEY = '0123456789abcdef' * 3 + '0123456789ab'
SSRC = 0x5ca1ab1e
PACKET_SIZE = 1200
CAPS = 'video/x-h264,stream-format=byte-stream,alignment=au'
FILE = 'filesrc location=%s ! qtdemux'
FEED = 'appsrc name=feed is-live=true format=time do-timestamp=true max-bytes=0 caps=' + CAPS
TONE = 'audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc'


class Missing(Exception):
    """Says why a peer cannot be had."""


def quietly(command, log, folder=None, environment=None):
    """Runs it at the lowest priority, for others may measure meanwhile. Its output goes to a log."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / log, 'wb') as output:
        done = subprocess.run(['nice', '-n', '19', *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                              stderr=output, check=False, env=dict(os.environ, **(environment or {})))
    if done.returncode:
        raise Missing('%s failed, see %s' % (shlex.join(command[:3]), FOLDER / log))


def build_ours(build):
    """The build folder of this tree: the one that is given, or one in the cache with the default options."""
    build = pathlib.Path(build or FOLDER / 'build').resolve()
    if not (build / 'build.ninja').exists():
        quietly(['meson', 'setup', str(build), str(ROOT)], 'ours-setup.log')
    quietly(['ninja', '-j2', '-C', str(build), 'gst/libgstlivekit.so', 'tests/bench/benchpeer'], 'ours-build.log')
    return build


def build_crate():
    """The plugin of the crate, with the LiveKit signaller. Takes a quarter of an hour the first time."""
    if not shutil.which('cargo'):
        raise Missing('no cargo, to build %s %s' % (CRATE, CRATE_VERSION))
    folder = FOLDER / 'crate'
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / 'Cargo.toml').exists() or (folder / 'Cargo.toml').read_text() != MANIFEST:
        (folder / 'Cargo.toml').write_text(MANIFEST)
    (folder / 'lib.rs').touch()
    quietly(['cargo', 'build', '--release', '-j1', '-p', CRATE], 'crate.log', folder)
    plugins = folder / 'plugins'
    plugins.mkdir(exist_ok=True)
    return pathlib.Path(shutil.copy2(folder / 'target' / 'release' / CRATE_FILE, plugins / CRATE_FILE))


def build_go_peer():
    """gopeer of the live tests, unless LIVE_GO_PEER names one."""
    if not os.environ.get('LIVE_GO_PEER'):
        script = 'root=%s; . "$root/tests/support/install.sh"; need_go_peer' % shlex.quote(str(ROOT))
        quietly(['sh', '-euc', script], 'gopeer.log')
    if not os.access(GO_PEER, os.X_OK):
        raise Missing('no ' + GO_PEER)


def check_loads(peer, bench):
    """Whether the element can be made; its registry is written by that, too."""
    done = subprocess.run(['gst-inspect-1.0', peer.element], capture_output=True, text=True, check=False,
                          env=peer.environment(bench))
    if done.returncode:
        raise Missing('no element %s in %s: %s' % (peer.element, peer.plugin, done.stderr.strip()))


class BenchPeer(Child):
    """benchpeer with a pipeline or several. Times are in seconds of the real time."""

    def __init__(self, bench, name, pipeline, *options, environment=None):
        command = [str(bench.build / 'tests' / 'bench' / 'benchpeer'), *map(str, options), pipeline]
        super().__init__(command, bench.folder / (name + '.log'), environment or bench.environment())
        self.pid = self.process.pid
        bench.stack.callback(self.close)

    def play(self):
        """Starts all copies (again); returns the number of the line at which what they tell begins."""
        before = len(self.lines)
        self.tell('play')
        return before

    def event(self, name, after=0, seconds=60, **fields):
        def matches(line):
            return line['event'] == name and all(line.get(key) == value for key, value in fields.items())
        line = self.wait_line(matches, name, seconds, after)
        return dict(line, t=line['t'] / 1e6)

    def stop(self):
        before = len(self.lines)
        self.tell('stop')
        self.event('stopped', before)

    def counts(self):
        before = len(self.lines)
        self.tell('counts')
        return self.event('counts', before)['counts']

    def frames(self):
        """What passed the first copy since the last time: pairs of a hash and a time, sent and received."""
        before = len(self.lines)
        self.tell('frames')
        line = self.event('frames', before, copy=0)
        return line['sent'], line['received']


class GStreamerPeer:
    """What is told apart by the text of its pipelines. In a text "@" is the number of the room."""

    def publish_file(self, bench, count, rooms):
        source = FILE % bench.timed_clip
        peer = BenchPeer(bench, self.name + '-publisher', self.publishing(bench, source, rooms), '--copies', count,
                         environment=self.environment(bench))
        peer.play()
        return peer

    def publish_feed(self, bench, rooms, file, *options, count=1):
        """From memory, as live as a camera; what goes into the element passes the identity called p."""
        return BenchPeer(bench, self.name + '-feed', self.publishing(bench, FEED + ' ! identity name=p', rooms),
                         '--copies', count, '--feed', file, '--sent', 'p', *options,
                         environment=self.environment(bench))

    def publish_tone(self, bench, rooms):
        return BenchPeer(bench, self.name + '-tone', self.publishing(bench, TONE, rooms),
                         environment=self.environment(bench))

    def receiver(self, bench, count, rooms, kind='video', *options):
        return BenchPeer(bench, self.name + '-receiver', self.receiving(bench, rooms), '--copies', count,
                         '--received', 's', '--branch', self.branches[kind] + ' ! fakesink name=end sync=false',
                         *options, environment=self.environment(bench))

    def receive(self, bench, count, rooms):
        peer = self.receiver(bench, count, rooms)
        peer.play()
        return peer


class Ours(GStreamerPeer):
    name, title = 'ours', 'livekitsink, livekitsrc'
    element = 'livekitsink'
    branches = {'video': 'capsfilter caps=%s' % CAPS, 'audio': 'capsfilter caps=audio/x-opus'}

    def prepare(self, bench):
        self.plugin = bench.build / 'gst' / 'libgstlivekit.so'
        check_loads(self, bench)

    @staticmethod
    def environment(bench):
        return bench.environment()

    def publishing(self, bench, source, rooms):
        return '%s ! livekitsink name=k server-url=%s room=%s@ identity=publisher' % (source, bench.url, rooms)

    def receiving(self, bench, rooms):
        return 'livekitsrc name=s server-url=%s room=%s@ identity=receiver' % (bench.url, rooms)


class Crate(GStreamerPeer):
    name, title = 'crate', 'livekitwebrtcsink, livekitwebrtcsrc ' + CRATE_VERSION
    element = 'livekitwebrtcsink'
    # Packets out, which is what costs it least, and taken apart as with the floor.
    branches = {'video': 'rtph264depay ! ' + CAPS, 'audio': 'rtpopusdepay'}

    def prepare(self, bench):
        self.plugin = build_crate()
        check_loads(self, bench)

    def environment(self, bench):
        return dict(bench.environment(), GST_PLUGIN_PATH=str(self.plugin.parent),
                    GST_REGISTRY=str(FOLDER / 'crate-registry.bin'))

    def signaller(self, bench, rooms, identity):
        key, secret = bench.keys
        return ('signaller::ws-url=%s signaller::api-key=%s signaller::secret-key=%s signaller::room-name=%s@ '
                'signaller::identity=%s' % (bench.url, key, secret, rooms, identity))

    def publishing(self, bench, source, rooms):
        # Without the estimate of the bandwidth, which would cost it more and turn encoders that are not there.
        return '%s ! livekitwebrtcsink congestion-control=disabled %s' % (
            source, self.signaller(bench, rooms, 'publisher'))

    def receiving(self, bench, rooms):
        return 'livekitwebrtcsrc name=s ' + self.signaller(bench, rooms, 'receiver')


class Floor:
    """Below this no WebRTC client can be: packets made, encrypted and sent, and back, to and from one UDP port each."""

    name, title = 'floor', 'floor: pay, SRTP, UDP'

    def prepare(self, bench):
        pass

    @staticmethod
    def listen(bench, count):
        """Binds ports that differ in their last two digits, so that nothing is refused; returns a text for all, too."""
        for first in range(20000, 30000, 100):
            sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
            try:
                for number, one in enumerate(sockets):
                    one.bind(('127.0.0.1', first + number))
            except OSError:
                for one in sockets:
                    one.close()
                continue
            return '%d@' % (first // 100), sockets
        raise Missing('no %d free ports in a row' % count)

    @staticmethod
    def sending(source, ports):
        return ('%s ! rtph264pay mtu=%d aggregate-mode=zero-latency ssrc=%d pt=96 ! srtpenc key=%s ! '
                'udpsink host=127.0.0.1 port=%s' % (source, PACKET_SIZE, SSRC, SRTP_KEY, ports))

    def publish_file(self, bench, count, rooms):
        ports, sockets = self.listen(bench, count)
        for one in sockets:
            bench.stack.callback(one.close)
        source = FILE % bench.timed_clip + ' ! identity name=p'
        peer = BenchPeer(bench, 'floor-sender', self.sending(source, ports), '--copies', count, '--sent', 'p')
        peer.play()
        return peer

    def receive(self, bench, count, rooms):
        """With a sender of its own: the server knows nothing of it."""
        ports, sockets = self.listen(bench, count)
        for one in sockets:
            one.close()
        caps = ('application/x-srtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,ssrc=(uint)%d,'
                'srtp-key=(buffer)%s,srtp-cipher=aes-128-icm,srtp-auth=hmac-sha1-80,srtcp-cipher=aes-128-icm,'
                'srtcp-auth=hmac-sha1-80' % (SSRC, SRTP_KEY))
        text = 'udpsrc port=%s caps="%s" ! srtpdec ! rtph264depay ! %s ! identity name=r ! fakesink sync=false' % (
            ports, caps, CAPS)
        peer = BenchPeer(bench, 'floor-receiver', text, '--copies', count, '--sent', 'r')
        peer.play()
        peer.sender = BenchPeer(bench, 'floor-feed', self.sending(FEED, ports), '--copies', count, '--feed', bench.clip)
        peer.sender.play()
        return peer


class Reading(Floor):
    """What of the floor is reading the file and waiting for the time of each picture."""

    name, title = 'reading', 'reading and pacing only'

    @staticmethod
    def sending(source, ports):
        return source + ' ! fakesink sync=true'

    receive = None


class GoPeer:
    """LiveKit's Go SDK, in as many connections as it makes by itself, or in one."""

    def __init__(self, single=False):
        self.mode = 'single' if single else ''
        self.name, self.title = ('go-single', 'Go SDK, one connection') if single else ('go', 'Go SDK')

    def prepare(self, bench):
        build_go_peer()

    def start(self, bench, role):
        caller = Caller([GO_PEER], bench.folder / ('%s-%s.log' % (self.name, role)))
        caller.pid = caller.process.pid
        bench.stack.callback(caller.close)
        caller.counts = lambda: [track['frames'] for track in caller.call('bench-tracks')]
        return caller

    def arguments(self, bench, rooms, count):
        return [bench.url, *bench.keys, rooms, self.mode, str(count)]

    def publish_file(self, bench, count, rooms):
        caller = self.start(bench, 'publisher')
        caller.call('bench-publish', *self.arguments(bench, rooms, count), str(bench.long_clip), seconds=120)
        return caller

    def receive(self, bench, count, rooms):
        caller = self.start(bench, 'receiver')
        caller.call('bench-receive', *self.arguments(bench, rooms, count), seconds=120)
        return caller


class Chromium:
    name, title = 'chromium', 'Chromium, livekit-client'

    def prepare(self, bench):
        if not CHROMIUM:
            raise Missing('no chromium in PATH')
        if not (MODULES / 'playwright-core').is_dir():
            raise Missing('no playwright-core in %s: sh tests/run.sh installs it' % MODULES)


def prepare(bench, peers):
    """Builds or finds them; what cannot be had is said and left out."""
    had = []
    for peer in peers:
        try:
            peer.prepare(bench)
            had.append(peer)
        except Missing as reason:
            bench.missing.append('%s: %s' % (peer.title, reason))
            print('MISSING: ' + bench.missing[-1], flush=True)
    return had


def wait_flowing(peer, count, seconds=120):
    """Until every one of the streams has come."""
    def flows():
        counts = peer.counts()
        return len(counts) >= count and all(counts)
    wait_until(flows, '%s: %d streams flow' % (peer.name, count), seconds, every=0.2)
