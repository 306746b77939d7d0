"""Holds the warden: the process that ends what is left of a platform, whatever ends this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from singletrack_cli import parts

_SCRIPT = Path(__file__).with_name("warden.py")
_PATIENCE_SECONDS = 15.0


@contextmanager
def ended_with_us(mark: str, environ: Mapping[str, str]) -> Iterator[int]:
    """When the block is left, nothing that has the mark lives any more; yields the warden's pid."""
    warden = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SCRIPT), f"{parts.MARK}={mark}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=parts.personal(environ),
        start_new_session=True,
    )
    try:
        yield warden.pid
    finally:
        if warden.stdin is not None:
            warden.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            warden.wait(_PATIENCE_SECONDS)
