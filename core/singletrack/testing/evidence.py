"""The values of the checker: what a history consists of, and what a verdict says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from singletrack.lifecycle import State
from singletrack.testing.task_log import Event


class Kind(StrEnum):
    """What can be wrong with a history."""

    OVERLAP = "overlap"  # two starts under one lock executed at the same time
    SECOND_START = "second start"  # of one attempt, or more attempts than allowed
    LOST = "lost"  # an accepted run without a record or without an end
    STUCK = "stuck"  # a lock without a live holder, or a live run with nothing behind it
    TERMINAL_FLIP = "terminal flip"  # an end that did not stay, or a revision that went back
    TOKEN_ORDER = "token order"  # noqa: S105 -- a fencing token is no secret
    FORBIDDEN_START = "forbidden start"  # a run that must not have started
    OUTLIVED = "outlived"  # a process of a run that had finished
    WRONG_OUTCOME = "wrong outcome"  # a record that contradicts the log
    BROKEN_LOG = "broken log"  # lines without a begin


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalRecord:
    """What is recorded of a run at the end; a run that has left no record has no state."""

    run: str
    lock: str
    state: State | None
    token: int | None = None
    attempts: int | None = None
    accepted: bool = True
    """Whether somebody was told that the run will happen."""
    logged: bool = True
    """False for a task that writes no log: its silence means nothing."""
    finished_boottime_ns: int | None = None
    """When the end was in the record, at the latest: a time after which no process may be seen."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", None if self.state is None else State(self.state))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one observer was told of a run: an answer of the API, an event of a watch."""

    observer: str
    run: str
    state: State
    order: float
    """A time or a position; only compared with the same observer's."""
    revision: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", State(self.state))


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    key: str
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    events: Sequence[Event] = ()
    records: Sequence[FinalRecord] = ()
    observations: Sequence[Observation] = ()
    locks: Sequence[LockState] | None = None
    """All locks there are at the end; None when nobody has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    max_attempts: int = 1
    grace_ms: float = 0.0
    """How long a process may go on after it was frozen (`onLost: Release`); 0 forgives nothing."""
    frozen_ms: float = 1000.0
    """The shortest silence of a process that counts as frozen; less than a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    kind: Kind
    sentence: str
    run: str = ""
    lock: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    events: int
    runs: int
    starts: int
    unfinished_starts: int
    """Starts without an "end": killed."""
    locks: int
    observations: int
    forgiven_overlaps: int
    largest_overlap_ms: float
    states: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return (
            f"{self.runs} runs ({states or 'no records'}), {self.starts} starts, "
            f"{self.unfinished_starts} of them killed, on {self.locks} locks; {self.events} lines, "
            f"{self.observations} observations; {self.forgiven_overlaps} overlaps forgiven, "
            f"the largest overlap {self.largest_overlap_ms:.1f} ms"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    violations: tuple[Violation, ...]
    statistics: Statistics

    @property
    def holds(self) -> bool:
        return not self.violations

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(violation.kind for violation in self.violations)

    def __str__(self) -> str:
        count = len(self.violations)
        summary = "The promise holds" if self.holds else f"{count} violation(s) of the promise"
        return "\n".join([*map(str, self.violations), f"{summary}: {self.statistics}."])
