"""The operations that keep the ledger true: leases, sweeping, blessing, projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from singletrack.exits import Exit
from singletrack.operations.base import Cause, Operation
from singletrack.operations.replies import (
    EndReply,
    Grant,
    ReleaseReply,
    RenewReply,
)
from singletrack.pods import Pod
from singletrack.run import Outcome, RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew(Operation[RenewReply]):
    """Renew an agent's leases in one batch; also its sign of life, so it may be empty.

    A suspect lock whose holder is renewed is an ordinary one again.
    """

    agent: str
    leases: tuple[tuple[str, str], ...] = ()
    """(run id, nonce) of each."""
    token: int = 0
    """The highest token the agent has seen; an unblessed server gives none that is not higher."""
    reported_to: str = ""
    """The server to which it has told all it knows; a blessed one needs to be told nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentGone(Operation[None]):
    """Forget an agent that has stopped, or that was not heard of for longer than a lease."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire(Operation[EndReply]):
    """Take a lease away, if it is still exactly the one the sweeper has watched without change.

    CLAIMED becomes READY (it never started), RUNNING becomes LOST. RECOVERING while unblessed. With
    `on_lost` Hold a RUNNING run stays as it is and its lock becomes *suspect*: it stays taken until
    the process is confirmed dead, its own worker speaks, or a human releases it.
    """

    run_id: str
    nonce: str
    lease_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmDead(Operation[EndReply]):
    """End a claim whose process is known to be dead from outside, whatever its lease says.

    Known means: its Pod's container has terminated, or its node is fenced; a Pod that was only
    deleted proves nothing. CLAIMED becomes READY, RUNNING becomes LOST, `on_lost` does not count.
    RECOVERING while unblessed. DIED or OUT_OF_MEMORY is the `cause`.
    """

    run_id: str
    nonce: str
    message: str
    cause: Cause = Cause.DIED
    exit: Exit | None = None
    """How the process, or its container, ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLock(Operation[ReleaseReply]):
    """A human gives up the holder of a suspect lock: it becomes LOST, the lock moves on.

    DROP unless the lock is suspect, and if a `token` is given that is not the holder's any more;
    UNKNOWN if nobody holds it, RECOVERING while unblessed.
    """

    lock: str
    by: str
    reason: str
    token: int = 0


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
    """While unblessed: an agent restores what the server has forgotten of a run it has started.

    The next token will be higher than `grant.token`, whatever the answer is. Without an `outcome`
    the run is executing and takes its lock back: a READY owner returns to the head of the waiting
    list, another started one becomes LOST *provisionally*: until the blessing its own child's
    `Finish`, its agent's `Reassert` or a `Settle` replaces that. With an `outcome` the run has
    ended so. DROP when the record shows a later claim, or an end.
    """

    spec: RunSpec
    grant: Grant
    worker: str
    pod: Pod | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(Operation[EndReply]):
    """While unblessed: give a record the end its TaskRun has already shown, which is final.

    A record that has ended is left alone, unless it is LOST provisionally.
    """

    run_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Bless(Operation[bool]):
    """Declare the server with this identity complete: claims may be served again.

    False when the server has restarted since. Every READY run becomes due at once; what was LOST
    provisionally is lost for good.
    """

    server_id: str
    token_floor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbless(Operation[None]):
    """Withdraw the blessing: the server may be losing what it has acknowledged.

    As after a restart, nothing starts until `Bless`; what runs goes on, and ends.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AckProjection(Operation[bool]):
    """Note that the TaskRun shows this revision; False if the record has moved on."""

    run_id: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget(Operation[bool]):
    """Delete the record of a terminal run whose time to live is over.

    Not while its TaskRun does not show the end: it would be submitted again. It is looked at again
    13 s later then.
    """

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddUp(Operation[None]):
    """Add up what was counted since the last time, which a change of a run only notes.

    What is read is the same before and after, and without it the notes do not grow for ever.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterTasks(Operation[None]):
    """Add a worker's tasks to the catalogue: name → JSON text of the entry.

    From then on new runs of them are counted by their names, and those of its queues by theirs.
    """

    entries: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[str, ...] = ()
    """The broker queues this worker takes messages from."""
