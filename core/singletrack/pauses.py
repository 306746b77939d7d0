"""Which pause keeps a run waiting, for whoever shows that run."""

from __future__ import annotations

from singletrack.ledger import AsyncLedger
from singletrack.lifecycle import State
from singletrack.operations import GetPauses, Pause
from singletrack.run import Run


async def holding_back(ledger: AsyncLedger, run: Run) -> Pause | None:
    """The pause of its lock while it waits for that, of its queue while it waits for a worker.

    A message that is on its way says that the queue was not paused when it was sent: then nobody
    is asked.
    """
    waits_for_lock = run.state is State.QUEUED
    parked = run.state is State.READY and not run.publications
    if not waits_for_lock and not parked:
        return None
    pauses = await ledger.execute(GetPauses(lock=run.spec.lock, queue=run.spec.queue))
    return pauses.lock if waits_for_lock else pauses.queue
