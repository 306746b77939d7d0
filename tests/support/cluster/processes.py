"""The processes of a node, as the machine sees them.

A node is found by the command line of its first process, not by a remembered number: the note may
be missing after a kill in mid-start, and a number may belong to somebody else by then.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from support.cluster.layout import Layout

NODE_MODULE = "support.cluster.node"


def of_node(layout: Layout) -> list[int]:
    """The first process of the node, and the one outside that made its namespaces."""
    words = [NODE_MODULE, str(layout.folder)]
    return [pid for pid in everyone() if command_line(pid)[-2:] == words]


def init_of(layout: Layout) -> int | None:
    """The process that is number 1 inside the node."""
    inside = (pid for pid in of_node(layout) if _numbers(pid)[1:] == [1])
    return next(inside, None)


def component(layout: Layout, program: str) -> int | None:
    """The component of that name, which the node's first process has started."""
    init = init_of(layout)
    for pid in everyone():
        words = command_line(pid)
        if words and Path(words[0]).name == program and parent(pid) == init:
            return pid
    return None


def below(pid: int) -> list[int]:
    """What it has started, and what that has."""
    parents = {each: parent(each) for each in everyone()}
    found = [pid]
    for known in found:
        found += [each for each, its in parents.items() if its == known]
    return found[1:]


def kill(layout: Layout) -> list[int]:
    """Kill the node: with its first process the kernel ends all others. Whom it has hit."""
    found = of_node(layout)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def gone(pid: int) -> bool:
    """Whether it has ended; a node's first process has not before all others of the node have."""
    return _status(pid).get("State", "Z").startswith("Z")


def command_line(pid: int) -> list[str]:
    try:
        words = Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return []  # it has just ended
    return words.decode(errors="replace").rstrip("\0").split("\0")


def everyone() -> Iterator[int]:
    return (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())


def _numbers(pid: int) -> list[int]:
    """Its numbers, from the machine's namespace inwards."""
    return [int(number) for number in _status(pid).get("NSpid", "").split()]


def parent(pid: int) -> int | None:
    parent = _status(pid).get("PPid")
    return int(parent) if parent else None


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
