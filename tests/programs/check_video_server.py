# SPDX-License-Identifier: LGPL-2.1-or-later
"""The video server: the Go server's kind of configuration, restarts, recordings, settings that cannot work."""

import os
import signal
import subprocess

from cctvbench import MediaMtx
from harness import check, check_at_least, check_equal, let_pass, wait_until
from programs import ROOT, Program, TokenServer, ask, free_port, metrics, wait_up

CAMERA = 'videotestsrc is-live=true pattern=ball ! video/x-raw,width=%d,height=%d,framerate=15/1'
MICROPHONE = 'audiotestsrc is-live=true wave=sine freq=440'
RTP_VIDEO = '''appsrc name=source emit-signals=true is-live=true block=true do-timestamp=true format=time
  ! application/x-rtp, encoding-name=(string)VP8, payload=(int)96
  ! queue
  ! rtpjitterbuffer latency=150 max-dropout-time=200
  ! queue
  ! rtpvp8depay
  ! vp8dec
  ! videoconvert
  ! %s'''
RTP_AUDIO = '''appsrc name=source emit-signals=true is-live=true block=true do-timestamp=true format=time
  ! application/x-rtp, encoding-name=(string)OPUS, payload=(int)111,clock-rate=48000
  ! rtpopusdepay
  ! opusdec
  ! audioresample
  ! audioconvert
  ! %s'''

# The five pipelines of the Go server's sample, devices replaced by test sources and files.
FIVE = '''TOKEN_SERVER: 127.0.0.1:{token_port}
LIVEKIT_SERVER: {url}
ROOM_ID: {room}
CLIENT_ID: room-b
RECEIVER_VIDEO_ID: room-a-0
RECEIVER_AUDIO_ID: room-a-1
# pipelines:
PIPELINES: 5
# sending pipelines:
PIPELINE_3: >
  {microphone}
  ! audiorate
  ! audioconvert
  ! opusenc
  ! appsink emit-signals=true name=sink
# single pipeline:
PIPELINE_1: >
  {camera}
  ! videoconvert
  ! vp8enc target-bitrate=1500000 keyframe-max-dist=120 deadline=1
  ! appsink emit-signals=true name=sink
# simulcast pipeline:
PIPELINE_2: >
  {large_camera}
  ! queue
  ! tee name=t
  t.
  ! queue
  ! videoconvert
  ! vp8enc target-bitrate=1500000 keyframe-max-dist=120 deadline=1
  ! appsink emit-signals=true name=sink_h
  t.
  ! queue
  ! videoconvert
  ! videoscale
  ! video/x-raw,width=1080,height=720
  ! vp8enc target-bitrate=1000000 keyframe-max-dist=120 deadline=1
  ! appsink emit-signals=true name=sink_m
  t.
  ! queue
  ! videoconvert
  ! videoscale
  ! video/x-raw,width=320,height=240
  ! vp8enc target-bitrate=500000 keyframe-max-dist=120 deadline=1
  ! appsink emit-signals=true name=sink_l
# receiving pipelines:
# video pipeline:
PIPELINE_0: >
  {rtp_video}
# audio pipeline:
PIPELINE_4: >
  {rtp_audio}
'''


def video_server(bench, text, *arguments, label='livekit-video-server', **variables):
    """The program; what is alive when it ends is found by the bench's look at the logs."""
    return Program(bench, 'video-server', 'livekit-video-server', text, *arguments, label=label, GST_TRACERS='leaks',
                   GST_DEBUG='GST_TRACER:7', GST_DEBUG_FILE=str(bench.folder / (label + '.gst.log')), **variables)


def settings(bench, *pipelines, **more):
    """A configuration with keys of its own and pipelines from 0 on."""
    lines = {'LIVEKIT_SERVER': bench.url, 'LIVEKIT_API_KEY': 'devkey', 'LIVEKIT_API_SECRET': 'secret',
             'ROOM_ID': bench.room, 'CLIENT_ID': 'server', 'PIPELINES': len(pipelines), **more}
    lines.update({'PIPELINE_%d' % number: text for number, text in enumerate(pipelines)})
    return ''.join('%s: "%s"\n' % (name, str(value).replace('\\', '\\\\').replace('"', '\\"'))
                   for name, value in lines.items())


