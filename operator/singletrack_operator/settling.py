"""What the operator does right before a ledger that has come back is blessed.

TaskRuns know ends and wishes that the ledger may have lost: a record that is behind would be
started again, or go on although somebody asked it to stop; one that is LOST provisionally would
stay so. So each of these is looked at together with its TaskRun first. If the API server does not
answer, the blessing waits.
"""

from __future__ import annotations

import structlog

from singletrack import logs
from singletrack.ledger import AsyncLedger
from singletrack_operator.reconciling import Reconciler
from singletrack_operator.resyncing import unsettled_records
from singletrack_operator.store import Store

log = structlog.get_logger()


class Settlement:
    """Called by the upkeep before each blessing."""

    def __init__(self, ledger: AsyncLedger, reconciler: Reconciler, store: Store) -> None:
        self._ledger = ledger
        self._reconciler = reconciler
        self._store = store

    async def before_blessing(self) -> int:
        """Look at every record that is not final; answers the highest token any TaskRun shows.

        Raises:
            KubernetesError, LedgerError: not everything has been looked at.
        """
        looked = 0
        async for record in unsettled_records(self._ledger):
            with logs.about_run(record.run_id):
                await self._reconciler.look(record.run_id)
            looked += 1
        log.info("records_settled", looked_at=looked)
        locks = (taskrun.status.get("lock") or {} for taskrun in self._store)
        return max((int(lock.get("fencingToken", 0)) for lock in locks), default=0)
