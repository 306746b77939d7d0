"""How a process ended, as its parent saw it: by itself with a code, or by a signal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One of the two is known, never both."""

    code: int | None = None
    """What it left with, when it ended by itself."""
    signal: str = ""
    """What killed it, by its name: SIGKILL, SIGSEGV…"""

    def __post_init__(self) -> None:
        if (self.code is None) == (not self.signal):
            raise ValueError("a process ends by itself or by a signal, and one of them is known")

    def __str__(self) -> str:
        return f"killed by {self.signal}" if self.signal else f"exit code {self.code}"

    @classmethod
    def read(cls, code: str, signal: str) -> Exit | None:
        """What two texts say, as a record keeps it; None if they say nothing."""
        if not code and not signal:
            return None
        return cls(code=int(code) if code else None, signal=signal)

    def write(self) -> tuple[str, str]:
        """As two texts, for a record."""
        return "" if self.code is None else str(self.code), self.signal
