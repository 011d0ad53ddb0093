# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a viewer saw, from the numbers painted into the frames: first frame, gaps, order, freezes."""

import dataclasses

FPS = 30
FREEZE_S = max(3 / FPS, 1 / FPS + 0.15)  # as browsers count them


@dataclasses.dataclass
class Gap:
    """Between two frames that were shown one after the other."""
    start: float            # seconds of the monotonic clock: the last frame before
    seconds: float          # until the next frame
    missing: int            # numbers that never came; negative if the number went back


class MediaClock:
    """`frames` are pairs of (seconds of the monotonic clock, number or -1) in the order of arrival."""

    def __init__(self, frames):
        self.frames = [frame for frame in frames if frame[1] >= 0]
        self.unreadable = len(frames) - len(self.frames)
        self.gaps = [Gap(one[0], two[0] - one[0], two[1] - one[1] - 1)
                     for one, two in zip(self.frames, self.frames[1:])]

    @classmethod
    def of(cls, launch, element='r', since=0.0):
        """What livelaunch --read saw since a time."""
        return cls([(line['t'] / 1e6, line['number']) for line in launch.events('frame', element=element)
                    if line['t'] / 1e6 >= since])

    @property
    def seconds(self):
        return self.frames[-1][0] - self.frames[0][0] if self.frames else 0.0

    @property
    def missing(self):
        return sum(max(gap.missing, 0) for gap in self.gaps)

    @property
    def most_missing(self):
        return max((gap.missing for gap in self.gaps), default=0)

    @property
    def longest(self):
        """Seconds of the longest time without a frame."""
        return max((gap.seconds for gap in self.gaps), default=0.0)

    @property
    def in_order(self):
        return all(gap.missing >= 0 for gap in self.gaps)

    @property
    def freezes(self):
        return [gap.seconds for gap in self.gaps if gap.seconds > FREEZE_S]

    @property
    def frozen_part(self):
        """The part of the time that freezes take."""
        return sum(self.freezes) / self.seconds if self.seconds else 0.0

    def back_after(self, moment):
        """Seconds from a moment to the first frame after it; None while there is none."""
        return next((at - moment for at, _ in self.frames if at > moment), None)

    def __str__(self):
        return '%d frames in %.1f s, %d missing (%d in a row), %d unreadable, longest time without one %.0f ms, ' \
            '%d freezes, %.1f %% of the time' % (
                len(self.frames), self.seconds, self.missing, self.most_missing, self.unreadable,
                self.longest * 1000, len(self.freezes), self.frozen_part * 100)
