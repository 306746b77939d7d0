"""Take a cluster down and leave nothing of it, however it was started and whatever ended that.

Everything is found by the names that follow from the cluster's number, so it does the same for a
running cluster, for one that was killed in mid-start, and for none at all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from support.cluster import claiming, control_groups, network, processes
from support.cluster.errors import ClusterError
from support.cluster.layout import Layout

_DEADLINE = timedelta(seconds=60)
_TURN = timedelta(milliseconds=20)


def stop(layout: Layout) -> None:
    """Returns when nothing is left; raises with what is, if it does not go away."""
    with claiming.awaited(layout):
        clear(layout)


def clear(layout: Layout) -> None:
    """`stop` for who holds the claim on this cluster."""
    _wait_for(layout, _Killing(layout).is_over)
    _wait_for(layout, lambda: network.disconnect(layout))
    _wait_for(layout, lambda: control_groups.remove(layout.name))
    if mounts := _mounts(layout):
        # Removing the folder would remove what is mounted in it.
        raise ClusterError(f"These are still mounted: {', '.join(mounts)}")
    if layout.folder.exists():
        shutil.rmtree(layout.folder)


def remains(layout: Layout) -> list[str]:
    """What there is of a cluster on this machine; nothing after `stop`."""
    places = [layout.folder] if layout.folder.exists() else []
    here = layout.interfaces[0]
    return [
        *(f"process {pid}" for pid in processes.of_node(layout)),
        *(f"interface {here}" for _ in range(network.has_interface(here))),
        *(f"route {route}" for route in network.routes_into(layout)),
        *(f"control group {folder}" for folder in control_groups.left(layout.name)),
        *(f"mount {place}" for place in _mounts(layout)),
        *(f"folder {place}" for place in places),
    ]


class _Killing:
    """Kills until there is nobody to kill: a first process may just be about to be born."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._killed: set[int] = set()

    def is_over(self) -> bool:
        found = processes.kill(self._layout)
        self._killed.update(found)
        return not found and all(map(processes.gone, self._killed))


def _mounts(layout: Layout) -> list[str]:
    rows = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [row[1] for row in rows if Path(row[1]).is_relative_to(layout.folder)]


def _wait_for(layout: Layout, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _DEADLINE.total_seconds()
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(f"{layout.name} does not end: {', '.join(remains(layout))}")
        time.sleep(_TURN.total_seconds())
