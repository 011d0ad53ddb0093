#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A participant by LiveKit's Python SDK for the live tests.

Like browser.mjs: each line of JSON on standard input, {"call": NAME, "arguments": [...]}, is answered by one line,
{"result": ...} or {"error": "..."}. Needs the package livekit.
"""

import asyncio
import json
import math
import sys
import time

from livekit import rtc

RATE = 48000
TONE_HZ = 440
FPS = 30


class Peer:
    """One participant; its public methods are the calls."""

    def __init__(self):
        self.room = rtc.Room()
        self.received = {}
        self.published = []
        self.tasks = []
        self.joined = 0
        self.sending = asyncio.Event()
        self.room.on('track_subscribed', self._subscribed)

    def _subscribed(self, track, publication, participant):
        entry = {'sid': publication.sid, 'name': publication.name, 'identity': participant.identity,
                 'mime': publication.mime_type, 'frames': 0, 'firstFrame': None}
        self.received[publication.sid] = entry
        if track.kind == rtc.TrackKind.KIND_VIDEO:
            entry['kind'] = 'video'
            self.tasks.append(asyncio.create_task(self._count_video(track, entry)))
        else:
            entry.update(kind='audio', samples=0, peak=0)
            self.tasks.append(asyncio.create_task(self._count_audio(track, entry)))

    def _frame(self, entry):
        entry['frames'] += 1
        entry['firstFrame'] = entry['firstFrame'] or (time.monotonic() - self.joined) * 1000

    async def _count_video(self, track, entry):
        async for event in rtc.VideoStream(track):
            self._frame(entry)
            entry.update(width=event.frame.width, height=event.frame.height)

    async def _count_audio(self, track, entry):
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
            self._frame(entry)
            entry['samples'] += event.frame.samples_per_channel
            entry['peak'] = max(entry['peak'], max(event.frame.data))

    async def join(self, url, token):
        self.joined = time.monotonic()
        await self.room.connect(url, token)
        return {'identity': self.room.local_participant.identity}

    async def publish(self, codec='VP8', width=640, height=480, red=False):
        """Publishes a moving picture and a tone, which run until unpublish or leave."""
        picture = rtc.VideoSource(width, height)
        tone = rtc.AudioSource(RATE, 1)
        options = rtc.TrackPublishOptions(simulcast=False, video_codec=rtc.VideoCodec.Value(codec),
                                          source=rtc.TrackSource.SOURCE_CAMERA)
        local = self.room.local_participant
        self.published.append(await local.publish_track(
            rtc.LocalVideoTrack.create_video_track('sdk-video', picture), options))
        options = rtc.TrackPublishOptions(red=red, dtx=False, source=rtc.TrackSource.SOURCE_MICROPHONE)
        self.published.append(await local.publish_track(
            rtc.LocalAudioTrack.create_audio_track('sdk-audio', tone), options))
        self.sending.set()
        self.tasks += [asyncio.create_task(self._send_video(picture, width, height)),
                       asyncio.create_task(self._send_audio(tone))]
        return [publication.sid for publication in self.published]

    async def _send_video(self, source, width, height):
        chroma = bytes([128]) * (width * height // 2)
        start, number = time.monotonic(), 0
        while self.sending.is_set():
            rows = (bytes([16 + (y + 4 * number) % 220]) * width for y in range(height))
            data = bytearray(b''.join(rows) + chroma)
            source.capture_frame(rtc.VideoFrame(width, height, rtc.VideoBufferType.I420, data))
            number += 1
            await asyncio.sleep(max(0, start + number / FPS - time.monotonic()))

    async def _send_audio(self, source):
        step, number = RATE // 100, 0
        while self.sending.is_set():
            samples = (int(8000 * math.sin(2 * math.pi * TONE_HZ * (number * step + i) / RATE)) for i in range(step))
            data = b''.join(sample.to_bytes(2, 'little', signed=True) for sample in samples)
            await source.capture_frame(rtc.AudioFrame(data, RATE, 1, step))
            number += 1

    async def measure(self):
        now = (time.monotonic() - self.joined) * 1000
        return [dict(entry, at=now) for entry in self.received.values()]

    async def unpublish(self):
        self.sending.clear()
        for publication in self.published:
            await self.room.local_participant.unpublish_track(publication.sid)
        self.published = []

    async def leave(self):
        self.sending.clear()
        await self.room.disconnect()


async def main():
    peer = Peer()
    loop = asyncio.get_running_loop()
    print(json.dumps({'result': 'ready'}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        try:
            answer = {'result': await getattr(peer, request['call'])(*request.get('arguments', []))}
        except Exception as error:  # whatever it is, the test wants to hear it
            answer = {'error': '%s: %s' % (type(error).__name__, error)}
        print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    asyncio.run(main())
