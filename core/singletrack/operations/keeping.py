"""The operations that keep the ledger true: leases, sweeping, blessing, projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from singletrack.operations.base import Operation
from singletrack.operations.replies import (
    EndReply,
    Grant,
    RenewReply,
)
from singletrack.run import RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew(Operation[RenewReply]):
    """Renew an agent's leases in one batch; also its sign of life, so it may be empty."""

    agent: str
    leases: tuple[tuple[str, str], ...] = ()
    """(run id, nonce) of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentGone(Operation[None]):
    """Forget an agent that has stopped, or that was not heard of for longer than a lease."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire(Operation[EndReply]):
    """Take a lease away, if it is still exactly the one the sweeper has watched without change.

    CLAIMED becomes READY (it never started), RUNNING becomes LOST. RECOVERING while unblessed.
    """

    run_id: str
    nonce: str
    lease_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireWait(Operation[EndReply]):
    """End a run that has waited too long for its lock or for a worker, if that is still so."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote(Operation[bool]):
    """Give a free lock to the first in line; True if somebody got it."""

    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassert(Operation[EndReply]):
    """While unblessed: an agent restores the record of a started run the server has forgotten.

    The server's token floor becomes at least `grant.token`. The run takes its lock back: a READY
    owner returns to the head of the waiting list, another started one becomes LOST.
    """

    spec: RunSpec
    grant: Grant
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bless(Operation[bool]):
    """Declare the server with this identity complete: claims may be served again.

    False when the server has restarted since. Every READY run becomes due at once.
    """

    server_id: str
    token_floor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AckProjection(Operation[bool]):
    """Note that the TaskRun shows this revision; False if the record has moved on."""

    run_id: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget(Operation[bool]):
    """Delete the record of a terminal run whose time to live is over.

    Not while its TaskRun does not show the end: it would be submitted again. It is looked at again
    15 s later then.
    """

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterTasks(Operation[None]):
    """Add a worker's tasks to the catalogue: name → JSON text of the entry."""

    entries: Mapping[str, str] = field(default_factory=dict)
