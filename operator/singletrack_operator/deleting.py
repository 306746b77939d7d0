"""Deletes TaskRuns whose time to live is over.

The next few hours' deletions are kept in memory; a listing of the finished TaskRuns, once an hour
and at the start, finds those of earlier times and of earlier operators.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from singletrack import logs
from singletrack.adapters.kubernetes.errors import Expired, KubernetesError
from singletrack.adapters.kubernetes.taskruns import TaskRuns
from singletrack.admission import Defaults
from singletrack.clock import Clock
from singletrack.custom_resource import FINISHED
from singletrack.custom_resource.manifest import TaskRun

log = structlog.get_logger()

LISTING = timedelta(hours=1)
HORIZON = LISTING * 2
_AGAIN = timedelta(minutes=1)
_LONGEST_NAP_SECONDS = 60.0

DeletionTime = Callable[[TaskRun, datetime, Defaults], datetime]
Entry = tuple[datetime, str, str, str]
"""When, UID, namespace, name."""


class Deletions:
    """What to delete when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Entry] = []
        self._listed: dict[str, datetime] = {}
        self._sooner = asyncio.Event()

    def __len__(self) -> int:
        return len(self._listed)

    def schedule(self, at: datetime, taskrun: TaskRun) -> None:
        """Delete it then; what is too far away is found again by a later listing."""
        if at > self._clock.now() + HORIZON or self._listed.get(taskrun.uid) == at:
            return
        self._push((at, taskrun.uid, taskrun.namespace, taskrun.name))

    async def run(self, taskruns: TaskRuns) -> None:
        """Delete each when it is time, until cancelled."""
        while True:
            self._sooner.clear()
            for entry in self._due():
                await self._delete(taskruns, entry)
            try:
                async with asyncio.timeout(self._nap_seconds()):
                    await self._sooner.wait()
            except TimeoutError:
                continue

    async def refill(self, taskruns: TaskRuns, when: DeletionTime, defaults: Defaults) -> None:
        """Look through all finished TaskRuns for those whose time comes soon."""
        try:
            async for taskrun in taskruns.select(FINISHED):
                if ended := taskrun.completed_at:
                    self.schedule(when(taskrun, ended, defaults), taskrun)
        except Expired:
            return  # the pages took too long; what has come is scheduled, the rest comes next time

    def _due(self) -> list[Entry]:
        due: list[Entry] = []
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._listed.get(entry[1]) == entry[0]:
                del self._listed[entry[1]]
                due.append(entry)
        return due

    async def _delete(self, taskruns: TaskRuns, entry: Entry) -> None:
        _, uid, namespace, name = entry
        with logs.about_run(uid):
            try:
                if await taskruns.delete(namespace, name, uid):
                    log.info("taskrun_deleted", taskrun=f"{namespace}/{name}")
            except KubernetesError as error:
                log.debug("taskrun_not_deleted", taskrun=f"{namespace}/{name}", error=str(error))
                self._push((self._clock.now() + _AGAIN, uid, namespace, name))

    def _push(self, entry: Entry) -> None:
        self._listed[entry[1]] = entry[0]
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._sooner.set()

    def _nap_seconds(self) -> float:
        if not self._heap:
            return _LONGEST_NAP_SECONDS
        left = (self._heap[0][0] - self._clock.now()).total_seconds()
        return min(max(left, 0.0), _LONGEST_NAP_SECONDS)
