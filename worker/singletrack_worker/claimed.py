"""The claim of a run as it travels from the worker's main process to the child, in the request."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from singletrack.adapters.celery_broker import OURS
from singletrack.operations import Grant
from singletrack.run import RunSpec
from singletrack.specification import of_message, write_spec

_HEADER = "singletrack_claim"

Arguments = tuple[Sequence[Any], Mapping[str, Any]]
"""Positional ones and those by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRun:
    """What a child needs to know of a claim."""

    run_id: str
    nonce: str
    token: int
    lock: str
    door: str
    timeout_seconds: float | None
    spec: str = ""
    """The specification of a producer's run; that of a run of ours is in its message."""

    @classmethod
    def from_grant(cls, grant: Grant, spec: RunSpec | None) -> ClaimedRun:
        return cls(
            run_id=grant.run_id,
            nonce=grant.nonce,
            token=grant.token,
            lock=grant.lock,
            door=grant.door,
            timeout_seconds=grant.timeout_seconds,
            spec=write_spec(spec) if spec else "",
        )

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> ClaimedRun | None:
        """The claim in a request; None for a task that does not pass the gate."""
        found = request.get(_HEADER)
        return cls(**found) if found else None

    def specified(
        self, task: str, arguments: Arguments, request: Mapping[str, Any] | None
    ) -> ClaimedRun:
        """With the specification by which its agent can restore the run's record."""
        header = (request or {}).get(OURS)
        if self.spec or not isinstance(header, Mapping):
            return self
        args, kwargs = arguments
        queue = ((request or {}).get("delivery_info") or {}).get("routing_key") or "celery"
        said = {"run_id": self.run_id, "task": task, "args": tuple(args), "kwargs": kwargs}
        return replace(self, spec=write_spec(of_message(header, queue=queue, **said)))

    def put_into(self, request: MutableMapping[str, Any]) -> None:
        """Send the claim along with the request to the child."""
        request[_HEADER] = asdict(self)
