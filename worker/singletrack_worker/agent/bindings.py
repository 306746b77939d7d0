"""One claimed run in the agent's table: its stages, its clocks, what must happen to it now.

    BOUND ──► STARTED ──► LEAVING
      └──────────┴───────────┴──► DYING ──► DEAD

A binding is forgotten when its child says that the ledger has answered, or when the agent has
reported it dead. Pure: times come in as CLOCK_BOOTTIME seconds, what must be done comes out as
actions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.operations import Cause, ChildGone, EndReply, Finish, Grant, Operation
from singletrack.run import Cancellation, Failure, Outcome
from singletrack_worker.agent.rules import Rules


class Stage(StrEnum):
    """How far a claimed run is, as its agent sees it."""

    BOUND = "BOUND"  # a child is starting it, and may have started it already; not renewed yet
    STARTED = "STARTED"  # user code may be running
    LEAVING = "LEAVING"  # user code has returned, the child is telling the ledger
    DYING = "DYING"  # it must die, or its child has died: not everybody is dead yet
    DEAD = "DEAD"  # nobody of it lives; the ledger has to be told


#: Somebody of the run may be alive.
ALIVE = frozenset({Stage.BOUND, Stage.STARTED, Stage.LEAVING, Stage.DYING})

#: A lease is renewed while somebody may be alive, so that its lock cannot move on. Not while BOUND:
#: the ledger may not have seen the start yet, and would say that the claim is not ours.
LEASED = ALIVE - {Stage.BOUND}

#: At the deadline these end. LEAVING does not: its user code is over and what it left behind is
#: dead, and a late `Finish` cannot harm; so the result of a run that outlived an outage is saved.
EXPIRING = frozenset({Stage.BOUND, Stage.STARTED})

_LOST = "stopped because its lease was lost"
_UNSEEN = "the process ended and nobody has seen how"

_WORDS = {
    Cause.CANCELLED: "stopped because the run was cancelled",
    Cause.TIMED_OUT: "stopped because its time was over",
    Cause.FENCED: "stopped because the lease could not be renewed",
}

_ENDS = {
    Cause.OUT_OF_MEMORY: (State.LOST, "OOMKilled"),
    Cause.CANCELLED: (State.CANCELLED, "Cancelled"),
    Cause.TIMED_OUT: (State.TIMED_OUT, "Timeout"),
}


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill everything of this run."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """Send SIGTERM to the child alone."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the child that its soft time limit is over."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """Kill what user code has left behind, but not the child; then say so to the table."""

    nonce: str


Action = Kill | Terminate | Warn | Sweep


