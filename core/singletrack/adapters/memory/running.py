"""How a run is claimed, begun and ended."""

from __future__ import annotations

from dataclasses import replace

from singletrack import operations as ops
from singletrack.adapters.memory.book import Book, Record, rank_of
from singletrack.adapters.memory.granting import describe_grant
from singletrack.adapters.memory.retrying import break_off, end_attempt, lose
from singletrack.adapters.memory.submitting import record_new, stored
from singletrack.errors import LedgerRefused
from singletrack.lifecycle import NOT_STARTED, WAITING, State, may_become
from singletrack.operations import (
    BeginReply,
    Cause,
    ClaimReply,
    EndReply,
    Grant,
    StartReply,
    Verdict,
)
from singletrack.run import Cancellation, RunSpec

FRUITLESS_CLAIMS = 20


def start(book: Book, op: ops.Start) -> StartReply:
    record = book.find(op.run_id)
    if record is None:
        return _start_new(book, op, op.spec)
    run = record.run
    if op.spec and stored(op.spec).fingerprint != run.spec.fingerprint:
        return StartReply(verdict=Verdict.CONFLICT, state=run.state)
    if book.leased_by(op.run_id, op.nonce):
        return _begin_again(book, record)
    refused = _why_not(book, record)
    if refused:
        return StartReply(verdict=refused, state=run.state)
    return _granted(book.grant(record, op, State.RUNNING))


def _start_new(book: Book, op: ops.Start, spec: RunSpec | None) -> StartReply:
    if spec is None:
        return StartReply(verdict=Verdict.UNKNOWN)
    claim = op if book.blessed else None
    run = record_new(book, stored(spec), push=op.push, claim=claim).run
    if run.state is State.RUNNING:
        return _granted(describe_grant(run))
    verdict = Verdict.DROP if book.blessed else Verdict.RECOVERING
    return StartReply(verdict=verdict, state=run.state)


def _begin_again(book: Book, record: Record) -> StartReply:
    run = record.run
    reply = begin(book, ops.Begin(run_id=run.run_id, nonce=run.nonce))
    grant = describe_grant(record.run) if reply.verdict is Verdict.OK else None
    return StartReply(verdict=reply.verdict, state=record.run.state, grant=grant)


def _why_not(book: Book, record: Record) -> Verdict | None:
    """Why nobody can claim this run now, if so."""
    if not book.blessed:
        return Verdict.RECOVERING
    ready = record.run.state is State.READY
    if ready and book.is_parked(record):
        return Verdict.DROP
    if not ready or book.opens_at(record) > book.now:
        book.counters.claim_refused()
        return Verdict.DROP
    return None


def _granted(grant: Grant) -> StartReply:
    return StartReply(verdict=Verdict.OK, state=State.RUNNING, grant=grant)


def claim(book: Book, op: ops.Claim) -> ClaimReply:
    record = book.find(op.run_id)
    if record is None:
        return ClaimReply(verdict=Verdict.UNKNOWN)
    run = record.run
    if run.state is State.CLAIMED and run.nonce == op.nonce:
        return ClaimReply(verdict=Verdict.OK, state=run.state, grant=describe_grant(run))
    refused = _why_not(book, record)
    if refused:
        return ClaimReply(verdict=refused, state=run.state)
    grant = book.grant(record, op, State.CLAIMED)
    return ClaimReply(verdict=Verdict.OK, state=State.CLAIMED, grant=grant)


def begin(book: Book, op: ops.Begin) -> BeginReply:
    record = book.leased_by(op.run_id, op.nonce)
    if record is None:
        return BeginReply(verdict=Verdict.DROP)
    if not book.blessed:
        return BeginReply(verdict=Verdict.RECOVERING)
    claimed = record.run.state is State.CLAIMED
    if record.run.cancellation:
        if claimed:
            book.end_cancelled(record)
        return BeginReply(verdict=Verdict.CANCEL)
    if claimed:
        book.move(record, State.RUNNING)
    else:
        book.note(record)
    return BeginReply(verdict=Verdict.OK, attempt=record.run.attempt)


def report(book: Book, op: ops.Report) -> Verdict:
    record = book.leased_by(op.run_id, op.nonce)
    if record is None or record.run.state is not State.RUNNING:
        return Verdict.DROP
    book.change(record, progress=op.progress)
    book.note(record)
    return Verdict.OK


