#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a livekit-server for one program: own configuration, free loopback ports, gone when the program ends.

    lkserver.py --server PATH [--room-option KEY=VALUE] -- PROGRAM ARGUMENT...

PROGRAM gets LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET. Class Server is the same for tests in Python.
A STUN responder on loopback stands in for the public ones that the server would name, so nothing leaves this machine.
"""

import argparse
import ctypes
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'examples' / 'page'))
from serve import mint_token  # noqa: E402

KEY, SECRET = 'devkey', 'secret'
IMAGE = 'livekit/livekit-server:v1.13.5'
STUN_COOKIE = 0x2112A442
PR_SET_PDEATHSIG = 1


def free_ports(*kinds):
    """Free loopback ports, one for each socket kind, all different."""
    sockets = []
    try:
        for kind in kinds:
            sockets.append(socket.socket(socket.AF_INET, kind))
            sockets[-1].bind(('127.0.0.1', 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def die_with_parent():
    """For preexec_fn: the child ends when the thread that started it does, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def find_server():
    """The command of a server that is installed: LIVEKIT_SERVER, livekit-server in PATH, the cache, else None."""
    named = os.environ.get('LIVEKIT_SERVER')
    if named:
        return shlex.split(named)
    cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'gst-livekit'
    path = shutil.which('livekit-server') or shutil.which(cache / 'bin' / 'server')
    return [path] if path else None


class StunResponder(threading.Thread):
    """Answers STUN binding requests on a UDP port (RFC 8489, XOR-MAPPED-ADDRESS only)."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                request, (host, port) = self.socket.recvfrom(2048)
            except (OSError, TypeError):  # closed, before the call or in it
                return
            if len(request) < 20 or struct.unpack('!H2xI', request[:8]) != (1, STUN_COOKIE):
                continue
            address = struct.unpack('!I', socket.inet_aton(host))[0] ^ STUN_COOKIE
            mapped = struct.pack('!HHBBHI', 0x20, 8, 0, 1, port ^ (STUN_COOKIE >> 16), address)
            self.socket.sendto(struct.pack('!HHI', 0x101, len(mapped), STUN_COOKIE) + request[8:20] + mapped,
                               (host, port))


class Server:
    """A livekit-server process. `extra` is merged into its configuration (a dict of dicts).

    Where `host` is an address of its own, as in a network namespace, `ports` may be given too: HTTP, ICE-TCP, ICE-UDP.
    """

    def __init__(self, command=None, extra=None, log=None, host='127.0.0.1', ports=None):
        self.command = command or find_server()
        self.host, self.ports = host, ports
        if not self.command:
            raise FileNotFoundError('no livekit-server: set LIVEKIT_SERVER or run sh tests/run.sh')
        self.extra, self.log_path = extra or {}, log
        self.process = self.stun = self.folder = None

    def configuration(self, port, tcp_port, udp_port):
        config = {
            'port': port,
            'bind_addresses': [self.host],
            'keys': {KEY: SECRET},
            'rtc': {'node_ip': self.host, 'tcp_port': tcp_port, 'udp_port': udp_port,
                    'enable_loopback_candidate': self.host == '127.0.0.1',
                    'stun_servers': ['%s:%d' % (self.host, self.stun.port)]},
            'logging': {'level': 'debug' if self.log_path else 'warn', 'json': False},
        }
        for section, values in self.extra.items():
            if isinstance(values, dict):
                config.setdefault(section, {}).update(values)
            else:
                config[section] = values
        return json.dumps(config)  # JSON is YAML

    def start(self, tries=5):
        """Starts it and waits until it answers. A port that was taken meanwhile costs one try."""
        self.stun = StunResponder(self.host)
        self.folder = tempfile.mkdtemp(prefix='lkserver-')
        self.log = pathlib.Path(self.log_path or os.path.join(self.folder, 'log'))
        self.log.write_bytes(b'')
        for left in reversed(range(tries)):
            ports = self.ports or free_ports(socket.SOCK_STREAM, socket.SOCK_STREAM, socket.SOCK_DGRAM)
            self.environ = dict(os.environ, LIVEKIT_CONFIG=self.configuration(*ports))
            self.port, self.url = ports[0], 'ws://%s:%d' % (self.host, ports[0])
            if self.start_process():
                return self
            self.end_process()
            if not left:
                raise RuntimeError('livekit-server did not start:\n' + self.log.read_text(errors='replace')[-2000:])

    def start_process(self):
        """Starts the process, also again after it was killed, with the same configuration; waits until it answers."""
        with open(self.log, 'ab') as output:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=self.environ, preexec_fn=die_with_parent)
        return self.wait_until_up()

    def wait_until_up(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen('http://%s:%d/' % (self.host, self.port), timeout=2):
                    return self.process.poll() is None  # else somebody else has the port and answers
            except OSError:
                time.sleep(0.02)
        return False

    def end_process(self):
        """The first SIGINT asks politely, the second by force; a server stopped while starting may hear neither."""
        for number, seconds in ((signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGKILL, 10)):
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                pass

    def stop(self):
        if self.process:
            self.end_process()
        if self.stun:
            self.stun.socket.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def environment(self):
        return {'LIVEKIT_URL': self.url, 'LIVEKIT_API_KEY': KEY, 'LIVEKIT_API_SECRET': SECRET}

    def token(self, room, identity, **grants):
        return mint_token(KEY, SECRET, room, identity, **grants)

    def api(self, method, **request):
        """Calls a method of the room service; the answer as a dict."""
        token = mint_token(KEY, SECRET, request.get('room', ''), 'tests', roomAdmin=True, roomList=True,
                           roomCreate=True)
        headers = {'Authorization': 'Bearer ' + token, 'Content-Type': 'application/json'}
        url = 'http://%s:%d/twirp/livekit.RoomService/%s' % (self.host, self.port, method)
        call = urllib.request.Request(url, json.dumps(request).encode(), headers)
        with urllib.request.urlopen(call, timeout=30) as reply:
            return json.load(reply)

    def participants(self, room):
        """Participants of a room by identity; none if there is no such room."""
        try:
            listed = self.api('ListParticipants', room=room).get('participants', [])
        except urllib.error.HTTPError as error:
            if error.code not in (404, 408, 503):
                raise
            return {}
        return {p['identity']: p for p in listed}


def docker_command():
    return ['docker', 'run', '--rm', '--network', 'host', '-e', 'LIVEKIT_CONFIG', IMAGE]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--server', help='path of the server; without it: see find_server()')
    parser.add_argument('--docker', action='store_true', help='run the server by docker')
    parser.add_argument('program', nargs='+')
    options = parser.parse_args()
    command = docker_command() if options.docker else [options.server] if options.server else None
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    with Server(command) as server:
        child = subprocess.Popen(options.program, env=dict(os.environ, **server.environment()),
                                 preexec_fn=die_with_parent)
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # the program got it too and decides


if __name__ == '__main__':
    sys.exit(main())
