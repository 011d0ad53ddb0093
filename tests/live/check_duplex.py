# SPDX-License-Identifier: LGPL-2.1-or-later
"""One participant in two elements: a livekitsink and a livekitsrc of one identity, each of which comes and goes."""

import os
import re

from harness import (check, check_at_least, check_at_most, check_equal, Child, in_long_runs, inside, let_pass, PATIENCE,
                     wait_until)

CAMERA = 'videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! vp8enc deadline=1'
ME = 'agent'


class Pieces(Child):
    """Two pipelines in livepieces, whose pieces come and go."""

    def __init__(self, bench, name='pieces'):
        self.bench = bench
        variables = {'GST_DEBUG': os.environ.get('GST_DEBUG', '2,livekit*:5'),
                     'GST_DEBUG_FILE': str(bench.folder / (name + '.gst.log'))}
        if os.environ.get('LIVE_LEAKS'):
            variables.update(GST_TRACERS='leaks', GST_DEBUG=variables['GST_DEBUG'] + ',GST_TRACER:7')
        super().__init__(inside(str(bench.build / 'tests' / 'live' / 'livepieces')), bench.folder / (name + '.log'),
                         bench.environment(**variables))
        bench.stack.callback(self.close)

    def ask(self, command, event, **fields):
        """Tells it a command and waits for what it answers."""
        before = len(self.lines)
        self.tell(command)
        return self.wait_line(lambda line: line['event'] == event and all(line[key] == value for key, value
                                                                          in fields.items()), command, after=before)

    def add(self, name, text, pipeline=0):
        self.ask('add %d %s %s' % (pipeline, name, text), 'added', name=name)

    def remove(self, name):
        return self.ask('remove ' + name, 'removed', name=name)['number']

    def state(self, state, pipeline=0):
        self.ask('state %d %s' % (pipeline, state), 'state', number=pipeline)

    def count(self, name):
        """Buffers so far; since the last count, in ms: longest time between two, most that a timestamp was off."""
        line = self.ask('count ' + name, 'count', name=name)
        longest, off = map(int, line['text'].split())
        return line['number'], longest, off

    def wait_more(self, name, more=60):
        """Waits for so many frames; the longest time between two meanwhile, and the most that a timestamp was off."""
        counts = [self.count(name)]

        def came():
            counts.append(self.count(name))
            return counts[-1][0] >= counts[0][0] + more
        wait_until(came, '%s: frames come' % name, 60)
        return max(count[1] for count in counts), max(count[2] for count in counts)

    def get(self, element, name):
        return self.ask('get %s %s' % (element, name), 'property', name=element)['text']

    def errors(self):
        return [line['text'] for line in self.lines if line['event'] == 'error']

    def end(self):
        errors = self.errors()
        check(not errors, 'errors: %s', errors)
        self.tell('quit')
        check_equal(self.wait(), 0, 'exit code')


def speaker(bench, identity=ME, name='k'):
    """The text of a piece that publishes."""
    return '%s ! %s' % (CAMERA, bench.element('sink', identity, name=name))


def listener(bench, identity=ME, name='s'):
    """The text of a piece that listens."""
    return bench.element('src', identity, name=name, tracks='alice/video')


def sid_of(bench, identity):
    return bench.server.participants(bench.room)[identity]['sid']


def start_alice(bench):
    """The other participant: a camera, and a viewer of the agent."""
    alice = Pieces(bench, 'alice')
    alice.state('playing')
    alice.add('camera', speaker(bench, 'alice'))
    alice.add('viewer', bench.element('src', 'viewer', name='v', tracks=ME + '/video'))
    bench.wait_published('alice', 1)
    return alice


def stats_number(pieces, element, field):
    found = re.search(r'\b%s=\(\w+\)(\d+)' % field, pieces.get(element, 'stats').replace('\\', ''))
    return int(found[1]) if found else 0


def check_participants(bench, *identities):
    wait_until(lambda: sorted(bench.server.participants(bench.room)) == sorted(identities),
               'participants are ' + ', '.join(identities))


def one_participant(bench):
    """Sink and source in one gst-launch-1.0 line are one participant; frames flow both ways."""
    alice = start_alice(bench)
    line = '%s  %s' % (speaker(bench), bench.element('src', ME, name='s', tracks='alice/video'))
    file = bench.temporary / 'seen.ivf'
    process, output = bench.gst_launch('duplex', '-e', *line.replace('"', '').split(), '!', 'avmux_ivf', '!',
                                       'filesink', 'buffer-mode=unbuffered', 'location=%s' % file)
    bench.wait_published(ME, 1)
    wait_until(lambda: file.exists() and file.stat().st_size > 20000, 'the source receives', 60)
    alice.wait_more('viewer')
    check_participants(bench, 'alice', 'viewer', ME)
    process.send_signal(2)
    check_equal(process.wait(PATIENCE), 0, 'exit code of gst-launch-1.0 (%s)' % output)
    wait_until(lambda: ME not in bench.server.participants(bench.room), 'the participant has left')
    alice.end()


