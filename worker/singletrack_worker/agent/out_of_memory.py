"""Kills by the kernel for want of memory, told from every other SIGKILL.

The kernel counts them per control group, in version 1 in `memory.oom_control`, in version 2 in
`memory.events`; an agent is in the group of its worker. If the counter has risen since a run was
bound, and its child has died of a SIGKILL that nobody here has sent, that is what it died of. Each
kill explains one death.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_COUNTERS = ("memory.events", "memory.oom_control")
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_NO_LIMIT = 1 << 60
_ENOUGH = 4096


def kills_in(text: str) -> int:
    """How many processes of the group were killed, by either version's file; 0 if it is silent."""
    pairs = (line.split() for line in text.splitlines())
    return next((int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == "oom_kill"), 0)


def limit_in(text: str) -> int | None:
    """The limit in bytes by either version's file; None if there is none."""
    digits = text.strip()
    limit = int(digits) if digits.isdecimal() else _NO_LIMIT
    return limit if limit < _NO_LIMIT else None


def describe(limit: int | None) -> str:
    """Why a run's process was killed, and what to do about it."""
    which = "" if limit is None else f" of {limit / 2**20:.0f} MiB"
    return (
        f"killed by the kernel because the worker had used up its memory{which}; raise the memory "
        "limit, run fewer tasks at once in the worker, or have the task use less"
    )


class KernelKills:
    """What the kernel has killed in one control group, and which runs that explains."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counter = _open(folder, _COUNTERS)
        self._explained = 0
        self._unexplained_at: dict[str, int] = {}

    def bound(self, nonce: str) -> None:
        """A run has been bound: what was killed before has nothing to do with it."""
        self._unexplained_at[nonce] = self._unexplained()

    def forget_all_but(self, nonces: Collection[str]) -> None:
        """Only these runs are in the table any more."""
        marks = self._unexplained_at
        self._unexplained_at = {nonce: mark for nonce, mark in marks.items() if nonce in nonces}

    def explain(self, nonce: str) -> str:
        """Why the child of this run has died, if the kernel has killed somebody meanwhile."""
        unexplained = self._unexplained()
        if unexplained <= self._unexplained_at.get(nonce, unexplained):
            return ""
        self._explained += 1
        return describe(self._limit())

    def _unexplained(self) -> int:
        if self._counter is None:
            return 0
        with suppress(OSError):
            return kills_in(os.pread(self._counter, _ENOUGH, 0).decode()) - self._explained
        return 0

    def _limit(self) -> int | None:
        for name in _LIMITS:
            with suppress(OSError):
                return limit_in((self._folder / name).read_text())
        return None


def _open(folder: Path, names: Collection[str]) -> int | None:
    """The first of these files there is; None if there is none, as in the topmost group."""
    for name in names:
        with suppress(OSError):
            return os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
    return None