def finish(book: Book, op: ops.Finish) -> EndReply:
    record, outcome = book.find(op.run_id), op.outcome
    if record is None:
        return EndReply(verdict=Verdict.UNKNOWN if book.blessed else Verdict.RECOVERING)
    run = record.run
    displaced = run.provisional and run.nonce == op.nonce
    if not displaced and book.leased_by(op.run_id, op.nonce) is None:
        return EndReply(verdict=_too_late(book, record, op), state=run.state)
    if not may_become(State.RUNNING if displaced else run.state, outcome.state):
        raise LedgerRefused(f"a run cannot go from {run.state} to {outcome.state}")
    if displaced:
        book.conclude(record, outcome)
    else:
        end_attempt(book, record, outcome)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def not_started(book: Book, op: ops.NotStarted) -> EndReply:
    record = book.leased_by(op.run_id, op.nonce)
    if record is None:
        return drop(book, op.run_id)
    if record.run.state is State.RUNNING:
        book.change(record, attempt=record.run.attempt - 1)
    return hand_back(book, record)


def child_gone(book: Book, op: ops.ChildGone) -> EndReply:
    record, cause = book.leased_by(op.run_id, op.nonce), op.cause
    if record is None:
        return _unknown_death(book, op)
    if record.run.state is State.CLAIMED:
        return hand_back(book, record)
    being_stopped = cause is not Cause.FENCED and record.run.cancellation is not None
    if cause is Cause.TIMED_OUT:
        break_off(book, record, State.TIMED_OUT, "Timeout", op.message)
    elif cause is Cause.CANCELLED or being_stopped:
        book.end_cancelled(record)
    else:
        lose(book, record, op)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def cancel(book: Book, op: ops.Cancel) -> EndReply:
    record = book.find(op.run_id)
    if record is None:
        return EndReply(verdict=Verdict.UNKNOWN)
    _ask_to_stop(book, record, op.cancellation)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def delete(book: Book, op: ops.Delete) -> EndReply:
    record = book.find(op.run_id)
    if record is None:
        return EndReply(verdict=Verdict.UNKNOWN)
    again = record.run.deleted
    book.change(record, deleted=True)
    if not record.run.terminal:
        _ask_to_stop(book, record, op.cancellation)
    elif not again:
        book.note(record)
        book.celery.told.pop(op.run_id, None)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def _ask_to_stop(book: Book, record: Record, wish: Cancellation) -> None:
    asked = record.run.cancellation
    if record.run.terminal or not wish.is_harder_than(asked):
        return
    book.change(record, cancellation=wish.after(asked))
    if record.run.state in WAITING:
        book.end_cancelled(record)
    else:
        book.note(record)


def prioritise(book: Book, op: ops.Prioritise) -> EndReply:
    record = book.find(op.run_id)
    if record is None:
        return EndReply(verdict=Verdict.UNKNOWN)
    if record.run.state not in NOT_STARTED:
        return drop(book, op.run_id)
    if record.run.spec.priority != op.priority:
        book.change(record, spec=replace(record.run.spec, priority=op.priority))
        record.rank = rank_of(record.run)
        book.note(record)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def hand_back(book: Book, record: Record) -> EndReply:
    """A claim whose code never started: to the outbox again, cancelled, or tried often enough."""
    if record.run.cancellation:
        book.end_cancelled(record)
    elif record.claims - record.run.attempt > FRUITLESS_CLAIMS:
        message = f"claimed {record.claims} times and never started"
        book.end(record, State.FAILED, "StartFailed", message)
    else:
        book.move(record, State.READY)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def drop(book: Book, run_id: str) -> EndReply:
    """The answer to somebody whose claim is not the current one."""
    record = book.find(run_id)
    return EndReply(verdict=Verdict.DROP, state=record.run.state if record else None)


def _unknown_death(book: Book, op: ops.ChildGone) -> EndReply:
    """Not the claim the record knows; while unblessed the agent has to say more."""
    known = book.find(op.run_id)
    if not book.blessed and (known is None or not known.run.terminal or known.run.provisional):
        return EndReply(verdict=Verdict.RECOVERING, state=known.run.state if known else None)
    return drop(book, op.run_id)


def _too_late(book: Book, record: Record, op: ops.Finish) -> Verdict:
    run = record.run
    last = (run.nonce, run.state), record.retried
    if (op.nonce, op.outcome.state) in last:
        return Verdict.OK
    unsure = (not run.terminal or run.provisional) and not book.blessed
    return Verdict.RECOVERING if unsure else Verdict.DROP
