#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the live tests of the programs by name, all without names. As tests/live/run.py, on the same bench.

    python3 tests/programs/run.py [--build FOLDER] [--list] [NAME...]
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'live')]
from runner import main  # noqa: E402

# Who adds a file adds its name here.
MODULES = ['check_video_server', 'check_key_server', 'check_endless_stream', 'check_cctv', 'check_cctv_service',
           'check_cctv_many']

if __name__ == '__main__':
    sys.exit(main(__doc__, MODULES))
