# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the live tests share: a server, child processes that speak JSON lines, waiting for conditions, checks."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'support'))
from lkserver import Server, die_with_parent  # noqa: E402
from serve import PageServer  # noqa: E402
from v0proxy import V0Proxy  # noqa: E402

CACHE = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'gst-livekit'
MODULES = pathlib.Path(os.environ.get('LIVE_NODE_MODULES') or CACHE / 'node-tests' / 'node_modules')
SDK_PYTHON = os.environ.get('LIVE_SDK_PYTHON') or str(CACHE / 'venv' / 'bin' / 'python3')
GO_PEER = os.environ.get('LIVE_GO_PEER') or str(CACHE / 'bin' / 'gopeer')
CHROMIUM = os.environ.get('LIVE_CHROMIUM') or shutil.which('chromium') or shutil.which('chromium-browser')
# Where another GStreamer lives: its programs and ours run there, peers and server do not. The build and source folders
# and that for temporary files have to be the same inside (tests/support/trixie-live.sh).
ROOT = os.environ.get('LIVE_ROOT')


# What the leaks tracer finds in every process with a dtlsdec: GStreamer's DTLS plugin keeps one agent for all (1.22).
ALIVE_UPSTREAM = {'GstDtlsAgent'}


def is_upstream(line):
    """Whether tests/elements/upstream.txt lists this warning of somebody else's code."""
    for row in (HERE.parent / 'elements' / 'upstream.txt').read_text().splitlines():
        fields = row.split('\t')
        if not row.startswith('#') and len(fields) >= 5 and fields[0] in line and re.search(fields[1], line):
            return True
    return False


# Seconds after which what is awaited is taken to hang.
PATIENCE = 60
# Certificates take their time: on a machine under load more than the ten seconds that a join has by itself.
JOIN_TIMEOUT_MS = PATIENCE * 1000


class Failure(Exception):
    """A check of a test that did not hold."""


class Skipped(Exception):
    """Says what this machine lacks for a test."""


def inside(*command):
    """A command that uses GStreamer, for where that is."""
    return ['chroot', ROOT, *command] if ROOT else list(command)


def in_long_runs(test):
    """Marks a test whose like is in every run: it is in tests/full.sh only."""
    test.is_long = True
    return test


def check(condition, text, *arguments):
    if not condition:
        raise Failure(text % arguments if arguments else text)


def check_at_least(value, least, what):
    check(value >= least, '%s: %s, should be at least %s', what, value, least)


def check_at_most(value, most, what):
    check(value <= most, '%s: %s, should be at most %s', what, value, most)


# With LIVE_TIMES=1 (tests/full.sh) things are watched for as long as promised, and times and rates have to be kept.
IS_TIMED = os.environ.get('LIVE_TIMES') == '1'


def by_clock(promised, bearable):
    """A limit on time or on a rate: the promised one, or one that a machine under load keeps, so that only what hangs or
    is wrong fails."""
    return promised if IS_TIMED else bearable


def check_equal(value, wanted, what):
    check(value == wanted, '%s: %s, should be %s', what, value, wanted)


