# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lines of docs/encoders.md for software encoders: our src decodes what they make, from a key frame on."""

import pathlib
import re
import subprocess

from check_codecs import DECODED, RAW, VIDEO
from harness import Failure, Skipped, inside, wait_until


def documented(encoder):
    """The line of the encoder in the document."""
    text = (pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'encoders.md').read_text(encoding='utf-8')
    line = re.search(r'^\| %s \| `([^`]*)`' % encoder, text, re.MULTILINE)
    if not line:
        raise Failure('docs/encoders.md has no line for ' + encoder)
    return line[1]


def encodes(bench, encoder, codec):
    line = documented(encoder)
    if subprocess.run(inside('gst-inspect-1.0', '--exists', encoder), check=False).returncode:
        raise Skipped('NOT RUN: %s is not installed' % encoder)
    bench.start_server()
    watcher = bench.launch('receiver', '%s ! %s ! fakesink name=v sync=false' % (
        bench.element('src', 'bob', name='s'), VIDEO[codec][1]), '--watch=s', '--digest=v')
    watcher.wait_event('livekit-connection', state='connected')
    sender = bench.launch('publisher', '%s ! videoconvert ! %s ! %s' % (
        RAW % (320, 240, 30), line, bench.element('sink', 'alice', name='k')), '--watch=k')
    wait_until(lambda: len(watcher.events('digest')) >= DECODED, '%d frames decoded' % DECODED)
    watcher.end()
    sender.end()


def test_encoder_x264enc(bench):
    """x264enc."""
    encodes(bench, 'x264enc', 'h264')


def test_encoder_openh264enc(bench):
    """openh264enc."""
    encodes(bench, 'openh264enc', 'h264')


def test_encoder_vp8enc(bench):
    """vp8enc."""
    encodes(bench, 'vp8enc', 'vp8')


def test_encoder_vp9enc(bench):
    """vp9enc."""
    encodes(bench, 'vp9enc', 'vp9')


def test_encoder_x265enc(bench):
    """x265enc."""
    encodes(bench, 'x265enc', 'h265')


def test_encoder_av1enc(bench):
    """av1enc."""
    encodes(bench, 'av1enc', 'av1')


def test_encoder_svtav1enc(bench):
    """svtav1enc."""
    encodes(bench, 'svtav1enc', 'av1')
