"""One look at one TaskRun: read it and its record, decide, act. And the workers that take turns."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import structlog

from singletrack import logs
from singletrack.adapters.kubernetes.errors import (
    Conflict,
    Invalid,
    KubernetesError,
    Throttled,
    Unavailable,
)
from singletrack.adapters.ledger_intake import CachedCatalogue
from singletrack.catalogue import CatalogueEntry
from singletrack.custom_resource.manifest import TaskRun
from singletrack.errors import Holder, LedgerUnavailable, SingletrackError, TaskNotRegistered
from singletrack.failpoints import failpoint
from singletrack.lifecycle import State
from singletrack.operations import AckProjection, Cancel, GetLock, GetRun, ReadServer
from singletrack.pauses import holding_back
from singletrack.run import Cancellation, Run
from singletrack_operator.act import Actor, Surroundings
from singletrack_operator.decide import Rules, Seen, decide

log = structlog.get_logger()


class Reconciler:
    """Looks at TaskRuns by UID; several may be looked at side by side, one never twice at once."""

    def __init__(self, around: Surroundings, rules: Rules) -> None:
        self._around = around
        self._rules = rules
        self._clock = around.clock
        self._actor = Actor(around)
        self._catalogue = CachedCatalogue(around.ledger)
        self._missing_since: dict[str, float] = {}
        self._outages: set[str] = set()
        self._in_turn = asyncio.Lock()

    async def work(self) -> None:
        """Take keys and look at them, until cancelled."""
        while True:
            uid = await self._around.queue.take()
            with logs.about_run(uid):
                await self._work_on(uid)

    async def _work_on(self, uid: str) -> None:
        queue, begun, result = self._around.queue, time.monotonic(), "ok"
        try:
            await self._look_in_turn(uid)
            queue.done(uid)
        except SingletrackError as error:
            result = "error"
            self._take_note(uid, error)
            queue.failed(uid, _pause_asked_for(error))
        except Exception:
            result = "error"
            log.exception("reconcile_crashed")
            queue.failed(uid)
        finally:
            spent = time.monotonic() - begun
            self._around.metrics.reconcile_seconds.labels(result=result).observe(spent)

    async def _look_in_turn(self, uid: str) -> None:
        """Look; new TaskRuns one after the other, so that they get in line in their order."""
        taskrun = self._around.store.get(uid)
        if taskrun is None or taskrun.status.get("runID"):
            await self.look(uid)
            return
        async with self._in_turn:
            await self.look(uid)

    async def look(self, uid: str) -> None:
        """Bring one TaskRun and its record into agreement, one step further."""
        record = await self._around.ledger.execute(GetRun(run_id=uid))
        _note(record)
        if record is not None and self._is_out_of_scope(record):
            return  # whether its TaskRun is gone we may not ask
        over = record is not None and record.terminal and not record.provisional
        if record is not None and over and self._around.store.has_ended(uid):
            await self._acknowledge(record)
            return
        taskrun = self._around.store.get(uid) or await self._fetch(uid, record)
        if taskrun is None:
            if record is not None:
                await self._after_deletion(record)
            return
        logs.note_run(task=taskrun.task)
        record = await self._not_older(record, taskrun)
        actions = decide(await self._see(taskrun, record), self._rules)
        failpoint("operator.decided")
        try:
            await self._actor.perform(taskrun, actions)
        except (Invalid, Conflict) as error:
            await self._read_again(taskrun, error)
        self._outages.clear()

    def _is_out_of_scope(self, record: Run) -> bool:
        spec = record.spec
        return bool(spec.name) and spec.namespace not in self._around.taskruns.scope

    async def _fetch(self, uid: str, record: Run | None) -> TaskRun | None:
        """Read a TaskRun the watch does not (or no longer) tell of; its name is in the record."""
        if record is None or not record.spec.name:
            return None
        spec = record.spec
        found = await self._around.taskruns.find(spec.namespace, spec.name, uid)
        if found is not None:
            self._around.store.put(found)
        return found

    async def _not_older(self, record: Run | None, taskrun: TaskRun) -> Run | None:
        """A record that was read after the TaskRun, if its attempts lag behind.

        Only in that order do they prove that the ledger has forgotten a start: the run may have
        started meanwhile, and an operator that ends while this one begins has shown it.
        """
        if record is None or record.attempt >= taskrun.attempt:
            return record
        return await self._around.ledger.execute(GetRun(run_id=record.run_id))

    async def _see(self, taskrun: TaskRun, record: Run | None) -> Seen:
        if record is not None and record.state is State.QUEUED:
            record = await self._with_holder(record)
        pause = await holding_back(self._around.ledger, record) if record else None
        server = await self._around.ledger.execute(ReadServer())
        return Seen(
            taskrun=taskrun,
            record=record,
            blessed=server.blessed,
            entry=await self._entry(taskrun) if record is None else None,
            now=self._clock.now(),
            pause=pause,
            missing_seconds=self._missing_seconds(taskrun.uid, record, blessed=server.blessed),
        )

    async def _with_holder(self, record: Run) -> Run:
        """A waiting run's record, with who holds the lock at the moment."""
        ledger = self._around.ledger
        lock = await ledger.execute(GetLock(lock=record.spec.lock))
        owner = await ledger.execute(GetRun(run_id=lock.owner)) if lock.owner else None
        if owner is None:
            return record
        return replace(record, holder=Holder(run_id=owner.run_id, name=owner.spec.name))

    async def _entry(self, taskrun: TaskRun) -> CatalogueEntry | None:
        try:
            return await self._catalogue.find(taskrun.task)
        except TaskNotRegistered:
            return None

    async def _after_deletion(self, record: Run) -> None:
        """The TaskRun is gone: that is a wish to cancel, and nothing is left to show."""
        ledger, run_id, spec = self._around.ledger, record.run_id, record.spec
        wish = Cancellation(
            by="kubernetes",
            reason="the TaskRun was deleted",
            grace_seconds=self._rules.cancel_grace_seconds,
        )
        harder = wish.is_harder_than(record.cancellation)
        if not record.terminal and harder and spec.name:
            await ledger.execute_durably(Cancel(run_id=run_id, cancellation=wish))
            log.info(
                "run_cancel_asked", taskrun=f"{spec.namespace}/{spec.name}", reason=wish.reason
            )
        await self._acknowledge(record)

    async def _acknowledge(self, record: Run) -> None:
        """There is nothing (more) to show of this record."""
        done = AckProjection(run_id=record.run_id, revision=record.revision)
        await self._around.ledger.execute(done)

    async def _read_again(self, taskrun: TaskRun, error: KubernetesError) -> None:
        """The resource has moved on since it was read: take the new version, then look again."""
        find = self._around.taskruns.find
        current = await find(taskrun.namespace, taskrun.name, taskrun.uid)
        if current is not None and current.resource_version == taskrun.resource_version:
            raise error  # it has not: what we wrote breaks a rule
        self._around.store.drop(taskrun.uid)
        if current is not None:
            self._around.store.put(current)
        self._around.queue.add(taskrun.uid)

    def _missing_seconds(self, uid: str, record: Run | None, *, blessed: bool) -> float:
        if record is not None or not blessed or uid not in self._around.store:
            self._missing_since.pop(uid, None)
            return 0.0
        now = self._clock.boottime()
        return now - self._missing_since.setdefault(uid, now)

    def _take_note(self, uid: str, error: SingletrackError) -> None:
        """One line per outage, or per TaskRun that cannot be dealt with."""
        if isinstance(error, LedgerUnavailable | Unavailable):
            kind = type(error).__name__
            first = kind not in self._outages
            self._outages.add(kind)
        else:
            first = not self._around.queue.failures(uid)
        if first:
            log.warning("reconcile_failed", error=str(error))
        else:
            log.debug("reconcile_fails_still", error=str(error))


def _note(record: Run | None) -> None:
    """Have the lines to come say what the record says of its run."""
    if record is not None:
        logs.note_run(None, record.spec.task, record.spec.lock, record.attempt)


def _pause_asked_for(error: SingletrackError) -> float:
    return error.retry_after_seconds if isinstance(error, Throttled) else 0.0
