"""Linux processes: who they are, who descends from whom, how to signal exactly one of them.

Nothing here knows leases. A pid alone names nobody, because pids are reused: a process is its pid
and the moment it was started, and it is signalled through a pidfd that was checked against both.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from singletrack.errors import SingletrackError
from singletrack.exits import Exit

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_DEAD_STATES = frozenset("ZXx")


class ProcessControlError(SingletrackError):
    """The kernel refused to change how this process is treated."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for ever: the pid and the start in clock ticks since boot."""

    pid: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process as `/proc/<pid>/stat` showed it at one moment."""

    pid: int
    started: int
    parent: int
    session: int
    ending: bool
    """Its first thread is dead: its children have been told and given to others."""
    dead: bool
    """No thread of it will run again; it only waits for its parent to reap it."""
    exit_status: int
    """As `waitpid` would say it, once it is dead; 0 when the kernel does not tell us."""
    image: tuple[int, ...]
    """Where its program, stack and arguments lie. Equal in processes that were forked from one
    another without an exec in between, and random in all others."""

    @property
    def identity(self) -> ProcessId:
        return ProcessId(self.pid, self.started)


# --- how the kernel treats this process -----------------------------------------------------------


def become_subreaper() -> None:
    """Adopt the orphans among this process's descendants; not inherited by children."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Receive this signal when the parent thread ends; not inherited by children."""
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, argument: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise ProcessControlError(f"prctl({option}, {argument}): {os.strerror(code)}")


# --- reading /proc --------------------------------------------------------------------------------


def find(pid: int) -> Process | None:
    """The process with this pid; None when there is none."""
    text = _read(f"/proc/{pid}/stat")
    # The name in brackets may hold anything; the fields start behind the last bracket.
    fields = text.rpartition(b")")[2].split()
    if len(fields) < 50:
        return None
    ending, threads = chr(fields[0][0]) in _DEAD_STATES, int(fields[17])
    return Process(
        pid=pid,
        started=int(fields[19]),
        parent=int(fields[1]),
        session=int(fields[3]),
        ending=ending,
        dead=ending and threads <= 1,
        exit_status=int(fields[49]),
        image=tuple(int(fields[i]) for i in (23, 24, 25, 45, 47)),
    )


def everybody() -> Iterator[Process]:
    """Every process that can be seen."""
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    return (process for pid in pids if (process := find(pid)))


def children_of(pid: int) -> list[int]:
    """The pids of a process's children, dead ones too; complete only while it does not fork."""
    if not _lists_children():
        return [process.pid for process in everybody() if process.parent == pid]
    try:
        with os.scandir(f"/proc/{pid}/task") as entries:
            threads = [entry.name for entry in entries]
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def descendants(pids: Iterable[int]) -> list[Process]:
    """Every living process below these, not they themselves."""
    found: dict[int, Process] = {}
    waiting = list(pids)
    while waiting:
        for child in children_of(waiting.pop()):
            process = find(child)
            if process and not process.dead and child not in found:
                found[child] = process
                waiting.append(child)
    return list(found.values())


def environment_holds(pid: int, entry: bytes) -> bool:
    """Whether the environment a process was started with has this `NAME=value`."""
    return entry in _read(f"/proc/{pid}/environ").split(b"\0")


@lru_cache(maxsize=1)
def _lists_children() -> bool:
    """Whether this kernel was built with the `children` files (CONFIG_PROC_CHILDREN)."""
    return os.access("/proc/thread-self/children", os.R_OK)


def _read(path: str) -> bytes:
    """A file of `/proc`; empty when its process is gone or hidden."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(file, 65536):
            parts.append(part)
        return b"".join(parts)
    except OSError:  # it ended while we were reading
        return b""
    finally:
        os.close(file)


# --- signals --------------------------------------------------------------------------------------


def open_pidfd(identity: ProcessId) -> int | None:
    """A pidfd of exactly this process, for the caller to close; None when it is gone.

    Raises:
        OSError: there are no file descriptors left.
    """
    try:
        pidfd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    process = find(identity.pid)
    if process is None or process.identity != identity:
        os.close(pidfd)
        return None
    return pidfd


def send_signal(pidfd: int, number: int) -> bool:
    """Signal the process behind a pidfd; False when it is gone or not ours to signal."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def reap(pids: Iterable[int]) -> None:
    """Remove these dead children of the calling process from the process table."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has done it
            continue


def describe_exit(code: int) -> Exit:
    """An end as Python counts it: what a process left with, or a signal's number, negative."""
    if code >= 0:
        return Exit(code=code)
    name = next((s.name for s in signal.Signals if s == -code), f"SIG{-code}")
    return Exit(signal=name)