def tracks_of(browser):
    return {track['name']: track for track in browser.call('measure')['tracks']}


def test_video_server_go_browser(bench):
    """The Go server's five pipelines, simulcast among them: Chromium sees all; his tracks are played and recorded."""
    server = bench.start_server()
    tokens = TokenServer(bench)
    record, sound = bench.temporary / 'record.mkv', bench.temporary / 'sound.wav'
    text = FIVE.format(
        token_port=tokens.port, url=bench.url, room=bench.room, microphone=MICROPHONE, camera=CAMERA % (640, 480),
        large_camera=CAMERA % (1280, 720),
        rtp_video=RTP_VIDEO % ('vp8enc deadline=1 cpu-used=16 ! matroskamux ! filesink sync=true location=%s' % record),
        rtp_audio=RTP_AUDIO % ('wavenc ! filesink sync=true location=%s' % sound))
    browser = bench.browser()
    program = video_server(bench, text, 'serve', HTTP_LISTEN='127.0.0.1:0')
    bench.wait_published('room-b', 3)
    check_equal(tokens.asked[0], {'room': [bench.room], 'identity': ['room-b']}, 'what the token server is asked')
    layers = [sorted((layer.get('width'), layer.get('height')) for layer in track['layers'])
              for track in server.participants(bench.room)['room-b']['tracks'] if track.get('simulcast')]
    check_equal(layers, [[(320, 240), (1080, 720), (1280, 720)]], 'layers that the server lists')

    browser.call('join', bench.url, bench.token('chromium'))
    wait_until(lambda: {'room-b-1', 'room-b-2', 'room-b-3'} <= set(tracks_of(browser)), 'Chromium has all tracks')
    for name in ('room-b-1', 'room-b-2'):
        wait_until(lambda name=name: tracks_of(browser)[name].get('frames', 0) > 30, 'Chromium shows ' + name)
    wait_until(lambda: tracks_of(browser)['room-b-3'].get('energy', 0) > 0, 'Chromium hears room-b-3')
    browser.call('quality', 'LOW')
    wait_until(lambda: tracks_of(browser)['room-b-2'].get('width') == 320, 'Chromium shows the small layer')
    browser.call('screenshot', str(bench.folder / 'browser.png'))

    browser.call('publish', {'name': 'room-a-0', 'audio': False})
    browser.call('publish', {'name': 'room-a-1', 'video': False})
    program.wait_printed('the track room-a-0 is there')
    program.wait_printed('the track room-a-1 is there')
    port = program.wait_port()
    url = 'http://127.0.0.1:%d/' % port
    name = 'video_server_pipeline_buffers_total{pipeline="PIPELINE_%d",direction="receive"}'
    wait_until(lambda: min(metrics(url + 'metrics')[name % number] for number in (0, 4)) > 200, 'RTP packets are played')
    check_equal(ask(url + 'ready')[0], 200, 'ready')
    browser.call('unpublish')
    program.wait_printed(': ended', 2)
    program.stop()
    check_received(bench, record, sound)
    wait_until(lambda: not set(tracks_of(browser)) & {'room-b-1', 'room-b-2', 'room-b-3'}, 'the tracks are gone')


def check_received(bench, record, sound):
    video = bench.probe_file(record)
    n_frames = len(video['times'][0])
    bench.note('recorded %d frames of %sx%s, %.1f s of sound', n_frames, video['streams'][0]['width'],
               video['streams'][0]['height'], len(bench.probe_file(sound)['times'][0]) and
               float(bench.probe_file(sound)['format']['duration']))
    check_at_least(n_frames, 20, 'frames in the recording')
    check_at_least(float(bench.probe_file(sound)['format']['duration']), 1, 'seconds of sound')


