# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every codec in both directions: our src, Chromium, the Go and Python SDKs. codectable.py makes a table of it.

A note "cell CODEC COLUMN: TEXT" is one field of that table.
"""

import os

from harness import Failure, Skipped, check, check_equal, wait_until
from wholeness import SETTLING_FRAMES, check_digests, check_numbers, digests, numbers, since_begin

RAW = 'videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1'
SMALL = RAW % (320, 240, 15)
# Room for four seconds: what a machine with much else to do encodes late is not lost.
PATIENT = 'queue max-size-buffers=60 max-size-bytes=0 max-size-time=0 leaky=downstream'
# How each is encoded live, decoded, and which pad takes it.
VIDEO = {
    'h264': ('x264enc tune=zerolatency speed-preset=ultrafast key-int-max=600 bitrate=800', 'avdec_h264'),
    'vp8': ('vp8enc deadline=1 cpu-used=16 keyframe-max-dist=600 target-bitrate=800000', 'vp8dec'),
    'vp9': ('vp9enc deadline=1 cpu-used=8 lag-in-frames=0 keyframe-max-dist=600 target-bitrate=800000', 'vp9dec'),
    'av1': ('av1enc usage-profile=realtime cpu-used=8 keyframe-max-dist=15 target-bitrate=800',
            'av1dec'),
    'h265': ('x265enc tune=zerolatency speed-preset=ultrafast key-int-max=600 bitrate=800', 'avdec_h265'),
}
# av1enc blurs the numbers in the picture: bytes are compared, in the form that the receiver gets.
PARSED = {'av1': ' ! av1parse ! video/x-av1,stream-format=obu-stream,alignment=tu'}
# Each buffer is one packet, so that digests can be compared.
AUDIO = {
    'opus': 'audio/x-raw,rate=48000,channels=1 ! opusenc',
    'opus stereo': 'audio/x-raw,rate=48000,channels=2 ! opusenc',
    'pcmu': 'audio/x-raw,rate=8000,channels=1 ! mulawenc',
    'pcma': 'audio/x-raw,rate=8000,channels=1 ! alawenc',
}
NOISE = 'audiotestsrc is-live=true wave=white-noise volume=0.2 samplesperbuffer=160'
TONE = 'audiotestsrc is-live=true wave=sine freq=440 samplesperbuffer=160'
FRAMES, PACKETS = 45, 100
DECODED = 30
# What has no decoder there.
NOT_IN = {'browser': ['h265'], 'python': ['h265']}


def cell(bench, codec, column, text, *arguments):
    bench.note('cell %s %s: %s' % (codec, column, text % arguments if arguments else text))


def name_of(codec):
    """The name of the track."""
    return codec.replace(' ', '-')


def all_codecs(bench, audio=tuple(AUDIO), video=tuple(VIDEO)):
    """The text of one participant with one track of each codec."""
    codecs = [(codec, 'video_%d' % i) for i, codec in enumerate(video)]
    codecs += [(codec, 'audio_%d' % i) for i, codec in enumerate(audio)]
    text = [bench.element('sink', 'alice', name='k')]
    text += ['%s::track-name=%s' % (pad, name_of(codec)) for codec, pad in codecs]
    text.append(SMALL + ' ! tee name=t')
    for codec, pad in codecs:
        if codec in VIDEO:
            text.append('t. ! %s ! %s ! k.%s' % (PATIENT, VIDEO[codec][0], pad))
        else:
            text.append('%s ! %s ! k.%s' % (TONE, AUDIO[codec], pad))
    return ' '.join(text)


def only(*mimes):
    """The configuration of a server whose rooms take these codecs alone."""
    return {'room': {'enabled_codecs': [{'mime': mime} for mime in mimes]}}


# --- our sink to our src ---

def whole(bench, video, audio):
    """One participant with both; every frame with its number or its bytes, every packet with its bytes."""
    bench.start_server()
    watcher = bench.launch('receiver', (
        '%s s.video_0 ! queue ! identity name=dr ! %s ! videoconvert ! video/x-raw,format=I420 ! identity name=r '
        '! fakesink sync=false s.audio_0 ! queue ! identity name=db ! fakesink sync=false') % (
            bench.element('src', 'bob', name='s'), VIDEO[video][1]), '--watch=s', '--read=r', '--digest=db',
        '--digest=dr')
    watcher.wait_event('livekit-connection', state='connected')
    sender = bench.launch('publisher', (
        '%s ! identity name=p ! %s ! identity name=ds ! %s %s ! %s ! identity name=da ! k.audio_0') % (
        SMALL, VIDEO[video][0] + PARSED.get(video, ''), bench.element('sink', 'alice', name='k'), NOISE, AUDIO[audio]),
        '--watch=k', '--paint=p', '--digest=da', '--digest=ds')
    first = watcher.wait_event('first-buffer', pad='video_0')
    check(first['key'], 'the first video buffer is not a key frame')
    wait_until(lambda: len(watcher.events('frame')) >= FRAMES, '%d frames' % FRAMES)
    wait_until(lambda: len(watcher.events('digest', element='db')) >= PACKETS, '%d audio packets' % PACKETS)
    packets = digests(watcher, 'db')
    check_digests(sender, 'da', packets, PACKETS, audio)
    if video in PARSED:
        frames = since_begin(bench, digests(watcher, 'dr'))
        check_digests(sender, 'ds', frames, FRAMES - SETTLING_FRAMES, video)
        cell(bench, video, 'src', '%d frames, all bytes', len(frames))
    else:
        frames = numbers(watcher)
        check_numbers(bench, frames, FRAMES, video)
        cell(bench, video, 'src', '%d frames in order', len(frames))
    cell(bench, audio, 'src', '%d packets, all bytes', len(packets))
    if audio == 'opus stereo':
        caps = watcher.wait_event('first-buffer', pad='audio_0')['caps']
        check('channels=(int)2' in caps.replace('\\', ''), 'caps of stereo Opus: %s', caps)
    watcher.end()
    sender.end()


def test_codec_vp9_pcmu(bench):
    """VP9 and PCMU, sink to src."""
    whole(bench, 'vp9', 'pcmu')


def test_codec_av1_pcma(bench):
    """AV1 and PCMA, sink to src."""
    whole(bench, 'av1', 'pcma')


def test_codec_h265_opus_stereo(bench):
    """H.265 and stereo Opus, sink to src."""
    whole(bench, 'h265', 'opus stereo')


def test_codec_h264_opus(bench):
    """H.264 and Opus, sink to src: the row that loopback-h264 tests for longer."""
    whole(bench, 'h264', 'opus')


def test_codec_vp8_opus(bench):
    """VP8 and Opus, sink to src: as above."""
    whole(bench, 'vp8', 'opus')


# --- our sink to others: all codecs in one room, of one participant ---

def wait_media(measure, wanted, seen, heard):
    """Waits until `seen` is true of each wanted video track and `heard` of each audio track; returns them by name."""
    found = {}

    def enough():
        found.update({track['name']: track for track in measure()})
        return all((heard if codec in AUDIO else seen)(found.get(name_of(codec), {})) for codec in wanted)
    try:
        wait_until(enough, 'all codecs', every=0.1)
    except Failure as failure:
        raise Failure('what came: %s' % {codec: found.get(name_of(codec)) for codec in wanted}) from failure
    return found


def at_least(field, least):
    return lambda track: track.get(field, 0) >= least


def decoded(track):
    """Frames, and of a size: the picture is shown a little after it is counted."""
    return track.get('frames', 0) >= DECODED and track.get('width')


def played(column):
    return [codec for codec in [*VIDEO, *AUDIO] if codec not in NOT_IN.get(column, [])]


def note_missing(bench, column, text):
    for codec in NOT_IN.get(column, []):
        cell(bench, codec, column, text)


def test_codecs_to_browser(bench):
    """Chromium decodes every codec, all in one room."""
    bench.start_server()
    browser = bench.browser()
    sender = bench.launch('publisher', all_codecs(bench), '--watch=k')
    tracks = bench.wait_published('alice', len(VIDEO) + len(AUDIO))
    browser.call('join', bench.url, bench.token('viewer'))
    wanted = played('browser')
    found = wait_media(lambda: browser.call('measure')['tracks'], wanted, decoded, at_least('energy', 0.01))
    for codec in wanted:
        track = found[name_of(codec)]
        if codec in AUDIO:
            cell(bench, codec, 'browser', '%d samples decoded', track['samples'])
        else:
            check_equal((track['width'], track['height']), (320, 240), 'size of ' + codec)
            cell(bench, codec, 'browser', '%d frames decoded', track['frames'])
    refused = ['subscription failed: ' + track['sid'] for track in tracks if track['name'] in NOT_IN['browser']]
    # The server says so again as often as the browser asks, and the first time when it comes to it.
    wait_until(lambda: browser.call('measure')['errors'], 'it is told that one cannot be had', every=0.1)
    check_equal(sorted(set(browser.call('leave'))), refused, 'errors in the page')
    note_missing(bench, 'browser', 'no decoder in this Chromium')
    sender.end()


def test_codecs_to_go(bench):
    """The Go SDK takes every codec's packets apart."""
    bench.start_server()
    go = bench.go_peer()
    sender = bench.launch('publisher', all_codecs(bench), '--watch=k')
    bench.wait_published('alice', len(VIDEO) + len(AUDIO))
    go.call('join', bench.url, bench.token('go'))
    wanted = played('go')
    found = wait_media(lambda: go.call('measure'), wanted, at_least('frames', DECODED), at_least('frames', 50))
    for codec in wanted:
        track = found[name_of(codec)]
        check_equal(track['mime'].lower().split('/')[1], codec.split(' ')[0], 'codec')
        check_equal(track['bad'], 0, 'packets of %s that could not be taken apart' % codec)
        cell(bench, codec, 'go', '%d frames complete', track['frames'])
    sender.end()


