# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the server does to a room or a participant, TURN, and pads that come and go while the connection is lost."""

import os
import random
import subprocess

from serve import mint_token
from harness import check, check_equal, let_pass, wait_until
from netbench import KEY, SECRET, SERVER_HOST
from pipelines import AUDIO, ENCODERS, RAW, publish, receive


def ended(bench, request, reason):
    server = bench.start_server()
    sender = publish(bench)
    watcher = receive(bench)
    bench.wait_frames(watcher, 30)
    server.api(request, room=bench.room, **({} if request == 'DeleteRoom' else {'identity': 'alice'}))
    line = sender.wait_event('error')
    check_equal(line.get('reason'), reason, 'reason of the error')
    sender.wait()
    return server, watcher


def test_t15_room_deleted(bench):
    """T15: DeleteRoom: the sink ends with room-deleted, the src with EOS and no error; the room is not made again."""
    server, watcher = ended(bench, 'DeleteRoom', 'room-deleted')
    watcher.wait_event('eos')
    check_equal(watcher.events('error'), [], 'errors of livekitsrc')
    let_pass(3)
    check_equal(server.api('ListRooms').get('rooms', []), [], 'rooms')


def test_t16_participant_removed(bench):
    """T16: RemoveParticipant: an error with reason removed, no retry."""
    server, watcher = ended(bench, 'RemoveParticipant', 'removed')
    let_pass(3)
    check('alice' not in server.participants(bench.room), 'the removed one is back')
    check_equal(watcher.events('error'), [], 'errors of the other')


def test_t13_token_expires(bench):
    """T13: a token of 30 s is long over when the websocket is cut: the refreshed one resumes, the same session goes on."""
    server = bench.start_server()
    proxy = bench.start_proxy()
    token = mint_token(KEY, SECRET, bench.room, 'alice', valid_for=30)
    sender = publish(bench, token=token)
    bench.wait_published('alice', 2)
    before = server.participants(bench.room)['alice']['sid']
    let_pass(100)
    count = proxy.count
    for connection in proxy.websockets():
        connection.cut()
    wait_until(lambda: proxy.count > count and sender.events('livekit-connection')[-1]['state'] == 'connected', 'connected')
    check_equal(server.participants(bench.room)['alice']['sid'], before, 'the session')
    check_equal(sender.events('error'), [], 'errors')
    sender.end()


def over_turn(bench, turn, **properties):
    """Media between our elements when the server's TURN is the only way."""
    bench.start_server({'turn': dict(turn, enabled=True, allow_restricted_peer_cidrs=['10.77.0.0/24'])})
    bench.drop_udp()
    sender = publish(bench, ice_transport_policy='relay', **properties)
    watcher = receive(bench, ice_transport_policy='relay', **properties)
    clock = bench.wait_frames(watcher, 30, 40)
    bench.figure('first media after', clock.frames[0][0] - watcher.wait_event('start')['t'] / 1e6, 's', limit=10)
    return sender, watcher


def test_t10_turn_only(bench):
    """T10: only the server's TURN is reachable, relay policy: media over the relay."""
    sender, _ = over_turn(bench, {'domain': SERVER_HOST, 'udp_port': 3478})
    sender.end()


def test_t10_turn_over_tls(bench):
    """T10: TURN over TLS alone, with an authority of its own."""
    certificate, key = bench.temporary / 'turn.pem', bench.temporary / 'turn.key'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days',
                    '2', '-subj', '/CN=turn', '-addext', 'subjectAltName=IP:%s' % SERVER_HOST, '-keyout', key, '-out',
                    certificate], capture_output=True, check=True)
    # The server tells port 443, whatever it listens on.
    sender, watcher = over_turn(bench, {'domain': SERVER_HOST, 'tls_port': 443, 'cert_file': str(certificate),
                                        'key_file': str(key)}, tls_ca_file=str(certificate))
    for launch in (sender, watcher):
        log = (bench.folder / (launch.name + '.gst.log')).read_text(errors='replace')
        check('tlsrelay: connecting host=' + SERVER_HOST in log, '%s: nothing went through the TLS relay', launch.name)
    sender.end()


def test_t20_pads_while_reconnecting(bench):
    """T20: pads are requested and released at random while the server dies and websockets are cut (T20_SEED)."""
    bench.start_server()
    proxy = bench.start_proxy()
    seed = int(os.environ.get('T20_SEED', random.randrange(10 ** 6)))
    bench.note('T20_SEED=%d', seed)
    chance = random.Random(seed)
    count = 200 if bench.long else 40
    text = '%s ! %s ! tee name=vt %s ! tee name=at %s' % (RAW, ENCODERS['vp8'], AUDIO, bench.element('sink', 'alice', name='k'))
    text += ' vt. ! queue leaky=downstream ! k.video_0 at. ! queue leaky=downstream ! k.audio_0'
    sender = bench.launch('publisher', text, '--watch=k')
    sender.wait_event('livekit-connection', state='connected')
    held = []
    for number in range(count):
        if number % 20 == 10:
            bench.kill_server()
            bench.server_again()
        elif chance.random() < 0.2:
            for connection in proxy.websockets():
                connection.cut()
        if held and chance.random() < 0.5:
            sender.tell('release k %s' % held.pop(chance.randrange(len(held))))
        elif len(held) < 6:
            kind = chance.choice(('video', 'audio'))
            name = '%s_%d' % (kind, number + 1)
            sender.tell('request k %s %st' % (name, kind[0]))
            held.append(name)
        let_pass(chance.random() * 0.3)
    wanted = sorted(['video_0', 'audio_0'] + held)
    wait_until(lambda: sorted(track['name'] for track in bench.server.participants(bench.room).get('alice', {}).get(
        'tracks', [])) == wanted, 'the server lists %s' % wanted, 30, every=0.2)
    check_equal(sender.events('error'), [], 'errors')
    sender.end()
