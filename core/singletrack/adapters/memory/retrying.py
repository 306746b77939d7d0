"""How an attempt ends: with its run, or followed by another one, for which the lock is kept."""

from __future__ import annotations

from typing import Any

from singletrack.adapters.memory.book import Book, Record
from singletrack.adapters.memory.times import to_ms, to_time
from singletrack.lifecycle import State
from singletrack.operations import Cause, ChildGone, ConfirmDead
from singletrack.retries import backoff_ms, cause_of
from singletrack.run import Failure, Outcome

REQUESTED = "Requested"
"""In the counter of retries: the task's own code has asked for another attempt."""


def end_attempt(book: Book, record: Record, outcome: Outcome) -> None:
    """End an attempt as its worker reported it."""
    fields: dict[str, Any] = {"result": outcome.result, "failure": outcome.failure}
    following = _next_attempt(record, outcome)
    if following is None:
        book.move(record, outcome.state, **fields)
        return
    cause, pause_ms = following
    run, at = record.run, to_time(book.now)
    took = at - run.started_at if run.started_at else at - at
    book.counters.retried(record.labels, cause)
    book.counters.executed(record.labels, outcome.state, to_ms(took.total_seconds()))
    record.retried = (run.nonce, outcome.state)
    book.change(record, not_before=to_time(book.now + pause_ms))
    book.move(record, State.READY, **fields)


def break_off(book: Book, record: Record, state: State, reason: str, message: str) -> None:
    """End an attempt that its own code did not end."""
    failure = Failure(reason=reason, message=message)
    end_attempt(book, record, Outcome(state=state, failure=failure))


def lose(book: Book, record: Record, death: ChildGone | ConfirmDead) -> None:
    """End an attempt whose process has died, or was killed."""
    reason = "OOMKilled" if death.cause is Cause.OUT_OF_MEMORY else "WorkerLost"
    failure = Failure(reason=reason, message=death.message, exit=death.exit)
    end_attempt(book, record, Outcome(state=State.LOST, failure=failure))


def _next_attempt(record: Record, outcome: Outcome) -> tuple[str, int] | None:
    """Why and after how many ms another attempt follows, if one does.

    A run without an envelope could never be published again.
    """
    run, retry = record.run, record.run.spec.retry
    if run.state is not State.RUNNING or run.cancellation or not run.spec.envelope:
        return None
    if outcome.retry_after_seconds is not None:
        return REQUESTED, to_ms(outcome.retry_after_seconds)
    cause = cause_of(outcome.state, outcome.failure.reason if outcome.failure else "")
    if cause is None or not retry.covers(run.attempt, cause):
        return None
    return cause, backoff_ms(retry, run.run_id, run.attempt)
