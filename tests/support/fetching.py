"""What the tests fetch: once, into a folder of the user's cache, by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from singletrack_cli.controlplane.binaries import cache_folder


@contextmanager
def cached(name: str) -> Iterator[Path]:
    """A folder, which may not be there yet; it is this process's while the block lasts."""
    folder = cache_folder(os.environ).with_name(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
