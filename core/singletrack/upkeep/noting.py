"""Sees to it that everybody knows how safe an acknowledged write is on this server right now.

An administrator may change how the server syncs while workers run, and a flush takes the note of
it away. By what is noted here each client decides within seconds how it has its writes confirmed.
"""

from __future__ import annotations

import structlog

from singletrack.adapters.redis_ledger.server import (
    Confirmation,
    confirmation_of,
    find_forgetting,
    summary,
)
from singletrack.ledger import AsyncLedger
from singletrack.operations import ServerStatus
from singletrack.settings import Durability

log = structlog.get_logger()


class SyncNote:
    """Keeps the note true, and says so once when the promise changes."""

    def __init__(self, ledger: AsyncLedger, durability: Durability) -> None:
        self._ledger = ledger
        self._durability = durability
        self._known: Confirmation | None = None
        self._looked = False

    async def look(self) -> Confirmation | None:
        """Look once; answers how a write is confirmed, None where this server has no way to."""
        status = await self._ledger.note_server()
        now = confirmation_of(status, self._durability)
        if self._looked and now is not self._known:
            self._tell(status, now)
        self._looked, self._known = True, now
        return now

    def _tell(self, status: ServerStatus, now: Confirmation | None) -> None:
        log.warning("ledger_confirmation_changed", ledger=summary(status, now or Confirmation.NONE))
        for finding in find_forgetting(status, self._durability):
            log.error("ledger_forgets", problem=finding.problem, remedy=finding.remedy)
