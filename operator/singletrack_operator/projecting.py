"""Turns changes of the ledger into looks at TaskRuns.

The ledger's stream of changes only wakes this loop; which TaskRuns are behind is asked of the
ledger, so a hint that was missed costs a few seconds and never a status.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from singletrack.errors import LedgerError
from singletrack.operations import ListUnprojected
from singletrack_operator.act import Surroundings
from singletrack_operator.recovering import Recovery

log = structlog.get_logger()

_WAIT_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 10.0
_PACE_SECONDS = 0.02
"""Changes that come within so much of one another are looked at together."""
_PAUSE_SECONDS = 1.0


class Projector:
    """Follows the ledger."""

    def __init__(self, around: Surroundings, recovery: Recovery) -> None:
        self._ledger = around.ledger
        self._store = around.store
        self._queue = around.queue
        self._metrics = around.metrics
        self._recovery = recovery
        self._asked_at = float("-inf")

    async def run(self) -> None:
        """Follow until cancelled."""
        cursor, failing = "", False
        while True:
            try:
                cursor = await self._follow(cursor)
                failing = False
            except LedgerError as error:
                if not failing:
                    log.warning("changes_not_followed", error=str(error))
                failing = True
                self._recovery.suspect()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(self, cursor: str) -> str:
        cursor, changed = await self._ledger.changes(cursor, _WAIT_SECONDS)
        await self._recovery.look()
        for run_id in changed:
            if run_id in self._store:
                self._queue.add(run_id)
        if changed or time.monotonic() - self._asked_at > _ASK_AGAIN_SECONDS:
            await self._ask()
        self._metrics.loop_succeeded("project")
        await asyncio.sleep(_PACE_SECONDS)
        return cursor

    async def _ask(self) -> None:
        for run_id in await self._ledger.execute(ListUnprojected()):
            self._queue.add(run_id)
        self._asked_at = time.monotonic()
