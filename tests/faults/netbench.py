# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fault bench: two network namespaces with the server in one and what is tested in the other.

`srv` (10.77.0.1) holds the server and the peers that no fault shall reach, `cli` (10.77.0.2) the test itself and all
that it starts, so that faults on the link between them, by nftables, hit these alone. run.py has made a user and a
mount namespace around it all, so this needs no root.
"""

import collections
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'live'))
from harness import SDK_PYTHON, Bench, Caller, Failure, Server, check, check_at_most, wait_until  # noqa: E402

from mediaclock import MediaClock  # noqa: E402
from tcpproxy import TcpProxy  # noqa: E402
from udprelay import UdpRelay  # noqa: E402

SERVER_HOST, CLIENT_HOST = '10.77.0.1', '10.77.0.2'
PORT, TCP_PORT, UDP_PORT = 7880, 7881, 7882
# Not the keys of --dev: a scan of the logs for them must not find ordinary words.
KEY, SECRET = 'faultkey7Qz', 'faultsecretK4vXw9Rj2mTb8Yd5'
SECRETS = re.compile(rb'%s|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}' % SECRET.encode())
CLONE_NEWNET = 0x40000000
COMMANDS = ('ip', 'nft', 'tc', 'unshare')
INSIDE = 'GST_LIVEKIT_FAULT_BENCH'
DEFAULT_LIMIT = 240
# Threads that GLib and GStreamer keep in pools, and that a reconnect may have added to them.
POOLED_THREADS = 4


def missing_parts():
    """What this machine lacks for the bench, as a list of texts."""
    path = os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin', '/sbin'])
    lacking = ['the command ' + name for name in COMMANDS if not shutil.which(name, path=path)]
    if not lacking:
        probe = ('mount -t tmpfs tmpfs /run && ip netns add probe && ip link add probe-a type veth peer name probe-b && '
                 'nft add table inet probe && nft add chain inet probe i "{type filter hook input priority 0;}" && '
                 'nft add rule inet probe i udp sport 1 numgen random mod 100 "<" 5 drop')
        done = subprocess.run(['unshare', '-Urnm', 'sh', '-c', probe], capture_output=True, text=True, check=False,
                              env=dict(os.environ, PATH=path))
        if done.returncode:
            lacking.append('user, network and mount namespaces with veth and nftables: ' + done.stderr.strip())
    return lacking


def enter_namespaces():
    """Starts this program again in namespaces of its own, unless it runs there already."""
    if os.environ.get(INSIDE):
        subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', '/run'], check=True)
        run('ip', 'link', 'set', 'lo', 'up')
        return
    os.environ['PATH'] = os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin', '/sbin'])
    os.environ[INSIDE] = '1'
    os.execvp('unshare', ['unshare', '-Urnm', sys.executable, *sys.argv])


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    check(done.returncode == 0, '%s: %s', ' '.join(command), done.stderr.strip())
    return done.stdout


def set_namespace(file):
    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'setns')


@contextlib.contextmanager
def inside(name):
    """This thread, and processes and threads that it starts, are in a network namespace meanwhile."""
    with open('/proc/thread-self/ns/net', 'rb') as before, open('/run/netns/' + name, 'rb') as wanted:
        set_namespace(wanted)
        try:
            yield
        finally:
            set_namespace(before)


def make_namespaces():
    for name in ('srv', 'cli'):
        run('ip', 'netns', 'add', name)
    # libnice leaves devices out whose name begins with veth.
    run('ip', 'link', 'add', 'eth-s', 'netns', 'srv', 'type', 'veth', 'peer', 'name', 'eth-c', 'netns', 'cli')
    for name, device, host in (('srv', 'eth-s', SERVER_HOST), ('cli', 'eth-c', CLIENT_HOST)):
        with inside(name):
            run('ip', 'link', 'set', 'lo', 'up')
            # Its link-local address would come seconds later, and a rejoin so have sockets more than the join.
            run('ip', 'link', 'set', device, 'addrgenmode', 'none')
            run('ip', 'address', 'add', host + '/24', 'dev', device)
            run('ip', 'link', 'set', device, 'up')
    # Until the kernel says so, which takes it a while, ICE agents leave the device out.
    for name in ('srv', 'cli'):
        with inside(name):
            wait_until(lambda: ' state UP ' in run('ip', '-oneline', 'link', 'show', 'type', 'veth'), 'the link is up')


def delete_namespaces():
    for name in ('srv', 'cli'):
        subprocess.run(['ip', 'netns', 'delete', name], capture_output=True, check=False)


class FaultBench(Bench):
    """As the bench of the live tests, in namespaces, with faults; ends by force when the time limit is over."""

    long = False            # the full figures of faults.md; else short forms
    seed = 1

    def __init__(self, name, build, server_command=None):
        super().__init__(name, build, server_command)
        self.folder = self.build / 'fault-logs' / name
        self.figures = []
        self.watched = []
        self.overdue = None
        self.probes = {}

    def __enter__(self):
        super().__enter__()
        delete_namespaces()
        make_namespaces()
        self.stack.callback(delete_namespaces)
        self.stack.enter_context(inside('cli'))
        for chain in ('input', 'output'):
            self.rule('chain', chain, '{ type filter hook %s priority 0; }' % chain)
        self.limit(DEFAULT_LIMIT)
        return self

    def __exit__(self, *exception):
        self.timer.cancel()
        super().__exit__(*exception)

    # The watchdog

    def limit(self, seconds):
        """The test may last so long; then all that it started is killed, after its stacks were written down."""
        if self.overdue is not None:
            self.timer.cancel()
        self.overdue = False
        self.timer = threading.Timer(seconds, self._bite, (seconds,))
        self.timer.daemon = True
        self.timer.start()

    def _bite(self, seconds):
        self.overdue = True
        print('    %s takes longer than %d s: stacks are in %s' % (self.name, seconds, self.folder), flush=True)
        for launch in self.watched:
            self.dump_stacks(launch)
        for launch in self.watched:
            if launch.process.poll() is None:
                os.killpg(launch.process.pid, signal.SIGKILL)

    def dump_stacks(self, launch):
        if launch.process.poll() is not None or not shutil.which('gdb'):
            return
        with open(self.folder / (launch.name + '.stacks'), 'wb') as output, contextlib.suppress(Exception):
            subprocess.run(['gdb', '-p', str(launch.process.pid), '-batch', '-ex', 'thread apply all backtrace'],
                           stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60, check=False)

    # Server and peers

    def start_server(self, extra=None):
        extra = dict(extra or {}, keys={KEY: SECRET})
        self.server = Server(self.server_command, extra, self.folder / 'livekit-server.log', SERVER_HOST,
                             (PORT, TCP_PORT, UDP_PORT))
        with inside('srv'):
            self.stack.enter_context(self.server)
        self.url = self.server.url
        return self.server

    def kill_server(self):
        """Returns the time of it."""
        moment = time.monotonic()
        self.server.process.kill()
        self.server.process.wait()
        return moment

    def server_again(self):
        """Starts a server that was stopped; returns when it answered."""
        with inside('srv'):
            check(self.server.start_process(), 'the server did not start again')
        return time.monotonic()

    def signal_server(self, number):
        """When it was sent: taken before, for the answer may be here before we go on."""
        moment = time.monotonic()
        self.server.process.send_signal(number)
        return moment

    def server_ends(self, seconds):
        """Whether the process of the server ends by itself in that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.process.wait(seconds)
        return self.server.process.poll() is not None

    def start_proxy(self):
        """The websocket of what is started from now on goes through the proxy. It is not on loopback: for a server
        there our elements offer only candidates of loopback."""
        proxy = TcpProxy(CLIENT_HOST, (SERVER_HOST, PORT))
        self.stack.callback(proxy.close)
        self.url = proxy.url
        return proxy

    def environment(self, **more):
        return super().environment(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, **more)

    def sdk_watcher(self, name='sdk'):
        """The Python SDK as a subscriber that reads the numbers in the frames."""
        check(pathlib.Path(SDK_PYTHON).exists(), 'no %s: run sh tests/run.sh', SDK_PYTHON)
        peer = Caller([SDK_PYTHON, str(HERE / 'sdkwatch.py')], self.folder / (name + '.log'))
        self.stack.callback(peer.close)
        return peer

    def launch(self, name, pipeline, *options, debug=None):
        launch = super().launch(name, pipeline, *options, debug=debug or '2,livekit*:9')
        self.watched.append(launch)
        return launch

    def start_relay(self):
        """All media between cli and the server goes through it."""
        with inside('srv'):
            relay = UdpRelay(SERVER_HOST, (SERVER_HOST, UDP_PORT), self.seed)
            run('nft', 'add', 'table', 'ip', 'relay')
            run('nft', 'add', 'chain', 'ip', 'relay', 'before', '{ type nat hook prerouting priority -100; }')
            run('nft', 'add', 'rule', 'ip', 'relay', 'before', 'iifname', 'eth-s', 'udp', 'dport', str(UDP_PORT),
                'redirect', 'to', ':%d' % relay.port)
        self.stack.callback(relay.close)
        return relay

    # Faults of the link

    def rule(self, *words):
        run('nft', 'add', 'table', 'inet', 'faults')
        run('nft', 'add', words[0], 'inet', 'faults', *words[1:])

    def heal(self):
        """All rules go; returns the time of it."""
        for chain in ('input', 'output'):
            run('nft', 'flush', 'chain', 'inet', 'faults', chain)
        return time.monotonic()

    def drop_udp(self, *condition):
        """Drops media, both ways, always or by a condition of nftables; returns the time of it."""
        for chain, port in (('input', 'sport'), ('output', 'dport')):
            self.rule('rule', chain, 'udp', port, str(UDP_PORT), *condition, 'drop')
        return time.monotonic()

    # The size of the link

    def squeeze(self, kbit, down=False):
        """What the client sends (or gets) goes through a queue of 100 ms and 16 kB at that rate; returns the time of it."""
        with inside('srv' if down else 'cli'):
            run('tc', 'qdisc', 'replace', 'dev', 'eth-s' if down else 'eth-c', 'root', 'tbf', 'rate', '%dkbit' % kbit,
                'burst', '16kb', 'latency', '100ms')
        return time.monotonic()

    def widen(self, down=False):
        with inside('srv' if down else 'cli'):
            run('tc', 'qdisc', 'delete', 'dev', 'eth-s' if down else 'eth-c', 'root')
        return time.monotonic()

    @staticmethod
    def queue_of(down=False):
        """Of the squeezed link: the time, and bytes passed, packets dropped, bytes that wait."""
        with inside('srv' if down else 'cli'):
            shown = json.loads(run('tc', '-s', '-j', 'qdisc', 'show', 'dev', 'eth-s' if down else 'eth-c', 'root'))[0]
        return time.monotonic(), shown['bytes'], shown['drops'], shown['backlog']

    # What is measured

    def figure(self, what, value, unit='', limit=None, goal=None):
        """A measured value for the table: fails beyond the limit of faults.md, is printed beside the goal."""
        text = ('%.2f' % value).rstrip('0').rstrip('.') if isinstance(value, float) else str(value)
        text = ' '.join(filter(None, ['%s %s' % (what, text), unit]))
        aims = ['%s %s' % (title, aim) for title, aim in (('limit', limit), ('goal', goal)) if aim is not None]
        self.figures.append(text + (' (%s)' % ', '.join(aims) if aims else ''))
        self.note('%s', self.figures[-1])
        if limit is not None:
            check_at_most(value, limit, what)
        return value

    def wait_frames(self, launch, count, seconds=30, since=0.0, element='r'):
        """Waits for so many readable frames after a time; returns the media clock since then."""
        def enough():
            clock = MediaClock.of(launch, element, since)
            return clock if len(clock.frames) >= count else None
        return wait_until(enough, '%s shows %d frames' % (launch.name, count), seconds, every=0.05)

    @staticmethod
    def probe(launch):
        """Threads, memory in KiB and the open descriptors, by what they are, of a process."""
        process = pathlib.Path('/proc/%d' % launch.process.pid)
        descriptors, sockets = [], {}
        for kind in ('tcp', 'tcp6', 'udp', 'udp6', 'unix'):
            for line in process.joinpath('net', kind).read_text().splitlines()[1:]:
                words = line.split()
                sockets['socket:[%s]' % words[6 if kind == 'unix' else 9]] = kind
        for link in process.joinpath('fd').iterdir():
            with contextlib.suppress(OSError):
                name = os.readlink(link)
                descriptors.append(sockets.get(name) or re.sub(r'\d+', 'N', name))
        memory = re.search(r'VmRSS:\s+(\d+)', process.joinpath('status').read_text()).group(1)
        return {'threads': len(list(process.joinpath('task').iterdir())), 'rss': int(memory),
                'fds': collections.Counter(descriptors)}

    def remember_probes(self, *launches):
        """Right before the fault, when all that runs has come to rest."""
        for launch in launches:
            self.probes[launch.name] = self.probe(launch)

    def check_probes(self, *launches, seconds=20):
        """Descriptors are what they were, threads but for those in pools."""
        for launch in launches:
            before = self.probes[launch.name]

            def settled(launch=launch, before=before):
                now = self.probes[launch.name + ' now'] = self.probe(launch)
                return now['fds'].total() <= before['fds'].total() and \
                    now['threads'] <= before['threads'] + POOLED_THREADS
            with contextlib.suppress(Failure):
                wait_until(settled, 'settled', seconds, every=0.2)
            now = self.probes[launch.name + ' now']
            self.note('%s: descriptors %d to %d, threads %d to %d, memory %d to %d KiB', launch.name,
                      before['fds'].total(), now['fds'].total(), before['threads'], now['threads'], before['rss'],
                      now['rss'])
            check(now['fds'].total() <= before['fds'].total(), '%s has descriptors more: %s, less: %s', launch.name,
                  dict(now['fds'] - before['fds']), dict(before['fds'] - now['fds']))
            check_at_most(now['threads'], before['threads'] + POOLED_THREADS, 'threads of ' + launch.name)

    def check_logs(self):
        check(not self.overdue, 'the test took too long, see *.stacks')
        super().check_logs()
        for log in sorted(self.folder.glob('*.log')) + sorted(self.folder.glob('*.json')):
            if log.name == 'livekit-server.log' or log.stem in ('browser', 'sdk', 'go'):
                continue
            found = SECRETS.search(log.read_bytes())
            check(not found, '%s holds a token or a secret at byte %s', log, found and found.start())
