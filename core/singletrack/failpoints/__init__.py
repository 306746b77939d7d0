"""Failpoints: named places in product code where a test has a process die, freeze or lose a reply.

    failpoint("gate.started")
    failpoint("ledger.sent", "start")

A place does nothing unless the process was armed at its start, by two variables that production
does not set (`arming`). `points` declares every place; `bench/failpoints.py` measures what an
unarmed one costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from singletrack.failpoints.arming import Armed

__all__ = ["arm", "failpoint"]

_armed: Armed | None = None


def failpoint(point: str, detail: str = "") -> None:
    """Pass a place that `points` declares; `detail` is what passes, such as an operation's name."""
    if _armed is not None:
        _armed.reach(point, detail)


def arm(process: str, environment: Mapping[str, str]) -> None:
    """Arm this process if its environment says so; an entry point calls it once.

    Raises:
        ConfigurationError: failpoints are asked for, but not for tests, or they are not any.
    """
    global _armed
    if "SINGLETRACK_FAILPOINTS" in environment:
        from singletrack.failpoints.arming import Armed

        _armed = Armed.from_environment(process, environment)


def disarm() -> None:
    """Forget it; for tests that arm their own process."""
    global _armed
    _armed = None
