"""What the operations answer: frozen values, never raw replies of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from singletrack.errors import Holder
from singletrack.lifecycle import State
from singletrack.operations.base import Verdict
from singletrack.pods import Pod
from singletrack.policies import Decision, Refusal
from singletrack.run import Cancellation, Door


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What became of a submitted run; `created` is False for a repeated, equal submission."""

    verdict: Verdict
    state: State | None = None
    created: bool = False
    holder: Holder | None = None
    """Who held the lock, unless it was free; for a JOINED run, the run it joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What would become of a run, were it submitted now."""

    verdict: Verdict
    """CONFLICT: the id is taken by a run with other content."""
    decision: Decision | None = None
    """None when a run with this id is recorded: submitting it again would change nothing."""
    state: State | None = None
    """Of the run that is recorded."""
    position: int | None = None
    """Its place in the waiting list, 1 for the first; None if it would not wait."""
    refusal: Refusal | None = None
    holder: Holder | None = None
    """Who holds the lock; for a run that would join, the run it would join."""
    victims: tuple[Holder, ...] = ()
    """Who would be superseded or cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The right to execute one run, until the lease ends: carried by every later operation."""

    run_id: str
    nonce: str
    token: int
    lock: str
    attempt: int
    """The attempt this grant would start."""
    timeout_seconds: float | None = None
    soft_timeout_seconds: float | None = None
    door: Door = Door.PRODUCER


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReply:
    """The answer to `Start`; `grant` is set exactly when the verdict is OK: user code may run."""

    verdict: Verdict
    state: State | None = None
    """Of the run now; None when the ledger has no record of it."""
    grant: Grant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReply:
    """The answer to `Claim`; `grant` is set exactly when the verdict is OK."""

    verdict: Verdict
    state: State | None = None
    grant: Grant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginReply:
    """The answer to `Begin`: OK and the attempt that starts now, or why not."""

    verdict: Verdict
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndReply:
    """The answer to an operation that ends or hands back a claim: the verdict and the state now."""

    verdict: Verdict
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReply:
    """The answer to `ReleaseLock`: the verdict, and the holder, if there is one, as it is now."""

    verdict: Verdict
    run_id: str = ""
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseAnswer:
    """What a renewal says about one lease."""

    run_id: str
    nonce: str
    verdict: Verdict
    """OK, CANCEL, or DROP: the lease is lost and the process must die."""
    cancellation: Cancellation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewReply:
    """What a renewal says: which server it is, whether it is blessed, and one answer per lease."""

    blessed: bool
    server_id: str = ""
    known: bool = True
    """Whether the server had heard of the agent before."""
    answers: tuple[LeaseAnswer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """A lease as the sweeper sees it; it compares two looks at the same `lease_seq`."""

    run_id: str
    nonce: str
    lease_seq: int
    state: State
    pod: Pod | None = None
    """Where the worker is, of a run that holds its lock (`on_lost` Hold) and knows."""
    suspect: bool = False
    """Whether the worker is not heard of any more, and the lock held all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRun:
    """A READY run whose message should be published now."""

    run_id: str
    publications: int
    queue: str
    envelope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """That somebody has paused a lock or a queue."""

    by: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """The pauses of a lock and of a queue, if there are any."""

    lock: Pause | None = None
    queue: Pause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A broker queue as the ledger knows it."""

    name: str
    pause: Pause | None = None
    parked: int = 0
    """How many runs have their lock and would be on their way, were it not for the pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStatus:
    """Who owns a lock and who waits for it, in order."""

    key: str
    owner: str | None
    token: int
    waiting: tuple[str, ...] = ()
    pause: Pause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSummary:
    """One lock of a list: `LockStatus` with those that wait counted, not named."""

    key: str
    holder: Holder | None
    token: int
    suspect: bool
    waiting: int
    pause: Pause | None = None


WITHDRAWN = "withdrawn"
"""What `blessed_id` is while a blessing is withdrawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """What the ledger's server says of itself, in one read."""

    server_id: str
    """Changes at every start of the server."""
    blessed_id: str
    version: str
    flavour: str
    """`redis` or `valkey`."""
    eviction_policy: str
    aof_enabled: bool
    replicas: int
    fsync: str
    """`appendfsync` as somebody who may ask for it has noted last; empty when unknown."""
    agents: Mapping[str, str]
    """Every live lease agent and the server identity to which it has told all it knows."""
    micros: int
    """The server's clock."""
    blessed_at: int = 0
    """When it was blessed, by its own clock; another time is another blessing."""
    emptied: bool = False
    """Whether a ledger that nobody has blessed yet shows signs of an earlier life."""

    @property
    def blessed(self) -> bool:
        return self.server_id != "" and self.server_id == self.blessed_id

    @property
    def withdrawn(self) -> bool:
        """Whether the last blessing was withdrawn: the server may have lost what it had."""
        return self.blessed_id == WITHDRAWN

    @property
    def evicts(self) -> bool:
        """Whether the server may throw away what it holds when its memory is full."""
        return self.eviction_policy not in {"noeviction", ""}
