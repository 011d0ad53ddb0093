# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long it takes to be there: join, first frame of one who joins, first frame of one who publishes, a 20th track."""

from harness import let_pass, wait_until
from peers import FEED, BenchPeer, Chromium, GoPeer, GStreamerPeer, Ours, wait_flowing
from stage import alternating, attempt

N_TRACKS = 20
# The server passes on one request for a key frame a second: who joins right after another would wait for that.
PAUSE = 1.5
# Joins begin everywhere between two key frames.
KEY_FRAMES_APART, GOLDEN = 2, 0.618


def milliseconds(end, start):
    return (end - start) * 1000


# Joining

class GStreamerJoiner:
    """Plays and stops in one process, as a program does that has been in rooms before."""

    def __init__(self, bench, peer, rooms, kind):
        self.peer = peer
        self.receiver = peer.receiver(bench, 1, rooms, kind)

    def join(self):
        after = self.receiver.play()
        start = self.receiver.event('playing', after)['t']
        first = self.receiver.event('first-received', after)['t']
        values = {'first': milliseconds(first, start)}
        if isinstance(self.peer, Ours):
            values['join'] = milliseconds(self.receiver.event('joined', after)['t'], start)
        self.receiver.stop()
        return values


class GoJoiner:
    def __init__(self, bench, peer, rooms, kind):
        self.caller, self.arguments = peer.start(bench, 'joiner'), peer.arguments(bench, rooms, 1)

    def join(self):
        [times] = self.caller.call('bench-receive', *self.arguments)
        first = wait_until(lambda: [track['first'] for track in self.caller.call('bench-tracks') if track['first']],
                           'the Go SDK receives', every=0.01)[0]
        self.caller.call('bench-leave')
        return {'first': milliseconds(first / 1e6, times['began'] / 1e6),
                'join': milliseconds(times['joined'] / 1e6, times['began'] / 1e6)}


class BrowserJoiner:
    """One page, which joins and leaves; a picture counts when it is shown."""

    def __init__(self, bench, peer, rooms, kind):
        self.bench, self.room = bench, rooms + '00'
        self.browser = bench.browser()

    def join(self):
        joined = self.browser.call('join', self.bench.url, self.bench.server.token(self.room, 'browser'))
        first = wait_until(lambda: [track['firstFrame'] for track in self.browser.call('measure')['tracks']
                                    if track.get('firstFrame')], 'Chromium shows a picture', every=0.05)[0]
        self.browser.call('leave')
        return {'first': first, 'join': joined['connected']}


def make_joiner(bench, peer, rooms, kind):
    if isinstance(peer, GStreamerPeer):
        return GStreamerJoiner(bench, peer, rooms, kind)
    if isinstance(peer, GoPeer):
        return GoJoiner(bench, peer, rooms, kind)
    return BrowserJoiner(bench, peer, rooms, kind)


def publishers(bench):
    """Rooms to join by what is in them: a publisher that answers key frame requests at once, one that has a key frame
    every two seconds, one of sound."""
    cases = 'video, key frame when asked', 'video, key frame every 2 s', 'audio'
    rooms = {case: bench.fresh_rooms() for case in cases}
    for room, options in zip(rooms.values(), (['--answer'], [], None)):
        peer = Ours().publish_tone(bench, room) if options is None else \
            Ours().publish_feed(bench, room, bench.clip, *options)
        after = peer.play()
        peer.event('published', after)
    return rooms


def join(bench, peers, times):
    """The first of each process is told apart: "cold"."""
    with bench.stage():
        for case, rooms in publishers(bench).items():
            with bench.stage():
                kind = 'audio' if case == 'audio' else 'video'
                able = [peer for peer in peers if kind == 'video' or not isinstance(peer, Chromium)]
                joiners = {peer: make_joiner(bench, peer, rooms, kind) for peer in able}
                for number in range(times + 1):
                    for peer in alternating(able, number):
                        join_once(bench, peer, joiners[peer], case, number)


def join_once(bench, peer, joiner, case, number):
    let_pass(PAUSE + KEY_FRAMES_APART * (number * GOLDEN % 1))
    attempt(bench, 'join, ' + case + ('' if number else ', cold'), peer, joiner.join, round=number)


