"""How a run looks over REST: pure functions from the record to JSON-ready values.

Field names are the TaskRun's (`phase`, `lock.fencingToken`, …). Results are not in here: they are
JSON text already and are sent as they are stored.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from singletrack.errors import Holder
from singletrack.lifecycle import VIEWS, State
from singletrack.operations import Forecast, LockStatus, LockSummary, Pause, QueueStatus
from singletrack.retries import Retry
from singletrack.run import Run

#: Celery's states of a run whose last attempt may have failed, and which is on its way again.
_UNDER_WAY = frozenset({"PENDING", "STARTED"})


def run_view(run: Run, outcome: Run | None = None, pause: Pause | None = None) -> dict[str, Any]:
    """Everything about one run but its result; `outcome` is the record of the run it joined, and
    `pause` what keeps it waiting.
    """
    spec = run.spec
    return {
        **run_summary(run, outcome),
        "args": list(spec.args),
        "params": dict(spec.kwargs),
        "timeoutSeconds": spec.timeout_seconds,
        "softTimeoutSeconds": spec.soft_timeout_seconds,
        "retry": _retry(spec.retry),
        "startDeadlineSeconds": spec.start_deadline_seconds,
        "queueTimeoutSeconds": spec.queue_timeout_seconds,
        "ttlSecondsAfterFinished": spec.ttl_seconds,
        "pause": pause and {"of": _paused_thing(run)} | (_pause(pause) or {}),
    }


def run_summary(run: Run, outcome: Run | None = None) -> dict[str, Any]:
    """A run as a listing shows it; what came of it is shown from `outcome`."""
    spec, outcome = run.spec, outcome or run
    return {
        "id": run.run_id,
        "namespace": spec.namespace,
        "name": spec.name,
        "task": spec.task,
        "phase": VIEWS[run.state].phase,
        "celeryState": outcome.celery_state,
        "door": spec.door,
        "policy": spec.policy,
        "queue": spec.queue,
        "priority": spec.priority,
        "lock": _lock(run),
        "attempt": run.attempt,
        "worker": run.worker,
        "progress": _progress(outcome),
        "cancellation": _cancellation(run),
        "error": _error(outcome),
        "submitTime": _time(run.submitted_at),
        "readyTime": _time(run.ready_at),
        "startTime": _time(run.started_at),
        "nextAttemptTime": _time(run.not_before) if run.backing_off else None,
        "completionTime": _time(run.finished_at),
        "revision": run.revision,
    }


def forecast_view(forecast: Forecast) -> dict[str, Any]:
    """What would become of a run."""
    return {
        "decision": forecast.decision,
        "recorded": forecast.state and VIEWS[forecast.state].phase,
        "position": forecast.position,
        "reason": forecast.refusal,
        "holder": forecast.holder and _holder(forecast.holder),
        "victims": [_holder(victim) for victim in forecast.victims],
    }


def lock_view(
    status: LockStatus, owner: Run | None, waiting: list[dict[str, Any]]
) -> dict[str, Any]:
    """A lock as it is now."""
    return {
        "key": status.key,
        "holder": owner and _owner(owner),
        "pause": _pause(status.pause),
        "waitingCount": len(status.waiting),
        "waiting": waiting,
    }


def lock_summary(lock: LockSummary) -> dict[str, Any]:
    """A lock in a list."""
    return {
        "key": lock.key,
        "holder": lock.holder and _holder(lock.holder),
        "fencingToken": lock.token if lock.holder else 0,
        "suspect": lock.suspect,
        "pause": _pause(lock.pause),
        "waitingCount": lock.waiting,
    }


def waiting_view(run: Run, position: int) -> dict[str, Any]:
    """A run in a waiting list."""
    spec = run.spec
    return {
        "id": run.run_id,
        "name": spec.name,
        "position": position,
        "task": spec.task,
        "priority": spec.priority,
        "submitTime": _time(run.submitted_at),
    }


def queue_view(status: QueueStatus) -> dict[str, Any]:
    """A broker queue as it is now."""
    return {"name": status.name, "pause": _pause(status.pause), "parked": status.parked}


def celery_view(run_id: str, status: str, result: str | None) -> str:
    """`{id, status, result}` as JSON text; `result` is JSON text and is not parsed again."""
    head = json.dumps({"id": run_id, "status": status})
    return f'{head[:-1]}, "result": {result or "null"}}}'


def celery_result(run: Run) -> str | None:
    """What Celery's clients expect as the result, as JSON text: the value, or the traceback."""
    if run.state is State.SUCCEEDED:
        return run.result
    failed = run.failure if run.celery_state not in _UNDER_WAY else None
    said = failed and (failed.traceback or failed.message)
    return json.dumps(said) if said else None


def _retry(retry: Retry) -> dict[str, Any]:
    return {
        "limit": retry.limit,
        "backoff": {"initialSeconds": retry.initial_seconds, "maxSeconds": retry.max_seconds},
        "causes": list(retry.causes),
    }


def _owner(run: Run) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "name": run.spec.name,
        "task": run.spec.task,
        "phase": VIEWS[run.state].phase,
        "since": _time(run.ready_at),
        "fencingToken": run.token,
        "cancelling": run.cancellation is not None,
        "suspect": run.suspect,
    }


def _holder(holder: Holder) -> dict[str, str]:
    return {"id": holder.run_id, "name": holder.name}


def _paused_thing(run: Run) -> str:
    return "lock" if run.state is State.QUEUED else "queue"


def _pause(pause: Pause | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    return {"by": pause.by, "reason": pause.reason, "since": _time(pause.since)}


def _lock(run: Run) -> dict[str, Any]:
    holder = run.holder and _holder(run.holder)
    return {
        "key": run.spec.lock,
        "fencingToken": run.token,
        "holder": holder,
        "onLost": run.spec.on_lost,
        "suspectTime": _time(run.suspect_at) if run.suspect else None,
    }


def _progress(run: Run) -> dict[str, Any] | None:
    progress = run.progress
    if progress is None:
        return None
    return {
        "current": progress.current,
        "total": progress.total,
        "message": progress.message,
    }


def _cancellation(run: Run) -> dict[str, Any] | None:
    asked = run.cancellation
    if asked is None:
        return None
    return {
        "by": asked.by,
        "reason": asked.reason,
        "mode": asked.mode,
        "gracePeriodSeconds": asked.grace_seconds,
    }


def _error(run: Run) -> dict[str, Any] | None:
    failure = run.failure
    if failure is None:
        return None
    return {
        "reason": failure.reason,
        "message": failure.message,
        "type": failure.error_type,
        "traceback": failure.traceback,
        "exitCode": failure.exit and failure.exit.code,
        "signal": failure.exit.signal if failure.exit else "",
    }


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
