"""The spans of one run in the child that executes it, and its trace in what is logged of it.

    submit (a producer's run)  →  wait for lock  →  hand over  →  execute

What was waited for is told when it is over, by the times in the record. So no span is open while a
run waits, in whichever process, and none is lost with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

import structlog

from singletrack import traceparent, tracing
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.errors import LedgerError
from singletrack.operations import GetRun, Grant
from singletrack.run import Outcome, Run
from singletrack_worker.direct import Message

log = structlog.get_logger()


class RunTrace:
    """Of one message; this one does nothing, for tracing is off."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @classmethod
    def of(cls, ledger: RedisLedger, message: Message) -> RunTrace:
        """That of a message's run."""
        return RecordedTrace(ledger, message) if tracing.is_on() else cls(message)

    @contextmanager
    def gate(self) -> Iterator[Message]:
        """In here the run is recorded, if it is not yet, and started: by the message it yields."""
        yield self._message

    @contextmanager
    def attempt(self, grant: Grant) -> Iterator[None]:
        """In here its code is executed."""
        yield

    def ended(self, outcome: Outcome) -> None:
        """Say within `attempt` how that has ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class RecordedTrace(RunTrace):
    """One that is told."""

    def __init__(self, ledger: RedisLedger, message: Message) -> None:
        super().__init__(message)
        self._ledger = ledger
        self._parent = message.traceparent
        self._record: Run | None = None
        self._execution = tracing.OFF

    @contextmanager
    def gate(self) -> Iterator[Message]:
        message = self._message
        self._name(self._parent)
        if message.ours:
            yield message
            if not self._parent or traceparent.trace_id(self._parent):
                self._look()
            return
        submission = tracing.span(
            f"submit {message.task}",
            parent=self._parent,
            kind=tracing.Kind.PRODUCER,
            run=message.run_id,
            task=message.task,
            door="producer",
        )
        with submission:
            carried = {traceparent.NAME: submission.traceparent}
            yield replace(message, headers={**message.headers, **carried})
            self._parent = submission.traceparent
            self._look()
            if self._parent != submission.traceparent:
                submission.drop()  # it was recorded before: the message has come twice

    @contextmanager
    def attempt(self, grant: Grant) -> Iterator[None]:
        if self._record is not None:
            self._tell_waits(self._record)
        self._execution = tracing.span(
            f"execute {self._message.task}",
            parent=self._parent,
            link=self._parent,
            kind=tracing.Kind.CONSUMER,
            run=grant.run_id,
            task=self._message.task,
            lock=grant.lock,
            attempt=grant.attempt,
        )
        self._name(self._execution.traceparent)  # it may have begun a trace
        with self._execution:
            yield

    def ended(self, outcome: Outcome) -> None:
        self._execution.say(outcome=str(outcome.state).lower())
        if outcome.failure is not None:
            self._execution.say(reason=outcome.failure.reason)
            self._execution.fail(outcome.failure.reason)

    def __exit__(self, *_: object) -> None:
        structlog.contextvars.unbind_contextvars("trace_id")

    def _look(self) -> None:
        """Read the record, which alone knows the span that has submitted its run, and the times."""
        try:
            self._record = self._ledger.execute(GetRun(run_id=self._message.run_id))
        except LedgerError as error:
            log.debug("trace_incomplete", error=str(error))
        if self._record is not None:
            self._parent = self._record.spec.traceparent

    def _tell_waits(self, run: Run) -> None:
        ready, started = run.ready_at, run.started_at
        if ready is None or started is None:
            return
        if run.attempt > 1:
            tracing.past("wait for attempt", self._parent, ready, started, attempt=run.attempt)
            return
        tracing.past("wait for lock", self._parent, run.submitted_at, ready, lock=run.spec.lock)
        tracing.past("hand over", self._parent, ready, started, queue=run.spec.queue)

    def _name(self, place: str) -> None:
        """Have what is logged of the run name its trace."""
        if found := traceparent.trace_id(place):
            structlog.contextvars.bind_contextvars(trace_id=found)
