"""Gives free locks to the first in line, where a crash kept `Finish` from doing it."""

from __future__ import annotations

from singletrack.ledger import AsyncLedger
from singletrack.operations import ExpireWait, ListOverdue, ListWaitingLocks, Promote


async def promote(ledger: AsyncLedger) -> int:
    """End overdue waits, then promote; answers how many runs moved."""
    moved = 0
    for run_id in await ledger.execute(ListOverdue()):
        await ledger.execute(ExpireWait(run_id=run_id))
        moved += 1
    for lock in await ledger.execute(ListWaitingLocks()):
        moved += await ledger.execute(Promote(lock=lock))
    return moved
