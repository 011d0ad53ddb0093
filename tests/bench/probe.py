# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a process costs: processor, memory, threads, descriptors, how often it waits and calls the kernel."""

import contextlib
import pathlib
import re
import shutil
import subprocess
import time

from harness import let_pass

VOLUNTARY = re.compile(r'^voluntary_ctxt_switches:\s+(\d+)', re.MULTILINE)
PSS = re.compile(r'^Pss:\s+(\d+)', re.MULTILINE)
SYSCALLS = 'raw_syscalls:sys_enter'
SYSCALL_SECONDS = 3


def threads_of(pid):
    """Nanoseconds on a processor and voluntary waits by thread."""
    found = {}
    for task in pathlib.Path('/proc/%d/task' % pid).iterdir():
        with contextlib.suppress(OSError):  # one that ended meanwhile
            found[task.name] = (int((task / 'schedstat').read_text().split()[0]),
                                int(VOLUNTARY.search((task / 'status').read_text())[1]))
    return found


def syscalls_per_second(pid, seconds=SYSCALL_SECONDS):
    """By perf, or None where there is none or it may not."""
    if not shutil.which('perf'):
        return None
    done = subprocess.run(['perf', 'stat', '-x', ',', '-e', SYSCALLS, '-p', str(pid), '--', 'sleep', str(seconds)],
                          capture_output=True, text=True, check=False)
    found = re.search(r'^(\d+),[^,]*,' + SYSCALLS, done.stderr, re.MULTILINE)
    return int(found[1]) / seconds if found else None


def measure(pid, seconds):
    """CPU in percent of a core and waits per second over that time, the rest after it. System calls are counted in a
    time of their own, for counting them costs."""
    start, before = time.monotonic(), threads_of(pid)
    let_pass(seconds)
    after, elapsed = threads_of(pid), time.monotonic() - start
    gains = [[now - then for now, then in zip(values, before.get(task, (0, 0)))] for task, values in after.items()]
    process = pathlib.Path('/proc/%d' % pid)
    return {
        'cpu': sum(gain[0] for gain in gains) / 1e7 / elapsed,
        'waits': sum(gain[1] for gain in gains) / elapsed,
        'pss': int(PSS.search((process / 'smaps_rollup').read_text())[1]) / 1024,
        'threads': len(after),
        'fds': len(list((process / 'fd').iterdir())),
        'syscalls': syscalls_per_second(pid),
    }


def load():
    """What the machine had to do on average in the last minute, as a text."""
    return pathlib.Path('/proc/loadavg').read_text().split()[0]
