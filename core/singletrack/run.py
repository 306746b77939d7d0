"""The unit of work as values: the request (`RunSpec`), its end (`Outcome`), the record (`Run`).

Times are timezone-aware datetimes of the ledger server's clock; durations are seconds as floats
because they travel through JSON, CRD fields and Celery headers under names that end in `_seconds`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from singletrack.errors import EncodeError, Holder
from singletrack.exits import Exit
from singletrack.lifecycle import TERMINAL, VIEWS, State
from singletrack.locks import OnLost
from singletrack.pods import Pod
from singletrack.policies import Policy
from singletrack.retries import NO_RETRY, Retry


class Door(StrEnum):
    """By which door a run came in; it decides the default policy."""

    KUBECTL = "kubectl"  # a TaskRun resource
    REST = "rest"  # the API: /v1 and /start
    PRODUCER = "producer"  # a Celery message: .delay(), Node, PHP


#: The lowest and the highest priority a run may have.
PRIORITIES = (-1000, 1000)

#: The longest time that may be asked for anything, in seconds.
LONGEST_SECONDS = 366 * 86_400.0

#: Who decides a policy: the request, else the task, else the door.
DOOR_POLICY = {
    Door.KUBECTL: Policy.QUEUE,
    Door.REST: Policy.REJECT,
    Door.PRODUCER: Policy.QUEUE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One request to run a task, complete: every default has been applied by the door."""

    run_id: str
    """Unique for ever: a TaskRun's UID, a Celery task id, or a new UUID."""
    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = "default"
    name: str = ""
    """The TaskRun's `metadata.name`, empty when there is none."""
    door: Door = Door.PRODUCER
    lock: str
    """The qualified key, `<namespace>/<key>`."""
    policy: Policy = Policy.QUEUE
    max_queue: int | None = None
    priority: int = 0
    """Higher first, -1000 to 1000; see `priority_point_seconds`."""
    priority_point_seconds: float = 60.0
    """How many seconds of waiting one point of priority is worth; with 0 arrival alone counts."""
    queue: str = "celery"
    """The broker queue the message goes to."""
    envelope: str = ""
    """The ready-made broker message; empty when the run must never be published by us."""
    timeout_seconds: float | None = None
    """How long user code may run, in each attempt."""
    soft_timeout_seconds: float | None = None
    """After how long it is told that its time is nearly over, by an exception it may catch."""
    retry: Retry = NO_RETRY
    """When a failed attempt is followed by another one."""
    start_deadline_seconds: float = 300.0
    """How long a run that owns its lock may wait for a worker."""
    queue_timeout_seconds: float | None = None
    """How long it may wait for its lock."""
    ttl_seconds: float = 86400.0
    """How long the record is kept after the end."""
    requested_by: str = ""
    on_lost: OnLost = OnLost.RELEASE
    """What becomes of the lock when the worker is not heard of any more."""
    traceparent: str = ""
    """Its place in a trace: the span that has submitted it, else the caller's; empty for none."""
    tells_celery: bool = False
    """Whether its end is written where clients wait that know only Celery's result keys."""

    @property
    def fingerprint(self) -> str:
        """A hash of what the run does; the same id with another fingerprint is a conflict."""
        content = [
            self.task,
            list(self.args),
            dict(self.kwargs),
            self.lock,
            self.policy,
            self.queue,
        ]
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run says it is: `current` of `total`, and a word about it."""

    current: float
    total: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a run did not succeed, in the words a person needs."""

    reason: str
    """One stable CamelCase word: TaskError, EncodeError, Timeout, WorkerLost, OOMKilled…"""
    message: str = ""
    error_type: str = ""
    """The exception's qualified name, if there was one."""
    traceback: str = ""
    exit: Exit | None = None
    """How the process ended, if that was the end of the run and somebody has seen it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an execution ended, before the ledger has agreed to it."""

    state: State
    result: str | None = None
    """The JSON text of the returned value; None when nothing was returned by the task's code."""
    failure: Failure | None = None
    retry_after_seconds: float | None = None
    """After how long the task's own code wants to be tried again, if it does."""

    def __post_init__(self) -> None:
        if self.state not in TERMINAL:
            raise ValueError(f"{self.state} is not the end of a run")
        if self.retry_after_seconds is not None and self.state is not State.FAILED:
            raise ValueError(f"only what has failed is tried again, and this is {self.state}")


