"""What happens when a run is submitted and its lock is held or paused.

`decide` is the rule in its pure form: the memory ledger calls it, `functions/deciding.lua` says the
same, and the conformance suite holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Policy(StrEnum):
    """What a new run does when another one holds its lock."""

    REJECT = "Reject"  # refuse, naming the holder
    QUEUE = "Queue"  # wait in line
    QUEUE_LATEST = "QueueLatest"  # wait alone: whoever waited is superseded, the holder goes on
    REPLACE = "Replace"  # cancel the holder and everybody waiting, then run
    JOIN = "Join"  # end at once and stand for the holder: its outcome is this run's
    SKIP = "Skip"  # end at once, not needed


class Refusal(StrEnum):
    """Why a run was refused, as its record says it."""

    LOCK_HELD = "LockHeld"
    LOCK_PAUSED = "LockPaused"
    QUEUE_FULL = "QueueFull"


class Decision(StrEnum):
    """What `submit` does with a new run."""

    START = "start"  # the lock is free: the run owns it now
    WAIT = "wait"  # join the waiting list
    SUPERSEDE = "supersede"  # supersede the waiting, then wait
    REPLACE = "replace"  # supersede the waiting, cancel the holder, wait at the head
    REJECT = "reject"  # refuse; the record keeps the holder, if there is one
    JOIN = "join"  # stand for the holder, or for the first in line if the holder is ending
    SKIP = "skip"  # end as not needed; the record keeps the holder, if there is one


_WHEN_TAKEN = {
    Policy.REJECT: Decision.REJECT,
    Policy.QUEUE_LATEST: Decision.SUPERSEDE,
    Policy.REPLACE: Decision.REPLACE,
    Policy.JOIN: Decision.JOIN,
    Policy.SKIP: Decision.SKIP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LockView:
    """What `submit` sees of a lock at the moment of the decision."""

    held: bool
    holder_cancelling: bool = False
    paused: bool = False
    waiting: int = 0


def decide(policy: Policy, lock: LockView, *, max_queue: int | None = None) -> Decision:
    """Decide what a new run does, without looking at anything but its arguments.

    A holder that is being cancelled will not do the work any more. Under Reject and Join the first
    run that comes then waits for its end, so that deleting a TaskRun and applying it again works;
    the next one under Join stands for that first one. `max_queue` bounds the list under Queue.

    A lock that is free and paused is one nobody can be joined at and whose end nobody knows: Join
    waits, unless somebody is in line to be joined; Reject refuses and Skip skips.
    """
    if not lock.held and not lock.paused:
        return Decision.START
    if policy is Policy.QUEUE:
        full = max_queue is not None and lock.waiting >= max_queue
        return Decision.REJECT if full else Decision.WAIT
    ending = lock.holder_cancelling and not lock.paused
    nobody_works = lock.holder_cancelling or not lock.held
    waits = {Policy.REJECT: ending, Policy.JOIN: nobody_works}
    if waits.get(policy) and lock.waiting == 0:
        return Decision.WAIT
    return _WHEN_TAKEN[policy]


def why_refused(policy: Policy, lock: LockView) -> Refusal:
    """The reason of a decision to reject: under Queue it can only be the length of the list."""
    if policy is Policy.QUEUE:
        return Refusal.QUEUE_FULL
    return Refusal.LOCK_HELD if lock.held else Refusal.LOCK_PAUSED
