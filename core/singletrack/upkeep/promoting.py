"""Gives free locks to the first in line, where the server lost what `Finish` had done about it."""

from __future__ import annotations

from singletrack.ledger import AsyncLedger
from singletrack.operations import ExpireWait, ListOverdue, ListWaitingLocks, Promote

#: Waited-for locks to look at in one pass. Every end of a run promotes by itself, so this is for
#: what a server may lose, and must not cost more where more runs wait.
LOOKED_AT = 5


async def promote(ledger: AsyncLedger) -> int:
    """End overdue waits, then promote; answers how many runs moved."""
    moved = 0
    for run_id in await ledger.execute(ListOverdue()):
        await ledger.execute(ExpireWait(run_id=run_id))
        moved += 1
    for lock in await ledger.execute(ListWaitingLocks(limit=LOOKED_AT)):
        moved += await ledger.execute(Promote(lock=lock))
    return moved
