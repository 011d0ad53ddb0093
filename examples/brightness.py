#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints, once a second, how bright each camera of a room is: where analysis of pictures would begin.

    brightness.py ROOM

How to get in comes from the environment, as for record-one.
"""

import signal
import sys
import time

import gi
gi.require_version('Gst', '1.0')
from gi.repository import GLib, Gst  # noqa: E402

BRANCH = ('queue name=in ! decodebin ! videoconvert ! videoscale ! video/x-raw,format=GRAY8,width=64,height=36 '
          '! appsink name=frames emit-signals=true sync=false async=false max-buffers=1 drop=true')


class Camera:
    def __init__(self, pipeline, pad):
        self.pipeline = pipeline
        self.identity = pad.get_property('participant-identity')
        self.last = 0
        self.branch = Gst.parse_bin_from_description(BRANCH, False)
        # By hand: to the parser, what decodebin will be linked to is unlinked, too.
        ghost = Gst.GhostPad.new('sink', self.branch.get_by_name('in').get_static_pad('sink'))
        self.branch.add_pad(ghost)
        self.branch.get_by_name('frames').connect('new-sample', self.on_sample)
        pipeline.add(self.branch)
        self.branch.sync_state_with_parent()
        # 64 x 36 is enough here: the server sends the smallest layer that there is.
        pad.set_property('height', 36)
        pad.link(ghost)

    def on_sample(self, sink):
        sample = sink.emit('pull-sample')
        if time.monotonic() - self.last >= 1:
            self.last = time.monotonic()
            buffer = sample.get_buffer()
            data = buffer.extract_dup(0, buffer.get_size())
            print('%s: %.1f' % (self.identity, sum(data) / len(data)), flush=True)
        return Gst.FlowReturn.OK

    def remove(self):
        self.branch.set_state(Gst.State.NULL)
        self.pipeline.remove(self.branch)


def main():
    Gst.init(None)
    if len(sys.argv) != 2:
        sys.exit('usage: %s ROOM' % sys.argv[0])
    pipeline = Gst.Pipeline.new()
    source = Gst.ElementFactory.make('livekitsrc')
    if source is None:
        sys.exit('livekitsrc is not installed: set GST_PLUGIN_PATH')
    source.set_property('room', sys.argv[1])
    source.set_property('tracks', '*/video')
    pipeline.add(source)
    cameras = {}
    source.connect('pad-added', lambda _, pad: cameras.update({pad.get_name(): Camera(pipeline, pad)}))
    source.connect('pad-removed', lambda _, pad: cameras.pop(pad.get_name()).remove())
    loop = GLib.MainLoop()
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    errors = []

    def on_error(_, message):
        errors.append(message.parse_error()[0].message)
        loop.quit()
    bus.connect('message::error', on_error)
    for number in (signal.SIGINT, signal.SIGTERM):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    if errors:
        sys.exit(errors[0])


if __name__ == '__main__':
    main()
