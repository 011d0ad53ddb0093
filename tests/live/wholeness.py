# SPDX-License-Identifier: LGPL-2.1-or-later
"""What left the publisher came to the receiver: frames by the numbers in them, packets by their digests."""

from harness import check, check_at_least, wait_until


def numbers(launch):
    return [frame['number'] for frame in launch.events('frame')]


def digests(launch, element):
    return [line['digest'] for line in launch.events('digest', element=element)]


def check_numbers(received, least, what='video'):
    """None lost, none doubled, none out of order. Pictures that the server makes itself, when a track ends (blank, in
    the smallest size there is), have no readable number: none of them may come out either."""
    check_at_least(len(received), least, '%s: frames received' % what)
    check(-1 not in received, '%s: frames without a readable number: %s of %s', what, received.count(-1), len(received))
    wrong = [(one, two) for one, two in zip(received, received[1:]) if two != one + 1]
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
