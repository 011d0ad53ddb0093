#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs live tests by name, all without names. Each one starts the server and the peers that it needs.

    python3 tests/live/run.py [--build FOLDER] [--list] [NAME...]

Logs of a test are in FOLDER/live-logs/NAME. `sh tests/run.sh` has installed what they need: livekit-server (or
LIVEKIT_SERVER names one), Chromium, Node.js with livekit-client and playwright-core, the Python SDK, ffprobe.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from runner import main  # noqa: E402

MODULES = ['check_harness', 'check_loopback', 'check_browser', 'check_sdk', 'check_refusals', 'check_files',
           'check_many', 'check_simulcast', 'check_choosing', 'check_examples', 'check_extensions', 'check_codecs',
           'check_input', 'check_encoders', 'check_duplex', 'check_av', 'check_facts', 'check_red', 'check_svc',
           'check_cycles']

if __name__ == '__main__':
    sys.exit(main(__doc__, MODULES))
