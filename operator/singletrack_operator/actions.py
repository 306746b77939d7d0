"""What the operator can do about one TaskRun, as values: `decide` returns them, `act` does them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from singletrack.run import Cancellation, Outcome, RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Record the run in the ledger, which decides whether it starts, waits or is refused."""

    spec: RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRun:
    """Ask the recorded run to stop."""

    cancellation: Cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class Prioritise:
    """Give the recorded run the priority its TaskRun asks for now."""

    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Give a record that a restarted ledger still shows alive the end that the TaskRun shows."""

    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStatus:
    """Show this in the TaskRun; if the resource has moved on, look again instead."""

    status: Mapping[str, Any]
    terminal: bool = False
    traceparent: str = ""
    """The run's place in a trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AckProjection:
    """Tell the ledger that the TaskRun shows this revision, or need not."""

    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResource:
    """Delete the TaskRun: its time to live is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleDeletion:
    """Delete the TaskRun at that time."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueAfter:
    """Look at it again after so many seconds, whatever happens before."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitTask:
    """Look at it again when a worker registers its task."""

    task: str


Action = (
    Submit
    | CancelRun
    | Settle
    | Prioritise
    | WriteStatus
    | AckProjection
    | DeleteResource
    | ScheduleDeletion
    | RequeueAfter
    | AwaitTask
)
