# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time: sound and picture of one participant, and what the receiver knows of when they were captured."""

from harness import check, check_at_least, check_at_most, percentile, wait_until

# Each frame has a number, each beep a time of its own at the source: so every frame is a flash.
RAW = 'videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=180,framerate=30/1'
BEEPS = ('audiotestsrc is-live=true wave=ticks freq=1000 sine-periods-per-tick=40 tick-interval=500000000 volume=0.8 '
         'samplesperbuffer=480 ! audio/x-raw,format=S16LE,rate=48000,channels=1')
# Looks some frames ahead, as encoders do that are not told to hurry.
SLOW = 'x264enc bframes=0 speed-preset=ultrafast rc-lookahead=8 sync-lookahead=0 threads=1 key-int-max=60 bitrate=500'
LEAST_BEEPS = 20


def publisher(bench, identity='alice', raw=RAW, encoder=SLOW, name='publisher', more='', options=(), debug=None):
    text = '%s ! identity name=p ! queue ! %s ! %s %s ! identity name=b ! queue ! opusenc frame-size=20 ! k.audio_0 %s' % (
        raw, encoder, bench.element('sink', identity, name='k'), BEEPS, more)
    return bench.launch(name, text, '--watch=k', '--paint=p', '--beep=b', *options, debug=debug)


def receiver(bench, of='alice', identity='bob', debug=None, **properties):
    text = ('%s s.video_0 ! queue ! avdec_h264 ! videoconvert ! video/x-raw,format=I420 ! identity name=r ! '
            'fakesink sync=false s.audio_0 ! queue ! opusdec ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! '
            'identity name=h ! fakesink sync=false' % bench.element('src', identity, name='s', tracks=of, **properties))
    return bench.launch('receiver', text, '--watch=s', '--read=r', '--beep=h', debug=debug)


def offsets(sender, watcher):
    """By how many ms each beep comes after its picture, in media time, with the time of the source in s."""
    painted = {line['number']: line['pts'] for line in sender.events('painted')}
    frames = sorted((painted[line['number']], line['pts']) for line in watcher.events('frame')
                    if line['number'] in painted)
    beeps = [line['pts'] for line in sender.events('beep')]
    heard = [line['pts'] for line in watcher.events('beep')]
    found, index = [], 0
    if not frames or not beeps or not heard:
        return found
    # Beeps look alike; they are half a second apart, and what is measured is far less than half of that.
    start = frames[len(frames) // 2]
    for pts in heard:
        if pts < frames[0][1]:
            continue
        at_source = min(beeps, key=lambda beep: abs(beep - (pts - start[1] + start[0])))
        while index + 1 < len(frames) and frames[index + 1][0] <= at_source:
            index += 1
        source, shown = frames[index]
        if abs(source - at_source) < 5e8:
            found.append((at_source / 1e9, ((pts - at_source) - (shown - source)) / 1e6))
    return found


def capture_errors(sender, watcher):
    """By how many ms the capture times of pictures are wrong."""
    captured = {line['number']: line['captured'] for line in sender.events('painted')}
    return [(line['captured'] - captured[line['number']]) / 1000 for line in watcher.events('frame')
            if line['captured'] and line['number'] in captured]


def test_lip_sync(bench):
    """Sound and picture come out together although the encoder holds pictures back, and buffers know when they were captured."""
    bench.start_server()
    # A jitter buffer that does not begin anew when this machine has other things to do.
    watcher = receiver(bench, add_reference_timestamp_meta='true', latency=600)
    watcher.wait_event('livekit-connection', state='connected')
    sender = publisher(bench)
    wait_until(lambda: len(offsets(sender, watcher)) >= LEAST_BEEPS + 8, 'enough beeps', 60, every=0.2)
    found = [ms for _, ms in offsets(sender, watcher)]
    bench.note('sound after picture: first %.0f ms, then %.0f to %.0f ms, median %.0f ms', found[0], min(found[8:]),
               max(found[8:]), percentile(found[8:], 0.5))
    check_at_most(max(map(abs, found[8:])), 40, 'ms between sound and picture')
    errors = capture_errors(sender, watcher)
    check_at_least(len(errors), 100, 'pictures with a capture time')
    bench.note('capture times are wrong by %.1f to %.1f ms', min(errors), max(errors))
    check_at_most(max(map(abs, errors)), 20, 'ms that capture times are wrong by')
    check(all(line['captured'] for line in watcher.events('beep')[8:]), 'a beep without a capture time')
    bench.note('held back: %s', watcher.get('s', 'audio_0::stats'))
    watcher.end()
    sender.end()


def test_capture_time_by_reports(bench):
    """Sender reports, which is all that v0 has, are about the capture, whatever latency the pipeline has."""
    bench.start_server()
    bench.start_v0_proxy()
    watcher = receiver(bench, add_reference_timestamp_meta='true', latency=600)
    watcher.wait_event('livekit-connection', state='connected')
    sender = publisher(bench, more='videotestsrc is-live=true ! identity name=q ! fakesink sync=true',
                       options=['--declare=q'])
    wait_until(lambda: len(capture_errors(sender, watcher)) >= 100, 'pictures with a capture time', 60, every=0.2)
    errors = capture_errors(sender, watcher)
    bench.note('capture times are wrong by %.1f to %.1f ms', min(errors), max(errors))
    check_at_most(abs(percentile(errors, 0.5)), 100, 'ms that capture times are wrong by')
    watcher.end()
    sender.end()