def test_video_server_short_form(bench):
    """Pipelines with open ends: H.264 sent, copied into Matroska, a new file each time; sound that is decoded."""
    bench.start_server()
    sender = video_server(bench, settings(
        bench, CAMERA % (320, 240) + ' ! x264enc tune=zerolatency key-int-max=600', MICROPHONE + ' ! opusenc',
        CLIENT_ID='alice'), label='sender')
    bench.wait_published('alice', 2)
    receiver = video_server(bench, settings(
        bench, 'h264parse ! matroskamux ! filesink location=%s/video-{time}.mkv' % bench.temporary,
        'decodebin ! audioconvert ! wavenc ! filesink location=%s/audio.wav' % bench.temporary,
        RECEIVER_VIDEO_ID='alice/alice-0', RECEIVER_AUDIO_ID='alice-1', CLIENT_ID='bob'),
        HTTP_LISTEN='127.0.0.1:0', label='receiver')
    name = 'video_server_pipeline_buffers_total{pipeline="PIPELINE_%d",direction="receive"}'
    port = receiver.wait_port()
    wait_up('http://127.0.0.1:%d/health' % port)

    def flow(number):
        return metrics('http://127.0.0.1:%d/metrics' % port)[name % number]
    wait_until(lambda: flow(0) > 45 and flow(1) > 100, 'both tracks are received')
    sender.stop()
    receiver.wait_printed('PIPELINE_0: ended')
    sender = video_server(bench, settings(bench, CAMERA % (320, 240) + ' ! x264enc tune=zerolatency key-int-max=600',
                                          CLIENT_ID='alice'), label='sender-again')
    receiver.wait_printed('PIPELINE_0: starts', 2)
    before = flow(0)
    wait_until(lambda: flow(0) > before + 30, 'the track is received again')
    receiver.stop()
    sender.stop()
    files = sorted(bench.temporary.glob('video-*.mkv'))
    check_equal(len(files), 2, 'files')
    for file in files:
        info = bench.probe_file(file)
        bench.note('%s: %d frames', file.name, len(info['times'][0]))
        check_equal(info['streams'][0]['codec_name'], 'h264', 'codec')
        check_at_least(len(info['times'][0]), 25, 'frames')
    check_at_least(float(bench.probe_file(bench.temporary / 'audio.wav')['format']['duration']), 1, 'seconds of sound')


def test_video_server_restarts_alone(bench):
    """A camera that breaks: its track is muted, its pipeline starts again and again; the other one goes on."""
    bench.start_server()
    device = bench.temporary / 'camera.mkv'
    subprocess.run(['gst-launch-1.0', '-q', 'videotestsrc', 'num-buffers=60', '!',
                    'video/x-raw,width=160,height=120,framerate=30/1', '!', 'vp8enc', 'deadline=1', '!', 'matroskamux',
                    '!', 'filesink', 'location=%s.new' % device], check=True)
    program = video_server(bench, settings(
        bench, CAMERA % (320, 240) + ' ! vp8enc deadline=1',
        'filesrc location=%s ! matroskademux ! appsink name=sink' % device), HTTP_LISTEN='127.0.0.1:0')
    bench.wait_published('server', 1)
    program.wait_printed('PIPELINE_1: filesrc')
    port = program.wait_port()
    url = 'http://127.0.0.1:%d/' % port

    def value(name, labels):
        return metrics(url + 'metrics')['video_server_%s{%s}' % (name, labels)]
    wait_until(lambda: ask(url + 'ready')[::2] == (503, 'PIPELINE_1 is broken\n'), 'it is not ready')
    check_equal(value('pipeline_restarts_total', 'pipeline="PIPELINE_0"'), 0, 'restarts of the other one')
    device.with_name(device.name + '.new').rename(device)
    bench.wait_published('server', 2, 60)

    def muted():
        tracks = bench.server.participants(bench.room)['server']['tracks']
        return {track['name']: track.get('muted', False) for track in tracks}
    # the file comes to its end: that is broken, too
    wait_until(lambda: muted() == {'server-0': False, 'server-1': True}, 'the broken track is muted')
    wait_until(lambda: muted() == {'server-0': False, 'server-1': False}, 'the track is back', 60)
    check_equal(value('pipeline_restarts_total', 'pipeline="PIPELINE_0"'), 0, 'restarts of the other one')
    check_at_least(value('layer_frames_total', 'pipeline="PIPELINE_0",track="server-0",layer="0"'), 1, 'frames sent')
    program.stop()


