"""Does what was decided: one method per action, each harmless when done twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from singletrack import logs, tracing
from singletrack.adapters.kubernetes.errors import NotFound
from singletrack.adapters.kubernetes.taskruns import TaskRuns
from singletrack.broker import Broker
from singletrack.clock import Clock
from singletrack.custom_resource.manifest import TaskRun
from singletrack.ledger import AsyncLedger
from singletrack.operations import AckProjection as Ack
from singletrack.operations import Cancel, Submission, Verdict
from singletrack.operations import Prioritise as PrioritiseRun
from singletrack.operations import Settle as SettleRun
from singletrack.operations import Submit as SubmitRun
from singletrack.run import RunSpec
from singletrack_operator.actions import (
    AckProjection,
    Action,
    AwaitTask,
    CancelRun,
    DeleteResource,
    Prioritise,
    RequeueAfter,
    ScheduleDeletion,
    Settle,
    Submit,
    WriteStatus,
)
from singletrack_operator.deleting import Deletions
from singletrack_operator.metrics import OperatorMetrics
from singletrack_operator.registering import AwaitedTasks
from singletrack_operator.store import Store
from singletrack_operator.telling import Teller
from singletrack_operator.workqueue import WorkQueue

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the operator's parts share."""

    ledger: AsyncLedger
    taskruns: TaskRuns
    broker: Broker
    store: Store
    queue: WorkQueue
    deletions: Deletions
    awaited: AwaitedTasks
    metrics: OperatorMetrics
    teller: Teller
    clock: Clock


class Actor:
    """Performs actions on TaskRuns, their records, and the operator's own lists."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def perform(self, taskrun: TaskRun, actions: tuple[Action, ...]) -> None:
        """Do all of it, in order."""
        for action in actions:
            await self._perform(taskrun, action)

    async def _perform(self, taskrun: TaskRun, action: Action) -> None:
        around = self._around
        match action:
            case Submit():
                await self._submit(action)
            case CancelRun():
                await self._cancel(taskrun, action)
            case Settle():
                await self._settle(taskrun, action)
            case Prioritise():
                await self._prioritise(taskrun, action)
            case WriteStatus():
                await self._write_status(taskrun, action)
            case AckProjection(revision=revision):
                await around.ledger.execute(Ack(run_id=taskrun.uid, revision=revision))
            case DeleteResource():
                await around.taskruns.delete(taskrun.namespace, taskrun.name, taskrun.uid)
            case _:
                self._remember(taskrun, action)

    def _remember(
        self, taskrun: TaskRun, action: ScheduleDeletion | RequeueAfter | AwaitTask
    ) -> None:
        match action:
            case ScheduleDeletion(at=at):
                self._around.deletions.schedule(at, taskrun)
            case RequeueAfter(seconds=seconds):
                self._around.queue.add_later(taskrun.uid, seconds)
            case AwaitTask(task=task):
                self._around.awaited.add(task, taskrun.uid)
            case _:
                assert_never(action)

    async def _submit(self, action: Submit) -> None:
        asked, run_id = action.spec, action.spec.run_id
        logs.note_run(lock=asked.lock)
        span = tracing.span(
            f"submit {asked.task}",
            parent=asked.traceparent,
            kind=tracing.Kind.PRODUCER,
            run=run_id,
            task=asked.task,
            door=str(asked.door),
        )
        with span:
            submission = await self._submit_within(span, asked)
            if submission.verdict is Verdict.CONFLICT:
                # The API has submitted it with other defaults a moment before: its record counts.
                log.warning("run_submitted_differently")
            elif submission.created:
                log.info("run_submitted", state=submission.state)
        self._around.queue.add(run_id)

    async def _submit_within(self, span: tracing.Span, asked: RunSpec) -> Submission:
        broker = self._around.broker
        spec = replace(asked, traceparent=span.traceparent or asked.traceparent)
        spec = replace(spec, envelope=broker.envelope(spec))
        submission = await self._around.ledger.execute(SubmitRun(spec=spec, push=broker.in_ledger))
        span.say(state=submission.state)
        if not submission.created:  # the API has, and has told of it
            span.drop()
        return submission

    async def _cancel(self, taskrun: TaskRun, action: CancelRun) -> None:
        operation = Cancel(run_id=taskrun.uid, cancellation=action.cancellation)
        await self._around.ledger.execute_durably(operation)
        why = action.cancellation.reason
        log.info("run_cancel_asked", taskrun=f"{taskrun.namespace}/{taskrun.name}", reason=why)
        self._around.queue.add(taskrun.uid)

    async def _prioritise(self, taskrun: TaskRun, action: Prioritise) -> None:
        operation = PrioritiseRun(run_id=taskrun.uid, priority=action.priority)
        await self._around.ledger.execute(operation)
        self._around.queue.add(taskrun.uid)

    async def _settle(self, taskrun: TaskRun, action: Settle) -> None:
        settle = SettleRun(run_id=taskrun.uid, outcome=action.outcome)
        reply = await self._around.ledger.execute_durably(settle)
        log.info("run_settled", state=reply.state, verdict=reply.verdict)

    async def _write_status(self, taskrun: TaskRun, action: WriteStatus) -> None:
        try:
            with _writing(taskrun, action):
                written = await self._around.taskruns.write_status(taskrun, action.status)
        except NotFound:
            self._around.store.drop(taskrun.uid)
            self._around.queue.add(taskrun.uid)
            return
        self._around.store.put(written)
        now = self._around.clock.now()
        self._around.metrics.wrote_status(taskrun.status, action.status, now)
        if action.terminal:
            self._around.teller.tell(taskrun, dict(action.status), now)
            where, phase = f"{taskrun.namespace}/{taskrun.name}", action.status["phase"]
            log.info("run_ended", taskrun=where, phase=phase)


def _writing(taskrun: TaskRun, action: WriteStatus) -> tracing.Span:
    """The span of a status, where the run has a trace."""
    if not action.traceparent:
        return tracing.OFF
    return tracing.span(
        "write status", parent=action.traceparent, run=taskrun.uid, phase=action.status["phase"]
    )