def test_codecs_to_sdk(bench):
    """The Python SDK decodes every codec."""
    bench.start_server()
    sdk = bench.sdk_peer()
    sender = bench.launch('publisher', all_codecs(bench), '--watch=k')
    bench.wait_published('alice', len(VIDEO) + len(AUDIO))
    sdk.call('join', bench.url, bench.token('sdk'))
    wanted = played('python')
    found = wait_media(lambda: sdk.call('measure'), wanted, decoded, at_least('peak', 5000))
    for codec in wanted:
        track = found[name_of(codec)]
        if codec in AUDIO:
            cell(bench, codec, 'python', '%d samples decoded', track['samples'])
        else:
            check_equal((track['width'], track['height']), (320, 240), 'size of ' + codec)
            cell(bench, codec, 'python', '%d frames decoded', track['frames'])
    note_missing(bench, 'python', 'no decoder in the SDK')
    sender.end()


# --- Chromium to our src ---

def from_browser(bench, browser, video):
    """The browser publishes; we decode."""
    text = ('%s s.video_0 ! queue ! %s ! fakesink name=v sync=false '
            's.audio_0 ! queue ! opusdec ! fakesink name=a sync=false') % (
                bench.element('src', 'bob-' + video, name='s'), VIDEO[video][1])
    watcher = bench.launch('receiver-' + video, text, '--watch=s', '--digest=v', '--digest=a')
    watcher.wait_event('livekit-connection', state='connected')
    # As livekit-client does it by itself: VP9 and AV1 in several layers.
    browser.call('publish', {'codec': video, 'width': 320, 'height': 240, 'fps': 15})
    wait_until(lambda: len(watcher.events('digest', element='v')) >= DECODED, '%d frames of %s' % (DECODED, video))
    wait_until(lambda: len(watcher.events('digest', element='a')) >= 50, '50 packets of Opus')
    caps = watcher.wait_event('first-buffer', pad='video_0')['caps']
    check('video/x-' + video in caps, 'caps: %s', caps)
    cell(bench, video, 'from-browser', '%d frames decoded', len(watcher.events('digest', element='v')))
    cell(bench, 'opus', 'from-browser', '%d packets decoded', len(watcher.events('digest', element='a')))
    watcher.end()
    browser.call('unpublish')


