"""TaskRun resources as values: what was asked for, and the resource that asks for it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from singletrack import traceparent
from singletrack.admission import RunRequest
from singletrack.custom_resource import API_VERSION, GROUP, KIND, MAX_REASON_LENGTH
from singletrack.custom_resource.texts import clip
from singletrack.exits import Exit
from singletrack.lifecycle import TERMINAL, VIEWS
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.retries import Retry, RetryCause
from singletrack.run import (
    Cancellation,
    CancelMode,
    Door,
    Failure,
    Outcome,
    RunSpec,
    encode_json,
)

DOOR_ANNOTATION = f"{GROUP}/door"
"""By which door a TaskRun was asked for; set by the API on the ones it creates."""
REQUESTED_BY_ANNOTATION = f"{GROUP}/requested-by"
_LONGEST_PREFIX = 40
_ENDS = {str(VIEWS[state].phase): state for state in TERMINAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """A TaskRun as read from the API server at one moment."""

    uid: str
    name: str
    namespace: str
    generation: int = 1
    resource_version: str = ""
    created_at: datetime
    deleting: bool = False
    """It has a deletion timestamp: somebody's finalizer keeps it from going."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    spec: Mapping[str, Any]
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        return str(self.spec.get("task", ""))

    @property
    def phase(self) -> str:
        return str(self.status.get("phase", ""))

    @property
    def finished(self) -> bool:
        """Its status is final."""
        return bool(self.status.get("completionTime"))

    @property
    def attempt(self) -> int:
        """How many starts of its code its status shows."""
        return int(self.status.get("attempt", 0))

    @property
    def completed_at(self) -> datetime | None:
        return read_time(self.status.get("completionTime"))


def read(manifest: Mapping[str, Any]) -> TaskRun:
    """A TaskRun from the API server's answer."""
    metadata = manifest["metadata"]
    return TaskRun(
        uid=metadata["uid"],
        name=metadata["name"],
        namespace=metadata["namespace"],
        generation=metadata.get("generation", 1),
        resource_version=metadata.get("resourceVersion", ""),
        created_at=read_time(metadata.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        deleting="deletionTimestamp" in metadata,
        annotations={
            name: text
            for name, text in (metadata.get("annotations") or {}).items()
            if name.startswith(f"{GROUP}/") or name == traceparent.NAME
        },
        spec=manifest.get("spec") or {},
        status=manifest.get("status") or {},
    )


def to_request(taskrun: TaskRun) -> RunRequest:
    """What the TaskRun asks for; its UID is the run's id."""
    spec = taskrun.spec
    lock = spec.get("lock") or {}
    policy = lock.get("policy")
    return RunRequest(
        run_id=taskrun.uid,
        task=taskrun.task,
        params=spec.get("params") or {},
        namespace=taskrun.namespace,
        name=taskrun.name,
        door=_door(taskrun),
        queue=spec.get("queue"),
        priority=int(spec.get("priority", 0)),
        lock=lock.get("key"),
        policy=Policy(policy) if policy else None,
        max_queue=lock.get("maxQueue"),
        on_lost=OnLost(lock["onLost"]) if lock.get("onLost") else None,
        timeout_seconds=_seconds(spec.get("timeoutSeconds")),
        soft_timeout_seconds=_seconds(spec.get("softTimeoutSeconds")),
        retry=_retry(spec.get("retry")),
        queue_timeout_seconds=_seconds(spec.get("queueTimeoutSeconds")),
        start_deadline_seconds=_seconds(spec.get("startDeadlineSeconds")),
        ttl_seconds=_seconds(spec.get("ttlSecondsAfterFinished")),
        requested_by=taskrun.annotations.get(REQUESTED_BY_ANNOTATION, ""),
        traceparent=traceparent.checked(taskrun.annotations.get(traceparent.NAME)),
    )


def cancellation(taskrun: TaskRun, default_grace_seconds: float) -> Cancellation | None:
    """The wish to stop the run, if the TaskRun expresses one: `spec.cancel`, or its deletion."""
    asked = taskrun.spec.get("cancel")
    if asked is None and not taskrun.deleting:
        return None
    asked = asked or {}
    return Cancellation.asked(
        "kubernetes",
        CancelMode(asked.get("mode", CancelMode.GRACEFUL)),
        asked.get("reason") or ("the TaskRun is being deleted" if taskrun.deleting else ""),
        float(asked.get("gracePeriodSeconds", default_grace_seconds)),
    )


def outcome(taskrun: TaskRun) -> Outcome | None:
    """The end that its status shows; None while it shows none."""
    state = _ENDS.get(taskrun.phase)
    if state is None:
        return None
    error, result = taskrun.status.get("error"), taskrun.status.get("result")
    return Outcome(
        state=state,
        result=None if result is None else encode_json(result),
        failure=_failure(error) if error else None,
    )


def build(request: RunRequest, resolved: RunSpec) -> dict[str, Any]:
    """The resource that asks for what `request` asked, with the task's and the door's defaults.

    `resolved` is `admission.resolve` of the same request. Lock, policy and queue are written out,
    so that whoever submits the TaskRun later makes the same run of it.
    """
    metadata: dict[str, Any] = {"namespace": request.namespace}
    if request.name:
        metadata["name"] = request.name
    else:
        metadata["generateName"] = name_prefix(request.task)
    annotations = {
        DOOR_ANNOTATION: str(request.door),
        REQUESTED_BY_ANNOTATION: request.requested_by,
        traceparent.NAME: request.traceparent,
    }
    metadata["annotations"] = {name: text for name, text in annotations.items() if text}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": _spec(request, resolved),
    }