class CancelMode(StrEnum):
    """How a run is stopped."""

    GRACEFUL = "Graceful"  # SIGTERM, the grace period, then SIGKILL of everything it has started
    FORCE = "Force"  # SIGKILL of everything at once: a cancel without a grace period


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """That somebody asked a run to stop."""

    by: str
    reason: str = ""
    grace_seconds: float = 30.0
    """Between SIGTERM and SIGKILL; none is Force."""

    @classmethod
    def asked(cls, by: str, mode: CancelMode, reason: str, grace_seconds: float) -> Cancellation:
        """The wish of somebody who names a mode; Force has no grace period, whatever is said."""
        grace = 0.0 if mode is CancelMode.FORCE else grace_seconds
        return cls(by=by, reason=reason, grace_seconds=grace)

    @property
    def mode(self) -> CancelMode:
        return CancelMode.GRACEFUL if self.grace_seconds > 0 else CancelMode.FORCE

    def is_harder_than(self, other: Cancellation | None) -> bool:
        """Whether it changes anything for a run that was asked to stop by that one, if by any."""
        return other is None or self.grace_seconds < other.grace_seconds

    def after(self, first: Cancellation | None) -> Cancellation:
        """What is wished after both: the first names who and why, the harder how."""
        if first is None:
            return self
        return replace(first, grace_seconds=min(first.grace_seconds, self.grace_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The record of a run as read from the ledger at one moment."""

    spec: RunSpec
    state: State
    revision: int
    sequence: int = 0
    """The order of submission, over the whole ledger: microseconds of its clock, never equal."""
    attempt: int = 0
    """How many times its code has been started."""
    token: int = 0
    """The fencing token of the last claim; grows with every claim of the ledger."""
    nonce: str = ""
    worker: str = ""
    pod: Pod | None = None
    """Where that worker is or was; known only of a run that holds its lock (`on_lost` Hold)."""
    lease_seq: int = 0
    publications: int = 0
    cancellation: Cancellation | None = None
    progress: Progress | None = None
    holder: Holder | None = None
    """Who held the lock when this run was refused or not needed, or the run it joined."""
    result: str | None = None
    failure: Failure | None = None
    """Why the run, or while it lives its latest attempt that failed, did not succeed."""
    submitted_at: datetime
    ready_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    not_before: datetime | None = None
    """Until when it waits for its next attempt; None if it does not."""
    deleted: bool = False
    """Somebody has deleted it: gone for every door as soon as it has ended."""
    suspect_at: datetime | None = None
    """Since when its worker is not heard of and its lock is held all the same (`on_lost` Hold)."""
    provisional: bool = False
    """Whether it is LOST only until the blessing, or until somebody knows better."""

    @property
    def suspect(self) -> bool:
        """Whether nobody knows if its code still executes; only a RUNNING run is suspect."""
        return self.suspect_at is not None and self.state is State.RUNNING

    @property
    def backing_off(self) -> bool:
        """Whether an attempt has failed and the next one has not been started."""
        return self.not_before is not None and self.state not in TERMINAL

    @property
    def run_id(self) -> str:
        return self.spec.run_id

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def gone(self) -> bool:
        """Whether the doors answer as if there were no record any more."""
        return self.deleted and self.terminal and not self.provisional

    @property
    def celery_state(self) -> str:
        """The state by the name Celery clients know."""
        if self.backing_off and self.state is not State.RUNNING:
            return "RETRY"
        return VIEWS[self.state].celery


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, for hashing and comparing.

    Raises:
        EncodeError: the value holds something JSON has no form for.
    """
    return _dump(value, _CANONICAL)


def encode_json(value: Any) -> str:
    """JSON as the platform stores it: strict, so `NaN` and unknown types are refused.

    Raises:
        EncodeError: names the type that cannot be written.
    """
    return _dump(value, _STORED)


# Made once: `json.dumps` makes one for each call that asks for anything.
_CANONICAL = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":"))
_STORED = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


def _dump(value: Any, encoder: json.JSONEncoder) -> str:
    try:
        return encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        culprit = type(value).__name__
        raise EncodeError(f"a value of type {culprit!r} is not JSON: {error}") from error
