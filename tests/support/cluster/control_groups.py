"""The control groups below which a node keeps those of its pods: made before it, removed after it.

The kernel does not take them away with the processes. Version 1 has a hierarchy for each
controller, version 2 has one for all, and a machine may have both: runc makes folders in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_CPUSETS = ("cpuset.cpus", "cpuset.mems")


def hierarchies(mounts: str) -> list[Path]:
    """The roots to make a folder in, from the content of /proc/mounts."""
    rows = (line.split() for line in mounts.splitlines())
    return [Path(row[1]) for row in rows if row[2] in {"cgroup", "cgroup2"}]


def make(name: str) -> None:
    for root in _roots():
        (root / name).mkdir(exist_ok=True)
        for file in _CPUSETS:  # empty in a new folder, and then no process may enter it
            if (root / file).exists() and not (root / name / file).read_text().strip():
                (root / name / file).write_text((root / file).read_text())


def left(name: str) -> list[Path]:
    """Every folder that is still there, the deepest first."""
    return [folder for root in _roots() for folder in _below(root / name)]


def remove(name: str) -> bool:
    """Remove what no process is in any more; True when nothing is left."""
    for folder in left(name):
        try:
            folder.rmdir()
        except OSError:
            continue  # a process in it has not quite ended: the caller asks again
    return not left(name)


def _roots() -> list[Path]:
    return hierarchies(Path("/proc/mounts").read_text())


def _below(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for each in sorted(folder.iterdir()):
            if each.is_dir():
                yield from _below(each)
        yield folder