# Publishing, to a subscriber of the Go SDK that waits in the room

class Watcher:
    def __init__(self, bench, rooms):
        peer = GoPeer()
        self.caller = peer.start(bench, 'watcher')
        self.caller.call('bench-receive', *peer.arguments(bench, rooms, 1))

    def first_after(self, seconds):
        """When the first frame came of a track that came after that time."""
        def first():
            return [track['first'] / 1e6 for track in self.caller.call('bench-tracks')
                    if track['first'] / 1e6 > seconds]
        return wait_until(first, 'the Go SDK receives', every=0.01)[0]


def publish_once_by(peer, running, watcher, arguments, file):
    if isinstance(peer, GoPeer):
        [times] = running.call('bench-answer', *arguments, str(file))
        values = {'published': milliseconds(times['done'] / 1e6, times['began'] / 1e6),
                  'first': milliseconds(watcher.first_after(times['began'] / 1e6), times['began'] / 1e6)}
        running.call('bench-leave')
        return values
    after = running.play()
    start = running.event('playing', after)['t']
    values = {'first': milliseconds(watcher.first_after(start), start)}
    if isinstance(peer, Ours):
        values['published'] = milliseconds(running.event('published', after)['t'], start)
    running.stop()
    return values


def first_frame(bench, peers, times):
    """From the start of a publisher, joining included, to the first frame at a subscriber. All answer key frame
    requests."""
    with bench.stage():
        running = {}
        for peer in peers:
            rooms = bench.fresh_rooms()
            publisher = peer.start(bench, 'publisher') if isinstance(peer, GoPeer) else \
                peer.publish_feed(bench, rooms, bench.clip, '--answer')
            arguments = peer.arguments(bench, rooms, 1) if isinstance(peer, GoPeer) else None
            running[peer] = publisher, Watcher(bench, rooms), arguments
        for number in range(times + 1):
            for peer in alternating(peers, number):
                let_pass(PAUSE)
                attempt(bench, 'first frame of a publisher' + ('' if number else ', cold'), peer,
                        lambda: publish_once_by(peer, *running[peer], bench.clip), round=number)


# A 20th track

def add_to_ours(bench, watcher, rooms):
    text = Ours().publishing(bench, FEED + ' ! tee name=t ! queue', rooms) + ' t. ! queue ! k.' * (N_TRACKS - 2)
    publisher = BenchPeer(bench, 'ours-twenty', text, '--feed', bench.small_clip, '--answer')
    publisher.play()
    wait_flowing(WatchedTracks(watcher), N_TRACKS - 1)
    after = len(publisher.lines)
    publisher.tell('add')
    start = publisher.event('adding', after)['t']
    return {'published': milliseconds(publisher.event('published', after)['t'], start),
            'first': milliseconds(watcher.first_after(start), start)}


class WatchedTracks:
    name = 'watcher'

    def __init__(self, watcher):
        self.watcher = watcher

    def counts(self):
        return [track['frames'] for track in self.watcher.caller.call('bench-tracks')]


def add_to_go(bench, peer, watcher, rooms):
    publisher = peer.start(bench, 'twenty')
    publisher.call('bench-answer', *peer.arguments(bench, rooms, 1), str(bench.small_clip))
    for _ in range(N_TRACKS - 2):
        publisher.call('bench-add', str(bench.small_clip))
    wait_flowing(WatchedTracks(watcher), N_TRACKS - 1)
    times = publisher.call('bench-add', str(bench.small_clip))
    began = times['began'] / 1e6
    return {'published': milliseconds(times['done'] / 1e6, began),
            'first': milliseconds(watcher.first_after(began), began)}


def twentieth_once(bench, peer):
    with bench.stage():
        rooms = bench.fresh_rooms()
        watcher = Watcher(bench, rooms)
        if isinstance(peer, GoPeer):
            return add_to_go(bench, peer, watcher, rooms)
        return add_to_ours(bench, watcher, rooms)


def twentieth(bench, peers, times):
    """From the request for one more track to its publication, and to its first frame at a subscriber. All are small."""
    for number in range(times):
        for peer in alternating(peers, number):
            attempt(bench, '20th track', peer, lambda: twentieth_once(bench, peer), round=number)
