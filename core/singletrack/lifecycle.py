"""The life of a run as data: one transition table, one view of each state for every door.

The Lua library receives `TRANSITIONS` from here when it is loaded and refuses any other move, the
diagram in the docs is compared with it by a test, so there is one table and no copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a run is in its life, as the ledger records it."""

    QUEUED = "QUEUED"  # waits for its lock
    READY = "READY"  # owns its lock, its message is on the way (the outbox)
    CLAIMED = "CLAIMED"  # a worker has taken the message, user code has not started
    RUNNING = "RUNNING"  # user code may be executing
    SUCCEEDED = "SUCCEEDED"  # the task returned
    FAILED = "FAILED"  # the task raised, or could not be run
    TIMED_OUT = "TIMED_OUT"  # stopped because its time was over, or ended by its soft limit
    LOST = "LOST"  # the process is gone and nobody knows how far it came
    CANCELLED = "CANCELLED"  # stopped, or never started, because somebody asked
    SUPERSEDED = "SUPERSEDED"  # replaced by a newer run before it started
    EXPIRED = "EXPIRED"  # waited longer than allowed
    REJECTED = "REJECTED"  # refused at the door
    SKIPPED = "SKIPPED"  # not needed: another run held the lock and the policy was Skip
    JOINED = "JOINED"  # stands for the run that already held the lock


class Phase(StrEnum):
    """`status.phase` of a TaskRun, a summary for people and selectors."""

    PENDING = "Pending"
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    LOST = "Lost"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    EXPIRED = "Expired"
    REJECTED = "Rejected"
    SKIPPED = "Skipped"
    JOINED = "Joined"


@dataclass(frozen=True, slots=True)
class View:
    """How one state is named at each door; `outcome` is the metric's, None while the run lives."""

    phase: Phase
    celery: str
    outcome: str | None = None
    celery_error: str = ""
    """What `.get()` raises, in `celery.exceptions`, where no error of the task ended the run."""

    @property
    def celery_stored(self) -> str:
        """The name in Celery's own result keys, whose readers wait on for ever at REJECTED."""
        return "REVOKED" if self.celery == "REJECTED" else self.celery


VIEWS: dict[State, View] = {
    State.QUEUED: View(Phase.QUEUED, "PENDING"),
    State.READY: View(Phase.STARTING, "PENDING"),
    State.CLAIMED: View(Phase.STARTING, "PENDING"),
    State.RUNNING: View(Phase.RUNNING, "STARTED"),
    State.SUCCEEDED: View(Phase.SUCCEEDED, "SUCCESS", "succeeded"),
    State.FAILED: View(Phase.FAILED, "FAILURE", "failed"),
    State.TIMED_OUT: View(Phase.TIMED_OUT, "FAILURE", "timed_out", "TimeLimitExceeded"),
    State.LOST: View(Phase.LOST, "FAILURE", "lost", "WorkerLostError"),
    State.CANCELLED: View(Phase.CANCELLED, "REVOKED", "cancelled", "TaskRevokedError"),
    State.SUPERSEDED: View(Phase.SUPERSEDED, "REVOKED", "superseded", "TaskRevokedError"),
    State.EXPIRED: View(Phase.EXPIRED, "REVOKED", "expired", "TaskRevokedError"),
    State.REJECTED: View(Phase.REJECTED, "REJECTED", "rejected", "TaskRevokedError"),
    State.SKIPPED: View(Phase.SKIPPED, "REJECTED", "skipped", "TaskRevokedError"),
    State.JOINED: View(Phase.JOINED, "PENDING", "joined"),
}

#: What a run may become from each state. The empty name is "no record yet".
TRANSITIONS: dict[State | None, frozenset[State]] = {
    None: frozenset(
        {State.QUEUED, State.READY, State.RUNNING, State.REJECTED, State.SKIPPED, State.JOINED}
        | {State.FAILED}
    ),
    State.QUEUED: frozenset({State.READY, State.CANCELLED, State.SUPERSEDED, State.EXPIRED}),
    State.READY: frozenset(
        {State.CLAIMED, State.RUNNING, State.QUEUED, State.CANCELLED, State.SUPERSEDED}
        | {State.EXPIRED, State.FAILED}
    ),
    State.CLAIMED: frozenset(
        {State.READY, State.RUNNING, State.CANCELLED, State.FAILED, State.LOST}
    ),
    State.RUNNING: frozenset(
        {State.READY, State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.LOST, State.CANCELLED}
    ),
}

#: A run in one of these states owns its lock, and nobody else does.
OWNING = frozenset({State.READY, State.CLAIMED, State.RUNNING})

#: Its code has not been started, or it is not known to have been.
NOT_STARTED = frozenset({State.QUEUED, State.READY, State.CLAIMED})

#: A worker has it.
LEASED = frozenset({State.CLAIMED, State.RUNNING})

LIVE = OWNING | {State.QUEUED}

#: It lives, and no worker has it.
WAITING = LIVE - LEASED

TERMINAL = frozenset(State) - LIVE


def may_become(current: State | None, following: State) -> bool:
    """Whether the table allows the move; a terminal state is final."""
    return following in TRANSITIONS.get(current, frozenset())