@dataclass(slots=True, kw_only=True)
class Binding:
    """The mutable state of one claimed run; only `Table` holds these."""

    run_id: str
    nonce: str
    pid: int
    rules: Rules
    deadline: float
    grant: Grant | None = None
    """What the ledger answered; known once it is STARTED."""
    spec: str = ""
    """The run's specification as text; empty if it is too large to be kept."""
    stage: Stage = Stage.BOUND
    lost: bool = False
    """Whether the ledger has said that the claim is not ours any more."""
    stop: Cause | None = None
    bequest: Outcome | None = None
    """How the run ends once its child is dead, which has said so itself."""
    swept: bool = False
    survived: bool = False
    """Whether a kill has failed. It is repeated and the lease kept, so the lock stays taken."""
    exit: Exit | None = None
    """How the child ended, once somebody knows."""
    starved: str = ""
    """That the kernel has killed somebody for want of memory when the child died, in words."""
    message: str = ""
    unplaced: bool = False
    """Whether the ledger has to be told which run it was that has ended."""
    timeout_at: float = inf
    soft_timeout_at: float = inf
    kill_at: float = inf
    patience_until: float = inf
    act_at: float = -inf
    """Not before this is a kill, a sweep or a report tried (again)."""

    # --- what happens to it -------------------------------------------------------------------

    def start(self, grant: Grant, now: float) -> None:
        self.stage, self.grant, self.patience_until = Stage.STARTED, grant, inf
        self.timeout_at = _after(grant.timeout_seconds, now)
        self.soft_timeout_at = _after(grant.soft_timeout_seconds, now)
        if self.lost:
            self.doom(Cause.FENCED, _LOST)

    def leave(self, now: float) -> None:
        self.stage, self.patience_until = Stage.LEAVING, now + self.rules.patience
        self.kill_at = self.timeout_at = self.soft_timeout_at = inf

    def bequeath(self, outcome: Outcome, now: float) -> None:
        """User code has returned, but not all its threads: it ends so when the child is dead."""
        if self.stage is Stage.STARTED:
            self.leave(now)
            self.swept = True
        self.bequest, self.kill_at = outcome, now + self.rules.last_answer

    def cancel(self, cancellation: Cancellation | None, now: float) -> Iterator[Action]:
        """Somebody asked the run to stop."""
        if self.stage is Stage.STARTED:
            grace = cancellation.grace_seconds if cancellation else 0.0
            yield from self._stop(Cause.CANCELLED, grace, now)

    def lose(self, now: float) -> None:
        """The claim is not ours any more. A child outside user code is told so by the ledger.

        That may be because the child has just ended the run itself: a moment later it says so, and
        is not killed for it.
        """
        self.lost = True
        if self.stage is Stage.STARTED:
            self.stop, self.message = self.stop or Cause.FENCED, self.message or _LOST
            self.kill_at = min(self.kill_at, now + self.rules.last_word)

    def doom(self, cause: Cause, message: str = "") -> None:
        """Everything of it must die now; a stop that was under way stays the cause."""
        if self.stage is not Stage.DEAD:
            self.stage, self.stop = Stage.DYING, self.stop or cause
            self.message = self.message or message

    def bury(self, now: float) -> None:
        """Everything of it is dead; wait a moment if nobody has said yet how it ended."""
        self.stage = Stage.DEAD
        unknown = self.stop is Cause.DIED and not (self.message or self.exit)
        self.act_at = now + self.rules.exit_wait if unknown else now

    # --- what must happen now -----------------------------------------------------------------

    def judge(self, now: float) -> Iterator[Action]:
        """Bring it up to date and say what to do about it."""
        if now >= self.deadline and self.stage in EXPIRING:
            self.doom(Cause.FENCED)
        elif self.stage is Stage.STARTED:
            yield from self._hurry(now)
        elif self.bequest and self.stage is Stage.LEAVING and now >= self.kill_at:
            self.doom(Cause.DIED)
        elif now >= self.patience_until and self.stage in (Stage.BOUND, Stage.LEAVING):
            where = "after its code had returned" if self.grant else "before its code started"
            self.doom(Cause.DIED, f"killed because it hung {where}")
        if now >= self.act_at and self._has_work():
            self.act_at = now + self.rules.again
            yield (Kill if self.stage is Stage.DYING else Sweep)(self.nonce)

    def next_moment(self) -> float:
        """When to judge it again, if nothing happens before."""
        work = self.act_at if self._has_work() else inf
        match self.stage:
            case Stage.BOUND:
                return min(self.deadline, self.patience_until)
            case Stage.STARTED:
                return min(self.deadline, self.timeout_at, self.soft_timeout_at, self.kill_at)
            case Stage.LEAVING:
                return min(self.patience_until, self.kill_at, work)
            case Stage.DYING | Stage.DEAD:
                return work

    def report(self) -> Operation[EndReply]:
        """What the ledger is told once it is dead. It knows itself whether the run was started."""
        if self.bequest:
            return Finish(run_id=self.run_id, nonce=self.nonce, outcome=self.bequest)
        cause = self._cause()
        return ChildGone(
            run_id=self.run_id,
            nonce=self.nonce,
            cause=cause,
            message=self._last_words(cause),
            exit=self._exit(cause),
        )

    def outcome(self) -> Outcome:
        """How the run has ended, as far as its agent knows."""
        if self.bequest:
            return self.bequest
        cause = self._cause()
        state, reason = _ENDS.get(cause, (State.LOST, "WorkerLost"))
        message, ended = self._last_words(cause), self._exit(cause)
        failure = Failure(reason=reason, message=message, exit=ended)
        return Outcome(state=state, failure=failure)

    def _cause(self) -> Cause:
        """Why it is dead; what a SIGKILL that is nobody's may be due to counts for no other end."""
        killed = self.exit is None or self.exit.signal == "SIGKILL"
        if self.stop is Cause.DIED and self.starved and killed:
            return Cause.OUT_OF_MEMORY
        return self.stop or Cause.DIED

    def _last_words(self, cause: Cause) -> str:
        if cause is Cause.OUT_OF_MEMORY:
            return self.starved
        return self.message or _WORDS.get(cause) or str(self.exit or _UNSEEN)

    def _exit(self, cause: Cause) -> Exit | None:
        """How the child ended, unless the agent has ended it."""
        return self.exit if cause in (Cause.DIED, Cause.OUT_OF_MEMORY) else None

    def _hurry(self, now: float) -> Iterator[Action]:
        if now >= self.timeout_at:
            self.timeout_at = inf
            yield from self._stop(Cause.TIMED_OUT, self.rules.timeout_grace, now)
        if now >= self.kill_at:
            self.doom(self.stop or Cause.CANCELLED)
        if now >= self.soft_timeout_at:
            self.soft_timeout_at = inf
            if self.stop is None:
                yield Warn(self.nonce)

    def _stop(self, cause: Cause, grace: float, now: float) -> Iterator[Action]:
        """Begin to stop user code, or hurry a stop that was more patient."""
        first, self.stop = self.stop is None, self.stop or cause
        self.kill_at = min(self.kill_at, now + grace)
        if grace <= 0:
            self.doom(cause)
        elif first:
            yield Terminate(self.nonce)

    def _has_work(self) -> bool:
        return self.stage is Stage.DYING or (self.stage is Stage.LEAVING and not self.swept)


def _after(seconds: float | None, now: float) -> float:
    return inf if seconds is None else now + seconds
