"""The claim of a run as it travels from the worker's main process to the child, in the request."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

from singletrack.operations import Grant

_HEADER = "singletrack_claim"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRun:
    """What a child needs to know of a claim."""

    run_id: str
    nonce: str
    token: int
    lock: str
    door: str
    timeout_seconds: float | None

    @classmethod
    def from_grant(cls, grant: Grant) -> ClaimedRun:
        return cls(
            run_id=grant.run_id,
            nonce=grant.nonce,
            token=grant.token,
            lock=grant.lock,
            door=grant.door,
            timeout_seconds=grant.timeout_seconds,
        )

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> ClaimedRun | None:
        """The claim in a request; None for a task that does not pass the gate."""
        found = request.get(_HEADER)
        return cls(**found) if found else None

    def put_into(self, request: MutableMapping[str, Any]) -> None:
        """Send the claim along with the request to the child."""
        request[_HEADER] = asdict(self)
