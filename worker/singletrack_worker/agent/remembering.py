"""What the agent remembers of runs that have ended, for a server that loses their records.

Without it a server that has lost everything would be given a run again that was over already.
Bounded in time, because a server is blessed after the grace, and in size.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from singletrack.operations import Grant

MOST_CHARACTERS = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run whose code this worker has started, and how it ended; as text, to be small."""

    grant: Grant
    spec: str
    outcome: str
    until: float
    """By CLOCK_BOOTTIME; then it is forgotten."""


class Memory:
    """The runs that have ended lately, the oldest first."""

    def __init__(self, seconds: float, most_characters: int = MOST_CHARACTERS) -> None:
        self._seconds = seconds
        self._most = most_characters
        self._ended: deque[Ended] = deque()
        self._characters = 0
        self._untold: deque[Ended] = deque()
        self._telling = False

    def __len__(self) -> int:
        return len(self._ended)

    def keep(self, grant: Grant, spec: str, outcome: str, now: float) -> None:
        """Remember a run; what is not fully known cannot be restored and is not kept."""
        if not spec or not outcome:
            return
        ended = Ended(grant=grant, spec=spec, outcome=outcome, until=now + self._seconds)
        self._ended.append(ended)
        self._characters += len(spec) + len(outcome)
        if self._telling:
            self._untold.append(ended)
        while self._ended and (self._ended[0].until <= now or self._characters > self._most):
            over = self._ended.popleft()
            self._characters -= len(over.spec) + len(over.outcome)

    def tell_everything(self, now: float) -> None:
        """A server may have lost it all: what is remembered has to be told, what comes as well."""
        self._telling = True
        self._untold = deque(ended for ended in self._ended if ended.until > now)

    def be_quiet(self) -> None:
        """The server is complete."""
        self._telling = False
        self._untold.clear()

    @property
    def untold(self) -> Ended | None:
        """What has to be told next."""
        return self._untold[0] if self._untold else None

    def told(self) -> None:
        """The server has heard it."""
        if self._untold:
            self._untold.popleft()
