# SPDX-License-Identifier: LGPL-2.1-or-later
"""Input that changes or that will not do: a clear word about that track, and the others go on."""

import re
import subprocess

from check_codecs import SMALL, VIDEO, only
from harness import check, check_at_least, check_at_most, check_equal, let_pass, wait_until

TONE = 'audiotestsrc is-live=true wave=sine freq=440 ! opusenc'


def sending(launch, pad):
    return launch.counter(pad, 'frames-sent', 'k')


def check_goes_on(launch, pad='audio_0'):
    before = sending(launch, pad)
    wait_until(lambda: sending(launch, pad) > before + 25, 'the other track goes on', every=0.1)
    check_equal(len(launch.events('error')), 0, 'errors')


def watched(bench, text, *options):
    """A publisher with a tone on audio_0, and somebody who watches."""
    viewer = bench.launch('viewer', bench.element('src', 'bob', name='s'), '--watch=s', '--branch=s=fakesink')
    viewer.wait_event('livekit-connection', state='connected')
    sender = bench.launch('publisher', '%s %s %s ! k.audio_0' % (bench.element('sink', 'alice', name='k'), text, TONE),
                          '--watch=k', *options)
    viewer.wait_event('first-buffer', pad='audio_0')
    return sender, viewer


def test_input_h264_profiles(bench):
    """Chromium plays main and high profile, which are announced as constrained baseline."""
    bench.start_server()
    browser = bench.browser()
    text = [bench.element('sink', 'alice', name='k'), SMALL, '! tee name=t']
    for pad, profile in enumerate(('main', 'high')):
        text.append('t. ! queue ! %s ! video/x-h264,profile=%s ! k.video_%d' % (
            VIDEO['h264'][0].replace('speed-preset=ultrafast', 'speed-preset=veryfast'), profile, pad))
    sender = bench.launch('publisher', ' '.join(text), '--watch=k')
    for pad, profile in enumerate(('main', 'high')):
        caps = sender.wait_event('first-buffer', pad='video_%d' % pad)['caps'].replace('\\', '')
        check('profile=(string)' + profile in caps, 'caps: %s', caps)
    bench.wait_published('alice', 2)
    browser.call('join', bench.url, bench.token('viewer'))
    wait_until(lambda: [track.get('frames', 0) > 30 for track in browser.call('measure')['tracks']] == [True, True],
               'both are decoded', every=0.1)
    sender.end()


def test_input_codec_changes(bench):
    """A pad's caps go from VP8 to H.264: another track with that codec, the participant stays."""
    bench.start_server()
    text = ('funnel name=i ! k.video_0 %s ! tee name=t t. ! valve name=a ! queue ! %s ! i. '
            't. ! valve name=b drop=true ! queue ! %s ! i.') % (SMALL, VIDEO['vp8'][0], VIDEO['h264'][0])
    sender, viewer = watched(bench, text)
    viewer.wait_event('first-buffer', pad='video_0')
    mark = len(viewer.lines)
    sender.tell('set a drop true')
    sender.tell('set b drop false')
    new = viewer.wait_event('first-buffer', after=mark)
    check('h264' in new['caps'], 'caps: %s', new['caps'])
    check_equal(len(viewer.events('livekit-participant', action='joined')), 1, 'joins')
    check_goes_on(sender)
    sender.end()
    viewer.close()


def width_and_height(line):
    return tuple(int(re.search(name + r'\W+int\W+(\d+)', line['caps'])[1]) for name in ('width', 'height'))


def test_input_changes(bench):
    """Another size and frame rate, and with them another codec_data: the track stays, every picture is decoded."""
    bench.start_server()
    viewer = bench.launch('viewer', '%s s.video_0 ! queue ! avdec_h264 ! identity name=d ! fakesink sync=false'
                          % bench.element('src', 'bob', name='s'), '--watch=s', '--caps=d', '--digest=d')
    viewer.wait_event('livekit-connection', state='connected')
    raw = 'video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1'
    sender = bench.launch('publisher', (
        'videotestsrc is-live=true ! videorate ! videoscale ! capsfilter name=c caps=%s ! %s ! h264parse ! '
        'video/x-h264,stream-format=avc,alignment=au ! identity name=e ! %s') % (
            raw % (320, 240, 15), VIDEO['h264'][0], bench.element('sink', 'alice', name='k')), '--watch=k', '--caps=e')
    sid = bench.wait_published('alice', 1)[0]['sid']
    for size in ((320, 240, 15), (640, 360, 30), (160, 120, 10)):
        sender.tell('set c caps ' + raw % size)
        wait_until(lambda: viewer.events('caps') and width_and_height(viewer.events('caps')[-1]) == size[:2],
                   'pictures of %dx%d' % size[:2])
        before = received(viewer)
        wait_until(lambda: received(viewer) >= before + 20, '20 pictures of %dx%d' % size[:2])
        track = wait_until(lambda: next((track for track in bench.wait_published('alice', 1)
                                         if (track['width'], track['height']) == size[:2]), None),
                           'the server knows of %dx%d' % size[:2])
        check_equal(track['sid'], sid, 'sid')
    data = {re.search('codec_data[^,;]*', line['caps'])[0] for line in sender.events('caps')}
    check_at_least(len(data), 3, 'kinds of codec_data')
    check(not viewer.events('error') and not viewer.events('warning') and not sender.events('warning'), 'complaints')
    viewer.end()
    sender.end()


