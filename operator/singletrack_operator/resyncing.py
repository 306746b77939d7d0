"""Compares everything with everything, now and then: what the watch never tells is found here.

A watch that had to start again does not report what was deleted meanwhile, and nobody watches while
no operator runs. So all unfinished TaskRuns are listed, those we know that are no longer there are
looked at, and so is every live record whose TaskRun we do not know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import structlog

from singletrack.adapters.kubernetes.taskruns import TaskRuns
from singletrack.custom_resource import UNFINISHED
from singletrack.custom_resource.manifest import TaskRun
from singletrack.failpoints import failpoint
from singletrack.ledger import AsyncLedger
from singletrack.operations import ListNamespaces, ListRuns, ListUnprojected
from singletrack.run import Run
from singletrack_operator.act import Surroundings

log = structlog.get_logger()

_PAGE = 500
_MOST_UNPROJECTED = 100_000


class Resync:
    """One comparison; the caller repeats it."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._first = True

    async def compare(self) -> None:
        """List, compare, and queue what differs.

        Raises:
            KubernetesError, LedgerError: it is not complete; what was queued until then is right.
        """
        missed = await self._compare_resources(self._around.taskruns)
        await self._compare_records(self._around.ledger)
        if missed and not self._first:
            log.warning("watch_missed_something", taskruns=missed)
        self._first = False
        self._around.metrics.loop_succeeded("resync")

    async def _compare_resources(self, taskruns: TaskRuns) -> int:
        store, queue = self._around.store, self._around.queue
        known = {taskrun.uid for taskrun in store}
        listed: set[str] = set()
        changed: list[TaskRun] = []
        new = 0
        async for taskrun in taskruns.select(UNFINISHED):
            listed.add(taskrun.uid)
            if store.observe(None, taskrun):
                changed.append(taskrun)
            new += taskrun.uid not in known and not store.has_ended(taskrun.uid)
        failpoint("operator.compared")
        for taskrun in sorted(changed, key=_age):
            queue.add(taskrun.uid)
        gone = [uid for uid in known - listed if uid in store]
        for uid in gone:
            store.drop(uid)
            queue.add(uid)
        self._count(new, len(gone))
        return new + len(gone)

    async def _compare_records(self, ledger: AsyncLedger) -> None:
        store, queue = self._around.store, self._around.queue
        for run_id in await ledger.execute(ListUnprojected(limit=_MOST_UNPROJECTED)):
            if run_id not in store:
                queue.add(run_id)
        async for record in live_records(ledger):
            if record.run_id not in store:
                queue.add(record.run_id)

    def _count(self, new: int, gone: int) -> None:
        if not self._first:
            self._around.metrics.resync_found.labels(kind="new").inc(new)
            self._around.metrics.resync_found.labels(kind="gone").inc(gone)


def _age(taskrun: TaskRun) -> tuple[datetime, int]:
    """The order of creation: a listing is in the order of names, a timestamp only in seconds. As
    long as nobody has written to it, an object's version is the moment it was created.
    """
    version = taskrun.resource_version
    return taskrun.created_at, int(version) if version.isdigit() else 0


async def live_records(ledger: AsyncLedger) -> AsyncIterator[Run]:
    """Every record that has a TaskRun and has not ended."""
    async for run in unsettled_records(ledger):
        if not run.terminal:
            yield run


async def unsettled_records(ledger: AsyncLedger) -> AsyncIterator[Run]:
    """Every record that has a TaskRun, and has not ended, or only provisionally."""
    for namespace in await ledger.execute(ListNamespaces()):
        async for run in _unsettled_runs(ledger, namespace):
            yield run


async def _unsettled_runs(ledger: AsyncLedger, namespace: str) -> AsyncIterator[Run]:
    before = 0
    while page := await ledger.execute(ListRuns(namespace=namespace, limit=_PAGE, before=before)):
        for run in page:
            if run.spec.name and (run.provisional or not run.terminal):
                yield run
        if len(page) < _PAGE:
            return
        before = page[-1].sequence
