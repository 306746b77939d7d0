"""How the ledger is kept true: leases, sweeping, restarts, projection."""

from __future__ import annotations

from singletrack import operations as ops
from singletrack.adapters.memory.book import REPUBLISH_MS, Book, Record, to_time
from singletrack.adapters.memory.running import drop, hand_back
from singletrack.adapters.memory.submitting import stored
from singletrack.lifecycle import State
from singletrack.operations import EndReply, LeaseAnswer, Verdict
from singletrack.run import Failure


def renew(book: Book, op: ops.Renew) -> ops.RenewReply:
    book.agents[op.agent] = book.server_id
    answers = tuple(_renewed(book, run_id, nonce) for run_id, nonce in op.leases)
    return ops.RenewReply(blessed=book.blessed, answers=answers)


def _renewed(book: Book, run_id: str, nonce: str) -> LeaseAnswer:
    record = book.leased_by(run_id, nonce)
    if record is None:
        return LeaseAnswer(run_id=run_id, nonce=nonce, verdict=Verdict.DROP)
    book.change(record, lease_seq=record.run.lease_seq + 1)
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
    book.counters.lease_expired()
    if record.run.state is State.CLAIMED:
        return hand_back(book, record)
    message = "the lease of the worker ended without a word from it"
    book.end(record, State.LOST, "WorkerLost", message)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def expire_wait(book: Book, op: ops.ExpireWait) -> EndReply:
    record = book.find(op.run_id)
    if record is None:
        return EndReply(verdict=Verdict.UNKNOWN)
    if record.deadline is None or record.deadline > book.now:
        return drop(book, op.run_id)
    if record.run.state is State.QUEUED:
        why = ("QueueTimeoutExceeded", "the lock was not free in time")
    else:
        why = ("StartDeadlineExceeded", "no worker took the run in time")
    book.end(record, State.EXPIRED, *why)
    return EndReply(verdict=Verdict.OK, state=record.run.state)


def promote(book: Book, op: ops.Promote) -> bool:
    return book.promote(op.lock)


def reassert(book: Book, op: ops.Reassert) -> EndReply:
    book.token = max(book.token, op.grant.token)
    record = book.find(op.grant.run_id)
    if book.blessed or (record and record.run.terminal):
        return drop(book, op.grant.run_id)
    lock = record.run.spec.lock if record else op.spec.lock
    owner = book.owner(lock)
    if owner and owner is not record:
        _displace(book, owner, op.grant.run_id)
    if record is None:
        at = to_time(book.now)
        record = book.add(stored(op.spec), State.RUNNING, push=False, started_at=at)
    book.restore(
        record,
        nonce=op.grant.nonce,
        token=op.grant.token,
        attempt=op.grant.attempt,
        worker=op.worker,
        lease_seq=1,
    )
    return EndReply(verdict=Verdict.OK, state=State.RUNNING)


def _displace(book: Book, owner: Record, run_id: str) -> None:
    """Take the lock from a run that got it in a past the server now knows to be over."""
    if owner.run.state is State.READY:
        waiting = book.waiting(owner.run.spec.lock)
        book.move(owner, State.QUEUED, let_next_in=False)
        if waiting:
            owner.rank = waiting[0].rank - 1
    else:
        message = f"run {run_id} had taken the lock before the restart"
        why = Failure(reason="WorkerLost", message=message)
        book.move(owner, State.LOST, let_next_in=False, failure=why)


def bless(book: Book, op: ops.Bless) -> bool:
    if op.server_id != book.server_id:
        return False
    book.blessed_id = op.server_id
    book.token = max(book.token, op.token_floor)
    for record in book.in_state(State.READY):
        record.due_at = book.now
    for lock in {record.run.spec.lock for record in book.in_state(State.QUEUED)}:
        book.promote(lock)
    return True


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
    if book.latest.get(record.run.spec.namespace) == op.run_id:
        del book.latest[record.run.spec.namespace]
    return True


def register_tasks(book: Book, op: ops.RegisterTasks) -> None:
    book.tasks.update(op.entries)
    book.counters.register(op.entries)
