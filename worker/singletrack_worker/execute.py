"""The executor: what a pool child does with one claimed run, as a pipeline of small steps.

    bind → begin → perform → leave → finish

It wraps Celery's own tracer (`task.__trace__`), so that everything Celery calls around a task,
`before_start`, `task_prerun`, `on_success`, happens while the run holds its lease. User code starts
only after the agent watches this process and the ledger has durably recorded the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from billiard.einfo import ExceptionInfo
from celery import states
from celery.app.trace import TraceInfo, trace_ok_t
from celery.exceptions import Ignore

from singletrack import operations as ops
from singletrack.errors import LedgerUnavailable
from singletrack.lifecycle import State
from singletrack.operations import Cause, Operation, Verdict
from singletrack.run import Door, Outcome, Progress
from singletrack.tasks import Execution, context
from singletrack_worker import outcomes
from singletrack_worker.agent.client import AgentError
from singletrack_worker.claimed import ClaimedRun
from singletrack_worker.runtime import Runtime
from singletrack_worker.stopping import StopRequested, StopSignal

log = structlog.get_logger()

Trace = Callable[..., Any]

_PAUSE_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


class Executor:
    """Executes claimed runs in one pool child, one after the other."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stop = StopSignal()

    def wrap(self, task: Any, trace: Trace) -> Trace:
        """Celery's tracer of a task, behind the gate."""

        def gated(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
            claimed = ClaimedRun.of(request or {})
            if claimed is None:
                return trace(uuid, args, kwargs, request)
            return self._execute(claimed, task, lambda: trace(uuid, args, kwargs, request))

        return gated

    def _execute(self, claimed: ClaimedRun, task: Any, perform: Callable[[], Any]) -> Any:
        structlog.contextvars.bind_contextvars(run=claimed.run_id, task=task.name)
        try:
            with self._stop.taken():
                answer = self._run(claimed, task, perform)
        finally:
            structlog.contextvars.unbind_contextvars("run", "task")
        return answer

    def _run(self, claimed: ClaimedRun, task: Any, perform: Callable[[], Any]) -> Any:
        attempt = self._start(claimed)
        if attempt is None:
            return _ignored("the run was not started")
        answer, outcome = self._perform(claimed, task, attempt, perform)
        cause = self._leave(claimed)
        if cause and outcome.state is not State.SUCCEEDED:
            outcome = outcomes.stopped(cause)
        self._finish(claimed, outcome)
        if self._stop.received and cause is None:
            self._stop.pass_on()
        return answer

    # --- start: bind, begin, tell the agent -----------------------------------------------------

    def _start(self, claimed: ClaimedRun) -> int | None:
        """The attempt that starts now, or None: then the run has been handed back or has ended."""
        if not self._bind(claimed):
            self._hand_back(claimed)
            return None
        reply = self._begin(claimed)
        if reply is None or reply.verdict is Verdict.RECOVERING:
            self._hand_back(claimed)
        elif reply.verdict is Verdict.OK and self._watched(claimed):
            return reply.attempt
        elif reply.verdict is Verdict.OK:
            self._hand_back(claimed)
        self._forget(claimed)
        return None

    def _bind(self, claimed: ClaimedRun) -> bool:
        try:
            return self._runtime.agent.bind(claimed.nonce).bound
        except AgentError as error:
            log.warning("agent_unreachable", step="bind", error=str(error))
            return False

    def _begin(self, claimed: ClaimedRun) -> ops.BeginReply | None:
        operation = ops.Begin(run_id=claimed.run_id, nonce=claimed.nonce)
        for pause in (*_PAUSE_SECONDS, None):
            try:
                return self._runtime.ledger.execute_durably(operation)
            except LedgerUnavailable as error:
                if pause is None:
                    log.warning("begin_unconfirmed", error=str(error))
                    return None
                time.sleep(pause)
        return None

    def _watched(self, claimed: ClaimedRun) -> bool:
        """Whether the lease is still good, asked once more right before user code."""
        try:
            started = self._runtime.agent.started(claimed.nonce, claimed.timeout_seconds)
        except AgentError as error:
            log.warning("agent_unreachable", step="started", error=str(error))
            return False
        return started.bound

    def _hand_back(self, claimed: ClaimedRun) -> None:
        self._repeat(ops.NotStarted(run_id=claimed.run_id, nonce=claimed.nonce))

    # --- perform --------------------------------------------------------------------------------

    def _perform(
        self, claimed: ClaimedRun, task: Any, attempt: int, perform: Callable[[], Any]
    ) -> tuple[Any, Outcome]:
        context.enter(self._execution(claimed, task, attempt))
        try:
            with self._stop.user_code():
                answer = perform()
        except StopRequested:
            return _ignored("the run was stopped"), outcomes.interrupted()
        except SystemExit as error:
            return _failure(RuntimeError(f"sys.exit({error.code!r})")), outcomes.of_exit(error)
        finally:
            context.enter(None)
        return self._conclude(answer)

    def _conclude(self, answer: Any) -> tuple[Any, Outcome]:
        """What Celery's tracer answered, as an outcome."""
        value, info = answer.retval, answer.info
        if info is None:
            return answer, outcomes.of_value(value, self._runtime.settings.run.result_bytes)
        error = info.retval
        if isinstance(error, StopRequested):
            return _ignored("the run was stopped"), outcomes.interrupted()
        traceback = getattr(value, "traceback", "")
        return answer, outcomes.of_error(error, str(traceback))

    def _execution(self, claimed: ClaimedRun, task: Any, attempt: int) -> Execution:
        def report(progress: Progress) -> None:
            try:
                self._runtime.ledger.execute(
                    ops.Report(run_id=claimed.run_id, nonce=claimed.nonce, progress=progress)
                )
            except LedgerUnavailable as error:
                log.warning("progress_not_sent", error=str(error))

        return Execution(
            run_id=claimed.run_id,
            task=task.name,
            lock=claimed.lock,
            token=claimed.token,
            attempt=attempt,
            report=report,
        )

    # --- leave, finish --------------------------------------------------------------------------

    def _leave(self, claimed: ClaimedRun) -> Cause | None:
        """Have everything the task left behind killed; why the agent was stopping it, if it was."""
        try:
            return self._runtime.agent.leaving(claimed.nonce)
        except AgentError as error:
            log.warning("agent_unreachable", step="leaving", error=str(error))
            return None

    def _finish(self, claimed: ClaimedRun, outcome: Outcome) -> None:
        reply = self._repeat(
            ops.Finish(
                run_id=claimed.run_id,
                nonce=claimed.nonce,
                outcome=outcome,
                celery_meta=claimed.door == Door.PRODUCER,
            )
        )
        log.info("run_finished", state=reply.state, verdict=reply.verdict)
        self._forget(claimed)

    def _forget(self, claimed: ClaimedRun) -> None:
        try:
            self._runtime.agent.left(claimed.nonce)
        except AgentError as error:
            log.warning("agent_unreachable", step="left", error=str(error))

    def _repeat(self, operation: Operation[ops.EndReply]) -> ops.EndReply:
        """Perform an ending until the ledger has answered; the agent bounds it by its deadline."""
        failures = 0
        while True:
            try:
                reply = self._runtime.ledger.execute(operation)
                if reply.verdict is not Verdict.RECOVERING:
                    return reply
            except LedgerUnavailable as error:
                if not failures:
                    log.warning("ledger_unavailable", error=str(error))
            time.sleep(_PAUSE_SECONDS[min(failures, len(_PAUSE_SECONDS) - 1)])
            failures += 1


def _ignored(why: str) -> Any:
    return _answer(states.IGNORED, Ignore(why))


def _failure(error: Exception) -> Any:
    return _answer(states.FAILURE, error)


def _answer(state: str, error: Exception) -> Any:
    """What Celery's tracer answers for a run without a value."""
    try:
        raise error
    except type(error):
        return trace_ok_t(ExceptionInfo(), TraceInfo(state, error), 0.0, None)
