"""Receipts: how a pool child tells main that a message's run is recorded.

One pipe for all children of a worker, made before they are forked. A receipt is a nonce, written in
one piece, so receipts never mix; one that is lost costs nothing but time, because main learns the
same when the run is over.
"""

from __future__ import annotations

import contextlib
import os

NONCE_BYTES = 32


class Receipts:
    """The pipe, with both ends; each process uses one of them."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """What main waits for."""
        return self._read_end

    def write(self, nonce: str) -> None:
        """Child: the ledger has the run of this message."""
        with contextlib.suppress(OSError):  # main hangs or is gone
            os.write(self._write_end, nonce.encode())

    def read(self) -> list[str]:
        """Main: the nonces that have come since the last time."""
        found = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._read_end, 64 * NONCE_BYTES):
                found += chunk
        return [found[i : i + NONCE_BYTES].decode() for i in range(0, len(found), NONCE_BYTES)]
