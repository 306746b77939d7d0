"""What the memory ledger has written down, and the one function that moves a run.

Who owns a lock, who waits, what is due and what is leased is not stored anywhere: it is read off
the states of the runs, so it cannot disagree with them. Times are milliseconds, as on a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from singletrack.adapters.memory.counters import Counters, Labels
from singletrack.adapters.memory.granting import describe_grant
from singletrack.adapters.memory.telling import CeleryResults
from singletrack.adapters.memory.times import from_time, to_ms, to_time
from singletrack.errors import LedgerRefused
from singletrack.lifecycle import LEASED, OWNING, TERMINAL, State, may_become
from singletrack.locks import OnLost
from singletrack.operations import Claim, Grant, Pause, Start
from singletrack.pods import Pod
from singletrack.run import Failure, Outcome, Run, RunSpec

REPUBLISH_MS = 13_000
REPUBLISH_MAX_MS = 3_600_000


@dataclass(slots=True)
class Record:
    """A run as readers see it, and what the ledger notes beside it."""

    run: Run
    push: bool
    """Whether its message goes to the broker's list in the step that makes it READY."""
    labels: Labels
    """Under which names it is counted."""
    retried: tuple[str, State] | None = None
    """The nonce of the latest attempt that another one follows, and how it ended."""
    claims: int = 0
    """How often it was given to a worker."""
    rank: int = 0
    """Its place in the waiting list, lowest first; see `rank_of`."""
    due_at: int = 0
    """When to look at publishing again; means something while READY."""
    deadline: int | None = None
    """When waiting is over; None for never."""
    forget_at: int = 0
    """When the record may go; means something once the run is terminal."""
    unshown: int | None = None
    """The number of its latest change, if there is a TaskRun that does not show it."""


