"""Killing whole process trees, however they fork.

A tree is first frozen: everything found is stopped and the search repeated until it finds nothing
new. A stopped process cannot fork, and a fork that was under way is either visible or undone by the
kernel, so the search ends. Then everything is killed, and all of it repeated until the search finds
nobody.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from singletrack_worker.agent import processes
from singletrack_worker.agent.processes import Process, ProcessId

Search = Callable[[], Iterable[Process]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What became of a hunt."""

    complete: bool
    """Whether the last search found nobody alive."""
    pids: tuple[int, ...] = ()
    """Everybody who was killed."""


def kill_tree(pids: Iterable[int], seconds: float) -> Killed:
    """Kill these processes and everything below them."""
    roots = [process.identity for pid in pids if (process := processes.find(pid))]
    return kill_all(lambda: trees(roots), seconds)


def kill_below(pid: int, seconds: float) -> Killed:
    """Kill everything below a process, but not the process."""
    return kill_all(lambda: processes.descendants([pid]), seconds)


def trees(roots: Iterable[ProcessId]) -> list[Process]:
    """Those of the roots that live, and everything below them."""
    found = [p for root in roots if (p := processes.find(root.pid)) and p.identity == root]
    alive = [process for process in found if not process.dead]
    return alive + processes.descendants([process.pid for process in alive])


def kill_all(search: Search, seconds: float) -> Killed:
    """Kill whatever `search` finds, again and again, until it finds nobody alive or time is up."""
    give_up = time.monotonic() + seconds
    killed: list[int] = []
    while True:
        with _Frozen(search) as victims:
            if victims.freeze(give_up) and not victims.pidfds:
                return Killed(complete=True, pids=tuple(killed))
            killed += victims.kill()
            victims.wait(give_up)
        if time.monotonic() >= give_up:
            return Killed(complete=False, pids=tuple(killed))


@dataclass(slots=True)
class _Frozen:
    """The stopped processes of one round, held by pidfds."""

    search: Search
    pidfds: dict[ProcessId, int] = field(default_factory=dict)

    def __enter__(self) -> _Frozen:
        return self

    def __exit__(self, *_: object) -> None:
        for pidfd in self.pidfds.values():
            os.close(pidfd)

    def freeze(self, give_up: float) -> bool:
        """Stop everything until the search finds only what is held; False if it never did."""
        while time.monotonic() < give_up:
            fresh = {process.identity for process in self.search()} - self.pidfds.keys()
            if not fresh:
                return True
            if sum(map(self._stop, fresh)) == 0:
                return False
        return False

    def kill(self) -> list[int]:
        for pidfd in self.pidfds.values():
            processes.send_signal(pidfd, signal.SIGKILL)
        return [identity.pid for identity in self.pidfds]

    def wait(self, give_up: float) -> None:
        """Wait until all have ended; a pidfd becomes readable when the last thread has."""
        poll = select.poll()
        for pidfd in self.pidfds.values():
            poll.register(pidfd, select.POLLIN)
        waiting = len(self.pidfds)
        while waiting and (left := give_up - time.monotonic()) > 0:
            for pidfd, _ in poll.poll(left * 1000):
                poll.unregister(pidfd)
                waiting -= 1

    def _stop(self, identity: ProcessId) -> bool:
        try:
            pidfd = processes.open_pidfd(identity)
        except OSError:  # no descriptors left: kill those we have, the next round finds the others
            return False
        if pidfd is None:
            return False
        processes.send_signal(pidfd, signal.SIGSTOP)
        self.pidfds[identity] = pidfd
        return True
