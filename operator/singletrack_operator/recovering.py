"""Notices that the ledger was blessed anew, and has everything looked at.

A server that has restarted, or was emptied, may have forgotten records, and no change will ever
tell of those. Nothing is shown or submitted until the server is blessed again; from then on its
records, and the lack of them, count.
"""

from __future__ import annotations

import time

import structlog

from singletrack.adapters.redis_ledger.server import find_unfit
from singletrack.ledger import AsyncLedger
from singletrack.operations import ReadServer
from singletrack.settings import Durability
from singletrack_operator.health import Health
from singletrack_operator.store import Store
from singletrack_operator.workqueue import WorkQueue

log = structlog.get_logger()

_PAUSE_SECONDS = 10.0
_PAUSE_WHILE_RECOVERING_SECONDS = 1.0


class Recovery:
    """Remembers which blessing of which server was trusted last."""

    def __init__(
        self,
        ledger: AsyncLedger,
        store: Store,
        queue: WorkQueue,
        health: Health,
        durability: Durability,
    ) -> None:
        self._ledger = ledger
        self._health = health
        self._durability = durability
        self._store = store
        self._queue = queue
        self._trusted = ("", 0)
        self._next_look = float("-inf")

    def suspect(self) -> None:
        """The ledger did not answer: look at the server as soon as it does."""
        self._next_look = float("-inf")

    async def look(self) -> None:
        """Look at the server, if it is time to."""
        now = time.monotonic()
        if now < self._next_look:
            return
        server = await self._ledger.execute(ReadServer())
        self._health.weaknesses = tuple(map(str, find_unfit(server, self._durability)))
        if not server.blessed:
            self._next_look = now + _PAUSE_WHILE_RECOVERING_SECONDS
            return
        self._next_look = now + _PAUSE_SECONDS
        blessing = (server.server_id, server.blessed_at)
        if blessing != self._trusted:
            log.info("ledger_trusted", server=server.server_id, taskruns=len(self._store))
            for taskrun in self._store:
                self._queue.add(taskrun.uid)
            self._trusted = blessing
