# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the room says of itself and of participants, and what we say of ourselves."""

from harness import check, check_equal, in_long_runs, wait_until

TONE = 'audiotestsrc is-live=true wave=silence ! opusenc bitrate=6000 ! '


def watcher(bench, identity='bob', **properties):
    launch = bench.launch(identity, bench.element('src', identity, name='s', **properties), '--watch=s',
                          '--branch=s=fakesink', '--stay')
    launch.wait_event('livekit-connection', state='connected')
    return launch


def wait_text(launch, event, text, **fields):
    """Waits for a message that shows a text; returns it."""
    return launch.wait_line(lambda line: line.get('event') == event and text in str(line) and all(
        line.get(key.replace('_', '-')) == value for key, value in fields.items()), '%s with %s' % (event, text))


def test_participant_facts(bench):
    """Name, metadata and attributes, set while playing by the publisher and by the server, reach everybody, ourselves too."""
    server = bench.start_server()
    bob = watcher(bench)
    alice = bench.launch('alice', TONE + bench.element('sink', 'alice', name='k'), '--watch=k')
    bench.wait_published('alice', 1)
    alice.tell('set k participant-name Alice')
    alice.tell('set k participant-metadata seat=4')
    alice.tell('set k participant-attributes <(string)colour,(string)red>')
    for text in ('Alice', 'seat=4', 'colour'):
        wait_text(bob, 'livekit-participant', text, identity='alice', action='updated', local=False)
        wait_text(alice, 'livekit-participant', text, identity='alice', action='updated', local=True)
    server.api('UpdateParticipant', room=bench.room, identity='bob', metadata='from the server', name='Bob')
    wait_text(bob, 'livekit-participant', 'from the server', identity='bob', local=True)
    wait_text(alice, 'livekit-participant', 'from the server', identity='bob', local=False)
    alice.end()
    bob.wait_event('livekit-participant', identity='alice', action='left')
    bob.end()


def test_room_facts(bench):
    """Metadata of the room, our own rights and who records, as messages and in room-info."""
    server = bench.start_server()
    bob = watcher(bench)
    server.api('UpdateRoomMetadata', room=bench.room, metadata='agenda-7')
    wait_text(bob, 'livekit-room', 'agenda-7')
    check('agenda-7' in bob.get('s', 'room-info'), 'no metadata in room-info')
    server.api('UpdateParticipant', room=bench.room, identity='bob', permission={
        'canSubscribe': True, 'canPublish': False, 'canPublishData': False})
    line = wait_text(bob, 'livekit-room', 'can-publish')
    check_equal((line['can-publish'], line['can-subscribe'], line['can-publish-data']), (False, True, False), 'our rights')
    check('can-publish=(boolean)false' in bob.get('s', 'room-info').replace('\\', ''), 'other rights in room-info')
    recorder = bench.launch('recorder', bench.element('src', 'recorder', name='s', token=bench.token(
        'recorder', recorder=True, hidden=True)), '--watch=s')
    wait_until(lambda: bob.events('livekit-room', active_recording=True), 'the room tells that it is recorded')
    check('active-recording=(boolean)true' in bob.get('s', 'room-info').replace('\\', ''), 'no recording in room-info')
    late = watcher(bench, 'late')
    check('active-recording=(boolean)true' in late.get('s', 'room-info').replace('\\', ''), 'not told at the join')
    for launch in (late, recorder):
        launch.end()
    wait_until(lambda: bob.events('livekit-room', active_recording=False)[-1]['t'] > bob.events(
        'livekit-room', active_recording=True)[-1]['t'], 'the room tells that the recording has ended')
    bob.end()


def test_refused_update(bench):
    """A token that does not allow it: a warning, not silence."""
    bench.start_server()
    token = bench.token('alice', canUpdateOwnMetadata=False)
    alice = bench.launch('alice', TONE + bench.element('sink', 'alice', name='k', token=token), '--watch=k')
    bench.wait_published('alice', 1)
    alice.tell('set k participant-name Mallory')
    warning = alice.wait_event('warning')
    check('name, metadata or attributes' in warning['text'] + warning['debug'], 'another warning: %s', warning)
    alice.end()


@in_long_runs
def test_connection_quality(bench):
    """The server tells how everybody's connection does, ours by its identity."""
    bench.start_server()
    bob = watcher(bench)
    alice = bench.launch('alice', TONE + bench.element('sink', 'alice', name='k'), '--watch=k')
    wait_until(lambda: bob.events('livekit-quality', identity='alice', local=False), 'the quality of alice', 60)
    wait_until(lambda: alice.events('livekit-quality', identity='alice', local=True), 'her own', 60)
    bench.note('%s', bob.events('livekit-quality')[0])
    alice.end()
    bob.end()
