"""One message on its way to a pool child: the run it names and the nonce the child claims it under.

Main draws the nonce, so that it knows which claim to report if the lease agent dies.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any, Self

_HEADER = "singletrack_delivery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What main sends along with a request to the child."""

    run_id: str
    nonce: str

    @classmethod
    def new(cls, run_id: str) -> Self:
        return cls(run_id=run_id, nonce=uuid.uuid4().hex)

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self | None:
        """The delivery in a request; None for a task that does not pass the gate."""
        found = request.get(_HEADER)
        return cls(**found) if found else None

    def put_into(self, request: MutableMapping[str, Any]) -> None:
        """Send it along with the request."""
        request[_HEADER] = asdict(self)
