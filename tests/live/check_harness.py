# SPDX-License-Identifier: LGPL-2.1-or-later
"""The peers of the other tests against each other, without our elements: does the harness measure right?"""

import json
import urllib.error
import urllib.request

from harness import IS_TIMED, PATIENCE, by_clock, check, check_at_least, check_equal, in_long_runs, wait_until

# A second, by the clock of what is sent.
LEAST_FPS, LEAST_RATE = 10, 20000


def measure_both(receiver, seconds):
    """Two measurements of a browser `seconds` apart, by kind, with the first having frames already. Unless times are
    kept the second one waits for what that time should bring at the least, however long it takes."""
    def ready():
        tracks = {track['kind']: track for track in receiver.call('measure')['tracks']}
        both = tracks.get('audio', {}).get('samples') and tracks.get('video', {}).get('frames')
        return tracks if both else None
    first = wait_until(ready, 'the browser decodes video and has audio')
    until = first['video']['at'] + seconds * 1000

    def later():
        tracks = {track['kind']: track for track in receiver.call('measure')['tracks']}
        has_enough = IS_TIMED or (
            tracks['video']['frames'] - first['video']['frames'] >= LEAST_FPS * seconds
            and tracks['audio']['samples'] - first['audio']['samples'] >= LEAST_RATE * seconds)
        return tracks if tracks['video']['at'] >= until and has_enough else None
    return first, wait_until(later, '%d frames and %d samples' % (LEAST_FPS * seconds, LEAST_RATE * seconds),
                             seconds + PATIENCE, every=0.25)


def test_harness_proxy(bench):
    """The v0 proxy: 404 for v1 and what is below, all else from the server."""
    bench.start_server()
    proxy = bench.start_v0_proxy()
    base = 'http://127.0.0.1:%d' % proxy.port

    def status(path):
        try:
            with urllib.request.urlopen(base + path, timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    check_equal(status('/'), (200, 'OK'), '/')
    check_equal(status('/rtc/v1?join_request=x'), (404, ''), '/rtc/v1')
    check_equal(status('/rtc/v1/validate'), (404, ''), '/rtc/v1/validate')
    check_equal(status('/rtc/validate?access_token=' + bench.token('a')), (200, 'success'), '/rtc/validate')
    check_equal((proxy.refused, proxy.passed), (2, 2), 'refused and passed')


@in_long_runs
def test_harness_browser_browser(bench):
    """Chromium publishes its fake camera and microphone, another Chromium receives them."""
    bench.start_server()
    sender, receiver = bench.browser('sender'), bench.browser('receiver')
    receiver.call('join', bench.url, bench.token('receiver'))
    sender.call('join', bench.url, bench.token('sender'))
    sender.call('publish', {})
    first, last = measure_both(receiver, 5)
    seconds = (last['video']['at'] - first['video']['at']) / 1000
    fps = (last['video']['frames'] - first['video']['frames']) / seconds
    rate = (last['audio']['samples'] - first['audio']['samples']) / seconds
    bench.note('%.1f frames/s, %.0f samples/s, energy %.4f', fps, rate, last['audio']['energy'])
    check_equal((last['video']['width'], last['video']['height']), (640, 480), 'size')
    check_at_least(fps, by_clock(20, 3), 'frames per second')
    check_at_least(rate, by_clock(45000, 20000), 'samples per second')
    check_at_least(last['audio']['energy'], 1e-6, 'energy of the beeps')
    receiver.call('screenshot', str(bench.folder / 'receiver.png'))


@in_long_runs
def test_harness_sdk_browser(bench):
    """The Python SDK and Chromium publish, each receives the other."""
    bench.start_server()
    browser, sdk = bench.browser(), bench.sdk_peer()
    browser.call('join', bench.url, bench.token('browser'))
    sdk.call('join', bench.url, bench.token('sdk'))
    sdk.call('publish', 'VP8')
    browser.call('publish', {})
    first, last = measure_both(browser, 4)
    seconds = (last['video']['at'] - first['video']['at']) / 1000
    check_equal((last['video']['name'], last['video']['width']), ('sdk-video', 640), 'track')
    if IS_TIMED:
        check_at_least((last['video']['frames'] - first['video']['frames']) / seconds, 20, 'frames/s in the browser')
    check_at_least(last['audio']['energy'], 1e-4, 'energy of the tone')

    def seen_and_heard():
        tracks = {track['kind']: track for track in sdk.call('measure')}
        return tracks.get('video', {}).get('frames', 0) >= 20 and tracks.get('audio', {}).get('peak', 0) >= 500
    wait_until(seen_and_heard, 'the SDK has frames, and beeps', by_clock(1, PATIENCE))


def test_harness_launch(bench):
    """livelaunch: numbers survive H.264 and VP8, digests are right, cycles come back to where they were."""
    for encoder in ('x264enc tune=zerolatency ! avdec_h264', 'vp8enc deadline=1 ! vp8dec'):
        name = encoder.split()[0]
        launch = bench.launch(name, 'videotestsrc num-buffers=60 pattern=ball ! video/x-raw,format=I420,width=640,'
                              'height=480 ! identity name=p ! %s ! identity name=r ! fakesink' % encoder,
                              '--paint=p', '--read=r')
        check_equal(launch.wait(), 0, 'exit code')
        check_equal([frame['number'] for frame in launch.events('frame')], list(range(60)), 'numbers by ' + name)
    launch = bench.launch('cycles', 'audiotestsrc is-live=true ! queue name=q ! fakesink', '--watch=q',
                          '--cycles=10', '--until=3')
    check_equal(launch.wait(), 0, 'exit code')
    cycles = launch.events('cycle')
    check_equal(len(cycles), 10, 'cycles')
    # GLib of Debian 13 keeps up to eight threads of its pools; a leak would be one in each cycle
    check(cycles[-1]['threads'] < cycles[1]['threads'] + 4 and cycles[-1]['fds'] <= cycles[1]['fds'],
          'threads or descriptors are left: %s', json.dumps(cycles))
    bench.note('%.0f ms a cycle', (cycles[-1]['t'] - cycles[0]['t']) / 9e3)
