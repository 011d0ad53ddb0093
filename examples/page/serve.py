#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Serves a page, livekit-client and access tokens on loopback.

The page asks /token for its token, so no token is ever part of a link. Where the tokens come from:
LIVEKIT_API_KEY with LIVEKIT_API_SECRET (minted here), else LIVEKIT_TOKEN_URL (asked on behalf of the page).
"""

import argparse
import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import posixpath
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

LIMIT = 64 * 1024
TYPES = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css'}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def mint_token(key, secret, room, identity, name=None, valid_for=3600, **grants):
    """An access token as LiveKit servers take it: a JWT signed with HMAC-SHA256."""
    now = int(time.time())
    video = {'roomJoin': True, 'room': room, 'canPublish': True, 'canSubscribe': True, 'canPublishData': True}
    video.update(grants)
    claims = {'iss': key, 'sub': identity, 'nbf': now - 60, 'exp': now + valid_for, 'video': video}
    if name:
        claims['name'] = name
    parts = [base64url(json.dumps(part, separators=(',', ':')).encode())
             for part in ({'alg': 'HS256', 'typ': 'JWT'}, claims)]
    signature = hmac.new(secret.encode(), '.'.join(parts).encode(), hashlib.sha256).digest()
    return '.'.join(parts + [base64url(signature)])


class Handler(http.server.BaseHTTPRequestHandler):
    """GET for files under the two folders, POST /token for a token."""

    protocol_version = 'HTTP/1.1'

    def answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header('Content-Type', content_type)
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Cache-Control', 'no-store')
        self.send_header('X-Content-Type-Options', 'nosniff')
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, text):
        self.close_connection = True
        self.answer(status, 'text/plain; charset=utf-8', (text + '\n').encode())

    def is_local(self):
        """Only pages of this very server may ask: neither a name that was rebound to loopback nor another site."""
        own = '127.0.0.1:%d' % self.server.server_port
        origin = self.headers.get('Origin')
        return self.headers.get('Host') == own and origin in (None, 'http://' + own)

    def do_GET(self):
        path = posixpath.normpath(urllib.parse.unquote(urllib.parse.urlsplit(self.path).path))
        root, name = self.server.root, path.lstrip('/') or 'index.html'
        if name.startswith('modules/'):
            root, name = self.server.modules, name[len('modules/'):]
        file = (root / name).resolve()
        if not self.is_local():
            self.refuse(403, 'this page is for 127.0.0.1 only')
        elif root.resolve() not in file.parents or file.suffix not in TYPES or not file.is_file():
            self.refuse(404, 'no such file')
        else:
            self.answer(200, TYPES[file.suffix], file.read_bytes())

    def do_POST(self):
        size = int(self.headers.get('Content-Length') or 0)
        if not self.is_local() or self.path != '/token' or not 0 < size <= LIMIT:
            self.refuse(403, 'refused')
            return
        try:
            asked = json.loads(self.rfile.read(size))
            answer = self.server.tokens(str(asked['participant_identity']))
        except (ValueError, KeyError, TypeError) as error:
            self.refuse(400, 'bad request: %s' % error)
        except urllib.error.URLError as error:
            self.refuse(502, 'token URL: %s' % error)
        else:
            self.answer(200, 'application/json', json.dumps(answer).encode())

    def log_message(self, *args):
        pass


class PageServer(http.server.ThreadingHTTPServer):
    """Handler on a free loopback port. `tokens` makes the answer of /token for one identity."""

    daemon_threads = True

    def __init__(self, root, modules, tokens, port=0):
        super().__init__(('127.0.0.1', port), Handler)
        self.root, self.modules, self.tokens = pathlib.Path(root), pathlib.Path(modules), tokens
        self.url = 'http://127.0.0.1:%d/' % self.server_port

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def ask_token_url(url, room, identity):
    body = json.dumps({'room_name': room, 'participant_identity': identity}).encode()
    request = urllib.request.Request(url, body, {'Content-Type': 'application/json'})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer = json.loads(reply.read(LIMIT))
    except urllib.error.HTTPError as error:
        if error.code not in (404, 405, 501):
            raise
        query = urllib.parse.urlencode({'room': room, 'identity': identity})
        with urllib.request.urlopen(url + '?' + query, timeout=10) as reply:
            answer = {'participant_token': json.loads(reply.read(LIMIT))['token']}
    return answer


def token_maker(room):
    """What /token answers, from the environment; None if there is nothing to make tokens from."""
    key, secret, url = (os.environ.get('LIVEKIT_' + name) for name in ('API_KEY', 'API_SECRET', 'TOKEN_URL'))
    server = os.environ.get('LIVEKIT_URL')
    if key and secret:
        return lambda identity: {'server_url': server, 'participant_token': mint_token(
            key, secret, room, identity, canPublish=False, canPublishData=False)}
    if url:
        return lambda identity: {'server_url': server, **ask_token_url(url, room, identity)}
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--root', type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument('--modules', type=pathlib.Path, required=True, help='folder with livekit-client in it')
    parser.add_argument('--room', required=True)
    parser.add_argument('--port', type=int, default=0)
    options = parser.parse_args()
    tokens = token_maker(options.room)
    if tokens is None:
        sys.exit('serve.py: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or LIVEKIT_TOKEN_URL')
    server = PageServer(options.root, options.modules, tokens, options.port)
    print(server.url, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == '__main__':
    main()
