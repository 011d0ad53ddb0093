# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the programs share: running one of them, asking its HTTP server, a token server of few words."""

import contextlib
import http.server
import json
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from harness import HERE, PATIENCE, check, check_equal, wait_until
from lkserver import die_with_parent, free_ports

ROOT = HERE.parent.parent


def free_port():
    return free_ports(socket.SOCK_STREAM)[0]


class Program:
    """A program of examples/, with settings in a file and variables; ends with the bench."""

    def __init__(self, bench, folder, name, settings=None, *arguments, label=None, **variables):
        self.bench, self.name = bench, label or name
        self.output = bench.folder / (self.name + '.log')
        command = [str(bench.build / 'examples' / folder / name), *arguments]
        if settings is not None:
            path = bench.temporary / (self.name + '.yaml')
            path.write_text(settings)
            command += ['--config', str(path)]
        with open(self.output, 'ab') as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=bench.temporary,
                env=bench.environment(HOME=str(bench.temporary), **variables), preexec_fn=die_with_parent)
        bench.stack.callback(self.kill)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def printed(self):
        return self.output.read_text(errors='replace')

    def wait_printed(self, text, times=1, seconds=PATIENCE):
        def seen():
            check(self.process.poll() is None or self.printed().count(text) >= times, '%s ended with %s: %s', self.name,
                  self.process.returncode, self.printed()[-2000:])
            return self.printed().count(text) >= times
        wait_until(seen, '%s says "%s" %d times' % (self.name, text, times), seconds)

    def wait_port(self):
        """The port that its HTTP server took."""
        self.wait_printed('port ')
        return int(wait_until(lambda: re.search(r'\bport (\d+)[:\n]', self.printed()), 'the line is whole')[1])

    def wait_end(self, seconds=PATIENCE):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            check(False, '%s does not end (%s)', self.name, self.output)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        check_equal(self.wait_end(), 0, 'exit code of %s (%s)' % (self.name, self.output))


def ask(url, method='GET', body=None, headers=None):
    """Status, headers and text of the answer."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def wait_up(url, seconds=PATIENCE):
    """Waits until something answers there."""
    def answers():
        with contextlib.suppress(OSError):
            return ask(url)
        return None
    return wait_until(answers, '%s answers' % url, seconds)


def metrics(url):
    """The figures of a /metrics page, by "name{labels}"; checks its grammar."""
    status, headers, text = ask(url)
    check_equal(status, 200, 'status of ' + url)
    check(headers['Content-Type'].startswith('text/plain; version=0.0.4'), 'type %s', headers['Content-Type'])
    values, kinds, current = {}, {}, None
    for line in text.splitlines():
        if line.startswith('# TYPE '):
            _, _, current, kind = line.split(' ')
            check(current not in kinds, '%s is there twice', current)
            kinds[current] = kind
        elif not line.startswith('# HELP '):
            name, value = line.rsplit(' ', 1)
            check(name.split('{')[0] == current, '%s stands under %s', name, current)
            check(name not in values, '%s is there twice', name)
            values[name] = float(value)
    return values


class TokenServer:
    """A token server as the Go one: GET /token?identity=&room= alone, on a port that can be closed and opened."""

    def __init__(self, bench, port=None):
        self.bench, self.asked = bench, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                outer.asked.append(query)
                token = bench.server.token(query['room'][0], query['identity'][0])
                body = json.dumps({'token': token}).encode()
                self.send_response(200)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                self.send_response(405)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', port or 0), Handler)
        self.port = self.server.server_port
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        bench.stack.callback(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