def test_duplex_launch(bench):
    """One gst-launch-1.0 line with both elements is one participant."""
    bench.start_server()
    one_participant(bench)


@in_long_runs
def test_duplex_launch_v0(bench):
    """The same on a server that knows only v0."""
    bench.start_server()
    bench.start_v0_proxy()
    one_participant(bench)


def start_both(bench, first='out', second='in'):
    texts = {'out': speaker(bench), 'in': listener(bench)}
    pieces = Pieces(bench)
    pieces.state('playing')
    pieces.add(first, texts[first])
    pieces.add(second, texts[second])
    bench.wait_published(ME, 1)
    pieces.wait_more('in')
    return pieces


def removals(bench):
    """The element that hosts the connection goes, and the other one; each comes back; it stays the same session."""
    alice = start_alice(bench)
    for first, second in (('out', 'in'), ('in', 'out')):
        pieces = start_both(bench, first, second)
        alice.wait_more('viewer')
        sid = sid_of(bench, ME)
        remove_and_add(bench, alice, pieces, first, second)
        remove_and_add(bench, alice, pieces, second, first)
        check_equal(sid_of(bench, ME), sid, 'sid')
        for element in ('k', 's'):
            check_equal(stats_number(pieces, element, 'joins'), 1, 'joins')
        pieces.end()
        wait_until(lambda: ME not in bench.server.participants(bench.room), 'the participant has left')
    alice.end()


def remove_and_add(bench, alice, pieces, goes, stays):
    texts = {'out': speaker(bench), 'in': listener(bench)}

    def stays_alive():
        return alice.wait_more('viewer') if stays == 'out' else pieces.wait_more('in')
    stays_alive()
    took = pieces.remove(goes)
    longest = stays_alive()[0]
    bench.note('%s removed in %d ms; longest time between frames of %s: %d ms', goes, took, stays, longest)
    if goes == 'out':
        wait_until(lambda: not bench.server.participants(bench.room)[ME].get('tracks'), 'the track has ended')
    check_participants(bench, 'alice', 'viewer', ME)
    pieces.add(goes, texts[goes])
    bench.wait_published(ME, 1)
    pieces.wait_more('in')
    alice.wait_more('viewer')
    check_participants(bench, 'alice', 'viewer', ME)


def test_duplex_removals(bench):
    """Sink or source removed while the other goes on, whichever came first; and added again."""
    bench.start_server()
    removals(bench)


@in_long_runs
def test_duplex_removals_v0(bench):
    """The same on a server that knows only v0."""
    bench.start_server()
    bench.start_v0_proxy()
    removals(bench)


@in_long_runs
def test_duplex_pause(bench):
    """Either is paused while the other goes on; a paused source is sent nothing."""
    bench.start_server()
    alice = start_alice(bench)
    pieces = start_both(bench)
    alice.wait_more('viewer')
    wait_until(lambda: received(pieces) > 0, 'the source is sent something')
    pieces.ask('pause out', 'paused')
    pieces.wait_more('in')
    pieces.ask('play out', 'playing')
    alice.wait_more('viewer')
    pieces.ask('pause in', 'paused')
    alice.wait_more('viewer')
    wait_until(lambda: received(pieces) == 0, 'nothing comes for the source', 60)
    pieces.ask('play in', 'playing')
    pieces.wait_more('in')
    alice.wait_more('viewer')
    pieces.end()
    alice.end()


def paused_source(bench):
    """Only the source is paused; the sink goes and comes, after the pause and in it, whoever hosts the connection."""
    alice = start_alice(bench)
    for first, second in (('out', 'in'), ('in', 'out')):
        pieces = start_both(bench, first, second)
        alice.wait_more('viewer')
        sid = sid_of(bench, ME)
        pause_source(bench, alice, pieces)
        pieces.ask('play s', 'playing')
        pieces.wait_more('in')
        remove_and_add(bench, alice, pieces, 'out', 'in')
        pause_source(bench, alice, pieces)
        pieces.remove('out')
        wait_until(lambda: not bench.server.participants(bench.room)[ME].get('tracks'), 'the track has ended')
        pieces.add('out', speaker(bench))
        bench.wait_published(ME, 1)
        alice.wait_more('viewer')
        pieces.ask('play s', 'playing')
        pieces.wait_more('in')
        alice.wait_more('viewer')
        check_equal(sid_of(bench, ME), sid, 'sid')
        for element in ('k', 's'):
            check_equal(stats_number(pieces, element, 'joins'), 1, 'joins')
        pieces.end()
        wait_until(lambda: ME not in bench.server.participants(bench.room), 'the participant has left')
    alice.end()


def pause_source(bench, alice, pieces):
    """The source alone is paused: nothing comes for it, the sink's frames go on."""
    pieces.ask('pause s', 'paused')
    wait_until(lambda: not frames_of(pieces, 'in'), 'nothing comes for the source', 60)
    alice.wait_more('viewer')


