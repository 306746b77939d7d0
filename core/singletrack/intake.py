"""The port by which the API accepts runs: into the ledger alone, or through a TaskRun first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from singletrack.admission import RunRequest
from singletrack.errors import Holder, IntakeError, LockHeld, LockPaused, QueueFull
from singletrack.operations import Forecast, Submission
from singletrack.policies import Refusal
from singletrack.run import Cancellation, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A run the platform has taken on."""

    run_id: str
    name: str
    """The TaskRun's name; empty without Kubernetes."""
    submission: Submission


def refused(reason: str, lock: str, holder: Holder | None) -> IntakeError:
    """The error that says why a policy has refused a run."""
    if reason == Refusal.LOCK_PAUSED:
        return LockPaused(lock)
    kind = QueueFull if reason == Refusal.QUEUE_FULL else LockHeld
    return kind(lock, holder or Holder(run_id=""))


class Intake(Protocol):
    """Where the API's requests go. An accepted run survives the crash of the API."""

    async def submit(self, request: RunRequest) -> Accepted:
        """Accept a run.

        Raises:
            TaskNotRegistered, InvalidParameters, ParametersTooLarge: nothing was recorded.
            LockHeld, LockPaused, QueueFull: the policy refused; no resource and no live record is
                left behind.
            IntakeUnavailable, LedgerUnavailable: it is not known whether it was accepted.
        """
        ...

    async def preview(self, request: RunRequest) -> Forecast:
        """What `submit` would do with this request now; nothing is recorded.

        Raises:
            TaskNotRegistered, InvalidParameters, ParametersTooLarge: it would be refused as that.
            RunConflict: the id, or the name, belongs to a run with another content.
        """
        ...

    async def prioritise(self, run: Run, priority: int) -> Run:
        """Change the priority of a run and answer its record after that.

        Raises:
            RunStarted: its code has been started, or it has ended.
        """
        ...

    async def cancel(self, run: Run, cancellation: Cancellation) -> Run:
        """Ask a run to stop and answer its record after that; durable when this returns."""
        ...

    async def delete(self, run: Run, cancellation: Cancellation) -> Run:
        """Take a run out of sight, with its TaskRun if it has one, and answer what is left of it.

        One that lives is asked to stop, and gone at its end. Durable when this returns.

        Raises:
            IntakeUnavailable: the TaskRun could not be deleted; nothing has changed.
        """
        ...
