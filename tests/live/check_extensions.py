# SPDX-License-Identifier: LGPL-2.1-or-later
"""RTP header extensions that the server acts on."""

from harness import check_at_least, check_equal, let_pass


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
