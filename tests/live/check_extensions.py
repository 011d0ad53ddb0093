# SPDX-License-Identifier: LGPL-2.1-or-later
"""RTP header extensions that the server acts on."""

from harness import check_at_least, check_equal, in_long_runs, let_pass


def test_speakers(bench):
    """Opus that was encoded with GstAudioLevelMeta: the server tells who speaks, and nothing of one without it."""
    bench.start_server()
    listener = bench.launch('listener', bench.element('src', 'bob', name='s'), '--watch=s', '--branch=s=fakesink')
    listener.wait_event('livekit-connection', state='connected')
    tone = 'audiotestsrc is-live=true wave=sine volume=0.8 ! %sopusenc ! %s'
    loud = bench.launch('loud', tone % ('level audio-level-meta=true ! ', bench.element('sink', 'loud')))
    silent = bench.launch('silent', tone % ('', bench.element('sink', 'silent')))
    bench.wait_published('silent', 1)
    line = listener.wait_event('livekit-speakers')
    let_pass(2)
    texts = [str(line) for line in listener.events('livekit-speakers')]
    check_at_least(sum('loud' in text for text in texts), 1, 'messages that name the speaker')
    check_equal(sum('silent' in text for text in texts), 0, 'messages that name who tells no level')
    bench.note('%s', line.get('speakers'))
    for launch in (listener, loud, silent):
        launch.end()


def speaks(bench, encoder, **settings):
    """Audio without GstAudioLevelMeta on a pad that measures: the server says that it is loud, and not the one beside it."""
    bench.start_server()
    listener = bench.launch('listener', bench.element('src', 'bob', name='s'), '--watch=s', '--branch=s=fakesink')
    listener.wait_event('livekit-connection', state='connected')
    settings = ' '.join('audio_0::%s=%s' % pair for pair in dict(settings, measure_level='true').items()).replace('measure_level', 'measure-level')
    launches = [listener]
    for name, volume in (('quiet', 0), ('loud', 0.8)):
        launches.append(bench.launch(name, 'audiotestsrc is-live=true wave=sine volume=%s ! %s ! %s %s' % (
            volume, encoder, bench.element('sink', name), settings)))
    line = listener.wait_event('livekit-speakers')
    let_pass(2)
    texts = [str(line) for line in listener.events('livekit-speakers')]
    check_at_least(sum('loud' in text for text in texts), 1, 'messages that name the speaker')
    check_equal(sum('quiet' in text for text in texts), 0, 'messages that name who is silent')
    bench.note('%s', line.get('speakers'))
    for launch in launches:
        launch.end()


def test_speakers_measured(bench):
    """Opus that says nothing of its level."""
    speaks(bench, 'opusenc')


@in_long_runs
def test_speakers_measured_red(bench):
    """The same with RED."""
    speaks(bench, 'opusenc', red='true')


@in_long_runs
def test_speakers_measured_pcmu(bench):
    """PCMU."""
    speaks(bench, 'audio/x-raw,rate=8000,channels=1 ! mulawenc')
