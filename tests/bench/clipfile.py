# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stream that all publish: 720p at 30 frames a second and 3 Mbit/s, a key frame every two seconds."""

import subprocess

from peers import FOLDER

SECONDS, REPEATED = 10, 18
KBITS = 3000
TEXT = ('videotestsrc pattern=ball background-color=0xff204060 num-buffers=%d ! '
        'video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! timeoverlay ! mix.sink_0 '
        'videotestsrc pattern=snow num-buffers=%d ! '
        'video/x-raw,format=I420,width=320,height=180,framerate=30/1 ! mix.sink_1 '
        'compositor name=mix sink_1::xpos=960 sink_1::ypos=540 ! video/x-raw,format=I420 ! '
        'x264enc speed-preset=veryfast tune=zerolatency bitrate=%d vbv-buf-capacity=500 key-int-max=60 '
        'option-string=scenecut=0 sliced-threads=false ! '
        'video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au ! '
        'filesink location=%s')


def make_clip():
    """Made once and kept: ten seconds, and as a file those ten many times over, which is longer than any row takes."""
    short, long = FOLDER / 'clip.h264', FOLDER / 'clip-long.h264'
    if not long.exists():
        frames = SECONDS * 30
        subprocess.run(['nice', '-n', '19', 'gst-launch-1.0', '-q',
                        *(TEXT % (frames, frames, KBITS, short)).split()], check=True)
        with open(long, 'wb') as file:
            for _ in range(REPEATED):
                file.write(short.read_bytes())
    return short, long
