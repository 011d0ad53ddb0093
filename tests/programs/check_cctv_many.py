# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many cameras behind MediaMTX, in one grid of Chromium; what is killed comes back."""

import os
import pathlib
import subprocess
import time

from cctvbench import Cameras, Gateway, MediaMtx, camera_text, cpu_seconds
from harness import check, check_equal, in_long_runs, let_pass, percentile, wait_until

N_CAMERAS = int(os.environ.get('CCTV_CAMERAS', '20'))
HERE = pathlib.Path(__file__).resolve().parent
PATTERNS = ('smpte', 'smpte75', 'smpte100')


def encode(bench, pattern):
    """Ten seconds of a picture, with a key frame each second."""
    path = bench.temporary / (pattern + '.mp4')
    text = ('videotestsrc num-buffers=150 pattern=%s ! video/x-raw,format=I420,width=320,height=180,framerate=15/1 '
            '! timeoverlay ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=200 key-int-max=15 '
            '! h264parse ! mp4mux ! filesink location=%s' % (pattern, path))
    subprocess.run(['gst-launch-1.0', '-q', *text.split()], check=True, env=bench.environment(), timeout=120)
    return path


def start_cameras(bench, n=N_CAMERAS):
    """One camera that is live, with the time in its picture; the others play files in loops."""
    live = Cameras(bench, 'live', {'/one': camera_text(320, 180, 300)})
    files = [encode(bench, pattern) for pattern in PATTERNS]

    def paths(port):
        made = {'cam0': {'source': live.url('/one'), 'rtspTransport': 'tcp'}}
        for i in range(1, n):
            made['cam%d' % i] = {'runOnInitRestart': True, 'runOnInit': (
                'ffmpeg -nostdin -loglevel error -re -stream_loop -1 -i %s -c copy -f rtsp -rtsp_transport tcp '
                'rtsp://127.0.0.1:%d/cam%d' % (files[i % len(files)], port, i))}
        return made
    return MediaMtx(bench, paths)


def names(n=N_CAMERAS):
    return ['cam%d' % i for i in range(n)]


def join_all(bench, browser, n=N_CAMERAS):
    return browser.call('joinAll', [
        {'id': name, 'url': bench.url, 'token': bench.server.token('camera_' + name, 'viewer', canPublish=False)}
        for name in names(n)], seconds=120)


def wait_pictures(browser, what, seconds=120):
    """Waits until every camera shows new frames; returns how long that took, in seconds."""
    start = time.monotonic()
    before = {c['id']: c['frames'] for c in browser.call('grid')}
    wait_until(lambda: all(c['frames'] > before[c['id']] + 3 and c['colour'] > 60 for c in browser.call('grid')),
               'all cameras show pictures ' + what, seconds, every=0.1)
    return time.monotonic() - start


def measure_age(bench, browser):
    browser.call('ages', 'cam0')
    ages = []

    def read():
        ages.extend(browser.call('ages', 'cam0'))
        return len(ages) >= 150
    wait_until(read, 'the time is read in 150 pictures', 120)
    bench.note('glass to glass over %d pictures: median %d ms, 95 %% within %d ms', len(ages), percentile(ages, 0.5),
               percentile(ages, 0.95))


def measure_cpu(bench, gateway, browser):
    used, start = cpu_seconds(gateway.process), time.monotonic()
    frames = sum(c['frames'] for c in browser.call('grid'))
    let_pass(10)
    passed = time.monotonic() - start
    bench.note('gateway: %.2f %% of a processor for each camera; %.1f pictures per second in all',
               100 * (cpu_seconds(gateway.process) - used) / passed / N_CAMERAS,
               (sum(c['frames'] for c in browser.call('grid')) - frames) / passed)


def cameras_of(media):
    return [{'id': name, 'url': media.url(name)} for name in names()]


@in_long_runs
def test_cctv_grid_browser(bench):
    """Many cameras of MediaMTX in one grid of Chromium; MediaMTX and the server are killed and come back."""
    server = bench.start_server()
    media = start_cameras(bench)
    gateway = Gateway(bench, {'cameras': cameras_of(media)}, traces_leaks=False)
    for name in names():
        gateway.wait_state(name, 'publishing', 120)
        gateway.wait_stream(name, 0, 'flowing', 120)
    browser = bench.browser(folder=HERE / 'grid')
    start = time.monotonic()
    join_all(bench, browser)
    wait_until(lambda: browser.call('shown') == N_CAMERAS, 'every camera is shown', 120, every=0.1)
    wait_until(lambda: all(c['colour'] > 60 for c in browser.call('grid')), 'all in colour', 120, every=0.1)
    bench.note('%d cameras: the last one is shown %.2f s after the join began, all are seen to be in colour after %.2f',
               N_CAMERAS, max(c['first'] for c in browser.call('grid')) / 1000, time.monotonic() - start)
    measure_age(bench, browser)
    measure_cpu(bench, gateway, browser)
    browser.call('screenshot', str(bench.folder / 'grid.png'))
    media.kill()
    wait_until(lambda: all(gateway.stream_state(name) == 'waiting' for name in names()), 'all cameras are missed', 120)
    media.start()
    bench.note('all pictures %.1f s after MediaMTX came back', wait_pictures(browser, 'after MediaMTX came back'))
    server.process.kill()
    server.process.wait()
    check(server.start_process(), 'the server did not start again')
    bench.note('all pictures %.1f s after the server came back', wait_pictures(browser, 'after the server came back'))
    check_equal(gateway.metric('camera_failures_total', camera='cam0'), 0, 'failures of the room side')
    gateway.stop()