def wait_until(condition, what, seconds=PATIENCE, every=0.02):
    """Polls the condition until it is true, and returns what it then gave."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < deadline, 'after %s s still not: %s', seconds, what)
        time.sleep(every)


def let_pass(seconds):
    """Lets time pass in which something is measured or recorded; never a wait for something to happen."""
    time.sleep(seconds)


class Child:
    """A process whose standard output is JSON lines. What it says on standard error goes to a log file."""

    def __init__(self, command, log, environment=None):
        self.name = log.stem
        self.log = log
        self.lines = []
        self.new_line = threading.Condition()
        self.ended = False
        with open(log, 'ab') as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            env=environment, text=True, bufsize=1, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with open(self.log.with_suffix('.json'), 'a', encoding='utf-8') as copy:
            for line in self.process.stdout:
                copy.write(line)
                copy.flush()
                try:
                    parsed = json.loads(line)
                except ValueError:
                    continue
                with self.new_line:
                    self.lines.append(parsed)
                    self.new_line.notify_all()
        with self.new_line:
            self.ended = True
            self.new_line.notify_all()

    def wait_line(self, matches, what, seconds=PATIENCE, after=0):
        """The first line from index `after` on that matches; fails when time is up or the process ends before."""
        deadline = time.monotonic() + seconds
        with self.new_line:
            while True:
                for index in range(after, len(self.lines)):
                    if matches(self.lines[index]):
                        return self.lines[index]
                after = max(after, len(self.lines))
                check(not self.ended, '%s ended before: %s (%s)', self.name, what, self.log)
                left = deadline - time.monotonic()
                check(left > 0, '%s: after %s s still not: %s', self.name, seconds, what)
                self.new_line.wait(left)

    def tell(self, line):
        try:
            self.process.stdin.write(line + '\n')
        except (BrokenPipeError, ValueError) as error:
            raise Failure('%s is gone (%s)' % (self.name, self.log)) from error

    def wait(self, seconds=PATIENCE):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Failure('%s did not end within %s s' % (self.name, seconds)) from error
        with self.new_line:
            check(self.new_line.wait_for(lambda: self.ended, seconds), '%s has ended, its output has not', self.name)
        return code

    def close(self):
        """Ends it, in peace if it will, with all that it started."""
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Launch(Child):
    """A pipeline in livelaunch."""

    def events(self, name, **fields):
        with self.new_line:
            return [line for line in self.lines if is_event(line, name, fields)]

    def wait_event(self, name, seconds=PATIENCE, after=0, **fields):
        what = ' '.join([name] + ['%s=%s' % pair for pair in fields.items()])
        return self.wait_line(lambda line: is_event(line, name, fields), what, seconds, after)

    def get(self, element, name):
        before = len(self.lines)
        self.tell('get %s %s' % (element, name))
        return self.wait_event('property', after=before, element=element, property=name)['value']

    def counter(self, pad, field, element='s'):
        """A number in the `stats` of a pad."""
        text = self.get(element, pad + '::stats')
        return int(re.search(r'\b%s\W+guint64\W+(\d+)' % field, text)[1])

    def end(self, command='quit', seconds=PATIENCE):
        """Tells it to end by "quit" or "eos", waits, and returns its totals by pad; its exit code must be 0."""
        self.tell(command)
        code = self.wait(seconds)
        errors = [line['text'] for line in self.events('error')]
        check(code == 0, '%s exited with %s: %s (%s)', self.name, code, errors, self.log)
        return {line['pad']: line for line in self.events('total')}


def is_event(line, name, fields):
    return line.get('event') == name and all(line.get(key.replace('_', '-')) == value for key, value in fields.items())


class Caller(Child):
    """A process that answers calls: the browser or the SDK peer."""

    def __init__(self, command, log, environment=None):
        super().__init__(command, log, environment)
        self.answered = 0
        self._answer('start', PATIENCE)

    def _answer(self, call, seconds):
        line = self.wait_line(lambda _: True, call, seconds, self.answered)
        self.answered += 1
        check('error' not in line, '%s: %s: %s', self.name, call, line.get('error'))
        return line['result']

    def call(self, function, *arguments, seconds=PATIENCE):
        self.tell(json.dumps({'call': function, 'arguments': arguments}))
        return self._answer(function, seconds)


class Bench:
    """All that one test needs; use it with `with`. What it starts ends with it, last first."""

    def __init__(self, name, build, server_command=None):
        self.name, self.build = name, pathlib.Path(build).resolve()
        self.server_command = server_command
        self.stack = contextlib.ExitStack()
        self.folder = self.build / 'live-logs' / name
        self.notes = []
        self.room = 'room-' + name

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.temporary = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix='live-')))
        return self

    def __exit__(self, *exception):
        self.stack.close()

    def note(self, text, *arguments):
        """A measured value or the like, printed with the result."""
        self.notes.append(text % arguments if arguments else text)

    def start_server(self, extra=None):
        self.server = self.stack.enter_context(
            Server(self.server_command, extra, log=self.folder / 'livekit-server.log'))
        self.url = self.server.url
        return self.server

    def start_v0_proxy(self):
        """From now on `url` is that of a server that does not know v1."""
        self.proxy = V0Proxy(self.server.port)
        self.stack.callback(self.proxy.close)
        self.url = self.proxy.url
        return self.proxy

    def token(self, identity, **grants):
        return self.server.token(self.room, identity, **grants)

    def environment(self, **more):
        plugins = os.pathsep.join(filter(None, [str(self.build / 'gst'), os.environ.get('GST_PLUGIN_PATH')]))
        clean = {key: value for key, value in os.environ.items() if not key.startswith('LIVEKIT_')}
        return dict(clean, GST_PLUGIN_PATH=plugins, GST_REGISTRY=str(self.build / 'live-logs' / 'registry.bin'),
                    NO_COLOR='1', GST_DEBUG_NO_COLOR='1', **more)

    def element(self, kind, identity, **properties):
        """The text of livekitsink or livekitsrc with what it needs to join."""
        settings = dict({'server-url': self.url, 'room': self.room, 'identity': identity}, **properties)
        if not IS_TIMED:
            settings['join-timeout'] = JOIN_TIMEOUT_MS
        words = ['%s="%s"' % (key.replace('_', '-'), value) for key, value in settings.items()]
        return ' '.join(['livekit' + kind] + words)

    def launch(self, name, pipeline, *options, debug=None):
        """Starts livelaunch. Keys of the test server come by the defaults for loopback."""
        variables = {'GST_DEBUG': debug or os.environ.get('GST_DEBUG', '2,livekit*:5'),
                     'GST_DEBUG_FILE': str(self.folder / (name + '.gst.log'))}
        if os.environ.get('LIVE_LEAKS'):
            variables.update(GST_TRACERS='leaks', GST_DEBUG=variables['GST_DEBUG'] + ',GST_TRACER:7')
        command = inside(str(self.build / 'tests' / 'live' / 'livelaunch'), *options, pipeline)
        launch = Launch(command, self.folder / (name + '.log'), self.environment(**variables))
        self.stack.callback(launch.close)
        return launch

    def gst_launch(self, name, *arguments, variables=None):
        """Starts gst-launch-1.0 itself; its output goes to a file. Returns the process and the file."""
        output = self.folder / (name + '.log')
        with open(output, 'wb') as file:
            process = subprocess.Popen(inside('gst-launch-1.0', *arguments), stdin=subprocess.DEVNULL, stdout=file,
                                       stderr=file, env=self.environment(**(variables or {})),
                                       preexec_fn=die_with_parent)
        self.stack.callback(end_process, process)
        return process, output

    def browser(self, name='browser', folder=HERE / 'page', camera=None):
        """Chromium with our page. Its camera is a picture of its own, or a file in Y4M, again and again."""
        check(CHROMIUM, 'no chromium in PATH: sh tests/run.sh installs it, --without-browser leaves it out')
        check((MODULES / 'playwright-core').is_dir(), 'no playwright-core in %s: run sh tests/run.sh', MODULES)
        page = PageServer(folder, MODULES, None)
        threading.Thread(target=page.serve_forever, daemon=True).start()
        self.stack.callback(page.shutdown)
        profile = self.stack.enter_context(tempfile.TemporaryDirectory(prefix='live-', ignore_cleanup_errors=True))
        command = ['node', str(HERE / 'browser.mjs'), CHROMIUM, page.url, profile, *([camera] if camera else [])]
        browser = Caller(command, self.folder / (name + '.log'), dict(os.environ, NODE_PATH=str(MODULES)))
        self.stack.callback(browser.close)
        return browser

    def sdk_peer(self, name='sdk'):
        check(pathlib.Path(SDK_PYTHON).exists(), 'no %s: run sh tests/run.sh', SDK_PYTHON)
        peer = Caller([SDK_PYTHON, str(HERE / 'sdkpeer.py')], self.folder / (name + '.log'))
        self.stack.callback(peer.close)
        return peer

    def go_peer(self, name='go'):
        check(pathlib.Path(GO_PEER).exists(), 'no %s: run sh tests/run.sh', GO_PEER)
        peer = Caller([GO_PEER], self.folder / (name + '.log'))
        self.stack.callback(peer.close)
        return peer

    def wait_published(self, identity, n_tracks, seconds=PATIENCE):
        """Waits until the server lists so many tracks of a participant; returns them."""
        def tracks():
            found = self.server.participants(self.room).get(identity, {}).get('tracks', [])
            return found if len(found) >= n_tracks else None
        return wait_until(tracks, '%s has %d tracks in the room' % (identity, n_tracks), seconds)

    def check_logs(self):
        """No process of ours may have printed a warning or worse of GLib's."""
        for log in sorted(self.folder.glob('*.log')):
            others = ('livekit-server.log', 'browser.log', 'sdk.log', 'go.log')
            if log.name not in others and not log.name.endswith('.gst.log'):
                found = [line for line in log.read_text(errors='replace').splitlines()
                         if re.search(r'(CRITICAL|WARNING) \*\*(?!.*Leaks detected)', line) and not is_upstream(line)]
                check(not found, '%s: %s', log, found[:1])
        for log in sorted(self.folder.glob('*.gst.log')):
            alive = set(re.findall(r'object-alive, type-name=\(string\)(\w+)', log.read_text(errors='replace')))
            check(alive <= ALIVE_UPSTREAM, '%s: still alive at the end: %s', log, sorted(alive - ALIVE_UPSTREAM))

    def wait_alone(self, seconds=PATIENCE):
        wait_until(lambda: not self.server.participants(self.room), 'the room is empty', seconds)

    def probe_file(self, path):
        """ffprobe's view of a file: format and streams, and the time of each packet by stream index."""
        def ffprobe(*options):
            done = subprocess.run(['ffprobe', '-v', 'error', '-of', 'json', *options, str(path)],
                                  capture_output=True, text=True, check=False)
            check(done.returncode == 0 and not done.stderr, 'ffprobe %s: %s', path, done.stderr)
            return json.loads(done.stdout)
        info = ffprobe('-show_format', '-show_streams')
        info['times'] = {}
        for packet in ffprobe('-show_entries', 'packet=stream_index,pts_time')['packets']:
            info['times'].setdefault(packet['stream_index'], []).append(float(packet['pts_time']))
        return info


def decode(file):
    """ffmpeg finds nothing wrong. Times as they are: two frames in a thirtieth of a second are none of its business."""
    played = subprocess.run(['ffmpeg', '-v', 'error', '-i', str(file), '-fps_mode', 'passthrough', '-enc_time_base',
                             '1:90000', '-f', 'null', '-'], capture_output=True, text=True, check=False)
    check(played.returncode == 0 and not played.stderr, 'ffmpeg %s: %s', file.name, played.stderr[-500:])


def end_process(process):
    if process.poll() is None:
        process.kill()
    process.wait()


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


__all__ = [name for name in dir() if not name.startswith('_')]
