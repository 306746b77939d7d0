"""How a run comes into the ledger, and how its message is noted."""

from __future__ import annotations

import json
from dataclasses import replace

from singletrack import operations as ops
from singletrack.adapters.memory.book import (
    REPUBLISH_MAX_MS,
    REPUBLISH_MS,
    Book,
    Record,
)
from singletrack.errors import Holder
from singletrack.lifecycle import State
from singletrack.operations import Verdict
from singletrack.policies import Decision, LockView, Refusal, decide, why_refused
from singletrack.run import Cancellation, Door, Failure, RunSpec, encode_json

#: A new run in one of these is not the one its namespace's users will ask for next.
NOT_TAKEN = frozenset({State.REJECTED, State.SKIPPED})

#: What a run ends as that neither starts nor waits.
_AT_ONCE = {
    Decision.REJECT: State.REJECTED,
    Decision.SKIP: State.SKIPPED,
    Decision.JOIN: State.JOINED,
}


def submit(book: Book, op: ops.Submit) -> ops.Submission:
    spec = stored(op.spec)
    known = book.find(spec.run_id)
    if known:
        same = known.run.spec.fingerprint == spec.fingerprint
        verdict = Verdict.OK if same else Verdict.CONFLICT
        return ops.Submission(verdict=verdict, state=known.run.state)
    owner = book.owner(spec.lock)
    record = record_new(book, spec, push=op.push)
    return ops.Submission(
        verdict=Verdict.OK,
        state=record.run.state,
        created=True,
        holder=record.run.holder or (holder_of(owner) if owner else None),
    )


def record_new(book: Book, spec: RunSpec, *, push: bool, claim: ops.Start | None = None) -> Record:
    """Record a run that is not known yet; one whose lock is free begins at once for `claim`."""
    owner = book.owner(spec.lock)
    starts = decision_on(book, spec, owner) is Decision.START
    if starts and claim and spec.queue not in book.paused_queues:
        fields = book.new_claim(spec, claim)
        record = book.create(spec, State.RUNNING, push=push, claims=1, **fields)
    else:
        record = _decided(book, spec, owner, push=push)
    if spec.door is Door.REST and record.run.state not in NOT_TAKEN:
        book.latest[spec.namespace] = spec.run_id
    return record


def published(book: Book, op: ops.Published) -> bool:
    record = book.find(op.run_id)
    if not record or record.run.state is not State.READY:
        return False
    if record.run.publications != op.publications or book.is_parked(record):
        return False
    if op.push:
        book.push(record)
    record.due_at = book.now + min(REPUBLISH_MS * 4**op.publications, REPUBLISH_MAX_MS)
    book.change(record, publications=op.publications + 1)
    return True


def stored(spec: RunSpec) -> RunSpec:
    """The request as it comes back from a store that keeps parameters as JSON text."""
    args = tuple(json.loads(encode_json(list(spec.args))))
    return replace(spec, args=args, kwargs=json.loads(encode_json(dict(spec.kwargs))))


def _decided(book: Book, spec: RunSpec, owner: Record | None, *, push: bool) -> Record:
    decision = decision_on(book, spec, owner)
    if decision is Decision.START:
        return book.create(spec, State.READY, push=push)
    if decision in _AT_ONCE:
        return _ended(book, spec, decision, owner)
    if decision is Decision.REPLACE:
        return _replacing(book, spec, owner, push=push)
    if decision is Decision.SUPERSEDE:
        _supersede(book, spec, "Superseded", f"superseded by run {spec.run_id}")
    return book.create(spec, State.QUEUED, push=push)


def decision_on(book: Book, spec: RunSpec, owner: Record | None) -> Decision:
    return decide(spec.policy, view_of(book, spec, owner), max_queue=spec.max_queue)


def view_of(book: Book, spec: RunSpec, owner: Record | None) -> LockView:
    return LockView(
        held=owner is not None,
        paused=spec.lock in book.paused_locks,
        holder_cancelling=owner is not None and owner.run.cancellation is not None,
        waiting=len(book.waiting(spec.lock)),
    )


def _ended(book: Book, spec: RunSpec, decision: Decision, owner: Record | None) -> Record:
    """A run that ends at once, because of another one or of a pause."""
    other = joined_by(book, spec, owner) if decision is Decision.JOIN else owner
    holder, why = holder_of(other) if other else None, None
    if decision is Decision.REJECT:
        why = _refusal(book, spec, owner)
    elif decision is Decision.SKIP:
        why = Failure(reason="Skipped", message=f"not needed: {_taken(spec, holder)}")
    return book.create(spec, _AT_ONCE[decision], push=False, holder=holder, failure=why)


def joined_by(book: Book, spec: RunSpec, owner: Record | None) -> Record:
    """The run a joining one stands for."""
    working = owner is not None and owner.run.cancellation is None
    return owner if owner and working else book.waiting(spec.lock)[0]


def _supersede(book: Book, spec: RunSpec, reason: str, message: str) -> None:
    for waiting in book.waiting(spec.lock):
        _set_aside(book, waiting, reason, message)


def _set_aside(book: Book, record: Record, reason: str, message: str) -> None:
    """End a run that is not being executed and has to give its place to a newer one."""
    if not record.run.attempt:
        book.end(record, State.SUPERSEDED, reason, message)
        return
    book.change(record, cancellation=Cancellation(by=reason.lower(), reason=message))
    book.end_cancelled(record)


def _replacing(book: Book, spec: RunSpec, owner: Record | None, *, push: bool) -> Record:
    message = f"replaced by run {spec.run_id}"
    _supersede(book, spec, "Replaced", message)
    record = book.create(spec, State.QUEUED, push=push)
    if owner is None:
        return record
    if owner.run.state is State.READY:
        _set_aside(book, owner, "Replaced", message)
    elif owner.run.cancellation is None:
        book.change(owner, cancellation=Cancellation(by="replaced", reason=message))
        book.note(owner)
    return record


def _refusal(book: Book, spec: RunSpec, owner: Record | None) -> Failure:
    reason = why_refused(spec.policy, view_of(book, spec, owner))
    if reason is Refusal.QUEUE_FULL:
        message = f"{spec.max_queue} runs already wait for lock {spec.lock}"
    else:
        message = _taken(spec, holder_of(owner) if owner else None)
    return Failure(reason=reason, message=message)


def _taken(spec: RunSpec, holder: Holder | None) -> str:
    return f"lock {spec.lock} is {f'held by run {holder}' if holder else 'paused'}"


def holder_of(owner: Record) -> Holder:
    return Holder(owner.run.run_id, owner.run.spec.name)
