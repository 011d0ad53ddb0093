# SPDX-License-Identifier: LGPL-2.1-or-later
"""The camera gateway with real cameras (gst-rtsp-server), a real server and Chromium."""

import signal

from cctvbench import Cameras, Gateway, camera_text, frames_of
from harness import check, check_at_least, check_equal, let_pass, wait_until


def watch(bench, browser, camera, grants=None):
    """Chromium joins the camera's room."""
    browser.call('join', bench.url, bench.server.token('camera_' + camera, 'viewer', **(grants or {})))


def wait_frames(browser, identity, more=10, seconds=30):
    start = frames_of(browser).get(identity, 0)
    wait_until(lambda: frames_of(browser).get(identity, 0) >= start + more, 'Chromium decodes ' + identity, seconds)


def test_cctv_browser(bench):
    """One camera: its picture in Chromium; the participant may publish only; the gateway ends cleanly."""
    bench.start_server()
    cameras = Cameras(bench, 'cameras', {'/one': camera_text()})
    gateway = Gateway(bench, {'cameras': [{'id': 'one', 'name': 'First', 'url': cameras.url('/one')}]})
    gateway.wait_state('one', 'publishing')
    browser = bench.browser()
    watch(bench, browser, 'one')
    wait_frames(browser, 'camera-one')
    track = [t for t in browser.call('measure')['tracks'] if t['kind'] == 'video'][0]
    check_equal((track['width'], track['height'], track['name']), (640, 360, 'camera'), 'size and name')
    participant = bench.server.participants('camera_one')['camera-one']
    check_equal(participant['name'], 'First', 'name of the participant')
    permission = participant['permission']
    check(permission.get('can_publish') and not permission.get('can_subscribe')
          and not permission.get('can_publish_data'), 'permissions: %s', permission)
    check_equal(gateway.get('/health')[0], 200, '/health')
    check_equal(gateway.get('/ready'), (200, 'ok\n'), '/ready')
    check_at_least(gateway.metric('layer_sent_frames_total', camera='one', stream='0'), 10, 'frames sent')
    gateway.stop()
    wait_until(lambda: 'camera-one' not in bench.server.participants('camera_one'), 'the camera has left')
