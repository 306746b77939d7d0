"""How the ledger is kept true: leases, sweeping, restarts, projection."""

from __future__ import annotations

from singletrack import operations as ops
from singletrack.adapters.memory.book import REPUBLISH_MS, Book, Record
from singletrack.adapters.memory.retrying import break_off, lose
from singletrack.adapters.memory.running import drop, hand_back
from singletrack.adapters.memory.times import to_time
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.operations import EndReply, LeaseAnswer, Verdict


def renew(book: Book, op: ops.Renew) -> ops.RenewReply:
    known = op.agent in book.agents
    book.agents[op.agent] = op.reported_to
    book.past = book.past or bool(op.reported_to and not known)
    if not book.blessed:
        book.token = max(book.token, op.token)
    return ops.RenewReply(
        blessed=book.blessed,
        server_id=book.server_id,
        known=known,
        answers=tuple(_renewed(book, run_id, nonce) for run_id, nonce in op.leases),
    )


def _renewed(book: Book, run_id: str, nonce: str) -> LeaseAnswer:
    record = book.leased_by(run_id, nonce)
    if record is None:
        return LeaseAnswer(run_id=run_id, nonce=nonce, verdict=Verdict.DROP)
    book.change(record, lease_seq=record.run.lease_seq + 1)
    if record.run.suspect:
        book.change(record, suspect_at=None)
        book.note(record)
    asked = record.run.cancellation
    verdict = Verdict.CANCEL if asked else Verdict.OK
    return LeaseAnswer(run_id=run_id, nonce=nonce, verdict=verdict, cancellation=asked)


def agent_gone(book: Book, op: ops.AgentGone) -> None:
    book.agents.pop(op.agent, None)


def expire(book: Book, op: ops.Expire) -> EndReply:
    record = book.leased_by(op.run_id, op.nonce)
    if record is None or record.run.lease_seq != op.lease_seq:
        return drop(book, op.run_id)
    if not book.blessed:
        return EndReply(verdict=Verdict.RECOVERING, state=record.run.state)
    if record.run.suspect:
        return EndReply(verdict=Verdict.OK, state=record.run.state)
    book.counters.lease_expired()
    if record.run.state is State.CLAIMED:
        return hand_back(book, record)
    if record.run.spec.on_lost is OnLost.HOLD:
        book.change(record, suspect_at=to_time(book.now))
        book.note(record)
    else:
        message = "the lease of the worker ended without a word from it"
        break_off(book, record, State.LOST, "WorkerLost", message)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def confirm_dead(book: Book, op: ops.ConfirmDead) -> EndReply:
    record = book.leased_by(op.run_id, op.nonce)
    if record is None:
        return drop(book, op.run_id)
    if not book.blessed:
        return EndReply(verdict=Verdict.RECOVERING, state=record.run.state)
    if record.run.state is State.CLAIMED:
        return hand_back(book, record)
    lose(book, record, op)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def release_lock(book: Book, op: ops.ReleaseLock) -> ops.ReleaseReply:
    record = book.owner(op.lock)
    if record is None:
        return ops.ReleaseReply(verdict=Verdict.UNKNOWN)
    verdict = _may_release(book, record, op)
    if verdict is Verdict.OK:
        book.counters.lock_released()
        message = f"its lock was released by {op.by}: {op.reason}"
        book.end(record, State.LOST, "WorkerUnreachable", message)
    return ops.ReleaseReply(verdict=verdict, run_id=record.run.run_id, state=record.run.state)


def _may_release(book: Book, record: Record, op: ops.ReleaseLock) -> Verdict:
    if not book.blessed:
        return Verdict.RECOVERING
    meant = op.token in (0, record.run.token)
    return Verdict.OK if record.run.suspect and meant else Verdict.DROP


def expire_wait(book: Book, op: ops.ExpireWait) -> EndReply:
    record = book.find(op.run_id)
    if record is None:
        return EndReply(verdict=Verdict.UNKNOWN)
    if record.deadline is None or record.deadline > book.now:
        return drop(book, op.run_id)
    end = State.FAILED if record.run.attempt else State.EXPIRED
    if record.run.state is State.QUEUED:
        why = ("QueueTimeoutExceeded", "the lock was not free in time")
    else:
        why = ("StartDeadlineExceeded", "no worker took the run in time")
    book.end(record, end, *why)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def promote(book: Book, op: ops.Promote) -> bool:
    return book.promote(op.lock)


def ack_projection(book: Book, op: ops.AckProjection) -> bool:
    record = book.find(op.run_id)
    if record is None or record.unshown is None or record.run.revision != op.revision:
        return False
    record.unshown = None
    return True


def forget(book: Book, op: ops.Forget) -> bool:
    record = book.find(op.run_id)
    if record is None or not record.run.terminal or record.forget_at > book.now:
        return False
    if record.unshown is not None:
        record.forget_at = book.now + REPUBLISH_MS
        return False
    del book.records[op.run_id]
    book.celery.forget(book.now)
    book.drop_latest(record)
    return True


def add_up(_book: Book, _op: ops.AddUp) -> None:
    """Here every change is added at once."""


def register_tasks(book: Book, op: ops.RegisterTasks) -> None:
    book.tasks.update(op.entries)
    book.counters.register(op.entries, op.queues)
