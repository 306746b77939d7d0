"""The status of a TaskRun as a dict, made from where the run stands. Pure: time is passed in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from singletrack.custom_resource import (
    MAX_MESSAGE_LENGTH,
    MAX_TRACEBACK_BYTES,
    conditions,
    results,
)
from singletrack.custom_resource.manifest import TaskRun
from singletrack.custom_resource.standing import Standing
from singletrack.custom_resource.texts import clip, clip_word, exact_timestamp, tail
from singletrack.exits import Exit
from singletrack.run import Run

_LONGEST_NAME = 253
_LONGEST_PROGRESS = 256
_LONGEST_SIGNAL = 32


def build(taskrun: TaskRun, standing: Standing, now: datetime) -> dict[str, Any]:
    """The whole status; whatever it does not say is gone once it is written.

    Start times and attempts a TaskRun has shown are kept when the record no longer knows of them.
    """
    run = standing.run
    without_record = run is None and standing.terminal
    stored = results.none() if without_record else results.of(run)
    status: dict[str, Any] = {
        "observedGeneration": taskrun.generation,
        "phase": str(standing.phase),
        "conditions": conditions.build(
            conditions.answers(standing, stored),
            taskrun.status.get("conditions") or (),
            taskrun.generation,
            now,
        ),
    }
    status |= _kept(taskrun) | (_of_run(run, taskrun.attempt) if run else {})
    if standing.terminal:
        ended = run.finished_at if run and run.finished_at else now
        status["completionTime"] = exact_timestamp(ended)
    if stored.inline:
        status["result"] = stored.value
    if standing.terminal and not standing.succeeded and not standing.joined:
        status["error"] = _error(standing.reason, standing.message, run)
    elif run and run.failure and not standing.terminal:
        status["error"] = _error(run.failure.reason, run.failure.message, run)
    return status


def _kept(taskrun: TaskRun) -> dict[str, Any]:
    shown = taskrun.status
    names = ("runID", "attempt", "worker", "startTime", "lock", "revision")
    return {name: shown[name] for name in names if name in shown}


def _of_run(run: Run, attempt_shown: int) -> dict[str, Any]:
    known: dict[str, Any] = {"runID": run.run_id, "revision": run.revision, "lock": _lock(run)}
    if run.attempt < attempt_shown:
        return known  # an older record: what is shown of the later attempt stays
    if run.attempt:
        known["attempt"] = run.attempt
    if run.worker:
        known["worker"] = clip(run.worker, _LONGEST_NAME)
    if run.started_at:
        known["startTime"] = exact_timestamp(run.started_at)
    if run.progress:
        known["progress"] = _progress(run)
    return known


def _lock(run: Run) -> dict[str, Any]:
    lock: dict[str, Any] = {"key": run.spec.lock}
    if run.token:
        lock["fencingToken"] = run.token
    if run.holder:
        lock["holder"] = clip(str(run.holder), _LONGEST_NAME)
    return lock


def _progress(run: Run) -> dict[str, Any]:
    progress = run.progress
    if progress is None:
        return {}
    shown: dict[str, Any] = {"current": progress.current}
    if progress.total is not None:
        shown["total"] = progress.total
    if progress.message:
        shown["message"] = clip(progress.message, _LONGEST_PROGRESS)
    return shown


def _exit(ended: Exit) -> dict[str, Any]:
    if ended.signal:
        return {"signal": clip(ended.signal, _LONGEST_SIGNAL)}
    return {"exitCode": ended.code}


def _error(reason: str, message: str, run: Run | None) -> dict[str, Any]:
    error: dict[str, Any] = {
        "reason": clip_word(reason),
        "message": clip(message, MAX_MESSAGE_LENGTH),
    }
    failure = run.failure if run else None
    if failure and failure.error_type:
        error["type"] = clip(failure.error_type, _LONGEST_NAME)
    if failure and failure.traceback:
        error["traceback"] = tail(failure.traceback, MAX_TRACEBACK_BYTES)
    if failure and failure.exit:
        error |= _exit(failure.exit)
    return error
