# SPDX-License-Identifier: LGPL-2.1-or-later
"""What left the publisher came to the receiver: frames by the numbers in them, packets by their digests."""

import datetime
import re

from harness import check, check_at_least, wait_until

TARGET = re.compile(r'"allocation": .*?"TargetLayer": \{"Spatial":(-?\d+)')
# How long after the first key frame the server may change its mind, and how many frames it has forwarded by then.
SETTLING = datetime.timedelta(milliseconds=100)
SETTLING_FRAMES = 4


def numbers(launch):
    return [frame['number'] for frame in launch.events('frame')]


def digests(launch, element):
    return [line['digest'] for line in launch.events('digest', element=element)]


def begins_twice(bench):
    """livekit-server 1.13.5 forwards a key frame that comes just as it attaches the viewer; then it finds that it has seen
    no layer of the track yet, forwards none, and waits for the next key frame once it has seen one."""
    forwarded = None
    for line in (bench.folder / 'livekit-server.log').read_text(errors='replace').splitlines():
        if 'forwarded key frame' in line and forwarded is None:
            forwarded = datetime.datetime.fromisoformat(line[:23])
        elif forwarded and 'stream allocation: optimal' in line:
            if datetime.datetime.fromisoformat(line[:23]) - forwarded > SETTLING:
                return False
            if int(TARGET.search(line)[1]) < 0:
                return True
    return False


def since_begin(bench, received):
    """All frames, or those that are not of the first beginning."""
    return received[SETTLING_FRAMES:] if begins_twice(bench) else received


def check_numbers(bench, received, least, what='video'):
    """None lost, none doubled, none out of order. Pictures that the server makes itself, when a track ends (blank, in
    the smallest size there is), have no readable number: none of them may come out either."""
    check_at_least(len(received), least, '%s: frames received' % what)
    check(-1 not in received, '%s: frames without a readable number: %s of %s', what, received.count(-1), len(received))
    wrong = [(one, two) for one, two in zip(received, received[1:]) if two != one + 1]
    if len(wrong) == 1 and wrong[0][0] in received[:SETTLING_FRAMES] and begins_twice(bench):
        bench.note('the server began with %s and again with %s', *wrong.pop())
    check(not wrong, '%s: frames lost, doubled or out of order, pairs: %s', what, wrong[:10])


def check_digests(sender, element, received, least, what):
    """So too for packets. What the sender prints of one may be read after what the receiver prints of it."""
    check_at_least(len(received), least, '%s: packets received' % what)
    wait_until(lambda: received[0] in digests(sender, element), '%s: the first packet received was sent' % what, 10)
    start = digests(sender, element).index(received[0])
    wait_until(lambda: len(digests(sender, element)) >= start + len(received), '%s: as many were sent' % what, 10)
    different = next((i for i, (one, two) in enumerate(zip(received, digests(sender, element)[start:])) if one != two),
                     None)
    check(different is None, '%s: packet %s of %d is not the one that was sent', what, different, len(received))
