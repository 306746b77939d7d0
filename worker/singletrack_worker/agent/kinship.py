"""Whose process is this? Finds the descendants that have left their tree.

While a pool child lives, nothing leaves it: it is a subreaper, so even a daemon that forked twice
and opened a session of its own stays below it. When the child dies, its descendants are adopted by
main, and when main dies, by whoever adopts main's orphans. They are recognised by any of

- their session, which the child opened for itself;
- a look at the child's tree while it lived;
- being adopted by main since the run began (main's own children share main's session);
- after main's death also: a process image forked from main's, or the agent's address in the
  environment they were started with.

A program that main itself starts in a new session during a run is taken for the run's when that
run's child dies. A daemon escapes only if main dies within a second of its start and it has both
executed another program and been given an environment without ours.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from singletrack_worker.agent import processes
from singletrack_worker.agent.processes import Process, ProcessId

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, kw_only=True)
class Kin:
    """What is known of the processes of one bound child."""

    child: ProcessId
    since: float
    """When it was bound, by CLOCK_BOOTTIME; its run's processes are younger."""
    seen: set[ProcessId] = field(default_factory=set)
    """Who was below it when it was last looked at; nobody leaves it while it lives."""

    def look(self) -> None:
        """Remember who is below the child, if it is still there to be looked at."""
        found = {process.identity for process in processes.descendants([self.child.pid])}
        self.seen = found or self.seen

    def includes(self, process: Process) -> bool:
        """Whether a process that has left the tree belonged to it."""
        return process.session == self.child.pid or process.identity in self.seen

    def is_older_than(self, process: Process) -> bool:
        return process.started >= int(self.since * _TICKS_PER_SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """Main, as the agent saw it while it was known to live, and how to tell its offspring."""

    main: Process
    mark: bytes
    """`NAME=value` that main puts into the environment of everything it starts."""
    image: tuple[int, ...] | None = None
    """Main's image, if it tells main's offspring from everybody else's."""

    @classmethod
    def of(cls, main: Process, mark: bytes) -> Household:
        """Look at main while it lives."""
        family = {main.pid, *(p.pid for p in processes.descendants([main.pid]))}
        shared = any(p.image == main.image for p in processes.everybody() if p.pid not in family)
        unique = all(main.image) and not shared and _addresses_are_random()
        return cls(main=main, mark=mark, image=main.image if unique else None)

    def is_alive(self) -> bool:
        """Whether main lives. What dies with main is never dead before this says so."""
        now = processes.find(self.main.pid)
        return now is not None and now.identity == self.main.identity and not now.ending

    def strays_of(self, kin: Kin, spared: Collection[int]) -> Iterator[Process]:
        """The living orphans of a dead child; `spared` are the pids of children that live."""
        for process in _others(spared, self.main.pid):
            adopted = process.parent == self.main.pid and process.session != self.main.session
            if kin.includes(process) or (adopted and kin.is_older_than(process)):
                yield process

    def survivors(self, kins: Collection[Kin]) -> Iterator[Process]:
        """Everything alive that a main process that is dead has left behind."""
        for process in _others((), self.main.pid):
            if (
                any(kin.includes(process) for kin in kins)
                or process.image == self.image
                or processes.environment_holds(process.pid, self.mark)
            ):
                yield process


def _others(spared: Collection[int], main: int) -> Iterator[Process]:
    myself = os.getpid()
    for process in processes.everybody():
        if not process.dead and process.pid not in spared and process.pid not in (myself, main):
            yield process


def _addresses_are_random() -> bool:
    """Whether two programs started alike still lie at different addresses."""
    try:
        return Path("/proc/sys/kernel/randomize_va_space").read_text().strip() != "0"
    except OSError:
        return False
