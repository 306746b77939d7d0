"""What happens when a run is submitted and its lock is not free.

`decide` is the rule in its pure form: the memory ledger calls it, the Lua of `submit` says the
same, and the conformance suite holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class Policy(StrEnum):
    """What a new run does when another one holds its lock."""

    REJECT = "Reject"  # refuse, naming the holder
    QUEUE = "Queue"  # wait in line, by priority, then by arrival
    REPLACE = "Replace"  # cancel the holder and everybody waiting, then run


class Decision(StrEnum):
    """What `submit` does with a new run."""

    START = "start"  # the lock is free: the run owns it now
    WAIT = "wait"  # join the waiting list
    REJECT = "reject"  # refuse; the record keeps the holder
    REPLACE = "replace"  # supersede the waiting, cancel the holder, wait at the head


@dataclass(frozen=True, slots=True, kw_only=True)
class LockView:
    """What `submit` sees of a lock at the moment of the decision."""

    held: bool
    holder_cancelling: bool = False
    waiting: int = 0


def decide(policy: Policy, lock: LockView, *, max_queue: int | None = None) -> Decision:
    """Decide what a new run does, without looking at anything but its arguments.

    Under Reject a holder that is already being cancelled counts as waiting for its end, so that
    deleting a TaskRun and applying it again works. `max_queue` bounds the waiting list.
    """
    if not lock.held:
        return Decision.START
    match policy:
        case Policy.REPLACE:
            return Decision.REPLACE
        case Policy.QUEUE:
            full = max_queue is not None and lock.waiting >= max_queue
            return Decision.REJECT if full else Decision.WAIT
        case Policy.REJECT:
            ending = lock.holder_cancelling and lock.waiting == 0
            return Decision.WAIT if ending else Decision.REJECT
        case _:
            assert_never(policy)
