"""Ends what is left when `singletrack up` has ended; a script, so that it stays small.

A killed supervisor cannot clean up, and the kernel kills only its own children, not theirs. So this
small process waits on a pipe whose other end `up` holds: whatever ends `up` closes it. Then every
process with the mark of that `up` in its environment is killed, however far it has been removed
from its parents. The mark is inherited by all that the parts, and the tasks in them, start.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

DEADLINE_SECONDS = 10.0
PAUSE_SECONDS = 0.02


def main(mark: str) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while os.read(0, 1):
        continue
    deadline = time.monotonic() + DEADLINE_SECONDS
    while pids := list(marked(mark.encode())):
        for pid in pids:
            kill(pid)
        if time.monotonic() > deadline:
            return 1
        time.sleep(PAUSE_SECONDS)
    return 0


def marked(mark: bytes) -> Iterator[int]:
    """The living processes that have the mark in their environment."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - nor is it loaded for this
        if name.isdigit() and int(name) != os.getpid() and mark in environment_of(name):
            yield int(name)


def environment_of(pid: str) -> list[bytes]:
    """Empty for a process that has ended (a zombie has none), and for one of somebody else."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as environment:  # noqa: PTH123 - pathlib costs 1 MB
            return environment.read().split(b"\0")
    except OSError:
        return []


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
