"""Decides when a server that has (re)started may serve claims again.

A restarted server may have lost acknowledged writes, so runs it does not know may still execute.
After the grace G every lease it could have forgotten has ended, and every live agent has told what
it knows. The wait is not needed when the server provably lost nothing, and every agent has told it
everything; `docs/adr/0010-blessing.md` says when that is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from singletrack.adapters.redis_ledger.server import find_eviction
from singletrack.clock import Clock
from singletrack.failpoints import failpoint
from singletrack.ledger import AsyncLedger
from singletrack.operations import AgentGone, Bless, ReadServer, ServerStatus, Unbless
from singletrack.settings import LeaseSettings

log = structlog.get_logger()

Prepare = Callable[[], Awaitable[int]]
"""What has to be done right before a blessing; if it raises, nothing is blessed yet. Answers the
highest token it has come across."""


class Blesser:
    """Remembers since when it has seen this server unblessed, and what there was before."""

    def __init__(
        self,
        ledger: AsyncLedger,
        settings: LeaseSettings,
        clock: Clock,
        prepare: Prepare | None = None,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._prepare = prepare
        self._unblessed_since: tuple[str, float] | None = None
        self._agents: frozenset[str] = frozenset()
        self._has_past = False

    async def look(self) -> bool:
        """Look once; bless if it is time; answer whether the server is blessed now."""
        status = await self._ledger.execute(ReadServer())
        if status.evicts:
            await self._withdraw(status)
            return False
        if status.blessed:
            self._unblessed_since = None
            self._agents, self._has_past = frozenset(status.agents), True
            return True
        waited = self._waited(status)
        if waited == 0.0:
            log.info("ledger_recovering", server=status.server_id, agents=len(status.agents))
        if not may_bless(self._with_past(status), waited, self._settings):
            return False
        floor = await self._prepare() if self._prepare else 0
        failpoint("upkeep.bless")
        await self._drop_silent(status)
        blessed = await self._ledger.execute(Bless(server_id=status.server_id, token_floor=floor))
        self._has_past = self._has_past or blessed
        log.info("ledger_blessed", server=status.server_id, waited_seconds=round(waited, 1))
        return blessed

    async def _withdraw(self, status: ServerStatus) -> None:
        """A server that may evict may have lost a lock by now: the grace begins when it stops."""
        self._unblessed_since = None
        if not status.withdrawn:
            await self._ledger.execute(Unbless())
            for finding in find_eviction(status):
                log.error("ledger_evicts", problem=finding.problem, remedy=finding.remedy)

    def _with_past(self, status: ServerStatus) -> ServerStatus:
        """The server's own word, and what it cannot know: who was there before."""
        missing = dict.fromkeys(self._agents - status.agents.keys(), "")
        emptied = status.emptied or (self._has_past and not status.blessed_id)
        return replace(status, agents={**status.agents, **missing}, emptied=emptied)

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
    durable = status.aof_enabled and status.fsync == "always" and not status.replicas
    lost_nothing = durable and not status.emptied and not status.withdrawn
    confirmed = all(identity == status.server_id for identity in status.agents.values())
    if lost_nothing and confirmed:
        return True
    # An agent that stays silent for a lease and the margin is gone, and so are its processes.
    silent = waited_seconds >= settings.lease_seconds + settings.margin_seconds
    return lost_nothing and silent
