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

DEADLINE_SECONDS = 10.0
PAUSE_SECONDS = 0.02


def main(mark: str) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while os.read(0, 1):
        continue
    deadline = time.monotonic() + DEADLINE_SECONDS
    known: set[int] = set()
    while True:
        pids, unreadable = look(mark.encode())
        for pid in pids:
            kill(pid)
        if not pids and unreadable <= known:
            return 0
        if time.monotonic() > deadline:
            return 1
        known = unreadable
        time.sleep(PAUSE_SECONDS)


def look(mark: bytes) -> tuple[list[int], set[int]]:
    """The processes that have the mark in their environment, and those that showed none.

    One that newly shows none has ended since it was listed, and may have left a child that was not
    listed, or is about to become another program: only a second look tells. What never shows one is
    a zombie, a thread of the kernel or somebody else's.
    """
    marked: list[int] = []
    unreadable: set[int] = set()
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs 1 MB
        if name.isdigit() and int(name) != os.getpid():
            environment = environment_of(name)
            if not environment:
                unreadable.add(int(name))
            elif mark in environment.split(b"\0"):
                marked.append(int(name))
    return marked, unreadable


def environment_of(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as environment:  # noqa: PTH123 - as above
            return environment.read()
    except OSError:
        return b""


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
