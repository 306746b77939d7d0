"""Where a TaskRun stands, before it is written down: a phase, a reason, a sentence, the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from singletrack.lifecycle import VIEWS, Phase, State
from singletrack.operations import Pause
from singletrack.run import Run

LIVE_PHASES = frozenset({Phase.PENDING, Phase.QUEUED, Phase.STARTING, Phase.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a status is made from. `run` is None while, or because, there is no record."""

    phase: Phase
    reason: str
    message: str
    run: Run | None = None

    @property
    def terminal(self) -> bool:
        return self.phase not in LIVE_PHASES

    @property
    def succeeded(self) -> bool:
        return self.phase is Phase.SUCCEEDED

    @property
    def backing_off(self) -> bool:
        """Whether an attempt has failed and the next one has not been started."""
        return self.phase is Phase.STARTING and self.run is not None and self.run.backing_off

    @property
    def joined(self) -> bool:
        """Whether the outcome is that of another run, which may be still to come."""
        return self.phase is Phase.JOINED


def of_run(run: Run, pause: Pause | None = None) -> Standing:
    """Where a recorded run stands; `pause` is what keeps it waiting, if that is one."""
    phase = VIEWS[run.state].phase
    if run.failure is not None and run.terminal:
        reason = run.failure.reason or str(phase)
        return Standing(phase=phase, reason=reason, message=run.failure.message, run=run)
    reason, message = _paused(run, pause) if pause else _plain_words(run)
    return Standing(phase=phase, reason=reason, message=message, run=run)


def task_not_registered(task: str) -> Standing:
    return Standing(
        phase=Phase.PENDING,
        reason="TaskNotRegistered",
        message=f"no worker has registered a task {task!r} yet; the run starts when one does",
    )


def task_never_registered(task: str, deadline_seconds: float) -> Standing:
    return Standing(
        phase=Phase.EXPIRED,
        reason="TaskNotRegistered",
        message=f"no worker registered a task {task!r} within {deadline_seconds:g} s",
    )


def refused(reason: str, message: str) -> Standing:
    return Standing(phase=Phase.REJECTED, reason=reason, message=message)


def never_submitted(reason: str) -> Standing:
    """Cancelled before the ledger knew of it."""
    return Standing(
        phase=Phase.CANCELLED,
        reason="Cancelled",
        message=reason or "cancelled before it was submitted",
    )


def record_lost() -> Standing:
    return Standing(
        phase=Phase.LOST,
        reason="RecordLost",
        message="the ledger has no record of this run any more, though it was started; "
        "nobody knows how far it came",
    )


def record_rolled_back(run: Run) -> Standing:
    """The ledger's record is older than what the TaskRun has already shown."""
    lost = record_lost()
    return Standing(phase=lost.phase, reason=lost.reason, message=lost.message, run=run)


def _paused(run: Run, pause: Pause) -> tuple[str, str]:
    why = f": {pause.reason}" if pause.reason else ""
    by = f"was paused by {pause.by}{why}"
    if run.state is State.QUEUED:
        return "LockPaused", f"waits for the lock {run.spec.lock!r}, which {by}"
    return "QueuePaused", f"holds the lock {run.spec.lock!r}; its queue {run.spec.queue!r} {by}"


def _plain_words(run: Run) -> tuple[str, str]:
    match run.state:
        case State.QUEUED:
            held = f", held by {run.holder}" if run.holder else ""
            return "WaitingForLock", f"waits for the lock {run.spec.lock!r}{held}"
        case State.READY | State.CLAIMED if run.backing_off:
            return "BackingOff", f"attempt {run.attempt} has failed; the next one comes later"
        case State.READY | State.CLAIMED:
            return "WaitingForWorker", f"holds the lock {run.spec.lock!r}, waits for a worker"
        case State.RUNNING:
            return "Running", f"attempt {run.attempt} runs on {run.worker or 'a worker'}"
        case State.SUCCEEDED:
            return "Completed", "the task returned"
        case _:
            return _end_in_words(run)


def _end_in_words(run: Run) -> tuple[str, str]:
    holder = f" (lock held by {run.holder})" if run.holder else ""
    wish = run.cancellation
    match run.state:
        case State.CANCELLED:
            return "Cancelled", f"cancelled: {wish.reason}" if wish and wish.reason else "cancelled"
        case State.SUPERSEDED:
            return "Superseded", "a newer run took its place before it started"
        case State.EXPIRED:
            return "Expired", "waited longer than allowed"
        case State.REJECTED:
            return "Rejected", f"refused{holder}"
        case State.JOINED:
            return "Joined", f"stands for run {run.holder}, which holds the lock or is next"
        case State.FAILED | State.TIMED_OUT | State.LOST | State.SKIPPED:
            return str(VIEWS[run.state].phase), ""
        case State.QUEUED | State.READY | State.CLAIMED | State.RUNNING | State.SUCCEEDED:
            raise ValueError(f"{run.state} has words of its own")
        case _:
            assert_never(run.state)
