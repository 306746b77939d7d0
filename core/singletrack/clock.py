"""The port to time: what measures leases, and what stamps records.

Leases are measured on a clock that counts suspend and cannot be set (CLOCK_BOOTTIME); wall time is
only ever shown to people.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Reads time; passed in, so that tests can hold it still."""

    def boottime(self) -> float:
        """Seconds since boot, suspend included; never goes backwards."""
        ...

    def now(self) -> datetime:
        """The wall clock, timezone-aware; for people, never for decisions."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> datetime:
        return datetime.now(UTC)
