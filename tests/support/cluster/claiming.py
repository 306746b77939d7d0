"""Only one process at a time starts or stops the cluster of a number.

The claim is an address in the kernel's abstract name space: it needs no file that somebody would
have to remove, and is free again as soon as its holder ends, whatever ends it.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from support.cluster import processes
from support.cluster.errors import ClusterError
from support.cluster.layout import Layout

_TURN = timedelta(milliseconds=100)


@contextmanager
def free(layouts: Iterable[Layout]) -> Iterator[Layout]:
    """The first whose cluster neither runs nor is being started or stopped."""
    tried = []
    for layout in layouts:
        claim = _claim(layout)
        if claim is None:
            tried.append(f"{layout.name} is being started or stopped")
            continue
        with claim:
            if not processes.of_node(layout):
                yield layout
                return
            tried.append(f"{layout.name} runs already, see {layout.folder}")
    raise ClusterError(f"No cluster can be started: {', '.join(tried)}.")


@contextmanager
def awaited(layout: Layout) -> Iterator[None]:
    """Wait for who starts or stops this cluster at the moment, if anybody does."""
    while (claim := _claim(layout)) is None:
        time.sleep(_TURN.total_seconds())
    with claim:
        yield


def _claim(layout: Layout) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0singletrack-cluster-{layout.number}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return claim
