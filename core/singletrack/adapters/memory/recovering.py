"""How a server that has come back learns what it has forgotten, until it is blessed."""

from __future__ import annotations

from typing import Any

from singletrack import operations as ops
from singletrack.adapters.memory.book import Book, Record, whose
from singletrack.adapters.memory.retrying import end_attempt
from singletrack.adapters.memory.running import drop
from singletrack.adapters.memory.submitting import stored
from singletrack.adapters.memory.times import to_time
from singletrack.lifecycle import LEASED, State
from singletrack.operations import EndReply, Verdict
from singletrack.retries import cause_of
from singletrack.run import Failure


def reassert(book: Book, op: ops.Reassert) -> EndReply:
    book.token = max(book.token, op.grant.token)
    record = book.find(op.grant.run_id)
    over = record is not None and record.run.terminal and not record.run.provisional
    if over and record and op.outcome and _is_repeated(record, op):
        return EndReply(verdict=Verdict.OK, state=record.run.state)
    if book.blessed or over:
        return drop(book, op.grant.run_id)
    return _end(book, record, op) if op.outcome else _revive(book, record, op)


def settle(book: Book, op: ops.Settle) -> EndReply:
    record = book.find(op.run_id)
    if record is None:
        return EndReply(verdict=Verdict.UNKNOWN)
    if record.run.state is op.outcome.state and not record.run.provisional:
        return EndReply(verdict=Verdict.OK, state=record.run.state)
    if book.blessed or (record.run.terminal and not record.run.provisional):
        return drop(book, op.run_id)
    book.conclude(record, op.outcome)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def unbless(book: Book, _op: ops.Unbless) -> None:
    book.blessed_id = ops.WITHDRAWN


def bless(book: Book, op: ops.Bless) -> bool:
    if op.server_id != book.server_id:
        return False
    if not book.blessed:
        book.blessed_at = book.micros
    book.blessed_id, book.past = op.server_id, False
    book.token = max(book.token, op.token_floor)
    for record in book.records.values():
        if record.run.provisional:
            book.change(record, provisional=False)
            book.counters.finished(record.labels, record.run)
            book.celery.ended(record.run, book.now)
            if record.run.gone:
                book.drop_latest(record)
    for record in book.in_state(State.READY):
        record.due_at = book.opens_at(record)
    for lock in {record.run.spec.lock for record in book.in_state(State.QUEUED)}:
        book.promote(lock)
    return True


def _is_repeated(record: Record, op: ops.Reassert) -> bool:
    same = op.outcome and record.run.state is op.outcome.state
    return bool(same and record.run.nonce == op.grant.nonce)


def _end(book: Book, record: Record | None, op: ops.Reassert) -> EndReply:
    """What was executed has ended meanwhile."""
    if record and (_is_newer(record, op.grant.token) or _is_past(record, op)):
        return drop(book, op.grant.run_id)
    assert op.outcome is not None, "only a run that has ended is ended here"  # noqa: S101
    if record and _awaits_another(record, op):
        return EndReply(verdict=Verdict.OK, state=record.run.state)
    if record and record.run.state is State.RUNNING and record.run.nonce == op.grant.nonce:
        end_attempt(book, record, op.outcome)
        return EndReply(verdict=Verdict.OK, state=record.run.state)
    record = record or _written_down(book, op)
    started_at = record.run.started_at or to_time(book.now)
    book.change(record, started_at=started_at, **_claim(record, op))
    book.conclude(record, op.outcome)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def _revive(book: Book, record: Record | None, op: ops.Reassert) -> EndReply:
    """What was executed still is: it takes its lock back."""
    lock = record.run.spec.lock if record else op.spec.lock
    owner = book.owner(lock)
    newer = any(_is_newer(other, op.grant.token) for other in (owner, record) if other)
    if newer or (record and _is_past(record, op)):
        return drop(book, op.grant.run_id)
    if owner and owner is not record:
        _displace(book, owner, op.grant.run_id)
    if record is None:
        record = _written_down(book, op)
    known = record.run.state is State.RUNNING or record.run.provisional
    at = record.run.started_at if known else None
    record.claims = 0
    fields = {
        "provisional": False,
        "not_before": None,
        "failure": None,
        "finished_at": None,
        "suspect_at": None,
        "lease_seq": 1,
    }
    started_at = at or to_time(book.now)
    book.correct(record, State.RUNNING, started_at=started_at, **fields, **_claim(record, op))
    book.note(record)
    return EndReply(verdict=Verdict.OK, state=State.RUNNING)


def _written_down(book: Book, op: ops.Reassert) -> Record:
    return book.add(stored(op.spec), State.RUNNING, push=False, started_at=to_time(book.now))


def _claim(record: Record, op: ops.Reassert) -> dict[str, Any]:
    grant = op.grant
    claim = {"nonce": grant.nonce, "token": grant.token, "attempt": grant.attempt}
    return claim | whose(record.run.spec, op.worker, op.pod)


def _is_newer(record: Record, token: int) -> bool:
    return record.run.state in LEASED and record.run.token > token


def _is_past(record: Record, op: ops.Reassert) -> bool:
    """Whether the record knows of a later attempt."""
    return record.run.attempt > op.grant.attempt


def _awaits_another(record: Record, op: ops.Reassert) -> bool:
    """Whether the attempt has failed in the record as well, and its run waits for the next one."""
    run = record.run
    open_ = not run.terminal and run.attempt == op.grant.attempt and run.nonce != op.grant.nonce
    failed = op.outcome is not None and cause_of(op.outcome.state, "") is not None
    return open_ and failed and record.retried is not None


def _displace(book: Book, owner: Record, run_id: str) -> None:
    """Take the lock from a run that got it in a past the server now knows to be over."""
    if owner.run.state is State.READY:
        waiting = book.waiting(owner.run.spec.lock)
        book.move(owner, State.QUEUED, let_next_in=False)
        if waiting:
            owner.rank = waiting[0].rank - 1
        return
    message = f"run {run_id} had taken the lock before the restart"
    failure = Failure(reason="WorkerLost", message=message)
    book.correct(owner, State.LOST, failure=failure, provisional=True)
    book.close(owner)
    book.note(owner)
