"""From what a user asked (`RunRequest`) to what the ledger records (`RunSpec`).

Every door calls `resolve`, so defaults mean the same everywhere: the request decides, else the
task, else the door. Checking the parameters against the task's schema happens here as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from singletrack.catalogue import CatalogueEntry
from singletrack.errors import InvalidParameters, ParametersTooLarge
from singletrack.locks import DEFAULT_KEY, OnLost, qualify, render
from singletrack.policies import Policy
from singletrack.retries import NO_RETRY, Retry
from singletrack.run import DOOR_POLICY, Door, RunSpec, encode_json

MAX_PARAMETERS_BYTES = 16 * 1024
_SECONDS_PER_DAY = 86400.0
_QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What one user asked for; None means: not said."""

    run_id: str
    task: str
    args: tuple[Any, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = "default"
    name: str = ""
    door: Door
    queue: str | None = None
    priority: int = 0
    lock: str | None = None
    """The unqualified key or a template over the parameters."""
    policy: Policy | None = None
    max_queue: int | None = None
    on_lost: OnLost | None = None
    timeout_seconds: float | None = None
    soft_timeout_seconds: float | None = None
    retry: Retry | None = None
    start_deadline_seconds: float | None = None
    queue_timeout_seconds: float | None = None
    ttl_seconds: float | None = None
    tells_celery: bool = False
    """See `RunSpec`."""
    requested_by: str = ""
    traceparent: str = ""
    """See `RunSpec`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a run gets when neither the request nor the task says; from the settings."""

    queue: str = "celery"
    start_deadline_seconds: float = 300.0
    priority_point_seconds: float = 60.0
    ttl_seconds: float = _SECONDS_PER_DAY


Envelope = Callable[[RunSpec], str]
"""Makes the broker message of a run; see `singletrack.broker`."""


def resolve(
    request: RunRequest,
    entry: CatalogueEntry | None,
    defaults: Defaults,
    named: Mapping[str, Any] | None = None,
) -> RunSpec:
    """Apply the defaults and render the lock; the envelope is still empty.

    `entry` is None for a producer's message to a task the catalogue does not know yet. `named` are
    the parameters a lock template may use, where positional ones have been given their names.

    Raises:
        InvalidParameters: the lock template needs a parameter that is missing, the key or the
            queue cannot be a name, the limit of the waiting list does not fit the policy, or the
            soft time limit is not below the other one.
    """
    task_lock = entry.lock if entry else None
    template = request.lock or task_lock or DEFAULT_KEY
    parameters = {**_default_parameters(entry), **(request.params if named is None else named)}
    key = render(template, parameters) if "{" in template else template
    policy = request.policy or (entry and entry.policy) or DOOR_POLICY[request.door]
    return RunSpec(
        run_id=request.run_id,
        task=request.task,
        args=request.args,
        kwargs=request.params,
        namespace=request.namespace,
        name=request.name,
        door=request.door,
        lock=qualify(request.namespace, key),
        policy=policy,
        max_queue=_max_queue(request, entry, policy),
        priority=request.priority,
        priority_point_seconds=defaults.priority_point_seconds,
        queue=_checked_queue(request.queue or (entry and entry.queue) or defaults.queue),
        **_time_limits(request, entry),
        retry=request.retry or (entry and entry.retry) or NO_RETRY,
        **_waits(request, defaults),
        requested_by=request.requested_by,
        traceparent=request.traceparent,
        tells_celery=request.tells_celery,
        on_lost=request.on_lost or (entry and entry.on_lost) or OnLost.RELEASE,
    )


def _max_queue(request: RunRequest, entry: CatalogueEntry | None, policy: Policy) -> int | None:
    """How long the waiting list may be: as asked for, else the task's; it means nothing elsewhere.

    A request whose own limit would mean nothing is refused.
    """
    if policy is not Policy.QUEUE:
        if request.max_queue is not None:
            raise InvalidParameters(f"maxQueue needs the policy Queue, but the run's is {policy}")
        return None
    asked = request.max_queue
    return entry.max_queue if asked is None and entry else asked


def _time_limits(request: RunRequest, entry: CatalogueEntry | None) -> dict[str, Any]:
    """As asked for, else the task's; a soft one that would never be reached means nothing.

    A request whose own would mean nothing is refused. Not so a producer's message: Celery takes
    any two limits.
    """
    asked = request.soft_timeout_seconds
    timeout = _first(request.timeout_seconds, entry.timeout_seconds if entry else None)
    soft = _first(asked, entry.soft_timeout_seconds if entry else None)
    if soft is None or timeout is None or soft < timeout:
        return {"timeout_seconds": timeout, "soft_timeout_seconds": soft}
    if asked is not None and request.door is not Door.PRODUCER:
        raise InvalidParameters(
            f"softTimeoutSeconds ({asked:g}) has to be less than timeoutSeconds ({timeout:g})"
        )
    return {"timeout_seconds": timeout}


def _waits(request: RunRequest, defaults: Defaults) -> dict[str, Any]:
    """How long a run may wait for its lock and for a worker, and its record for being forgotten."""
    deadline = _first(request.start_deadline_seconds, defaults.start_deadline_seconds)
    return {
        "queue_timeout_seconds": request.queue_timeout_seconds,
        "start_deadline_seconds": deadline or 0.0,
        "ttl_seconds": _first(request.ttl_seconds, defaults.ttl_seconds) or 0.0,
    }


def _checked_queue(name: str) -> str:
    """A queue's name is a key on the broker's server, beside keys of other kinds."""
    if not _QUEUE.fullmatch(name) or name.startswith("unacked"):
        raise InvalidParameters(
            f"queue {name!r}: a queue's name is up to 128 letters, digits, '.', '_', '-'"
        )
    return name


def _default_parameters(entry: CatalogueEntry | None) -> dict[str, Any]:
    properties = entry.parameters.get("properties", {}) if entry else {}
    return {name: it["default"] for name, it in properties.items() if "default" in it}


def check_parameters(request: RunRequest, entry: CatalogueEntry) -> None:
    """Refuse parameters that are too large or do not fit the task's signature.

    Raises:
        ParametersTooLarge: more than 16 KiB as JSON.
        InvalidParameters: names the parameter and what is wrong with it.
        EncodeError: a value is not JSON.
    """
    size = len(encode_json([list(request.args), dict(request.params)]).encode())
    if size > MAX_PARAMETERS_BYTES:
        raise ParametersTooLarge(
            f"the parameters take {size} bytes as JSON, the limit is {MAX_PARAMETERS_BYTES}; "
            "pass a reference to the data instead"
        )
    try:
        jsonschema_rs.validate(dict(entry.parameters), dict(request.params))
    except jsonschema_rs.ValidationError as error:
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.instance_path)
        message = re.sub(r"\s+", " ", error.message)
        raise InvalidParameters(f"params{where}: {message} (task {entry.name!r})") from error


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
