"""The pool's children as the agent knows them, and the ends it puts to them.

Everything here acts: opens pidfds, signals, kills. What to do is decided by the table.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from singletrack.exits import Exit
from singletrack_worker.agent import killing, processes
from singletrack_worker.agent.killing import Killed
from singletrack_worker.agent.kinship import Household, Kin
from singletrack_worker.agent.messages import SOFT_LIMIT
from singletrack_worker.agent.out_of_memory import KernelKills
from singletrack_worker.agent.processes import Process, ProcessId

KILL_SECONDS = 1.0
"""How long one attempt to kill may keep the agent from everything else."""


@dataclass(frozen=True, slots=True)
class Child:
    """A living pool child, held by its pidfd."""

    identity: ProcessId
    pidfd: int

    def fileno(self) -> int:
        return self.pidfd


class Children:
    """The living pool children by pid, and the kin of those that hold a run, by nonce."""

    def __init__(self, household: Household, kills: KernelKills) -> None:
        self._household = household
        self._kills = kills
        self._children: dict[int, Child] = {}
        self._kins: dict[str, Kin] = {}

    # --- who there is -------------------------------------------------------------------------

    def adopt(self, pid: int) -> Child | None:
        """Take a child of main into the registry; None if it is none, or is dead."""
        process = processes.find(pid)
        if process is None or process.dead or process.parent != self._household.main.pid:
            return None
        pidfd = processes.open_pidfd(process.identity)
        if pidfd is None:
            return None
        self._children[pid] = child = Child(process.identity, pidfd)
        return child

    def get(self, pid: int) -> Child | None:
        return self._children.get(pid)

    def dismiss(self, child: Child) -> Exit | None:
        """Forget a child that has ended; answers how, if the kernel still knows."""
        del self._children[child.identity.pid]
        os.close(child.pidfd)
        process = processes.find(child.identity.pid)
        known = process and process.identity == child.identity and process.exit_status
        return processes.describe_exit(os.waitstatus_to_exitcode(known)) if known else None

    def starved(self, nonce: str, how: Exit | None) -> str:
        """That the kernel has killed this run's child for want of memory, in words, if it has."""
        return self._kills.explain(nonce) if how is None or how.signal == "SIGKILL" else ""

    def has_ended(self, child: Child) -> bool:
        process = processes.find(child.identity.pid)
        return process is None or process.identity != child.identity or process.dead

    def bind(self, nonce: str, child: Child, now: float) -> None:
        """From now on what this child starts belongs to this run."""
        self._kins[nonce] = Kin(child=child.identity, since=now)
        self._kills.bound(nonce)

    def forget_all_but(self, nonces: Collection[str]) -> None:
        """Only these runs are in the table any more."""
        self._kins = {nonce: kin for nonce, kin in self._kins.items() if nonce in nonces}
        self._kills.forget_all_but(nonces)

    @property
    def any_bound(self) -> bool:
        return bool(self._kins)

    def look(self) -> None:
        """Remember who is below each bound child."""
        for kin in self._kins.values():
            kin.look()

    # --- how it ends --------------------------------------------------------------------------

    def terminate(self, pid: int) -> None:
        """Ask a child to stop."""
        child = self._children.get(pid)
        if child:
            processes.send_signal(child.pidfd, signal.SIGTERM)

    def warn(self, pid: int) -> None:
        """Tell a child that the soft time limit of its run is over."""
        child = self._children.get(pid)
        if child:
            processes.send_signal(child.pidfd, SOFT_LIMIT)

    def sweep(self, pid: int) -> tuple[bool, tuple[int, ...]]:
        """Kill everything below a child; whether that is done, and whom the child has to reap."""
        killed = killing.kill_below(pid, KILL_SECONDS)
        return killed.complete, tuple(_dead(processes.children_of(pid)))

    def kill(self, nonces: Collection[str]) -> tuple[bool, tuple[int, ...]]:
        """Kill whole runs; whether nobody is left, and whom main has to reap."""
        kins = [self._kins[nonce] for nonce in nonces]
        roots = [kin.child for kin in kins]
        first = killing.kill_all(lambda: killing.trees(roots), KILL_SECONDS)
        spared = self._children.keys() - {root.pid for root in roots}

        def strays() -> list[Process]:
            household = self._household
            return _with_descendants(p for kin in kins for p in household.strays_of(kin, spared))

        rest = killing.kill_all(strays, KILL_SECONDS)
        return first.complete and rest.complete, self._adopted(kins, (first, rest))

    def kill_everybody(self) -> bool:
        """Main is dead: kill all children and all it has left behind."""
        roots = [child.identity for child in self._children.values()]
        first = killing.kill_all(lambda: killing.trees(roots), KILL_SECONDS)
        kins = list(self._kins.values())
        rest = killing.kill_all(
            lambda: _with_descendants(self._household.survivors(kins)), KILL_SECONDS
        )
        return first.complete and rest.complete

    def _adopted(self, kins: Collection[Kin], hunts: Collection[Killed]) -> tuple[int, ...]:
        """The dead that main has adopted; its own pool children are not among them."""
        killed = {pid for hunt in hunts for pid in hunt.pids}
        pool = self._children.keys() | {kin.child.pid for kin in kins}
        adopted = _dead(pid for pid in processes.children_of(self._household.main.pid))
        return tuple(
            pid
            for pid, process in adopted.items()
            if pid not in pool and (pid in killed or any(kin.includes(process) for kin in kins))
        )


def _dead(pids: Collection[int] | Iterator[int]) -> dict[int, Process]:
    return {pid: process for pid in pids if (process := processes.find(pid)) and process.dead}


def _with_descendants(found: Iterator[Process]) -> list[Process]:
    heads = list(found)
    return heads + processes.descendants([process.pid for process in heads])
