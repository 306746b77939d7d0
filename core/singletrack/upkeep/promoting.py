"""Gives free locks to the first in line, where the server lost what `Finish` had done about it."""

from __future__ import annotations

from singletrack.ledger import AsyncLedger
from singletrack.operations import ExpireWait, ListOverdue, ListWaitingLocks, Promote

#: Waited-for locks to look at in one pass. Every end of a run promotes by itself, so this is for
#: what a server may lose, and must not cost more where more runs wait.
LOOKED_AT = 4


async def end_waits(ledger: AsyncLedger) -> int:
    """End waits that took too long, and answer how many."""
    overdue = await ledger.execute(ListOverdue())
    for run_id in overdue:
        await ledger.execute(ExpireWait(run_id=run_id))
    return len(overdue)


async def promote(ledger: AsyncLedger) -> int:
    """Promote where a lock is free; answers how many runs moved."""
    moved = 0
    for lock in await ledger.execute(ListWaitingLocks(limit=LOOKED_AT)):
        moved += await ledger.execute(Promote(lock=lock))
    return moved
