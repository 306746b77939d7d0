"""A free port of this machine for a server that cannot choose one itself.

Between the look and the server's own bind somebody else may take it: the caller tries again with
another. The port of the last start comes first, so that clients survive a restart of the server.
All of them lie below the range from which the kernel picks the near end of a connection: a client
that keeps knocking at a dead server's port could otherwise be connected to itself, and hold it.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

_RANGE = range(20_000, 32_000)
_ATTEMPTS = 20


def candidates(remembered: Path) -> Iterator[int]:
    """Ports that are free at this moment: the one in the file `remembered` first."""
    yield from filter(is_free, _read(remembered))
    yield from filter(is_free, (secrets.choice(_RANGE) for _ in range(_ATTEMPTS)))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _read(remembered: Path) -> list[int]:
    try:
        return [int(remembered.read_text())]
    except (OSError, ValueError):
        return []
