"""How a run comes into the ledger, and how its message is noted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import assert_never

from singletrack import operations as ops
from singletrack.adapters.memory.book import (
    REPUBLISH_MAX_MS,
    REPUBLISH_MS,
    Book,
    Record,
    describe_grant,
)
from singletrack.errors import Holder
from singletrack.lifecycle import State
from singletrack.operations import Verdict
from singletrack.policies import Decision, LockView, Policy, decide
from singletrack.run import Cancellation, Door, Failure, RunSpec, encode_json


def submit(book: Book, op: ops.Submit) -> ops.Submission:
    spec = stored(op.spec)
    known = book.find(spec.run_id)
    if known:
        return _known(known, spec, op.claim_nonce)
    owner = book.owner(spec.lock)
    record = _decided(book, op, spec, owner)
    if spec.door is Door.REST and record.run.state is not State.REJECTED:
        book.latest[spec.namespace] = spec.run_id
    return ops.Submission(
        verdict=Verdict.OK,
        state=record.run.state,
        created=True,
        holder=_holder(owner) if owner else None,
        grant=describe_grant(record.run) if record.run.state is State.CLAIMED else None,
    )


def published(book: Book, op: ops.Published) -> bool:
    record = book.find(op.run_id)
    if not record or record.run.state is not State.READY:
        return False
    if record.run.publications != op.publications:
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


def _known(record: Record, spec: RunSpec, nonce: str) -> ops.Submission:
    run = record.run
    if run.spec.fingerprint != spec.fingerprint:
        return ops.Submission(verdict=Verdict.CONFLICT, state=run.state)
    claimed = run.state is State.CLAIMED and run.nonce == nonce
    return ops.Submission(
        verdict=Verdict.OK, state=run.state, grant=describe_grant(run) if claimed else None
    )


def _decided(book: Book, op: ops.Submit, spec: RunSpec, owner: Record | None) -> Record:
    match _decision(book, spec, owner):
        case Decision.START:
            return _started(book, op, spec)
        case Decision.WAIT:
            return book.create(spec, State.QUEUED, push=op.push)
        case Decision.REJECT:
            assert owner is not None, "only a lock that is held is a reason to refuse"  # noqa: S101
            holder = _holder(owner)
            why = _refusal(spec, holder)
            return book.create(spec, State.REJECTED, push=op.push, holder=holder, failure=why)
        case Decision.REPLACE:
            assert owner is not None, "only a lock that is held has somebody to replace"  # noqa: S101
            return _replacing(book, op, spec, owner)
        case unknown:
            assert_never(unknown)


def _decision(book: Book, spec: RunSpec, owner: Record | None) -> Decision:
    lock = LockView(
        held=owner is not None,
        holder_cancelling=owner is not None and owner.run.cancellation is not None,
        waiting=len(book.waiting(spec.lock)),
    )
    return decide(spec.policy, lock, max_queue=spec.max_queue)


def _started(book: Book, op: ops.Submit, spec: RunSpec) -> Record:
    if not op.claim_nonce or not book.blessed:
        return book.create(spec, State.READY, push=op.push)
    claim = book.new_claim(op.claim_nonce, op.worker)
    return book.create(spec, State.CLAIMED, push=op.push, **claim)


def _replacing(book: Book, op: ops.Submit, spec: RunSpec, owner: Record) -> Record:
    message = f"replaced by run {spec.run_id}"
    for waiting in book.waiting(spec.lock):
        book.end(waiting, State.SUPERSEDED, "Replaced", message)
    record = book.create(spec, State.QUEUED, push=op.push)
    if owner.run.state is State.READY:
        book.end(owner, State.SUPERSEDED, "Replaced", message)
    elif owner.run.cancellation is None:
        book.change(owner, cancellation=Cancellation(by="replaced", reason=message))
        book.note(owner)
    return record


def _refusal(spec: RunSpec, holder: Holder) -> Failure:
    if spec.policy is Policy.QUEUE:
        message = f"{spec.max_queue} runs already wait for lock {spec.lock}"
        return Failure(reason="QueueFull", message=message)
    return Failure(reason="LockHeld", message=f"lock {spec.lock} is held by run {holder}")


def _holder(owner: Record) -> Holder:
    return Holder(owner.run.run_id, owner.run.spec.name)
