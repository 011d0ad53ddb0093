# SPDX-License-Identifier: LGPL-2.1-or-later
"""The plugin as a file: its size, and what loading it costs a program."""

import pathlib
import subprocess
import tempfile

from peers import BenchPeer
from stage import alternating


def stripped_kilobytes(plugin):
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / 'stripped.so'
        subprocess.run(['strip', '-o', str(copy), str(plugin)], check=True)
        return copy.stat().st_size / 1000


def load(bench, peers, times):
    """From nothing loaded: the plugin, then one element of it, never started."""
    sizes = {peer: stripped_kilobytes(peer.plugin) for peer in peers}
    for number in range(times):
        for peer in alternating(peers, number):
            with bench.stage():
                environment = dict(peer.environment(bench), GST_PLUGIN_PATH='', GST_REGISTRY_UPDATE='no')
                process = BenchPeer(bench, peer.name + '-load', peer.element, '--load', peer.plugin,
                                    environment=environment)
                loaded, made = process.event('loaded'), process.event('made')
                bench.samples.add('load', peer.name, {
                    'load': loaded['us'] / 1000, 'load cpu': loaded['cpu'] / 1000, 'element': made['us'] / 1000,
                    'element cpu': made['cpu'] / 1000, 'kilobytes': sizes[peer]}, round=number)
