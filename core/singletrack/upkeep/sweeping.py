"""Ends leases that nobody renews.

No clock of another machine and no key expiry is involved: a lease is over when this process has
itself seen the same lease number for longer than a lease and a margin on its own clock, and the
ledger still has that number when it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from singletrack.clock import Clock
from singletrack.failpoints import failpoint
from singletrack.ledger import AsyncLedger
from singletrack.operations import Expire, LeaseView, ListLeases
from singletrack.settings import LeaseSettings

Witness = Callable[[Sequence[LeaseView]], None]
"""Told of all leases at each look: who needs to know of them need not ask as well."""


class Sweeper:
    """Remembers since when it has seen each lease unchanged."""

    def __init__(
        self,
        ledger: AsyncLedger,
        settings: LeaseSettings,
        clock: Clock,
        witness: Witness | None = None,
    ) -> None:
        self._witness = witness
        self._ledger = ledger
        self._clock = clock
        self._patience = settings.lease_seconds + settings.margin_seconds
        self._seen: dict[LeaseView, float] = {}

    async def look(self) -> int:
        """Look once at all leases, end those that are over, and answer how many were."""
        leases = await self._ledger.execute(ListLeases())
        # Read after the answer: a lease cannot have been unchanged for longer than we know of.
        now = self._clock.boottime()
        if self._witness:
            self._witness(leases)
        self._seen = {lease: self._seen.get(lease, now) for lease in leases}
        over = [lease for lease, since in self._seen.items() if now - since >= self._patience]
        for lease in over:
            failpoint("upkeep.over")
            self._seen[lease] = now  # a lock that is held all the same is looked at again later
            await self._ledger.execute(
                Expire(run_id=lease.run_id, nonce=lease.nonce, lease_seq=lease.lease_seq)
            )
        return len(over)
