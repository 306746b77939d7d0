"""The shapes of what the health routes answer."""

from __future__ import annotations

from typing import Literal

from singletrack.settings import Durability
from singletrack_api.shape import Shape


class Live(Shape):
    """The process answers."""

    status: Literal["alive"]


class LedgerHealth(Shape):
    """What the ledger's server says of itself."""

    reachable: Literal[True]
    blessed: bool
    """False after a restart, until running work has reported: nothing starts until then."""
    server: str
    durability: Durability
    durability_detail: str


class Ready(Shape):
    """Runs are accepted and started."""

    status: Literal["ready"]
    ledger: LedgerHealth
