"""What this machine gives a worker: kernel features, memory, room for processes.

A worker watches and ends processes by means only Linux has; it looks for them when it starts, and
`doctor` tells the rest.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from singletrack.findings import Finding, error, warning

_PR_GET_CHILD_SUBREAPER = 37
_FEW_PROCESSES = 64
_FEW_FILES = 1024
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One look at the machine this process is on; None where the kernel does not say."""

    system: str
    release: str
    has_pidfd: bool
    has_subreaper: bool
    has_memory_events: bool
    """The file that tells a kill for lack of memory from another SIGKILL."""
    process_limit: int | None
    processes: int | None
    open_files: int


def observe(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> Machine:
    """Look now."""
    memory = memory_folder(cgroups, membership)
    processes = _folder("pids", cgroups, membership)
    _, open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        system=platform.system(),
        release=platform.release(),
        has_pidfd=_has_pidfd(),
        has_subreaper=_has_subreaper(),
        has_memory_events=any(
            (memory / name).is_file() for name in ("memory.events", "memory.oom_control")
        ),
        process_limit=_number(processes / "pids.max"),
        processes=_number(processes / "pids.current"),
        open_files=_UNLIMITED if open_files == resource.RLIM_INFINITY else open_files,
    )


def find_missing_features(machine: Machine) -> Iterator[Finding]:
    """What a worker cannot do without: it does not start on such a machine."""
    if machine.system != "Linux":
        yield error(
            f"this is {machine.system}: a worker needs Linux, for its way of watching processes",
            "Run workers in Linux containers",
        )
        return
    if not machine.has_pidfd:
        yield error(
            f"the kernel {machine.release} (or the sandbox around this process) has no pidfd_open, "
            "by which the lease agent watches processes",
            "Use Linux 5.3 or later, and a seccomp profile that allows pidfd_open and "
            "pidfd_send_signal, such as RuntimeDefault",
        )
    if not machine.has_subreaper:
        yield error(
            "the kernel refuses PR_SET_CHILD_SUBREAPER, without which a task's daemons escape",
            "Use Linux 3.4 or later, and a seccomp profile that allows prctl",
        )


def find_little_room(machine: Machine) -> Iterator[Finding]:
    """Limits a worker will soon run into."""
    if machine.process_limit is not None and machine.processes is not None:
        left = machine.process_limit - machine.processes
        if left < _FEW_PROCESSES:
            yield warning(
                f"only {left} more processes fit under pids.max ({machine.process_limit}); a "
                "worker that cannot start processes executes nothing",
                "Raise the limit of the container (podPidsLimit, docker --pids-limit)",
            )
    if machine.open_files < _FEW_FILES:
        yield warning(
            f"this process may open {machine.open_files} files; an agent needs one for each "
            "process it watches",
            f"Run: ulimit -Hn {_FEW_FILES * 4} (in a container: --ulimit nofile)",
        )


def _has_pidfd() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def _has_subreaper() -> bool:
    answer = ctypes.c_int()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return int(libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


def memory_folder(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> Path:
    """Where the kernel tells of the memory of this process's control group."""
    return _folder("memory", cgroups, membership)


def _folder(controller: str, cgroups: Path, membership: Path) -> Path:
    """This process's cgroup folder for a controller, in either version of cgroups."""
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            _, names, path = line.split(":", 2)
            root = cgroups / controller if names else cgroups
            if names and controller not in names.split(","):
                continue
            # Inside a container the path may be that of the host, and the folder the root.
            for folder in (root / path.lstrip("/"), root):
                if any(folder.glob(f"{controller}.*")):
                    return folder
    return cgroups


def _number(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return None
