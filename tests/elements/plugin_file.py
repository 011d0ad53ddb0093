#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The plugin as a file: what it gives away and how large it is.

    plugin_file.py [--most BYTES] FILE

Exits with 1 if the file shows other symbols than a plugin's two, or is not smaller than BYTES when stripped.
"""

import argparse
import os
import subprocess
import sys
import tempfile

SYMBOLS = {'gst_plugin_livekit_get_desc', 'gst_plugin_livekit_register'}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--most', type=int)
    parser.add_argument('file')
    arguments = parser.parse_args()

    listed = subprocess.run(['nm', '-D', '--defined-only', arguments.file], capture_output=True, text=True, check=True)
    symbols = {line.split()[-1] for line in listed.stdout.splitlines()}
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, 'stripped.so')
        subprocess.run(['strip', '-o', stripped, arguments.file], check=True)
        size = os.path.getsize(stripped)
    print(f'{size} bytes stripped; shows {", ".join(sorted(symbols))}')
    if symbols != SYMBOLS:
        sys.exit('the plugin shows other symbols than its own two')
    if arguments.most and size >= arguments.most:
        sys.exit(f'the plugin is not smaller than {arguments.most} bytes')


main()