def test_codecs_from_browser(bench):
    """We decode Chromium's VP9, AV1, VP8, H.264 and Opus."""
    bench.start_server()
    browser = bench.browser()
    browser.call('join', bench.url, bench.token('chromium'))
    for codec in ('vp9', 'av1', *(('vp8', 'h264') if os.environ.get('LIVE_LONG') else ())):
        from_browser(bench, browser, codec)
    cell(bench, 'h265', 'from-browser', 'no encoder in this Chromium')
    for codec in ('pcmu', 'pcma'):
        cell(bench, codec, 'from-browser', 'livekit-client publishes none')
    cell(bench, 'opus stereo', 'from-browser', 'the microphone is mono')


# --- the first section of a peer ---

def test_codecs_first(bench):
    """Whatever the first section of a kind has, one of another codec can follow."""
    if not os.environ.get('LIVE_LONG'):
        raise Skipped('set LIVE_LONG=1 for it')
    bench.start_server()
    for codec in VIDEO:
        other = 'vp8' if codec != 'vp8' else 'h264'
        bench.room = 'room-first-' + codec
        viewer = bench.launch('viewer-' + codec, bench.element('src', 'bob', name='s'), '--watch=s',
                              '--branch=s=fakesink')
        viewer.wait_event('livekit-connection', state='connected')
        sender = bench.launch('publisher-' + codec, (
            '%s ! tee name=t t. ! queue ! %s ! %s t. ! valve name=v drop=true ! queue ! %s ! k.') % (
                SMALL, VIDEO[codec][0], bench.element('sink', 'alice', name='k'), VIDEO[other][0]), '--watch=k')
        viewer.wait_event('first-buffer', pad='video_0')
        sender.tell('set v drop false')
        viewer.wait_event('first-buffer', pad='video_1')
        sender.end()
        viewer.close()