def test_video_server_stuck(bench):
    """A source that hangs: it holds up neither HTTP, nor another pipeline, nor the end of the program."""
    bench.url = 'ws://127.0.0.1:1'
    device = bench.temporary / 'device'
    os.mkfifo(device)
    program = video_server(bench, settings(
        bench, MICROPHONE + ' ! opusenc',
        'filesrc location=%s ! fakesink async=false %s ! identity error-after=5 ! vp8enc deadline=1 ! appsink name=sink'
        % (device, CAMERA % (160, 120))), HTTP_LISTEN='127.0.0.1:0')
    port = program.wait_port()
    url = 'http://127.0.0.1:%d/' % port

    def check_goes_on():
        before = metrics(url + 'metrics')['video_server_pipeline_buffers_total{pipeline="PIPELINE_0",direction="send"}']
        wait_until(lambda: metrics(url + 'metrics')['video_server_pipeline_buffers_total{pipeline="PIPELINE_0",'
                                                    'direction="send"}'] > before + 20, 'sound goes on')
    # opened by nobody else: it hangs in its start
    program.wait_printed('PIPELINE_1: starts')
    wait_up(url + 'health')
    check_goes_on()
    check_equal(ask(url + 'ready')[::2], (503, 'not in the room, PIPELINE_1 is starting\n'), 'ready')
    # with nothing in it: it hangs when it breaks
    with open(device, 'r+b', buffering=0):
        program.wait_printed('PIPELINE_1: does not end; starts again when it has')
        check_goes_on()
        check_equal(ask(url + 'ready')[::2], (503, 'not in the room, PIPELINE_1 is broken\n'), 'ready')
        check_equal(program.printed().count('PIPELINE_1: starts'), 1, 'starts')
    # its writer has gone: it ends, starts again, and hangs in that once more
    program.wait_printed('PIPELINE_1: starts', 2)
    check_goes_on()
    program.process.send_signal(signal.SIGTERM)
    check_equal(program.wait_end(), 1, 'exit code')
    check('PIPELINE_1: does not end\n' in program.printed(), 'it is not told')


def test_video_server_stuck_at_end(bench):
    """A source that hangs while it runs, and the program is to end: what else it records is whole."""
    bench.url = 'ws://127.0.0.1:1'
    device, file = bench.temporary / 'device', bench.temporary / 'own.mp4'
    os.mkfifo(device)
    with open(device, 'r+b', buffering=0):
        program = video_server(bench, settings(
            bench, CAMERA % (160, 120) + ' ! x264enc tune=zerolatency key-int-max=15 ! h264parse ! tee name=t '
            't. ! queue ! mp4mux ! filesink location=%s t. ! queue ! appsink name=sink' % file,
            'filesrc location=%s ! fakesink async=false %s ! vp8enc deadline=1 ! appsink name=sink'
            % (device, CAMERA % (160, 120))),
            HTTP_LISTEN='127.0.0.1:0')
        port = program.wait_port()
        wait_up('http://127.0.0.1:%d/health' % port)
        name = 'video_server_pipeline_buffers_total{pipeline="PIPELINE_%d",direction="send"}'
        wait_until(lambda: min(metrics('http://127.0.0.1:%d/metrics' % port)[name % number] for number in (0, 1)) > 20,
                   'both send', 60)
        program.process.send_signal(signal.SIGTERM)
        check_equal(program.wait_end(), 1, 'exit code')
    printed = program.printed()
    for text in ('PIPELINE_0: ended\n', 'PIPELINE_1: does not end; stopped\n', 'PIPELINE_1: does not end\n'):
        check(text in printed, 'not told: %s in\n%s', text, printed)
    check_at_least(len(bench.probe_file(file)['times'][0]), 15, 'frames of the file')


def test_video_server_no_start_at_the_end(bench):
    """While the program ends, a track goes and another one could take its place: nothing begins any more."""
    bench.start_server()
    device = bench.temporary / 'device'
    os.mkfifo(device)
    publish = 'videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=15/1 ! vp8enc deadline=1 ! '
    with open(device, 'r+b', buffering=0):
        program = video_server(bench, settings(
            bench, 'vp8dec ! fakesink',
            'filesrc location=%s ! fakesink async=false %s ! vp8enc deadline=1 ! appsink name=sink'
            % (device, CAMERA % (160, 120)), RECEIVER_VIDEO_ID='*/video'))
        alice = bench.launch('alice', publish + bench.element('sink', 'alice'))
        program.wait_printed('the track */video is there')
        bob = bench.launch('bob', publish + bench.element('sink', 'bob'))
        bench.wait_published('bob', 1)
        program.process.send_signal(signal.SIGTERM)
        program.wait_printed('PIPELINE_0: ended')
        alice.end()
        program.wait_end()
        bob.end()
    check_equal(program.printed().count('PIPELINE_0: starts'), 1, 'starts')


