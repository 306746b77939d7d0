"""The memory ledger for asyncio callers: a thin coat over the synchronous one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from singletrack.adapters.memory.ledger import MemoryLedger
from singletrack.operations import Operation, ReadServer, ServerStatus

R = TypeVar("R")


class AsyncMemoryLedger:
    """See `singletrack.ledger.AsyncLedger`; two coats over one ledger see the same runs."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def execute(self, operation: Operation[R]) -> R:
        """Perform one operation; it never waits for anything."""
        return self._ledger.execute(operation)

    async def execute_durably(self, operation: Operation[R]) -> R:
        """The same as `execute`."""
        return self._ledger.execute_durably(operation)

    async def changes(self, cursor: str, timeout_seconds: float) -> tuple[str, Sequence[str]]:
        """Wait for changes after `cursor`; see `singletrack.ledger.AsyncLedger`."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def heard() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self._ledger.listening(heard):
            position, runs = self._ledger.changes_since(int(cursor) if cursor else None)
            if not runs:
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout_seconds):
                        await changed.wait()
                position, runs = self._ledger.changes_since(position)
        return str(position), runs

    async def note_server(self) -> ServerStatus:
        """There is nothing that not everybody may ask."""
        return self._ledger.execute(ReadServer())

    async def close(self) -> None:
        """Close the ledger below."""
        self._ledger.close()
