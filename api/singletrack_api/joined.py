"""Looks up the run that another one has joined, for every answer that shows an outcome."""

from __future__ import annotations

from singletrack.joining import joined_id, outcome_of
from singletrack.ledger import AsyncLedger
from singletrack.operations import GetRun
from singletrack.run import Run


async def outcome(ledger: AsyncLedger, run: Run) -> Run:
    """The record whose state and result count: the run's own, or that of the run it joined."""
    other = joined_id(run)
    return outcome_of(run, await ledger.execute(GetRun(run_id=other)) if other else None)