def test_video_server_recordings(bench):
    """MP4 and segments of two tracks; a full disk breaks the third recording alone."""
    bench.start_server()
    encoder = ' ! x264enc tune=zerolatency key-int-max=15'
    video_server(bench, settings(bench, CAMERA % (320, 240) + encoder, CAMERA % (160, 120) + encoder,
                                 MICROPHONE + ' ! opusenc', CLIENT_ID='alice'), label='sender')
    program = video_server(bench, settings(
        bench, 'h264parse ! mp4mux ! filesink location=%s/whole.mp4' % bench.temporary,
        'h264parse ! splitmuxsink location=%s/part-%%02d.mp4 max-size-time=1000000000' % bench.temporary,
        'opusparse ! oggmux ! filesink buffer-mode=unbuffered location=/dev/full',
        RECEIVER_VIDEO_ID='alice-0,alice-1', RECEIVER_AUDIO_ID='alice-2'), HTTP_LISTEN='127.0.0.1:0')
    program.wait_printed('PIPELINE_2: filesink', 2)
    port = program.wait_port()
    url = 'http://127.0.0.1:%d/' % port
    name = 'video_server_pipeline_buffers_total{pipeline="PIPELINE_%d",direction="receive"}'
    wait_until(lambda: min(metrics(url + 'metrics')[name % number] for number in (0, 1)) > 60, 'two recordings', 60)
    wait_until(lambda: ask(url + 'ready')[2] == 'PIPELINE_2 is broken\n', 'it is told what is not ready', 60)
    program.stop()
    check_equal([program.printed().count('PIPELINE_%d: starts' % number) for number in (0, 1)], [1, 1], 'starts')
    files = [bench.temporary / 'whole.mp4', *sorted(bench.temporary.glob('part-*.mp4'))]
    frames = [len(bench.probe_file(file)['times'][0]) for file in files]
    bench.note('frames of the files: %s', frames)
    check_at_least(len(files), 3, 'files')
    check_at_least(frames[0], 55, 'frames of the whole')
    check_at_least(sum(frames[1:]), 55, 'frames of the parts')


def test_video_server_rtmp(bench):
    """A track goes on to an RTMP server and is played from there, also after that server was away."""
    bench.start_server()
    media = MediaMtx(bench, lambda port: {'live/yard': {}})
    video_server(bench, settings(bench, CAMERA % (320, 240) + ' ! x264enc tune=zerolatency key-int-max=15',
                                 CAMERA % (160, 120) + ' ! vp8enc deadline=1', CLIENT_ID='alice'), label='sender')
    url = 'rtmp://127.0.0.1:%d/live/yard' % media.rtmp_port
    program = video_server(bench, settings(
        bench, 'h264parse ! flvmux streamable=true ! rtmp2sink location=' + url, 'vp8dec ! fakesink',
        RECEIVER_VIDEO_ID='alice-0,alice-1'), HTTP_LISTEN='127.0.0.1:0')
    port = program.wait_port()

    def play():
        """Frames out of twenty that a player decodes, from the next key frame on."""
        done = subprocess.run(['ffmpeg', '-v', 'error', '-rw_timeout', '20000000', '-i', url, '-frames:v', '20',
                               '-f', 'framemd5', '-'], capture_output=True, text=True, timeout=60, check=False)
        return len([line for line in done.stdout.splitlines() if not line.startswith('#')])
    wait_until(lambda: play() == 20, 'twenty frames by RTMP', 60)
    media.kill()
    wait_until(lambda: ask('http://127.0.0.1:%d/ready' % port)[2] == 'PIPELINE_0 is broken\n', 'it is not ready', 60)
    media.start()
    wait_until(lambda: play() == 20, 'twenty frames by RTMP again', 60)
    check_equal(program.printed().count('PIPELINE_1: starts'), 1, 'starts of the other one')
    program.stop()