def cancel_field(asked: Cancellation) -> dict[str, Any]:
    """What goes into `spec.cancel` to ask the run to stop."""
    cancel: dict[str, Any] = {
        "mode": str(asked.mode),
        "gracePeriodSeconds": math.ceil(asked.grace_seconds),
    }
    if asked.reason:
        cancel["reason"] = clip(asked.reason, MAX_REASON_LENGTH)
    return cancel


def retry_field(retry: Retry) -> dict[str, Any]:
    """What goes into `spec.retry`."""
    return {
        "limit": retry.limit,
        "backoff": {
            "initialSeconds": math.ceil(retry.initial_seconds),
            "maxSeconds": math.ceil(retry.max_seconds),
        },
        "causes": [str(cause) for cause in retry.causes],
    }


def name_prefix(task: str) -> str:
    """The `generateName` of a task's runs: `reports.build_report` gives `reports-build-report-`."""
    name = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")[:_LONGEST_PREFIX].strip("-")
    return f"{name or 'run'}-"


def read_time(text: Any) -> datetime | None:
    """A point in time from a resource, None if there is none."""
    return datetime.fromisoformat(text) if text else None


def _spec(request: RunRequest, resolved: RunSpec) -> dict[str, Any]:
    lock: dict[str, Any] = {
        "key": _as_template(resolved.lock.removeprefix(f"{resolved.namespace}/")),
        "policy": str(resolved.policy),
    }
    if resolved.max_queue is not None and resolved.policy is Policy.QUEUE:
        lock["maxQueue"] = resolved.max_queue
    if resolved.on_lost is not OnLost.RELEASE:
        lock["onLost"] = str(resolved.on_lost)
    spec: dict[str, Any] = {"task": request.task, "queue": resolved.queue, "lock": lock}
    if request.params:
        spec["params"] = dict(request.params)
    if request.priority:
        spec["priority"] = request.priority
    if request.retry:
        spec["retry"] = retry_field(request.retry)
    durations = {
        "queueTimeoutSeconds": request.queue_timeout_seconds,
        "startDeadlineSeconds": request.start_deadline_seconds,
        "timeoutSeconds": request.timeout_seconds,
        "softTimeoutSeconds": _whole_soft_timeout(request, resolved),
        "ttlSecondsAfterFinished": request.ttl_seconds,
    }
    return spec | {name: math.ceil(s) for name, s in durations.items() if s is not None}


def _whole_soft_timeout(request: RunRequest, resolved: RunSpec) -> int | None:
    """Rounded down where all others are rounded up, so that it stays below the other limit; within
    the first second there is no room for both.
    """
    if request.soft_timeout_seconds is None:
        return None
    whole = max(1, math.floor(request.soft_timeout_seconds))
    limit = resolved.timeout_seconds
    return whole if limit is None or whole < math.ceil(limit) else None


def _exit(error: Mapping[str, Any]) -> Exit | None:
    code, signal = error.get("exitCode"), error.get("signal", "")
    return Exit(code=code, signal=signal) if signal or code is not None else None


def _failure(error: Mapping[str, Any]) -> Failure:
    return Failure(
        reason=error.get("reason", ""),
        message=error.get("message", ""),
        error_type=error.get("type", ""),
        traceback=error.get("traceback", ""),
        exit=_exit(error),
    )


def _as_template(key: str) -> str:
    """A key that was rendered already, written so that rendering it again changes nothing."""
    return key.replace("{", "{{").replace("}", "}}") if "{" in key else key


def _door(taskrun: TaskRun) -> Door:
    named = taskrun.annotations.get(DOOR_ANNOTATION)
    return Door(named) if named in set(Door) else Door.KUBECTL


def _retry(asked: Mapping[str, Any] | None) -> Retry | None:
    if asked is None:
        return None
    default, backoff = Retry(), asked.get("backoff") or {}
    return Retry(
        limit=int(asked.get("limit", 0)),
        initial_seconds=float(backoff.get("initialSeconds", default.initial_seconds)),
        max_seconds=float(backoff.get("maxSeconds", default.max_seconds)),
        causes=tuple(map(RetryCause, asked.get("causes", default.causes))),
    )


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)
