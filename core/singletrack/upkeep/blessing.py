"""Decides when a server that has (re)started may serve claims again.

A restarted server may have lost acknowledged writes, so runs it does not know may still execute.
After the grace G every lease it could have forgotten has ended. The wait is not needed when the
server provably lost nothing (its append-only file is synced before every reply and there is no
replica it could have been promoted from) and every live agent has renewed its leases against it.
"""

from __future__ import annotations

import structlog

from singletrack.clock import Clock
from singletrack.failpoints import failpoint
from singletrack.ledger import AsyncLedger
from singletrack.operations import AgentGone, Bless, ReadServer, ServerStatus
from singletrack.settings import LeaseSettings

log = structlog.get_logger()


class Blesser:
    """Remembers since when it has seen this server unblessed, and which agents are silent."""

    def __init__(self, ledger: AsyncLedger, settings: LeaseSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._unblessed_since: tuple[str, float] | None = None

    async def look(self) -> bool:
        """Look once; bless if it is time; answer whether the server is blessed now."""
        status = await self._ledger.execute(ReadServer())
        if status.blessed:
            self._unblessed_since = None
            return True
        waited = self._waited(status)
        if waited == 0.0:
            log.info("ledger_recovering", server=status.server_id, agents=len(status.agents))
        if not may_bless(status, waited, self._settings):
            return False
        failpoint("upkeep.bless")
        await self._drop_silent(status)
        blessed = await self._ledger.execute(Bless(server_id=status.server_id))
        log.info("ledger_blessed", server=status.server_id, waited_seconds=round(waited, 1))
        return blessed

    def _waited(self, status: ServerStatus) -> float:
        now = self._clock.boottime()
        if self._unblessed_since is None or self._unblessed_since[0] != status.server_id:
            self._unblessed_since = (status.server_id, now)
        return now - self._unblessed_since[1]

    async def _drop_silent(self, status: ServerStatus) -> None:
        for agent, confirmed in status.agents.items():
            if confirmed != status.server_id:
                await self._ledger.execute(AgentGone(agent=agent))


def may_bless(status: ServerStatus, waited_seconds: float, settings: LeaseSettings) -> bool:
    """Whether claims may be served: after the grace, or when nothing can have been lost."""
    if waited_seconds >= settings.blessing_grace_seconds:
        return True
    lost_nothing = status.aof_enabled and status.fsync == "always" and not status.replicas
    confirmed = all(identity == status.server_id for identity in status.agents.values())
    if lost_nothing and confirmed:
        return True
    # An agent that stays silent for a lease and the margin is gone, and so are its processes.
    silent = waited_seconds >= settings.lease_seconds + settings.margin_seconds
    return lost_nothing and silent
