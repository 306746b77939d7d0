"""The record of a run: between Redis hash fields (text) and the values of the model. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from singletrack.errors import Holder
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.operations import Pause
from singletrack.pods import Pod
from singletrack.policies import Policy
from singletrack.retries import NO_RETRY, Retry, RetryCause
from singletrack.run import Cancellation, Door, Failure, Progress, Run, RunSpec, encode_json

#: Fields a listing leaves out.
LARGE_FIELDS = frozenset({"args", "kwargs", "envelope", "result", "traceback"})

LIST_FIELDS = (
    "state", "revision", "sequence", "task", "namespace", "name", "door", "lock", "policy",
    "max_queue", "priority", "point_ms", "queue", "timeout_ms", "soft_timeout_ms",
    "start_deadline_ms", "queue_timeout_ms", "ttl_ms", "requested_by", "attempt", "token", "nonce",
    "worker", "lease_seq", "publications", "cancel_by", "cancel_reason", "cancel_grace_ms",
    "progress", "holder_id", "holder_name",
    "failure_reason", "failure_message", "failure_type", "exit_code", "exit_signal", "submitted_at",
    "ready_at", "started_at", "finished_at", "on_lost", "pod", "suspect_at", "provisional",
    "retry", "not_before", "tells_celery", "deleted", "traceparent",
)  # fmt: skip

Fields = Mapping[str, str]


def spec_fields(spec: RunSpec) -> list[str]:
    """The fields `submit` stores as they are, as name, value pairs; what is empty is left out."""
    fields = {
        "task": spec.task,
        "args": encode_json(list(spec.args)),
        "kwargs": encode_json(dict(spec.kwargs)),
        "namespace": spec.namespace,
        "name": spec.name,
        "door": spec.door,
        "priority": str(spec.priority),
        "point_ms": to_ms(spec.priority_point_seconds),
        "queue": spec.queue,
        "envelope": spec.envelope,
        "timeout_ms": to_ms(spec.timeout_seconds),
        "soft_timeout_ms": to_ms(spec.soft_timeout_seconds),
        "retry": _write_retry(spec.retry),
        "start_deadline_ms": to_ms(spec.start_deadline_seconds),
        "queue_timeout_ms": to_ms(spec.queue_timeout_seconds),
        "ttl_ms": to_ms(spec.ttl_seconds),
        "max_queue": "" if spec.max_queue is None else str(spec.max_queue),
        "requested_by": spec.requested_by,
        "traceparent": spec.traceparent,
        "on_lost": spec.on_lost,
        "tells_celery": "1" if spec.tells_celery else "",
    }
    return [text for pair in fields.items() if pair[1] for text in pair]


def read_run(run_id: str, fields: Fields) -> Run:
    """A record's fields as a `Run`."""
    return Run(
        spec=_read_spec(run_id, fields),
        state=State(fields["state"]),
        revision=int(fields["revision"]),
        sequence=int(fields.get("sequence") or 0),
        attempt=int(fields.get("attempt") or 0),
        token=int(fields.get("token") or 0),
        nonce=fields.get("nonce") or "",
        worker=fields.get("worker") or "",
        pod=Pod.read(fields.get("pod") or ""),
        lease_seq=int(fields.get("lease_seq") or 0),
        publications=int(fields.get("publications") or 0),
        cancellation=read_cancellation(fields),
        progress=_read_progress(fields),
        holder=_read_holder(fields),
        result=fields.get("result"),
        failure=_read_failure(fields),
        submitted_at=_time(fields["submitted_at"]) or datetime.fromtimestamp(0, UTC),
        ready_at=_time(fields.get("ready_at")),
        started_at=_time(fields.get("started_at")),
        finished_at=_time(fields.get("finished_at")),
        not_before=_time(fields.get("not_before")),
        suspect_at=_time(fields.get("suspect_at")),
        deleted=fields.get("deleted") == "1",
        provisional=fields.get("provisional") == "1",
    )


