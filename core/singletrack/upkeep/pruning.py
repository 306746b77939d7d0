"""Deletes the records of runs whose time to live is over."""

from __future__ import annotations

from singletrack.ledger import AsyncLedger
from singletrack.operations import Forget, ListForgettable

BATCH = 100


async def prune(ledger: AsyncLedger) -> int:
    """Forget all of them, in batches, and answer how many.

    What is left over would add up: runs may end faster than one batch a pass.
    """
    forgotten, batch = 0, BATCH
    while batch == BATCH:
        over = await ledger.execute(ListForgettable(limit=BATCH))
        deleted = [await ledger.execute(Forget(run_id=run_id)) for run_id in over]
        forgotten += sum(deleted)
        batch = len(over) if any(deleted) else 0
    return forgotten
