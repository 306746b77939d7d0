"""When a failed attempt is followed by another one of the same run, and how long that waits.

The rule in its pure form: the memory ledger calls it, `functions/ending.lua` says the same, and the
conformance suite holds the two together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from singletrack.lifecycle import State

#: More attempts than this nobody needs, and a TaskRun cannot show.
MOST_RETRIES = 100
LONGEST_BACKOFF_SECONDS = 86_400.0

_MOST_DOUBLINGS = 30
_WORD = 2**32


class RetryCause(StrEnum):
    """What may end an attempt so that another one makes sense."""

    ERROR = "Error"  # the task's code raised, or could not hand over its result
    TIMEOUT = "Timeout"  # its time was over, or its code let its soft time limit end it
    WORKER_LOST = "WorkerLost"  # its process is gone and nobody knows how far it came
    INTERRUPTED = "Interrupted"  # its worker was stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, after what and how soon a run is tried again."""

    limit: int = 0
    """How many attempts may follow the first one."""
    initial_seconds: float = 10.0
    """The longest pause before the second attempt; it doubles with each further one."""
    max_seconds: float = 600.0
    """No pause is longer."""
    causes: tuple[RetryCause, ...] = tuple(RetryCause)
    """After what; everything else ends the run at once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "causes", tuple(map(RetryCause, self.causes)))
        if not 0 <= self.limit <= MOST_RETRIES:
            raise ValueError(f"the limit of retries is 0 to {MOST_RETRIES}, not {self.limit}")
        longest = LONGEST_BACKOFF_SECONDS
        if not (0 <= self.initial_seconds <= longest and 0 <= self.max_seconds <= longest):
            raise ValueError(f"a retry waits 0 to {longest:g} seconds")

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """From plain values, as JSON holds them.

        Raises:
            ValueError: there is no such cause, or a number is out of range.
            TypeError: a field has another name or type.
        """
        return cls(**fields)

    def covers(self, attempt: int, cause: RetryCause | None) -> bool:
        """Whether another attempt follows this one."""
        return cause in self.causes and attempt <= self.limit


NO_RETRY = Retry()


def cause_of(state: State, reason: str) -> RetryCause | None:
    """What ended an attempt; None for an end after which there is no other attempt."""
    match state:
        case State.FAILED:
            return RetryCause.INTERRUPTED if reason == "Interrupted" else RetryCause.ERROR
        case State.TIMED_OUT:
            return RetryCause.TIMEOUT
        case State.LOST:
            return RetryCause.WORKER_LOST
        case _:
            return None


def backoff_ms(retry: Retry, run_id: str, attempt: int) -> int:
    """The pause after an attempt: exponential, with full jitter.

    The jitter is drawn from the run's id and the attempt, so that whoever computes it gets the same
    and runs that failed together do not come back together.
    """
    initial, most = round(retry.initial_seconds * 1000), round(retry.max_seconds * 1000)
    ceiling = min(most, initial * 2 ** min(attempt - 1, _MOST_DOUBLINGS))
    drawn = int(hashlib.sha1(f"{run_id}/{attempt}".encode()).hexdigest()[:8], 16)  # noqa: S324
    return int(ceiling * drawn // _WORD)
