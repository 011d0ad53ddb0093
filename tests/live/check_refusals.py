# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cannot work ends in one error that says why, and no token is seen in any output."""

import http.server
import re
import signal
import socket
import threading
import time

from harness import PATIENCE, by_clock, check, check_at_most, check_equal, wait_until
from lkserver import KEY, SECRET
from serve import mint_token

SINK = 'videotestsrc is-live=true ! video/x-raw,format=I420 ! x264enc tune=zerolatency ! livekitsink'
SRC = 'livekitsrc ! fakesink'


def refused(bench, name, line, pattern, variables, seconds=PATIENCE, secrets=()):
    """gst-launch ends with one error whose text matches, in time; nothing of it shows a secret, at any log level."""
    debug = bench.folder / (name + '.gst.log')
    variables = dict(variables, GST_DEBUG='*:6', GST_DEBUG_FILE=str(debug))
    start = time.monotonic()
    process, output = bench.gst_launch(name, *line.split(), variables=variables)
    wait_until(lambda: process.poll() is not None, '%s ended (see %s)' % (name, output), seconds)
    took = time.monotonic() - start
    text = output.read_text(errors='replace')
    errors = re.findall(r'ERROR: from element .*?: (.*)', text)
    check(process.returncode in (1, 255), '%s: exit code %s; %s', name, process.returncode, text[-500:])
    check_equal(len(errors), 1, '%s: errors; %s' % (name, errors))
    check(re.search(pattern, text, re.IGNORECASE | re.DOTALL), '%s: no "%s" in:\n%s', name, pattern, text)
    bench.note('%s after %.1f s: %s', name, took, errors[0])
    log = debug.read_text(errors='replace')
    for secret in secrets:
        check(secret not in text, '%s: the token is in the output (%s)', name, output)
        check(secret not in log, '%s: the token is in the log (%s)', name, debug)
    debug.unlink()


def pieces(token):
    """A token, and its signature alone: neither may be seen."""
    return [token, token.split('.')[2]] if token.count('.') == 2 else [token]


def test_refused_tokens(bench):
    """Expired, of another key, no JWT, without roomJoin, of another room: NOT_AUTHORIZED at once."""
    server = bench.start_server()
    room = bench.room
    cases = {
        'expired': (mint_token(KEY, SECRET, room, 'a', valid_for=-120), 'expired'),
        'wrong-secret': (mint_token(KEY, 'other-secret', room, 'a'), 'token|signature|verif'),
        'wrong-key': (mint_token('otherkey', SECRET, room, 'a'), 'API key'),
        'no-jwt': ('this-is-no-token-at-all', 'token'),
        'no-join': (mint_token(KEY, SECRET, room, 'a', roomJoin=False), 'permission|roomJoin|join'),
        'other-room': (mint_token(KEY, SECRET, 'another-room', 'a'), 'another-room|room'),
    }
    for name, (token, pattern) in cases.items():
        for kind, line in (('src', SRC), ('sink', SINK)):
            room_property = ' room=' + room
            text = line.replace('livekit' + kind, 'livekit' + kind + room_property)
            refused(bench, '%s-%s' % (name, kind), text, pattern,
                    {'LIVEKIT_URL': server.url, 'LIVEKIT_TOKEN': token}, secrets=pieces(token))


def test_refused_grants(bench):
    """A token that may not publish, or not subscribe: the error says which grant is missing."""
    server = bench.start_server()
    for line, grant, pattern in ((SINK, 'canPublish', 'publish'), (SRC, 'canSubscribe', 'subscribe')):
        token = bench.token('a', **{grant: False})
        refused(bench, 'no-' + grant, line, pattern, {'LIVEKIT_URL': server.url, 'LIVEKIT_TOKEN': token},
                secrets=pieces(token))


def test_refused_room(bench):
    """A room that does not exist where rooms are not made on joining."""
    server = bench.start_server({'room': {'auto_create': False}})
    for kind, line in (('src', SRC), ('sink', SINK)):
        token = bench.token('a')
        refused(bench, 'no-room-' + kind, line, 'room', {'LIVEKIT_URL': server.url, 'LIVEKIT_TOKEN': token},
                secrets=pieces(token))


class WebSite(http.server.BaseHTTPRequestHandler):
    """A web server that is no LiveKit server."""

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '2')
        self.end_headers()
        self.wfile.write(b'hi')

    def log_message(self, *args):
        pass


def test_wrong_urls(bench):
    """Nothing listening, no such host, not a LiveKit server, no URL at all: one error by join-timeout with the host."""
    # It is taken and nobody listens there, so that nobody else can.
    nobody = socket.socket()
    nobody.bind(('127.0.0.1', 0))
    site = http.server.ThreadingHTTPServer(('127.0.0.1', 0), WebSite)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    token = mint_token(KEY, SECRET, 'lab', 'a')
    cases = {
        'nothing-listening': ('ws://127.0.0.1:%d' % nobody.getsockname()[1], '127.0.0.1.*(refused|connect)'),
        'no-such-host': ('ws://no-such-host.invalid', r'no-such-host\.invalid'),
        'not-a-server': ('ws://127.0.0.1:%d' % site.server_port, '127.0.0.1'),
        'bad-scheme': ('ftp://127.0.0.1', 'ftp|ws'),
    }
    for name, (url, pattern) in cases.items():
        for kind, line in (('src', SRC), ('sink', SINK)):
            text = line.replace('livekit' + kind, 'livekit%s join-timeout=2000 room=lab' % kind)
            refused(bench, '%s-%s' % (name, kind), text, pattern, {'LIVEKIT_URL': url, 'LIVEKIT_TOKEN': token},
                    seconds=by_clock(6, PATIENCE), secrets=pieces(token))
    site.shutdown()
    nobody.close()


def test_duplicate_identity(bench):
    """A second participant of the same identity: the first one's error names the identity."""
    bench.start_server()
    first = bench.launch('first', bench.element('src', 'twin', name='s'), '--watch=s')
    first.wait_event('livekit-connection', state='connected')
    second = bench.launch('second', bench.element('src', 'twin', name='s'), '--watch=s')
    second.wait_event('livekit-connection', state='connected')
    error = first.wait_event('error')
    check('twin' in error['text'] + (error['debug'] or ''), 'no identity in: %s', error['text'])
    bench.note('%s', error['text'])
    second.end()


def test_stop_while_joining(bench):
    """Ctrl-C while the server does not answer: down in under 2 s."""
    silent = socket.create_server(('127.0.0.1', 0))
    silent.settimeout(PATIENCE)
    url = 'ws://127.0.0.1:%d' % silent.getsockname()[1]
    for kind, line in (('src', SRC), ('sink', SINK)):
        process, output = bench.gst_launch('stop-' + kind, *line.replace('livekit' + kind, 'livekit%s room=lab' % kind)
                                           .split(), variables={'LIVEKIT_URL': url})
        connection, _ = silent.accept()
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None, 'gst-launch ended (%s)' % output)
        check_at_most(time.monotonic() - start, by_clock(2, 10), 'seconds until it ended')
        connection.close()
    silent.close()
