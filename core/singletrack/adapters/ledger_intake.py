"""The intake of an installation without Kubernetes: runs go straight into the ledger.

It checks a request against the catalogue before anything is recorded, and answers with the ledger's
own decision. What the ledger has acknowledged is safe from a crash of the caller: the outbox
publishes the message, whoever has submitted it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from singletrack.admission import Defaults, RunRequest, check_parameters, resolve
from singletrack.broker import Broker
from singletrack.catalogue import CatalogueEntry
from singletrack.errors import RunConflict, RunNotFound, RunStarted, TaskNotRegistered
from singletrack.intake import Accepted, refused
from singletrack.ledger import AsyncLedger
from singletrack.lifecycle import State
from singletrack.operations import (
    Cancel,
    Delete,
    Forecast,
    GetRun,
    ListTasks,
    Preview,
    Prioritise,
    Submit,
    Verdict,
)
from singletrack.run import Cancellation, Run, RunSpec

CATALOGUE_SECONDS = 5.0


class CachedCatalogue:
    """The ledger's task catalogue, remembered for a few seconds and read again on a miss."""

    def __init__(
        self,
        ledger: AsyncLedger,
        *,
        keep_seconds: float = CATALOGUE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._keep_seconds = keep_seconds
        self._monotonic = monotonic
        self._entries: Mapping[str, str] = {}
        self._stale_at = float("-inf")

    async def find(self, task: str) -> CatalogueEntry:
        """The entry of a task.

        Raises:
            TaskNotRegistered: not even a fresh look at the ledger shows it.
        """
        if self._monotonic() >= self._stale_at or task not in self._entries:
            self._entries = await self._ledger.execute(ListTasks())
            self._stale_at = self._monotonic() + self._keep_seconds
        if task not in self._entries:
            raise TaskNotRegistered(
                f"no worker has registered a task named {task!r}; registered: {self._some_names()}"
            )
        return CatalogueEntry.from_json(self._entries[task])

    def _some_names(self) -> str:
        names = sorted(self._entries)
        return ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "none"


class LedgerIntake:
    """Accepts runs by one `Submit`; the run id is the request's."""

    def __init__(
        self,
        ledger: AsyncLedger,
        broker: Broker,
        catalogue: CachedCatalogue,
        defaults: Defaults,
    ) -> None:
        self._ledger = ledger
        self._broker = broker
        self._catalogue = catalogue
        self._defaults = defaults

    async def submit(self, request: RunRequest) -> Accepted:
        """Accept a run; see `singletrack.intake.Intake`.

        Raises:
            RunConflict: the id belongs to a run with another content.
        """
        spec = await self._specified(request)
        spec = replace(spec, envelope=self._broker.envelope(spec))
        submission = await self._ledger.execute(Submit(spec=spec, push=self._broker.in_ledger))
        known = None
        if not submission.created or submission.state is State.REJECTED:
            known = await self._compared(spec)
        if known is not None and submission.state is State.REJECTED:
            reason = known.failure.reason if known.failure else ""
            raise refused(reason, spec.lock, known.holder)
        return Accepted(run_id=spec.run_id, name=spec.name, submission=submission)

    async def preview(self, request: RunRequest) -> Forecast:
        """What would become of a request; see `singletrack.intake.Intake`."""
        return await previewed(self._ledger, await self._specified(request))

    async def prioritise(self, run: Run, priority: int) -> Run:
        """Change the priority of a run; see `singletrack.intake.Intake`.

        Raises:
            RunNotFound: its record has been forgotten in the meantime.
        """
        return await prioritised(self._ledger, run.run_id, priority)

    async def cancel(self, run: Run, cancellation: Cancellation) -> Run:
        """Ask a run to stop; see `singletrack.intake.Intake`.

        Raises:
            RunNotFound: its record has been forgotten in the meantime.
        """
        operation = Cancel(run_id=run.run_id, cancellation=cancellation)
        return await performed(self._ledger, operation)

    async def delete(self, run: Run, cancellation: Cancellation) -> Run:
        """Take a run out of sight; see `singletrack.intake.Intake`.

        Raises:
            RunNotFound: its record has been forgotten in the meantime.
        """
        operation = Delete(run_id=run.run_id, cancellation=cancellation)
        return await performed(self._ledger, operation)

    async def _specified(self, request: RunRequest) -> RunSpec:
        entry = await self._catalogue.find(request.task)
        check_parameters(request, entry)
        return resolve(request, entry, self._defaults)

    async def _compared(self, spec: RunSpec) -> Run:
        """The run which has this id, if it is what was asked for.

        The ledger's fingerprint leaves out what does not change what a run does, such as its
        timeout; for somebody who repeats a request those count too. Not so the priority, which may
        have been changed since.
        """
        known = await self._ledger.execute(GetRun(run_id=spec.run_id))
        if known is not None and known.gone:
            raise RunConflict(f"the id {spec.run_id!r} belongs to a run that was deleted")
        if known is None or _asked(known.spec) != _asked(spec):
            raise RunConflict(f"the id {spec.run_id!r} belongs to a run with other content")
        return known


async def performed(ledger: AsyncLedger, operation: Cancel | Delete) -> Run:
    """The record after a durable change."""
    await ledger.execute_durably(operation)
    after = await ledger.execute(GetRun(run_id=operation.run_id))
    if after is None:
        raise RunNotFound(f"no run has the id {operation.run_id!r}")
    return after


async def previewed(ledger: AsyncLedger, spec: RunSpec) -> Forecast:
    """What the ledger would do with a run; see `Intake.preview`."""
    forecast = await ledger.execute(Preview(spec=spec))
    if forecast.verdict is Verdict.CONFLICT:
        raise RunConflict(f"the id {spec.run_id!r} belongs to a run with other content")
    return forecast


async def prioritised(ledger: AsyncLedger, run_id: str, priority: int) -> Run:
    """The record after a change of priority in the ledger; see `Intake.prioritise`."""
    reply = await ledger.execute(Prioritise(run_id=run_id, priority=priority))
    if reply.verdict is Verdict.DROP:
        raise RunStarted(f"run {run_id} is {reply.state}; a priority counts only before the start")
    after = await ledger.execute(GetRun(run_id=run_id))
    if after is None:
        raise RunNotFound(f"no run has the id {run_id!r}")
    return after


def _asked(spec: RunSpec) -> tuple[object, ...]:
    durations = (
        spec.timeout_seconds,
        spec.soft_timeout_seconds,
        spec.start_deadline_seconds,
        spec.queue_timeout_seconds,
        spec.ttl_seconds,
    )
    in_ms = [None if seconds is None else round(seconds * 1000) for seconds in durations]
    return (spec.fingerprint, spec.namespace, spec.max_queue, *in_ms)
