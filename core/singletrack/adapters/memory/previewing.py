"""What a submission would lead to, told without doing it."""

from __future__ import annotations

from singletrack import operations as ops
from singletrack.adapters.memory.book import Book, Record, rank_of
from singletrack.adapters.memory.submitting import (
    decision_on,
    holder_of,
    joined_by,
    stored,
    view_of,
)
from singletrack.adapters.memory.times import to_time
from singletrack.errors import Holder
from singletrack.lifecycle import State
from singletrack.operations import Forecast, Verdict
from singletrack.policies import Decision, why_refused
from singletrack.run import Run, RunSpec


def preview(book: Book, op: ops.Preview) -> Forecast:
    spec = stored(op.spec)
    known = book.find(spec.run_id)
    if known:
        same = known.run.spec.fingerprint == spec.fingerprint
        verdict = Verdict.OK if same else Verdict.CONFLICT
        return Forecast(verdict=verdict, state=known.run.state)
    owner = book.owner(spec.lock)
    decision = decision_on(book, spec, owner)
    other = joined_by(book, spec, owner) if decision is Decision.JOIN else owner
    refused = decision is Decision.REJECT
    return Forecast(
        verdict=Verdict.OK,
        decision=decision,
        position=_position(book, spec, owner, decision),
        refusal=why_refused(spec.policy, view_of(book, spec, owner)) if refused else None,
        holder=holder_of(other) if other else None,
        victims=tuple(_victims(book, spec, owner, decision)),
    )


def _position(book: Book, spec: RunSpec, owner: Record | None, decision: Decision) -> int | None:
    match decision:
        case Decision.WAIT:
            mine = (rank_of(_arriving(book, spec)), spec.run_id)
            waiting = book.waiting(spec.lock)
            return 1 + sum((each.rank, each.run.run_id) < mine for each in waiting)
        case Decision.SUPERSEDE:
            return 1
        case Decision.REPLACE:
            free = owner is not None and owner.run.state is State.READY
            return None if free and spec.lock not in book.paused_locks else 1
        case _:
            return None


def _arriving(book: Book, spec: RunSpec) -> Run:
    """The run as it would be recorded now."""
    sequence, at = max(book.sequence + 1, book.micros), to_time(book.now)
    return Run(spec=spec, state=State.QUEUED, revision=0, sequence=sequence, submitted_at=at)


def _victims(book: Book, spec: RunSpec, owner: Record | None, decision: Decision) -> list[Holder]:
    if decision not in (Decision.SUPERSEDE, Decision.REPLACE):
        return []
    victims = [holder_of(each) for each in book.waiting(spec.lock)]
    if owner is None or decision is Decision.SUPERSEDE:
        return victims
    stopped = owner.run.state is State.READY or owner.run.cancellation is None
    return [*victims, holder_of(owner)] if stopped else victims
