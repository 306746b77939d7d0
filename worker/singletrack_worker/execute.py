"""The executor: what a pool child does with one claimed run, as a pipeline of small steps.

    enter the gate → perform → leave → finish

It wraps Celery's own tracer (`task.__trace__`), so that everything Celery calls around a task,
`before_start`, `task_prerun`, `on_success`, happens while the run holds its lease. User code starts
only after the agent watches this process and the ledger has durably recorded the start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import structlog
from billiard.einfo import ExceptionInfo
from celery import states
from celery.app.trace import TraceInfo, trace_ok_t
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from singletrack import logs, tracing
from singletrack import operations as ops
from singletrack.errors import LedgerError
from singletrack.failpoints import failpoint
from singletrack.lifecycle import State
from singletrack.operations import Cause, Grant, Verdict
from singletrack.run import Outcome, Progress
from singletrack.specification import write_outcome
from singletrack.tasks import Execution, context
from singletrack_worker import left_threads, outcomes
from singletrack_worker.agent.client import AgentError
from singletrack_worker.agent.processes import children_of
from singletrack_worker.delivery import Delivery
from singletrack_worker.direct import Message
from singletrack_worker.gate import Gate
from singletrack_worker.runtime import Runtime
from singletrack_worker.stopping import Interruptions, StopRequested
from singletrack_worker.traced import RunTrace

log = structlog.get_logger()

R = TypeVar("R")

Trace = Callable[..., Any]
Perform = Callable[[Grant], Any]

_PAUSE_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
_PUT_BACK_SECONDS = 1.0
_DYING_SECONDS = 0.05


class Executor:
    """Executes runs in one pool child, one after the other."""

    def __init__(self, runtime: Runtime, gate: Gate) -> None:
        self._runtime = runtime
        self._gate = gate
        self._interruptions = Interruptions(runtime.clock)
        self._is_to_die = False

    def wrap(self, task: Any, trace: Trace) -> Trace:
        """Celery's tracer of a task, behind the gate."""

        def gated(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
            delivery = Delivery.of(request or {})
            if delivery is None:
                return trace(uuid, args, kwargs, request)
            message = Message.of(task.name, args, kwargs, request)
            perform = partial(_traced, trace, (uuid, args, kwargs), request)
            with (
                logs.about_run(uuid, task.name),
                RunTrace.of(self._runtime.ledger, message) as run_trace,
                self._interruptions.taken(),
            ):
                return self._run(delivery, run_trace, task, perform)

        return gated

    def _run(self, delivery: Delivery, trace: RunTrace, task: Any, perform: Perform) -> Any:
        failpoint("executor.received")
        if self._is_to_die:
            return _put_back(_DYING_SECONDS)
        try:
            with trace.gate() as message:
                entry = self._gate.enter(delivery, message)
        except AgentError as error:  # the pool forks another child, which finds the next agent
            log.warning("agent_unreachable", step="bind", error=str(error))
            raise SystemExit(1) from error
        if entry.grant is None:
            return _ignored("the run was not started") if entry.recorded else _put_back()
        failpoint("executor.confirmed")
        logs.note_run(lock=entry.grant.lock, attempt=entry.grant.attempt)
        threads = left_threads.running() if entry.holds else None
        with trace.attempt(entry.grant):
            answer, outcome, cause = self._perform_granted(entry.grant, task, perform)
            trace.ended(outcome)
        if threads is not None and left_threads.are_left(threads):
            self._bequeath(entry.grant, outcome)
        else:
            self._conclude_granted(entry.grant, outcome, cause)
        return answer

    def _perform_granted(
        self, grant: Grant, task: Any, perform: Perform
    ) -> tuple[Any, Outcome, Cause | None]:
        """Celery's answer, the outcome, and why the agent was stopping the run, if it was."""
        answer, outcome = self._perform(grant, task, perform)
        failpoint("executor.returned")
        cause = self._leave(grant)
        failpoint("executor.swept")
        if cause and outcome.state is not State.SUCCEEDED:
            outcome = outcomes.stopped(cause)
        return answer, outcome, cause

    def _conclude_granted(self, grant: Grant, outcome: Outcome, cause: Cause | None) -> None:
        recorded = self._finish(grant, outcome)
        failpoint("executor.finished")
        stopped_by_agent = cause or (self._interruptions.received and self._why(grant))
        self._gate.forget(grant.nonce, write_outcome(outcome) if recorded else "")
        failpoint("executor.left")
        if self._interruptions.received and not stopped_by_agent:
            self._interruptions.pass_on()

    # --- perform --------------------------------------------------------------------------------

    def _perform(self, grant: Grant, task: Any, perform: Perform) -> tuple[Any, Outcome]:
        context.enter(self._execution(grant, task))
        answer = None
        try:
            with self._interruptions.user_code(grant.soft_timeout_seconds):
                answer = perform(grant)
        except StopRequested:
            return _ignored("the run was stopped"), outcomes.interrupted()
        except SoftTimeLimitExceeded as error:  # outside of Celery's tracer, which catches it
            if answer is None:
                return _failure(error), outcomes.overran(outcomes.format_traceback(error))
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
        traceback = str(getattr(value, "traceback", ""))
        if isinstance(error, Retry):
            return answer, outcomes.of_retry(error, traceback)
        if isinstance(error, SoftTimeLimitExceeded) and self._interruptions.overran:
            return answer, outcomes.overran(traceback)
        return answer, outcomes.of_error(error, traceback)

    def _execution(self, grant: Grant, task: Any) -> Execution:
        def report(progress: Progress) -> None:
            told = ops.Report(run_id=grant.run_id, nonce=grant.nonce, progress=progress)
            with self._interruptions.held():
                try:
                    self._runtime.ledger.execute(told)
                except LedgerError as error:
                    log.warning("progress_not_sent", error=str(error))

        return Execution(
            run_id=grant.run_id,
            task=task.name,
            lock=grant.lock,
            token=grant.token,
            attempt=grant.attempt,
            report=report,
        )

    # --- leave, finish --------------------------------------------------------------------------

    def _leave(self, grant: Grant) -> Cause | None:
        """Have everything the task left behind killed; why the agent was stopping it, if it was.

        Until the agent has said so the run must not end: its lock would move on while something of
        it may live.
        """
        return _insist(
            "leaving",
            lambda: self._runtime.agent.leaving(grant.nonce),
            needed=lambda: self._interruptions.received or children_of(os.getpid()),
        )

    def _bequeath(self, grant: Grant, outcome: Outcome) -> None:
        """Threads of the task live on and only the end of this process ends them: have the agent
        kill it, and tell the ledger afterwards how the run has ended.
        """
        text = write_outcome(outcome) or write_outcome(outcomes.not_handed_over())
        log.warning("threads_left_behind")
        self._is_to_die = True
        tracing.flush()
        _insist("bequeath", lambda: self._runtime.agent.bequeath(grant.nonce, text))

    def _tell_leaving(self, grant: Grant) -> Cause | None:
        try:
            return self._runtime.agent.leaving(grant.nonce)
        except AgentError as error:
            log.warning("agent_unreachable", step="leaving", error=str(error))
            return None

    def _why(self, grant: Grant) -> Cause | None:
        try:
            return self._runtime.agent.why(grant.nonce)
        except AgentError:
            return None

    def _finish(self, grant: Grant, outcome: Outcome) -> bool:
        """Tell the ledger how it ended; whether the run ended so."""
        finish = ops.Finish(run_id=grant.run_id, nonce=grant.nonce, outcome=outcome)
        # Once its code is over, an outage may last longer than the lease: the agent is told so.
        reply = self._gate.repeat(finish, in_outage=lambda: self._tell_leaving(grant))
        log.info("run_finished", state=reply.state, verdict=reply.verdict)
        return reply.verdict is Verdict.OK


def _insist(
    step: str, ask: Callable[[], R], needed: Callable[[], object] = lambda: True
) -> R | None:
    """Ask the agent until it has answered, as long as there is need.

    An agent that refuses is about to kill this process; without one main does.
    """
    failures = 0
    while needed():
        try:
            return ask()
        except AgentError as error:
            if not failures:
                log.warning("agent_unreachable", step=step, error=str(error))
        time.sleep(_PAUSE_SECONDS[min(failures, len(_PAUSE_SECONDS) - 1)])
        failures += 1
    return None


def _traced(trace: Trace, call: tuple[Any, ...], request: Any, grant: Grant) -> Any:
    """Celery's tracer, told which attempt it is: Celery counts retries from 0."""
    return trace(*call, {**request, **tracing.carried(), "retries": grant.attempt - 1})


def _ignored(why: str) -> Any:
    return _answer(states.IGNORED, Ignore(why))


def _failure(error: Exception) -> Any:
    return _answer(states.FAILURE, error)


def _put_back(seconds: float = _PUT_BACK_SECONDS) -> Any:
    """Have main put the message back into its queue; not at once, for what has failed goes on."""
    time.sleep(seconds)
    return _answer(states.REJECTED, Reject("the run could not be recorded", requeue=True))


def _answer(state: str, error: Exception) -> Any:
    """What Celery's tracer answers for a run without a value."""
    try:
        raise error
    except type(error):
        return trace_ok_t(ExceptionInfo(), TraceInfo(state, error), 0.0, None)
