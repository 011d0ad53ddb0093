# SPDX-License-Identifier: LGPL-2.1-or-later
"""livekitsink and livekitsrc with a participant by LiveKit's Python SDK."""

from check_browser import publishing
from check_loopback import CODECS
from harness import check_at_least, check_equal, in_long_runs, wait_until


def to_sdk(bench, codec):
    sdk = bench.sdk_peer()
    sdk.call('join', bench.url, bench.token('sdk'))
    sender = bench.launch('publisher', publishing(bench, codec), '--watch=k')

    def received():
        tracks = {track['kind']: track for track in sdk.call('measure')}
        enough = tracks.get('video', {}).get('frames', 0) >= 150 and tracks.get('audio', {}).get('samples', 0) >= 240000
        return tracks if enough else None
    tracks = wait_until(received, 'the SDK has 150 frames and 5 s of audio', every=0.1)
    bench.note('first frame %.0f ms after the SDK joined, peak of the tone %d', tracks['video']['firstFrame'],
               tracks['audio']['peak'])
    check_equal((tracks['video']['width'], tracks['video']['height']), (640, 480), 'size')
    check_at_least(tracks['audio']['peak'], 5000, 'peak of the tone')
    sender.end('eos')


def from_sdk(bench, codec):
    sdk = bench.sdk_peer()
    decoder = CODECS[codec][1]
    text = ('%s s.video_0 ! queue ! %s ! fakesink name=v sync=false s.audio_0 ! queue ! opusdec ! fakesink sync=false'
            % (bench.element('src', 'bob', name='s'), decoder))
    watcher = bench.launch('receiver', text, '--watch=s', '--digest=v')
    watcher.wait_event('livekit-connection', state='connected')
    sdk.call('join', bench.url, bench.token('sdk'))
    sdk.call('publish', codec.upper())
    first = watcher.wait_event('first-buffer', pad='video_0')
    check_equal(first['key'], True, 'key frame first')
    wait_until(lambda: len(watcher.events('digest')) >= 100, '100 frames decoded')
    pad = watcher.wait_event('pad-added', pad='video_0')
    check_equal((pad['participant-identity'], pad['track-name']), ('sdk', 'sdk-video'), 'pad properties')
    sdk.call('unpublish')
    for name in ('video_0', 'audio_0'):
        watcher.wait_event('pad-eos', pad=name)
        watcher.wait_event('pad-removed', pad=name)
    watcher.close()


def test_to_sdk_h264(bench):
    """The SDK decodes our H.264 and Opus."""
    bench.start_server()
    to_sdk(bench, 'h264')


def test_to_sdk_vp8(bench):
    """The SDK decodes our VP8 and Opus."""
    bench.start_server()
    to_sdk(bench, 'vp8')


@in_long_runs
def test_from_sdk_vp8(bench):
    """We decode the SDK's VP8 and Opus, and its unpublishing ends the pads."""
    bench.start_server()
    from_sdk(bench, 'vp8')


def test_from_sdk_h264(bench):
    """We decode the SDK's H.264."""
    bench.start_server()
    from_sdk(bench, 'h264')