def test_input_profile_changes(bench):
    """From high to constrained baseline profile: the track stays, every picture is decoded."""
    bench.start_server()
    viewer = bench.launch('viewer', '%s s.video_0 ! queue ! avdec_h264 ! identity name=d ! fakesink sync=false'
                          % bench.element('src', 'bob', name='s'), '--watch=s', '--digest=d')
    viewer.wait_event('livekit-connection', state='connected')
    encoder = VIDEO['h264'][0].replace('speed-preset=ultrafast', 'speed-preset=veryfast')
    sender = bench.launch('publisher', (
        'funnel name=i ! identity name=e ! %s %s ! tee name=t '
        't. ! valve name=a ! queue ! %s ! video/x-h264,profile=high ! i. '
        't. ! valve name=b drop=true ! queue ! %s ! video/x-h264,profile=constrained-baseline ! i.') % (
            bench.element('sink', 'alice', name='k'), SMALL, encoder, encoder), '--watch=k', '--caps=e')
    wait_until(lambda: received(viewer) >= 20, '20 pictures of high profile')
    sid = bench.wait_published('alice', 1)[0]['sid']
    sender.tell('set a drop true')
    sender.tell('set b drop false')
    wait_until(lambda: 'constrained-baseline' in str(sender.events('caps')[-1]), 'the other encoder')
    before = received(viewer)
    wait_until(lambda: received(viewer) >= before + 30, '30 pictures of the other profile')
    check_equal([track['sid'] for track in bench.wait_published('alice', 1)], [sid], 'tracks')
    check_equal(len(viewer.events('first-buffer')), 1, 'pads')
    check(not viewer.events('error') and not viewer.events('warning'), 'it cannot be decoded')
    viewer.end()
    sender.end()


def test_input_codec_refused(bench):
    """The room takes no VP9: that track fails with a warning, the others go on."""
    bench.start_server(only('audio/opus', 'video/VP8'))
    text = '%s ! tee name=t t. ! queue ! %s ! k.video_0 t. ! queue ! %s ! k.video_1' % (
        SMALL, VIDEO['vp9'][0], VIDEO['vp8'][0])
    sender, viewer = watched(bench, text)
    failed = sender.wait_event('livekit-track', action='failed', pad='video_0')
    check('codec' in failed['text'].lower(), 'the text says "%s"', failed['text'])
    sender.wait_event('warning')
    wait_until(lambda: sending(sender, 'video_1') > 10, 'VP8 goes on', every=0.1)
    check_goes_on(sender)
    sender.end()
    viewer.close()


def warned(bench, text, words):
    bench.start_server()
    sender, viewer = watched(bench, text)
    line = sender.wait_event('warning')
    check(words in line['text'], 'the text says "%s"', line['text'])
    check_goes_on(sender)
    sender.end()
    viewer.close()


def test_input_deaf_encoder(bench):
    """A stream that has no key frame when asked for one: it was made before."""
    file = bench.temporary / 'one-key-frame.mkv'
    subprocess.run(['gst-launch-1.0', '-q', 'videotestsrc', 'num-buffers=1800', '!',
                    'video/x-raw,width=160,height=120,framerate=15/1', '!', 'vp8enc', 'deadline=1', 'cpu-used=16',
                    'keyframe-max-dist=9999', '!', 'matroskamux', '!', 'filesink', 'location=%s' % file], check=True)
    warned(bench, 'filesrc location=%s ! matroskademux ! k.video_0' % file, 'makes no key frame')


def test_input_b_frames(bench):
    """B frames are sent, with a warning."""
    encoder = 'x264enc bframes=2 b-adapt=false rc-lookahead=3 sync-lookahead=0 speed-preset=veryfast'
    warned(bench, '%s ! %s ! k.video_0' % (SMALL, encoder), 'B frames')


def test_input_av1_annex_b(bench):
    """AV1 as annex B is published as everything else is."""
    bench.start_server()
    sender, viewer = watched(bench, '%s ! %s ! av1parse ! video/x-av1,stream-format=annexb,alignment=tu ! k.video_0'
                             % (SMALL, VIDEO['av1'][0]))
    viewer.wait_event('first-buffer', pad='video_0')
    check('annexb' in sender.wait_event('first-buffer', pad='video_0')['caps'], 'it is no annex B')
    check_goes_on(sender)
    sender.end()
    viewer.close()


def received(viewer):
    return len(viewer.events('digest'))


def test_input_dtx(bench):
    """With dtx, silence costs a few packets a second, and sound comes back whole."""
    bench.start_server()
    text = '%s ! identity name=d ! fakesink sync=false' % bench.element('src', 'bob', name='s')
    viewer = bench.launch('viewer', text, '--watch=s', '--digest=d')
    viewer.wait_event('livekit-connection', state='connected')
    sender = bench.launch('publisher', 'audiotestsrc name=a is-live=true wave=silence ! opusenc dtx=true ! %s '
                          'audio_0::dtx=true' % bench.element('sink', 'alice', name='k'), '--watch=k')
    viewer.wait_event('first-buffer', pad='audio_0')
    let_pass(1)
    before = received(viewer)
    let_pass(2)
    check_at_most(received(viewer) - before, 30, 'packets in 2 s of silence')
    sender.tell('set a wave white-noise')
    wait_until(lambda: received(viewer) > before + 75, 'sound again')
    check_at_least(len(bench.wait_published('alice', 1)), 1, 'tracks')
    sender.end()
    viewer.close()
