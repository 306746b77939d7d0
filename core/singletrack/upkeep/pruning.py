"""Deletes the records of runs whose time to live is over."""

from __future__ import annotations

from singletrack.ledger import AsyncLedger
from singletrack.operations import Forget, ListForgettable


async def prune(ledger: AsyncLedger) -> int:
    """Forget one batch and answer how many."""
    over = await ledger.execute(ListForgettable())
    for run_id in over:
        await ledger.execute(Forget(run_id=run_id))
    return len(over)