def _read_spec(run_id: str, fields: Fields) -> RunSpec:
    return RunSpec(
        run_id=run_id,
        task=fields["task"],
        args=tuple(json.loads(fields.get("args") or "[]")),
        kwargs=json.loads(fields.get("kwargs") or "{}"),
        namespace=fields.get("namespace") or "default",
        name=fields.get("name") or "",
        door=Door(fields["door"]),
        lock=fields["lock"],
        policy=Policy(fields["policy"]),
        max_queue=_integer(fields.get("max_queue")),
        priority=int(fields.get("priority") or 0),
        priority_point_seconds=_seconds(fields.get("point_ms")) or 0.0,
        queue=fields.get("queue") or "",
        envelope=fields.get("envelope") or "",
        timeout_seconds=_seconds(fields.get("timeout_ms")),
        soft_timeout_seconds=_seconds(fields.get("soft_timeout_ms")),
        retry=_read_retry(fields.get("retry")),
        start_deadline_seconds=_seconds(fields.get("start_deadline_ms")) or 0.0,
        queue_timeout_seconds=_seconds(fields.get("queue_timeout_ms")),
        ttl_seconds=_seconds(fields.get("ttl_ms")) or 0.0,
        requested_by=fields.get("requested_by") or "",
        traceparent=fields.get("traceparent") or "",
        on_lost=OnLost(fields.get("on_lost") or OnLost.RELEASE),
        tells_celery=fields.get("tells_celery") == "1",
    )


def read_cancellation(fields: Fields) -> Cancellation | None:
    """The cancel fields, None when nobody asked."""
    if not fields.get("cancel_by"):
        return None
    return Cancellation(
        by=fields["cancel_by"],
        reason=fields.get("cancel_reason") or "",
        grace_seconds=_seconds(fields.get("cancel_grace_ms")) or 0.0,
    )


def read_pause(text: str) -> Pause | None:
    """A pause as the functions keep it; None for the empty text."""
    if not text:
        return None
    fields = json.loads(text)
    since = datetime.fromtimestamp(int(fields["since"]) / 1000, UTC)
    return Pause(by=fields["by"], reason=fields["reason"], since=since)


def write_progress(progress: Progress) -> str:
    """A progress report as the record stores it."""
    return encode_json([progress.current, progress.total, progress.message])


def _write_retry(retry: Retry) -> str:
    """Limit, pauses in ms, causes: what `next_attempt` reads; empty for the default."""
    if retry == NO_RETRY:
        return ""
    pauses = f"{to_ms(retry.initial_seconds)} {to_ms(retry.max_seconds)}"
    return f"{retry.limit} {pauses} {','.join(retry.causes)}"


def _read_retry(text: str | None) -> Retry:
    if not text:
        return NO_RETRY
    limit, initial, most, causes = text.split(" ")
    return Retry(
        limit=int(limit),
        initial_seconds=int(initial) / 1000,
        max_seconds=int(most) / 1000,
        causes=tuple(map(RetryCause, filter(None, causes.split(",")))),
    )


def _read_progress(fields: Fields) -> Progress | None:
    if not fields.get("progress"):
        return None
    current, total, message = json.loads(fields["progress"])
    return Progress(current=current, total=total, message=message)


def _read_holder(fields: Fields) -> Holder | None:
    if not fields.get("holder_id"):
        return None
    return Holder(fields["holder_id"], fields.get("holder_name") or "")


def _read_failure(fields: Fields) -> Failure | None:
    if not fields.get("failure_reason"):
        return None
    return Failure(
        reason=fields["failure_reason"],
        message=fields.get("failure_message") or "",
        error_type=fields.get("failure_type") or "",
        traceback=fields.get("traceback") or "",
        exit=Exit.read(fields.get("exit_code") or "", fields.get("exit_signal") or ""),
    )


def to_ms(seconds: float | None) -> str:
    """A duration as the record stores it, the empty text for none."""
    return "" if seconds is None else str(round(seconds * 1000))


def _seconds(ms: str | None) -> float | None:
    return int(ms) / 1000 if ms else None


def _integer(text: str | None) -> int | None:
    return int(text) if text else None


def _time(ms: str | None) -> datetime | None:
    return datetime.fromtimestamp(int(ms) / 1000, UTC) if ms else None


def pairs(flat: Any) -> dict[str, str]:
    """A flat name, value reply as a dictionary; RESP3 servers answer with one already."""
    if isinstance(flat, Mapping):
        return dict(flat)
    return dict(zip(flat[::2], flat[1::2], strict=True))
