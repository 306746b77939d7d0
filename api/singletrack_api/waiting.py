"""Waiting for the end of a run on behalf of a client (`Prefer: wait=N`).

One reader of the ledger's changes serves all requests that wait, and only while one does. Changes
are hints, so every waiter also looks by itself once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from singletrack.errors import LedgerError
from singletrack.ledger import AsyncLedger
from singletrack.operations import GetRun
from singletrack.run import Run

LOOK_SECONDS = 1.0


class RunWaiter:
    """Lets requests wait until a run has ended."""

    def __init__(self, ledger: AsyncLedger) -> None:
        self._ledger = ledger
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def ended(self, run: Run, seconds: float) -> Run:
        """The run once it has ended, or as it is after that many seconds."""
        if run.terminal or seconds <= 0:
            return run
        deadline = asyncio.get_running_loop().time() + seconds
        with self._listening(run.run_id) as changed:
            while not run.terminal:
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                await _any_of(changed, min(left, LOOK_SECONDS))
                with suppress(LedgerError):  # the next look may succeed
                    found = await self._ledger.execute(GetRun(run_id=run.run_id))
                    run = found or run
        return run

    @contextmanager
    def _listening(self, run_id: str) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._waiting.setdefault(run_id, set()).add(changed)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_changes())
        try:
            yield changed
        finally:
            self._waiting[run_id].discard(changed)
            if not self._waiting[run_id]:
                del self._waiting[run_id]
            if not self._waiting:
                self._reader.cancel()
                self._reader = None

    async def _read_changes(self) -> None:
        cursor = ""
        while True:
            try:
                cursor, run_ids = await self._ledger.changes(cursor, LOOK_SECONDS)
            except LedgerError:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            for run_id in run_ids:
                for changed in self._waiting.get(run_id, ()):
                    changed.set()


async def _any_of(changed: asyncio.Event, seconds: float) -> None:
    """Return at the next change, or after that many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        pass
    changed.clear()