def test_video_server_records_what_it_sends(bench):
    """A pipeline that sends and writes a file as well: the file is whole after the end, also without a server."""
    bench.url = 'ws://127.0.0.1:1'
    file = bench.temporary / 'own.mp4'
    program = video_server(bench, settings(
        bench, CAMERA % (160, 120) + ' ! x264enc tune=zerolatency key-int-max=15 ! h264parse ! tee name=t '
        't. ! queue ! mp4mux ! filesink location=%s t. ! queue ! appsink name=sink' % file),
        HTTP_LISTEN='127.0.0.1:0')
    port = program.wait_port()
    wait_up('http://127.0.0.1:%d/health' % port)
    name = 'video_server_pipeline_buffers_total{pipeline="PIPELINE_0",direction="send"}'
    wait_until(lambda: metrics('http://127.0.0.1:%d/metrics' % port)[name] > 20, 'frames', 60)
    program.stop()
    check_at_least(len(bench.probe_file(file)['times'][0]), 15, 'frames of the file')


def test_video_server_without_caps(bench):
    """A pipeline that does not say what it sends: told, and tried again."""
    bench.url = 'ws://127.0.0.1:1'
    program = video_server(bench, settings(
        bench, 'fakesrc is-live=true do-timestamp=true sizetype=fixed datarate=50000 ! appsink name=sink'))
    program.wait_printed('PIPELINE_0: what comes does not say what it is')
    program.stop()


def test_video_server_waits_for_tokens(bench):
    """The token server and the server are down at boot: it waits, and joins when they come."""
    server = bench.start_server()
    server.end_process()
    token_port = free_port()
    text = settings(bench, MICROPHONE + ' ! opusenc', TOKEN_SERVER='http://127.0.0.1:%d/token' % token_port)
    text = ''.join(line + '\n' for line in text.splitlines() if 'API' not in line)
    program = video_server(bench, text)
    program.wait_printed('PIPELINE_0: starts')
    let_pass(1)
    check_equal(program.process.poll(), None, 'exit code without a token server')
    tokens = TokenServer(bench, token_port)
    wait_until(lambda: tokens.asked, 'it asks for a token', 60)
    let_pass(1)
    check_equal(program.process.poll(), None, 'exit code without a server')
    check(server.start_process(), 'the server starts')
    bench.wait_published('server', 1, 60)
    program.stop()


def test_video_server_removed(bench):
    """Thrown out of the room, it comes back with all its tracks, and receives again; its pipelines run on meanwhile."""
    bench.start_server()
    video_server(bench, settings(bench, CAMERA % (160, 120) + ' ! vp8enc deadline=1', CLIENT_ID='alice'),
                 label='sender')
    program = video_server(bench, settings(
        bench, CAMERA % (320, 240) + ' ! vp8enc deadline=1', MICROPHONE + ' ! opusenc',
        'vp8dec ! fakesink sync=true', RECEIVER_VIDEO_ID='alice-0'), HTTP_LISTEN='127.0.0.1:0')

    def sids():
        found = bench.server.participants(bench.room).get('server', {}).get('tracks', [])
        return {track['name']: track['sid'] for track in found}
    wait_until(lambda: set(sids()) == {'server-0', 'server-1'}, 'both tracks')
    program.wait_printed('PIPELINE_2: starts')
    before = sids()
    bench.server.api('RemoveParticipant', room=bench.room, identity='server')
    program.wait_printed('joins again in')
    wait_until(lambda: set(sids()) == set(before) and not set(sids().values()) & set(before.values()),
               'both tracks again', 60)
    program.wait_printed('PIPELINE_2: starts', 2)
    port = program.wait_port()
    url = 'http://127.0.0.1:%d/' % port
    wait_until(lambda: ask(url + 'ready')[0] == 200, 'it is ready again')
    values = metrics(url + 'metrics')
    restarts = 'video_server_pipeline_restarts_total{pipeline="PIPELINE_%d"}'
    check_equal([values[restarts % number] for number in range(2)], [0, 0], 'restarts of what sends')
    program.stop()


