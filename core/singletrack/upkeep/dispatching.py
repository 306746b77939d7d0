"""The outbox: publishes READY runs whose message is due, because a message may always be lost."""

from __future__ import annotations

from collections.abc import Sequence

from singletrack.broker import Broker
from singletrack.failpoints import failpoint
from singletrack.ledger import AsyncLedger
from singletrack.operations import DueRun, ListDue, Published

BATCH = 100


async def dispatch(ledger: AsyncLedger, broker: Broker) -> int:
    """Publish what is due and answer how many; a duplicate does no harm, one passes `Claim`."""
    published, batch = 0, BATCH
    while batch == BATCH:
        due = await ledger.execute(ListDue(limit=BATCH))
        noted = await _publish(ledger, broker, due)
        published += noted
        batch = len(due) if noted else 0
    return published


async def _publish(ledger: AsyncLedger, broker: Broker, due: Sequence[DueRun]) -> int:
    if due:
        failpoint("upkeep.listed")
    if due and not broker.in_ledger:
        await broker.publish(due)
        failpoint("upkeep.published")
    noted = [
        await ledger.execute(
            Published(run_id=run.run_id, publications=run.publications, push=broker.in_ledger)
        )
        for run in due
    ]
    return sum(noted)
