#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The live tests' participant by LiveKit's Python SDK, which also reads the numbers painted into the frames."""

import asyncio
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'live'))
import sdkpeer  # noqa: E402

BLOCKS = 32
MIDDLE = 125


def read_mark(frame):
    """The number as examples/framemark.c writes it, or -1."""
    size = frame.width // BLOCKS
    row = min(max(size, 16), frame.height) // 2 * frame.width
    bits = sum(1 << i for i in range(BLOCKS) if frame.data[row + i * size + size // 2] > MIDDLE)
    number = bits & 0xffffff
    return number if bits >> 24 == ((number + 1) * 2654435761 & 0xffffffff) >> 24 else -1


class Watcher(sdkpeer.Peer):
    """`frames` answers all pairs of monotonic seconds and number so far."""

    def __init__(self):
        super().__init__()
        self.seen = []

    async def _count_video(self, track, entry):
        async for event in sdkpeer.rtc.VideoStream(track, format=sdkpeer.rtc.VideoBufferType.I420):
            self._frame(entry)
            self.seen.append((time.monotonic(), read_mark(event.frame)))

    async def frames(self):
        return self.seen


if __name__ == '__main__':
    sdkpeer.Peer = Watcher
    asyncio.run(sdkpeer.main())
