"""The executor: what a pool child does with one claimed run, as a pipeline of small steps.

    bind and begin → perform → leave → finish

It wraps Celery's own tracer (`task.__trace__`), so that everything Celery calls around a task,
`before_start`, `task_prerun`, `on_success`, happens while the run holds its lease. User code starts
only after the agent watches this process and the ledger has durably recorded the start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NoReturn

import structlog
from billiard.einfo import ExceptionInfo
from celery import states
from celery.app.trace import TraceInfo, trace_ok_t
from celery.exceptions import Ignore

from singletrack import operations as ops
from singletrack.errors import LedgerUnavailable
from singletrack.failpoints import failpoint
from singletrack.lifecycle import State
from singletrack.operations import Cause, Operation, Verdict
from singletrack.run import Door, Outcome, Progress
from singletrack.specification import write_outcome
from singletrack.tasks import Execution, context
from singletrack_worker import outcomes
from singletrack_worker.agent.client import AgentError
from singletrack_worker.agent.processes import children_of
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
            claimed = claimed.specified(task.name, (args, kwargs), request)
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
        failpoint("executor.received")
        attempt = self._start(claimed)
        if attempt is None:
            return _ignored("the run was not started")
        failpoint("executor.confirmed")
        answer, outcome = self._perform(claimed, task, attempt, perform)
        failpoint("executor.returned")
        cause = self._leave(claimed)
        failpoint("executor.swept")
        if cause and outcome.state is not State.SUCCEEDED:
            outcome = outcomes.stopped(cause)
        recorded = self._finish(claimed, outcome)
        failpoint("executor.finished")
        stopped_by_agent = cause or (self._stop.received and self._why(claimed))
        self._forget(claimed, outcome if recorded else None)
        failpoint("executor.left")
        if self._stop.received and not stopped_by_agent:
            self._stop.pass_on()
        return answer

    # --- start: bind, begin, tell the agent -----------------------------------------------------

    def _start(self, claimed: ClaimedRun) -> int | None:
        """The attempt that starts now, or None: then the run has been handed back or has ended."""
        try:
            # The two answers are waited for together: nothing runs before both are there.
            asked = self._runtime.agent.bind_soon(claimed.nonce)
            reply = self._begin(claimed)
            bound = self._runtime.agent.bound(asked).bound
        except AgentError as error:
            self._leave_for_ever(claimed, error)
        if reply.verdict is Verdict.OK and bound and self._watched(claimed):
            return reply.attempt
        if reply.verdict in {Verdict.OK, Verdict.RECOVERING}:
            self._hand_back(claimed)
        self._forget(claimed)
        return None

    def _leave_for_ever(self, claimed: ClaimedRun, error: AgentError) -> NoReturn:
        """This child cannot be watched any more: hand the run back, let the pool fork another.

        Raises:
            SystemExit: ends the child.
        """
        log.warning("agent_unreachable", step="bind", error=str(error))
        self._hand_back(claimed)
        raise SystemExit(1) from error

    def _begin(self, claimed: ClaimedRun) -> ops.BeginReply:
        operation = ops.Begin(run_id=claimed.run_id, nonce=claimed.nonce)
        for pause in _PAUSE_SECONDS:
            try:
                return self._runtime.ledger.execute_durably(operation)
            except LedgerUnavailable as error:
                log.warning("begin_unconfirmed", error=str(error))
                time.sleep(pause)
        # It may have taken effect; handing the run back undoes it, because its code has not run.
        return ops.BeginReply(verdict=Verdict.RECOVERING)

    def _watched(self, claimed: ClaimedRun) -> bool:
        """Whether the lease is still good, asked once more right before user code."""
        try:
            started = self._runtime.agent.started(
                claimed.nonce, claimed.timeout_seconds, claimed.spec
            )
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
        if not self._stop.received and not children_of(os.getpid()):
            return None
        return self._tell_leaving(claimed)

    def _tell_leaving(self, claimed: ClaimedRun) -> Cause | None:
        try:
            return self._runtime.agent.leaving(claimed.nonce)
        except AgentError as error:
            log.warning("agent_unreachable", step="leaving", error=str(error))
            return None

    def _why(self, claimed: ClaimedRun) -> Cause | None:
        try:
            return self._runtime.agent.why(claimed.nonce)
        except AgentError:
            return None

    def _finish(self, claimed: ClaimedRun, outcome: Outcome) -> bool:
        """Tell the ledger how it ended; whether the run ended so."""
        finish = ops.Finish(
            run_id=claimed.run_id,
            nonce=claimed.nonce,
            outcome=outcome,
            celery_meta=claimed.door == Door.PRODUCER and self._runtime.tells_celery,
        )
        # Once its code is over, an outage may last longer than the lease: the agent is told so.
        reply = self._repeat(finish, in_outage=lambda: self._tell_leaving(claimed))
        log.info("run_finished", state=reply.state, verdict=reply.verdict)
        return reply.verdict is Verdict.OK

    def _forget(self, claimed: ClaimedRun, outcome: Outcome | None = None) -> None:
        try:
            self._runtime.agent.left(claimed.nonce, write_outcome(outcome) if outcome else "")
        except AgentError as error:
            log.warning("agent_unreachable", step="left", error=str(error))

    def _repeat(
        self, operation: Operation[ops.EndReply], in_outage: Callable[[], object] = lambda: None
    ) -> ops.EndReply:
        """Perform an ending until the ledger has answered; the agent bounds how long that is."""
        failures = 0
        while True:
            try:
                reply = self._runtime.ledger.execute(operation)
                if reply.verdict is not Verdict.RECOVERING:
                    return reply
                why = "the server has lost the record"
            except LedgerUnavailable as error:
                why = str(error)
            if not failures:
                log.warning("end_not_recorded", reason=why)
                in_outage()
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
