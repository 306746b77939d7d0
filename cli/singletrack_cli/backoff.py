"""How long to wait before a part that has died is started again."""

from __future__ import annotations

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 15.0
STEADY_SECONDS = 30.0


class Backoff:
    """Twice as long each time; from the beginning after a life that was long enough."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def after(self, lived_seconds: float) -> float:
        """The pause after a life of that length."""
        if lived_seconds >= STEADY_SECONDS:
            self._next = FIRST_SECONDS
        pause, self._next = self._next, min(self._next * 2, LONGEST_SECONDS)
        return pause
