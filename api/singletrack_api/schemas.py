"""The shapes of requests and answers, as pydantic models: they check requests and fill OpenAPI.

Answers are built by `views`; a test holds every view to its model here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from singletrack.lifecycle import Phase
from singletrack.locks import OnLost
from singletrack.policies import Decision, Policy, Refusal
from singletrack.run import CancelMode, Door
from singletrack_api.fields import (
    Count,
    LockTemplate,
    Parameters,
    Priority,
    QueueName,
    Seconds,
    SecondsOrZero,
    Text,
)
from singletrack_api.retry_schemas import RetryRule
from singletrack_api.shape import Shape
from singletrack_api.standing_schemas import ErrorView, ProgressView, RunPauseView


class LockRequest(Shape):
    """Which lock a run takes, and what happens when it is held."""

    key: LockTemplate | None = None
    """The key within the namespace, or a template over the parameters: `reports/{month}`."""
    policy: Policy | None = None
    """Without one the task's own decides, else `Reject`."""
    max_queue: Count | None = None
    """With `Queue`: refuse when that many runs wait already; without one the task's own decides."""
    on_lost: OnLost | None = None
    """Release or Hold: what becomes of the lock when the worker is not heard of any more."""


class RunCreate(Shape):
    """A request to run a task."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"task": "dummy_task", "params": {"name": "Ada"}},
                {"task": "build_report", "params": {"month": "2026-10"}, "timeoutSeconds": 600},
            ]
        }
    )

    task: Annotated[Text, Field(min_length=1, max_length=255)]
    """The name of a task that a worker has registered."""
    params: Parameters = Field(default={})
    """The keyword parameters, at most 16 KiB."""
    queue: QueueName | None = None
    """The broker queue; without one the task's own decides."""
    priority: Priority = 0
    """Higher goes first among the runs that wait for the same lock; waiting counts as well."""
    lock: LockRequest = LockRequest()
    timeout_seconds: Seconds | None = None
    """How long its code may run, in each attempt."""
    soft_timeout_seconds: Seconds | None = None
    """After how long `SoftTimeLimitExceeded` is raised in its code; less than `timeoutSeconds`."""
    retry: RetryRule | None = None
    """Without it the task's own decides, else there is one attempt."""
    start_deadline_seconds: Seconds | None = None
    """How long it may own its lock and wait for a worker."""
    queue_timeout_seconds: Seconds | None = None
    """How long it may wait for its lock."""
    ttl_seconds_after_finished: SecondsOrZero | None = None
    """How long its record is kept after the end."""


class RunPatch(Shape):
    """What may be changed of a run before it starts, as a JSON merge patch."""

    priority: Priority
    """A waiting run moves to its new place in line."""


class CancelRequest(Shape):
    """How to stop a run; every field may be left out."""

    mode: CancelMode = CancelMode.GRACEFUL
    """Force: SIGKILL at once, to the task and everything it has started."""
    reason: Annotated[Text, Field(max_length=1000)] = ""
    grace_period_seconds: Annotated[SecondsOrZero, Field(le=3600)] | None = None
    """Between SIGTERM and SIGKILL; the platform's default if left out, of no effect with Force."""


class HolderView(Shape):
    """The run that holds a lock; `name` is its TaskRun's, empty if it has none."""

    id: str
    name: str


class LockView(Shape):
    """The lock of a run."""

    key: str
    fencing_token: int
    holder: HolderView | None
    """Who held the lock when this run was refused or not needed, or the run it joined."""
    on_lost: OnLost
    suspect_time: str | None
    """Since when its worker is not heard of while it holds the lock (`onLost: Hold`)."""


class CancellationView(Shape):
    """That somebody asked the run to stop."""

    by: str
    reason: str
    mode: CancelMode
    grace_period_seconds: float


class RunSummary(Shape):
    """A run as a listing shows it."""

    id: str
    namespace: str
    name: str
    """The name of its TaskRun, empty if it has none."""
    task: str
    phase: Phase
    celery_state: str
    """Of a Joined run, like `progress` and `error`, that of the run it joined."""
    door: Door
    """By which door it came in."""
    policy: Policy
    queue: str
    priority: int
    lock: LockView
    attempt: int
    """How many times its code has been started."""
    worker: str
    progress: ProgressView | None
    cancellation: CancellationView | None
    error: ErrorView | None
    """While the run lives, why its last attempt failed."""
    submit_time: str
    ready_time: str | None
    start_time: str | None
    next_attempt_time: str | None
    """Until when it waits for its next attempt."""
    completion_time: str | None
    revision: int


class RunView(RunSummary):
    """Everything about one run but its result."""

    args: list[Any]
    params: dict[str, Any]
    timeout_seconds: float | None
    soft_timeout_seconds: float | None
    retry: RetryRule
    start_deadline_seconds: float
    queue_timeout_seconds: float | None
    ttl_seconds_after_finished: float
    pause: RunPauseView | None
    """What keeps the run waiting, if its lock or its queue is paused."""


class RunPending(Shape):
    """A run that is accepted, and whose record is not to be had yet."""

    id: str
    namespace: str
    name: str
    task: str
    phase: Literal["Pending"]
    celery_state: Literal["PENDING"]


class ForecastView(Shape):
    """What would become of a run."""

    decision: Decision | None
    """None if the run is recorded already, under the same idempotency key."""
    recorded: Phase | None
    """Where that recorded run is in its life."""
    position: int | None
    """Its place in line, 1 is next; None if it would not wait."""
    reason: Refusal | None
    """Why it would be refused."""
    holder: HolderView | None
    """Who holds the lock; for `join`, the run it would join."""
    victims: list[HolderView]
    """Who would be superseded or cancelled."""


class NotYet(Shape):
    """A run that has not ended."""

    id: str
    phase: Phase


class RunList(Shape):
    """One page of runs, newest first."""

    items: list[RunSummary]
    next: str | None
    """The cursor of the next page; also in the `Link` header."""


class CeleryView(Shape):
    """A run in Celery's words."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": "4f0c…", "status": "SUCCESS", "result": {"hello": "Bob"}},
                {"id": "4f0c…", "status": "FAILURE", "result": "Traceback (most recent …"},
            ]
        }
    )

    id: str
    status: Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED", "REJECTED"]
    result: Any
    """The returned value, or on FAILURE the traceback as one text."""


class FieldError(BaseModel):
    """One wrong field: a JSON pointer into the body, or the name of a parameter of the request."""

    pointer: str | None = None
    parameter: str | None = None
    reason: str


class HeldLock(Shape):
    """The lock that was refused and who holds it."""

    key: str
    holder: HolderView


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    requestId: str  # noqa: N815 - written like this on the wire
    errors: list[FieldError] | None = None
    lock: HeldLock | None = None
