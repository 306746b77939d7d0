"""The API's intake where there is a cluster: a TaskRun first, then the ledger as a fast path.

What the API server has accepted is durable: should this process die before the second step, the
operator takes it. A refused request leaves no resource behind: the lock is looked at before
anything is created, and if somebody was faster all the same, what was created is deleted, by uid.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from singletrack import policies
from singletrack.adapters.kubernetes.errors import (
    Conflict,
    Invalid,
    KubernetesError,
    NotFound,
)
from singletrack.adapters.kubernetes.taskruns import TaskRuns
from singletrack.adapters.ledger_intake import (
    CachedCatalogue,
    performed,
    previewed,
    prioritised,
)
from singletrack.admission import Defaults, RunRequest, check_parameters, resolve
from singletrack.broker import Broker
from singletrack.catalogue import CatalogueEntry
from singletrack.custom_resource import manifest
from singletrack.custom_resource.manifest import TaskRun
from singletrack.errors import (
    Holder,
    IntakeError,
    IntakeUnavailable,
    InvalidParameters,
    LedgerError,
    NamespaceNotServed,
    RunConflict,
)
from singletrack.intake import Accepted, refused
from singletrack.ledger import AsyncLedger
from singletrack.lifecycle import NOT_STARTED, VIEWS, State
from singletrack.operations import (
    Cancel,
    Delete,
    Forecast,
    GetLock,
    GetRun,
    Submission,
    Submit,
    Verdict,
)
from singletrack.policies import Decision, LockView
from singletrack.run import Cancellation, Run, RunSpec


class KubernetesIntake:
    """Accepts runs by creating TaskRuns; the run id is the UID."""

    def __init__(
        self,
        taskruns: TaskRuns,
        ledger: AsyncLedger,
        broker: Broker,
        catalogue: CachedCatalogue,
        defaults: Defaults,
    ) -> None:
        self._taskruns = taskruns
        self._ledger = ledger
        self._broker = broker
        self._catalogue = catalogue
        self._defaults = defaults

    async def submit(self, request: RunRequest) -> Accepted:
        """Accept a run; see `singletrack.intake.Intake`. The request's own id is not used.

        Raises:
            RunConflict: a TaskRun of that name asks for something else.
            NamespaceNotServed: no operator would ever see the TaskRun.
        """
        self._check_scope(request)
        entry, resolved = await self._resolved(request)
        await self._probe(resolved)
        taskrun = await self._create(request, resolved)
        if taskrun.finished:
            submission = Submission(verdict=Verdict.OK, state=_state_of(taskrun))
        else:
            submission = await self._submit(taskrun, entry)
        return Accepted(run_id=taskrun.uid, name=taskrun.name, submission=submission)

    async def preview(self, request: RunRequest) -> Forecast:
        """What would become of a request; the API server looks at the TaskRun as well.

        See `singletrack.intake.Intake`.

        Raises:
            NamespaceNotServed: as `submit`.
        """
        self._check_scope(request)
        entry, resolved = await self._resolved(request)
        taskrun = await self._create(request, resolved, dry_run=True)
        if taskrun.finished:
            return Forecast(verdict=Verdict.OK, state=_state_of(taskrun))
        spec = resolve(manifest.to_request(taskrun), entry, self._defaults)
        return await previewed(self._ledger, spec)

    async def prioritise(self, run: Run, priority: int) -> Run:
        """Change the priority of a run; see `singletrack.intake.Intake`.

        Raises:
            RunNotFound: its record has been forgotten in the meantime.
        """
        spec = run.spec
        try:
            if spec.name and run.state in NOT_STARTED:
                await self._taskruns.set_priority(spec.namespace, spec.name, run.run_id, priority)
        except (Invalid, NotFound):
            pass  # it has started or is gone: the ledger knows
        except KubernetesError as error:
            raise IntakeUnavailable(str(error)) from error
        return await prioritised(self._ledger, run.run_id, priority)

    async def cancel(self, run: Run, cancellation: Cancellation) -> Run:
        """Ask a run to stop; see `singletrack.intake.Intake`.

        Raises:
            RunNotFound: its record has been forgotten in the meantime.
        """
        # The ledger first: the operator would pass the resource's word on as its own, and of two
        # who ask, the first is named for ever.
        wish = Cancel(run_id=run.run_id, cancellation=cancellation)
        after, spec = await performed(self._ledger, wish), run.spec
        if spec.name and not run.terminal and cancellation.is_harder_than(run.cancellation):
            field = manifest.cancel_field(cancellation.after(run.cancellation))
            # Gone, or cancelled meanwhile, or out of reach: the ledger's durable word counts.
            with suppress(KubernetesError):
                await self._taskruns.ask_to_stop(spec.namespace, spec.name, run.run_id, field)
        return after

    async def delete(self, run: Run, cancellation: Cancellation) -> Run:
        """Take a run out of sight; see `singletrack.intake.Intake`.

        The TaskRun goes first: should this process die then, the operator takes that for a cancel.

        Raises:
            RunNotFound: its record has been forgotten in the meantime.
        """
        spec = run.spec
        try:
            if spec.name:
                await self._taskruns.delete(spec.namespace, spec.name, run.run_id)
        except KubernetesError as error:
            raise IntakeUnavailable(str(error)) from error
        return await performed(self._ledger, Delete(run_id=run.run_id, cancellation=cancellation))

    async def _probe(self, resolved: RunSpec) -> None:
        """Refuse now what the ledger would refuse, before there is a resource."""
        lock = await self._ledger.execute(GetLock(lock=resolved.lock))
        owner = await self._ledger.execute(GetRun(run_id=lock.owner)) if lock.owner else None
        if owner is not None and _is_same(owner.spec, resolved):
            return  # asked again: it holds the lock itself
        view = LockView(
            held=owner is not None,
            holder_cancelling=owner is not None and owner.cancellation is not None,
            paused=lock.pause is not None,
            waiting=len(lock.waiting),
        )
        decision = policies.decide(resolved.policy, view, max_queue=resolved.max_queue)
        if decision is Decision.REJECT:
            holder = Holder(owner.run_id, owner.spec.name) if owner else None
            raise refused(policies.why_refused(resolved.policy, view), resolved.lock, holder)

    def _check_scope(self, request: RunRequest) -> None:
        scope = self._taskruns.scope
        if request.namespace not in scope:
            raise NamespaceNotServed(
                f"namespace {request.namespace!r} is not served here, but {scope} "
                "(SINGLETRACK_SCOPE)"
            )

    async def _resolved(self, request: RunRequest) -> tuple[CatalogueEntry, RunSpec]:
        entry = await self._catalogue.find(request.task)
        if request.args:
            raise InvalidParameters("a TaskRun takes its parameters by name only")
        check_parameters(request, entry)
        return entry, resolve(request, entry, self._defaults)

    async def _create(
        self, request: RunRequest, resolved: RunSpec, *, dry_run: bool = False
    ) -> TaskRun:
        made = manifest.build(request, resolved)
        try:
            return await self._taskruns.create(made, dry_run=dry_run)
        except Conflict as error:
            return await self._same_as_before(request, resolved, error)
        except (Invalid, NotFound) as error:
            raise InvalidParameters(str(error)) from error
        except KubernetesError as error:
            raise IntakeUnavailable(str(error)) from error

    async def _same_as_before(
        self, request: RunRequest, resolved: RunSpec, error: Conflict
    ) -> TaskRun:
        """The TaskRun that has the name already, if it asks for the same."""
        try:
            found = await self._taskruns.get(request.namespace, request.name)
        except KubernetesError as failure:
            raise IntakeUnavailable(str(failure)) from failure
        asked = resolve(manifest.to_request(found), None, self._defaults)
        if asked.fingerprint != resolved.fingerprint:
            raise RunConflict(
                f"a TaskRun named {request.name!r} asks for something else already"
            ) from error
        return found

    async def _submit(self, taskrun: TaskRun, entry: CatalogueEntry) -> Submission:
        spec = resolve(manifest.to_request(taskrun), entry, self._defaults)
        spec = replace(spec, envelope=self._broker.envelope(spec))
        try:
            submission = await self._ledger.execute(Submit(spec=spec, push=self._broker.in_ledger))
        except (LedgerError, asyncio.CancelledError):
            await self._undo(taskrun)  # the caller is told that nothing was accepted
            raise
        if submission.state is State.REJECTED:
            await self._undo(taskrun)
            raise await self._refusal(spec)
        return submission

    async def _undo(self, taskrun: TaskRun) -> None:
        try:
            await self._taskruns.delete(taskrun.namespace, taskrun.name, taskrun.uid)
        except KubernetesError as error:
            raise IntakeUnavailable(
                f"TaskRun {taskrun.name!r} was refused, but could not be deleted: {error}"
            ) from error

    async def _refusal(self, spec: RunSpec) -> IntakeError:
        """Why the ledger has refused it, whether this process has submitted it or the operator."""
        record = await self._ledger.execute(GetRun(run_id=spec.run_id))
        reason = record.failure.reason if record and record.failure else ""
        return refused(reason, spec.lock, record.holder if record else None)


def _is_same(one: RunSpec, other: RunSpec) -> bool:
    """Whether both come from one named TaskRun."""
    return bool(other.name) and (one.namespace, one.name) == (other.namespace, other.name)


def _state_of(taskrun: TaskRun) -> State | None:
    """The state whose phase a finished TaskRun shows."""
    return next((state for state, view in VIEWS.items() if view.phase == taskrun.phase), None)