@dataclass(slots=True)
class Book:
    """Everything a ledger knows. `micros` is the time of the operation that is being performed."""

    server_id: str
    blessed_id: str
    micros: int = 0
    blessed_at: int = 0
    sequence: int = 0
    token: int = 0
    past: bool = False
    """Whether an agent has come that had told another server everything."""
    records: dict[str, Record] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    paused_locks: dict[str, Pause] = field(default_factory=dict)
    paused_queues: dict[str, Pause] = field(default_factory=dict)
    messages: dict[str, list[str]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    celery: CeleryResults = field(default_factory=CeleryResults)

    # --- what can be read off ---------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.micros // 1000

    @property
    def blessed(self) -> bool:
        return self.server_id == self.blessed_id

    def find(self, run_id: str) -> Record | None:
        return self.records.get(run_id)

    def leased_by(self, run_id: str, nonce: str) -> Record | None:
        """The record, if this claim is the current one."""
        record = self.find(run_id)
        held = record and record.run.state in LEASED and record.run.nonce == nonce
        return record if held else None

    def in_state(self, *states: State) -> Iterator[Record]:
        return (record for record in self.records.values() if record.run.state in states)

    def owner(self, lock: str) -> Record | None:
        return next((r for r in self.in_state(*OWNING) if r.run.spec.lock == lock), None)

    def waiting(self, lock: str) -> list[Record]:
        """Who waits for a lock, the first in line first."""
        found = [r for r in self.in_state(State.QUEUED) if r.run.spec.lock == lock]
        return sorted(found, key=lambda r: (r.rank, r.run.run_id))

    def ready_for(self, queue: str) -> Iterator[Record]:
        return (r for r in self.in_state(State.READY) if r.run.spec.queue == queue)

    def is_parked(self, record: Record) -> bool:
        """Whether a READY run is held back because its queue is paused."""
        return record.run.spec.queue in self.paused_queues

    # --- moving -----------------------------------------------------------------------------------

    def create(
        self, spec: RunSpec, state: State, *, push: bool, claims: int = 0, **fields: Any
    ) -> Record:
        """Record a new run in its first state."""
        if not may_become(None, state):
            raise LedgerRefused(f"a run cannot begin its life in {state}")
        record = self.add(spec, state, push=push, **fields)
        record.claims = claims
        self.counters.submitted(record.labels, spec.door)
        self._enter(record, None)
        return record

    def add(self, spec: RunSpec, state: State, *, push: bool, **fields: Any) -> Record:
        """Write down a run that is in this state, and nothing else."""
        self.sequence = max(self.sequence + 1, self.micros)
        at = to_time(self.now)
        run = Run(
            spec=spec, state=state, revision=0, sequence=self.sequence, submitted_at=at, **fields
        )
        record = self.records[spec.run_id] = Record(run, push, self.counters.labels_of(spec))
        return record

    def move(self, record: Record, to: State, *, let_next_in: bool = True, **fields: Any) -> None:
        """Move a run to another state, if the table allows it; a lock that became free moves on.

        Raises:
            LedgerRefused: the table does not know this move; nothing has changed.
        """
        current = record.run.state
        if not may_become(current, to):
            raise LedgerRefused(f"a run cannot go from {current} to {to}")
        self.change(record, state=to, **fields)
        self._enter(record, current)
        if let_next_in and current in OWNING and to not in OWNING:
            self.promote(record.run.spec.lock)

    def end(self, record: Record, to: State, reason: str, message: str) -> None:
        """End a run that did not succeed: one stable word, and a sentence."""
        self.move(record, to, failure=Failure(reason=reason, message=message))

    def end_cancelled(self, record: Record) -> None:
        asked = record.run.cancellation
        self.end(record, State.CANCELLED, "Cancelled", asked.reason if asked else "")

    def promote(self, lock: str) -> bool:
        """Let the first in line have a free lock; whether somebody got it."""
        waiting = self.waiting(lock)
        if self.owner(lock) or lock in self.paused_locks or not waiting:
            return False
        self.move(waiting[0], State.READY)
        return True

    def grant(self, record: Record, op: Start | Claim, state: State) -> Grant:
        """Give a READY run to a claim, with a new token: CLAIMED, or RUNNING at once."""
        record.claims += 1
        self.move(record, state, **self.new_claim(record.run.spec, op))
        return describe_grant(record.run)

    def new_claim(self, spec: RunSpec, op: Start | Claim) -> dict[str, Any]:
        """The fields of a claim, with the next token."""
        self.token = max(self.token + 1, self.micros)
        who = whose(spec, op.worker, op.pod)
        return {"nonce": op.nonce, "token": self.token, "lease_seq": 1} | who

    def correct(self, record: Record, to: State, **fields: Any) -> None:
        """Put a record into a state that is true although the table knows no way there."""
        record.deadline = None
        self.change(record, state=to, **fields)

    def conclude(self, record: Record, outcome: Outcome) -> None:
        """Give a record the end its run has had, whatever the record says."""
        owned = record.run.state in OWNING
        fields = {"result": outcome.result, "failure": outcome.failure, "provisional": False}
        self.correct(record, outcome.state, **fields)
        self.close(record)
        self.counters.finished(record.labels, record.run)
        self.note(record)
        if owned:
            self.promote(record.run.spec.lock)

    def close(self, record: Record) -> None:
        """What is the same about every end."""
        spec = record.run.spec
        record.forget_at = self.now + to_ms(spec.ttl_seconds)
        self.change(record, finished_at=to_time(self.now), spec=replace(spec, envelope=""))
        if not record.run.provisional:
            self.celery.ended(record.run, self.now)

    def change(self, record: Record, **fields: Any) -> None:
        record.run = replace(record.run, **fields)

    def note(self, record: Record) -> None:
        """Raise the revision: what a reader sees has changed."""
        self.change(record, revision=record.run.revision + 1)
        self.changes.append(record.run.run_id)
        if record.run.spec.name:
            record.unshown = len(self.changes)
        if record.run.gone:
            self.drop_latest(record)

    def drop_latest(self, record: Record) -> None:
        """Let it not be the run its namespace's users will ask for next."""
        if self.latest.get(record.run.spec.namespace) == record.run.run_id:
            del self.latest[record.run.spec.namespace]

    def opens_at(self, record: Record) -> int:
        """From when on a READY run may be started: now, or after the pause before an attempt."""
        not_before = record.run.not_before
        return max(self.now, from_time(not_before) if not_before else 0)

    def park(self, record: Record) -> None:
        """Hold a READY run back: no message, no deadline."""
        record.deadline = None
        self.change(record, publications=0)

    def make_due(self, record: Record) -> None:
        """Have a READY run published as soon as somebody looks, with a whole start deadline."""
        record.due_at = self.opens_at(record)
        record.deadline = record.due_at + to_ms(record.run.spec.start_deadline_seconds)

    def push(self, record: Record) -> None:
        spec = record.run.spec
        self.messages.setdefault(spec.queue, []).append(spec.envelope)

    def _enter(self, record: Record, before: State | None) -> None:
        """Do what being in the new state means."""
        spec = record.run.spec
        record.deadline = None
        match record.run.state:
            case State.QUEUED:
                record.rank = rank_of(record.run)
                if not record.run.attempt:
                    record.deadline = self._limit(spec.queue_timeout_seconds)
            case State.READY:
                self.change(record, ready_at=to_time(self.now), nonce="", publications=0)
                self.change(record, suspect_at=None)
                if self.is_parked(record):
                    self.park(record)
                else:
                    self._send(record)
            case State.RUNNING:
                self._begin(record)
            case state if state in TERMINAL:
                self._finish(record, before)
        self.note(record)

    def _send(self, record: Record) -> None:
        self.make_due(record)
        if record.push and record.due_at == self.now:
            record.due_at = self.now + REPUBLISH_MS
            self.change(record, publications=1)
            self.push(record)

    def _limit(self, seconds: float | None) -> int | None:
        return None if seconds is None else self.now + to_ms(seconds)

    def _begin(self, record: Record) -> None:
        run, at = record.run, to_time(self.now)
        self.change(record, started_at=at, attempt=run.attempt + 1, ready_at=run.ready_at or at)
        if run.not_before:
            self.change(record, not_before=None, progress=None)
        if run.attempt or run.started_at:
            return
        self.counters.began(record.labels, to_ms((at - run.submitted_at).total_seconds()))

    def _finish(self, record: Record, before: State | None) -> None:
        run, at = record.run, to_time(self.now)
        self.close(record)
        self.counters.finished(record.labels, run)
        if before is State.RUNNING and run.started_at:
            took_ms = to_ms((at - run.started_at).total_seconds())
            self.counters.executed(record.labels, run.state, took_ms)


def whose(spec: RunSpec, worker: str, pod: Pod | None) -> dict[str, Any]:
    """Whose claim it is. Where that worker is matters only to a run that holds its lock."""
    return {"worker": worker, "pod": pod if spec.on_lost is OnLost.HOLD else None}


def rank_of(run: Run) -> int:
    """The moment a run came, in microseconds, earlier by what its priority is worth."""
    return run.sequence - run.spec.priority * to_ms(run.spec.priority_point_seconds) * 1000
