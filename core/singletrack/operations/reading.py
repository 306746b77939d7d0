"""The reads: each answers from one moment, none changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from singletrack.operations.base import Operation
from singletrack.operations.replies import (
    DueRun,
    Forecast,
    LeaseView,
    LockStatus,
    LockSummary,
    QueueStatus,
    ServerStatus,
)
from singletrack.run import Run, RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRun(Operation["Run | None"]):
    """The record of one run."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRuns(Operation[tuple[Run, ...]]):
    """The runs of a namespace, newest first, without results and envelopes."""

    namespace: str
    limit: int = 50
    before: int = 0
    """Only runs with a smaller sequence number (`Run` order); 0 for the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNamespaces(Operation[tuple[str, ...]]):
    """Every namespace that has records, in no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestRun(Operation["str | None"]):
    """The id of the namespace's latest run that was accepted at the REST door."""

    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLock(Operation[LockStatus]):
    """Who owns a lock and who waits."""

    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLocks(Operation[tuple[LockSummary, ...]]):
    """The locks of a namespace that somebody holds, waits for or has paused, by name.

    It costs a read for every run that lives, so that no run pays for a list nobody asks for.
    """

    namespace: str
    limit: int = 50
    after: str = ""
    """Only keys behind this one, which need not be there any more; empty for the first page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPausedQueues(Operation[tuple[QueueStatus, ...]]):
    """The broker queues that are paused, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Operation[Forecast]):
    """What `Submit` would do with this run now; nothing is recorded."""

    spec: RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDue(Operation[tuple[DueRun, ...]]):
    """READY runs whose message should be (re)published now, oldest first."""

    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLeases(Operation[tuple[LeaseView, ...]]):
    """Every run in CLAIMED or RUNNING with its lease sequence number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOverdue(Operation[tuple[str, ...]]):
    """Runs whose waiting time is over (see `ExpireWait`)."""

    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWaitingLocks(Operation[tuple[str, ...]]):
    """Free locks with somebody waiting, among `limit` waited-for ones taken at random.

    There is none unless the server has lost the key of a lock; `Promote` mends them.
    """

    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUnprojected(Operation[tuple[str, ...]]):
    """Runs with a TaskRun whose latest revision it does not show yet, oldest change first."""

    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ListForgettable(Operation[tuple[str, ...]]):
    """Terminal runs whose time to live is over."""

    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTasks(Operation[Mapping[str, str]]):
    """The catalogue: task name → JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCounters(Operation[Mapping[str, float]]):
    """Every lifecycle counter and current gauge, by the field names of `singletrack.metrics`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadServer(Operation[ServerStatus]):
    """What the server says of itself."""
