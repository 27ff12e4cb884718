# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a command costs as a whole: wall time, CPU of every process that it left behind, and the memory of all at once.

    python cost.py [--memory SECONDS] -- ansible-playbook ...

The command's own output goes to standard error; the last line of standard output is the cost as JSON. It runs in a
process of its own that inherits every orphan, so that servers which the command started count as well.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass

import psutil

PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.02
ORPHAN_SECONDS = 20
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time and CPU, and the largest sum of all processes' proportional memory, in megabytes."""

    status: int
    wall: float
    cpu: float
    memory: float


class MemoryWatch(threading.Thread):
    """Samples the memory of all descendants; shared pages are divided among those who share them (PSS)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._seconds = seconds
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._seconds):
            self.peak = max(self.peak, sum(map(proportional_memory, psutil.Process().children(recursive=True))))

    def stop(self) -> None:
        self._over.set()
        self.join()


def proportional_memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--memory", type=float, default=0.0, metavar="SECONDS",
        help="measure memory that often; the more often, the slower the command",
    )  # fmt: skip
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    cost = cost_of(options.command, options.memory)
    print(json.dumps(asdict(cost)))
    return cost.status


def cost_of(command: list[str], memory: float) -> Cost:
    watch = MemoryWatch(memory)
    if memory:
        watch.start()
    started = time.monotonic()
    status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    wall = time.monotonic() - started
    reap_orphans()
    if memory:
        watch.stop()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(status, wall, used.ru_utime + used.ru_stime, watch.peak / MEGABYTE)


def reap_orphans() -> None:
    """Waits for what the command left running, and fails when it does not end by itself."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(POLL_SECONDS)
        except ChildProcessError:
            return
    left = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    sys.exit(f"still running {ORPHAN_SECONDS} s after the command: {left}")


if __name__ == "__main__":
    sys.exit(main())
