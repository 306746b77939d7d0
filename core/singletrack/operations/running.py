"""The operations on a run's way in and out: from `Submit` to `Finish` and `Cancel`."""

from __future__ import annotations

from dataclasses import dataclass

from singletrack.exits import Exit
from singletrack.operations.base import Cause, Operation, Verdict
from singletrack.operations.replies import (
    BeginReply,
    ClaimReply,
    EndReply,
    StartReply,
    Submission,
)
from singletrack.pods import Pod
from singletrack.run import Cancellation, Outcome, Progress, RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit(Operation[Submission]):
    """Record a run and decide by its policy whether it starts, waits or is refused.

    Idempotent by `spec.run_id`: the same content again changes nothing, other content is CONFLICT.
    With `push` the envelope is put on the broker's list in the same step (Redis as broker).
    """

    spec: RunSpec
    push: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Operation[bool]):
    """Note a publication, if the run is still READY with that count; with `push`, also make it.

    The next look is put off by 13 s, then four times as long, up to an hour: upkeep looks once a
    second, so a message that was lost is on its way again after 14 s, and on a busy machine within
    15 s.
    """

    run_id: str
    publications: int
    push: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Operation[StartReply]):
    """The last step before user code: `Claim` and `Begin` with nothing in between, in one step.

    With a `spec` it is also the `Submit` of a producer's run that nobody has recorded yet: one that
    may start at once is begun and never published, any other is decided by its policy. Repeating it
    with the same nonce answers OK again and writes again (its durability belongs to its
    connection). CANCEL when somebody asked the run to stop. RECOVERING while unblessed; a new run
    is recorded all the same.
    """

    run_id: str
    nonce: str
    worker: str
    pod: Pod | None = None
    """Where the worker is: kept for a run that holds its lock, see `ConfirmDead`."""
    spec: RunSpec | None = None
    push: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Operation[ClaimReply]):
    """Take a READY run that owns its lock for one worker; a new, higher token each time.

    Repeating it with the same nonce answers OK again. RECOVERING while unblessed.
    """

    run_id: str
    nonce: str
    worker: str
    pod: Pod | None = None
    """As in `Start`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin(Operation[BeginReply]):
    """The last step before user code: CLAIMED becomes RUNNING and the attempt is counted.

    A repeated begin writes again (its durability belongs to its connection). A cancelled run ends
    here without starting; on a repeat for a RUNNING run that was cancelled since, nothing changes
    and the answer is CANCEL. RECOVERING while unblessed.
    """

    run_id: str
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Operation[Verdict]):
    """Store the progress of a RUNNING run; DROP if the claim is not the current one."""

    run_id: str
    nonce: str
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Operation[EndReply]):
    """End a claimed run, free its lock and let the next one in, in one step.

    Only the current claim can; a late finisher gets DROP. A repeat answers OK. While unblessed and
    the claim is not known: RECOVERING, the caller waits for its agent to reassert. A run that is
    LOST provisionally ends as its own claim says.
    """

    run_id: str
    nonce: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted(Operation[EndReply]):
    """Hand a claimed run back: the caller knows that user code has not run."""

    run_id: str
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildGone(Operation[EndReply]):
    """The agent's report that a child and all its descendants are dead.

    A CLAIMED run never started and becomes READY again (CANCELLED if it was cancelled); a RUNNING
    one ends by `cause`: LOST (OUT_OF_MEMORY: with a reason of its own), CANCELLED, TIMED_OUT.
    A terminal run is left as it is. While unblessed and the claim is not known: RECOVERING, the
    agent reasserts the run with its outcome.
    """

    run_id: str
    nonce: str
    cause: Cause
    message: str = ""
    exit: Exit | None = None
    """How the child ended, if that is why its run did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Operation[EndReply]):
    """Ask a run to stop. Waiting and READY runs end at once; a claimed one is flagged and its agent
    woken; the lock stays taken until its process tree is gone. A terminal run stays as it is.

    Of several wishes the first names who and why, and the shortest grace counts: a later one can
    make it harder, never milder.
    """

    run_id: str
    cancellation: Cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Operation[EndReply]):
    """Take a run out of sight, with its parameters, its result and what it says in words.

    One that has ended is gone at once, for every door; one that lives is asked to stop, as by
    `Cancel`, and gone at its end. A husk of the record stays until it is forgotten, so that the id
    stays used: a message of the run may still come, and must not start it again.
    """

    run_id: str
    cancellation: Cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class Prioritise(Operation[EndReply]):
    """Change the priority of a run; a waiting one moves to its new place in line.

    DROP once its code has started: then it is too late.
    """

    run_id: str
    priority: int