def frames_of(pieces, name):
    """Frames that a piece has got within a second."""
    before = pieces.count(name)[0]
    let_pass(1)
    return pieces.count(name)[0] - before


@in_long_runs
def test_duplex_paused_source(bench):
    """The source alone is paused and plays again, and the sink is removed and added again, after that and in the pause."""
    bench.start_server()
    paused_source(bench)


@in_long_runs
def test_duplex_paused_source_v0(bench):
    """The same on a server that knows only v0."""
    bench.start_server()
    bench.start_v0_proxy()
    paused_source(bench)


@in_long_runs
def test_duplex_paused_removal(bench):
    """Both elements are paused, with media on its way to the network; the sink is removed all the same."""
    bench.start_server()
    alice = start_alice(bench)
    pieces = start_both(bench)
    alice.wait_more('viewer')
    for _ in range(2):
        pieces.ask('pause k', 'paused')
        pieces.ask('pause s', 'paused')
        wait_until(lambda: not frames_of(alice, 'viewer'), 'nothing is sent', 60)
        pieces.remove('out')
        pieces.ask('play s', 'playing')
        pieces.wait_more('in')
        pieces.add('out', speaker(bench))
        alice.wait_more('viewer')
    pieces.end()
    alice.end()


def received(pieces):
    """Packets that came for the source in two seconds, by statistics that are up to one second old."""
    def count():
        # of rtpsession's sources; our own "receive" what we send
        text = pieces.get('s', 'stats').replace('\\', '')
        return sum(map(int, re.findall(r'internal=\(boolean\)false.*?packets-received=\(guint64\)(\d+)', text)))
    before = count()
    let_pass(2)
    return max(count() - before, 0)


@in_long_runs
def test_duplex_resume(bench):
    """The connection goes on after its first host has left: it survives a restart of the server."""
    bench.start_server()
    alice = start_alice(bench)
    pieces = start_both(bench)
    pieces.remove('out')
    pieces.wait_more('in')
    bench.server.end_process()
    check(bench.server.start_process(), 'the server did not start again')
    pieces.wait_line(lambda line: line['event'] == 'connection' and line['text'] == 'reconnecting', 'reconnecting', 60)
    pieces.wait_more('in')
    pieces.add('out', speaker(bench))
    bench.wait_published(ME, 1, 60)
    alice.wait_more('viewer')
    pieces.end()
    alice.end()


def check_times(bench, pieces):
    """Timestamps are running times of the own pipeline, not of the other one, which is 1000 s behind."""
    off = pieces.wait_more('in')[1]
    bench.note('timestamps are off by at most %d ms', off)
    check_at_most(off, 500000, 'ms off the running time')


@in_long_runs
def test_duplex_pipelines(bench):
    """Two pipelines are one participant when the application hands the context on; timestamps are their own."""
    bench.start_server()
    alice = start_alice(bench)
    pieces = Pieces(bench)
    pieces.state('playing')
    pieces.add('out', speaker(bench))
    bench.wait_published(ME, 1)
    alice.wait_more('viewer')
    check_at_least(pieces.ask('hand-on', 'handed-on')['number'], 1, 'contexts')
    pieces.state('playing', 1)
    pieces.add('in', listener(bench), 1)
    check_times(bench, pieces)
    check_participants(bench, 'alice', 'viewer', ME)
    # The first pipeline, whose clock was followed, goes.
    pieces.state('null', 0)
    check_times(bench, pieces)
    check_participants(bench, 'alice', 'viewer', ME)
    pieces.state('playing', 0)
    bench.wait_published(ME, 1)
    alice.wait_more('viewer')
    check_participants(bench, 'alice', 'viewer', ME)
    pieces.end()
    alice.end()


def test_duplex_identities(bench):
    """Two identities, or none, are two participants."""
    bench.start_server()
    alice = start_alice(bench)
    pieces = Pieces(bench)
    pieces.state('playing')
    pieces.add('out', speaker(bench))
    pieces.add('in', listener(bench, 'another'))
    pieces.wait_more('in')
    bench.wait_published(ME, 1)
    check_participants(bench, 'alice', 'viewer', ME, 'another')
    pieces.remove('in')
    nameless = re.sub(r' identity="[^"]*"', '', listener(bench))
    pieces.add('in', nameless)
    pieces.wait_more('in')
    wait_until(lambda: len(bench.server.participants(bench.room)) == 4, 'four participants')
    pieces.end()
    alice.end()


def test_duplex_strangers(bench):
    """Two pipelines of one identity without the context: the error names it."""
    bench.start_server()
    pieces = Pieces(bench)
    pieces.state('playing')
    pieces.add('out', speaker(bench))
    bench.wait_published(ME, 1)
    pieces.state('playing', 1)
    pieces.add('in', listener(bench), 1)
    text = pieces.wait_line(lambda line: line['event'] == 'error', 'an error', 60)['text']
    bench.note('%s', text)
    check("'%s'" % ME in text, 'the error does not name the identity: %s', text)
