"""The outbox: publishes READY runs whose message is due, because a message may always be lost."""

from __future__ import annotations

from singletrack.broker import Broker
from singletrack.failpoints import failpoint
from singletrack.ledger import AsyncLedger
from singletrack.operations import ListDue, Published


async def dispatch(ledger: AsyncLedger, broker: Broker) -> int:
    """Publish what is due and answer how many; a duplicate does no harm, one passes `Claim`."""
    due = await ledger.execute(ListDue())
    if due:
        failpoint("upkeep.listed")
    if due and not broker.in_ledger:
        await broker.publish(due)
        failpoint("upkeep.published")
    for run in due:
        await ledger.execute(
            Published(run_id=run.run_id, publications=run.publications, push=broker.in_ledger)
        )
    return len(due)
