# SPDX-License-Identifier: LGPL-2.1-or-later
"""The streams that are published: H.264 at 30 frames a second, a key frame every two seconds."""

import subprocess

from peers import FOLDER

SECONDS, FPS, REPEATED = 10, 30, 30
# Part of the picture is noise, so that the bit rate is reached.
TEXT = ('videotestsrc pattern=ball num-buffers={frames} ! {caps},width={width},height={height} ! timeoverlay ! '
        'mix.sink_0 '
        'videotestsrc pattern=snow num-buffers={frames} ! {caps},width={noise},height={noise} ! mix.sink_1 '
        'compositor name=mix ! video/x-raw,format=I420 ! '
        'x264enc speed-preset=veryfast tune=zerolatency bitrate={kbits} vbv-buf-capacity=500 key-int-max=60 '
        'option-string=scenecut=0 sliced-threads=false ! '
        'video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au ! filesink location={file}')


def make(name, **values):
    """Made once and kept."""
    file = FOLDER / (name + '.h264')
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        text = TEXT.format(frames=SECONDS * FPS, caps='video/x-raw,format=I420,framerate=%d/1' % FPS,
                           file=file.with_suffix('.part'), **values)
        subprocess.run(['nice', '-n', '19', 'gst-launch-1.0', '-q', *text.split()], check=True)
        file.with_suffix('.part').rename(file)
    return file


def make_clip():
    """720p and 3 Mbit/s, ten seconds of it."""
    return make('clip', width=1280, height=720, noise=320, kbits=3000)


def make_long(short):
    """Those ten seconds many times over, which is longer than any row takes."""
    file = short.with_name(short.stem + '-long.h264')
    if not file.exists():
        file.write_bytes(short.read_bytes() * REPEATED)
    return file


def make_timed(long):
    """The same in MP4, for demuxers: a parser finds no times in a file that has none."""
    file = long.with_suffix('.mp4')
    if not file.exists():
        subprocess.run(['ffmpeg', '-v', 'error', '-y', '-framerate', str(FPS), '-i', str(long), '-c', 'copy', str(file)],
                       check=True)
    return file


def make_small_clip():
    """320 x 180 and 200 kbit/s."""
    return make('clip-small', width=320, height=180, noise=48, kbits=200)