BAD = '''TOKEN_SERVER: 127.0.0.1:3030
LIVEKIT_API_KEY: devkey
LIVEKIT_SERVER: ftp://here
ROOM_ID:
HTTP_LISTEN: nowhere
PIPELINES: 5
PIPELINE_0: videotestsrc ! vp8encc deadline=1 ! appsink name=sink
PIPELINE_1: >
  audiotestsrc is-live=true
  ! opusenc bitrat=64000
PIPELINE_2: queue ! vp8dec ! fakesink
PIPELINE_3: videotestsrc ! fakesink
UNKNOWN: 1
'''


def test_video_server_bad_settings(bench):
    """All that is wrong with the settings is told at once, with lines and marks; exit code 2."""
    bench.url = 'ws://127.0.0.1:1'
    program = video_server(bench, BAD)
    check_equal(program.wait_end(), 2, 'exit code')
    printed = program.printed()
    file = str(bench.temporary / 'livekit-video-server.yaml')
    for text in (
            ':2: LIVEKIT_API_KEY is set, LIVEKIT_API_SECRET is not\n',
            ':3: LIVEKIT_SERVER: a host with its port, or a URL of ws or wss, is expected\n',
            ':4: ROOM_ID is not set: the room to join\n',
            ': CLIENT_ID is not set: the name to join it by\n',
            ':5: HTTP_LISTEN: "nowhere" is no address to listen on',
            ':6: PIPELINES: it is 5, but PIPELINE_4 is not set\n',
            ':7: PIPELINE_0: no element "vp8encc"\n    videotestsrc ! vp8encc deadline=1 ! appsink name=sink\n'
            '                   ^\n',
            ':8: PIPELINE_1: no property "bitrat" in element "opusenc"\n'
            '    audiotestsrc is-live=true ! opusenc bitrat=64000\n'
            '                                        ^\n',
            ':12: PIPELINE_3: it must have one end that meets the room',
            ': RECEIVER_VIDEO_ID: PIPELINE_2 receives video, but no track is named for it\n'):
        check(file + text in printed, 'not told: %s in\n%s', text, printed)
    check_equal(printed.count(file + ':'), 11, 'problems in\n' + printed)


def test_video_server_examples(bench):
    """The example of a configuration, and the pipelines of the documentation, can be read."""
    example = (ROOT / 'examples' / 'video-server' / 'livekit-video-server.yaml').read_text()
    text = (ROOT / 'docs' / 'video-server.md').read_text().split('```yaml\n')[1].split('```')[0]
    document = ('LIVEKIT_SERVER: h\nTOKEN_SERVER: h\nROOM_ID: a\nCLIENT_ID: b\n'
                'RECEIVER_VIDEO_ID: a,b,c,d\nPIPELINES: %d\n'
                % text.count('PIPELINE_') + text)
    for label, settings_text in (('example', example), ('document', document)):
        # alsasrc is in a package of its own, and --check looks for no device
        settings_text = settings_text.replace('alsasrc device=hw:0,0', 'audiotestsrc')
        program = video_server(bench, settings_text, '--check', label=label)
        check_equal(program.wait_end(), 0, 'exit code for the %s: %s' % (label, program.printed()))


def test_video_server_taken_port(bench):
    """A port that is taken is told, with exit code 1."""
    bench.start_server()
    program = video_server(bench, settings(bench, MICROPHONE + ' ! opusenc',
                                           HTTP_LISTEN='127.0.0.1:%d' % bench.server.port))
    check_equal(program.wait_end(), 1, 'exit code')
    check('HTTP_LISTEN: cannot listen on 127.0.0.1:%d' % bench.server.port in program.printed(), 'it does not say so')


def test_video_server_raw_is_refused(bench):
    """A pipeline without an encoder: told, and nothing else suffers."""
    bench.start_server()
    program = video_server(bench, settings(bench, MICROPHONE + ' ! opusenc',
                                           CAMERA % (320, 240) + ' ! appsink name=sink caps=video/x-raw'))
    program.wait_printed('PIPELINE_1: video/x-raw cannot be published: put an encoder in front of its end')
    bench.wait_published('server', 1)
    check('room: failed' not in program.printed(), 'the room failed')
    program.stop()
