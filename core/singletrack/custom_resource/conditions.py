"""The conditions of a TaskRun: for each question its answer, the reason and a sentence.

Pure functions of where the run stands. `lastTransitionTime` moves only when an answer changes, so
it is computed from the conditions the resource shows already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from singletrack.custom_resource import MAX_MESSAGE_LENGTH
from singletrack.custom_resource.results import Stored
from singletrack.custom_resource.standing import Standing
from singletrack.custom_resource.status_fields import EPOCH
from singletrack.custom_resource.texts import clip, clip_word, timestamp
from singletrack.lifecycle import Phase

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"

_UNREACHABLE = "WorkerUnreachable"
_SUSPECT = (
    "its worker is not heard of and nobody knows whether its code still executes; it keeps its "
    "lock until the process is known to be dead or a human releases the lock"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question about the run."""

    status: str
    reason: str
    message: str = ""


def answers(standing: Standing, stored: Stored) -> dict[str, Answer]:
    """The answer to every question, by the condition's type."""
    given = {
        "Accepted": _accepted(standing),
        "LockAcquired": _lock_acquired(standing),
        "Running": _running(standing),
        "Terminated": _terminated(standing),
        "ResultStored": Answer(stored.status, stored.reason, stored.message),
        "Succeeded": _succeeded(standing),
        "Finished": _finished(standing),
    }
    if not standing.terminal:
        given["Reconciling"] = Answer(TRUE, standing.reason, standing.message)
    elif not standing.succeeded and not standing.joined:
        given["Stalled"] = Answer(TRUE, standing.reason, standing.message)
    return given


def build(
    given: Mapping[str, Answer],
    shown: Iterable[Mapping[str, Any]],
    generation: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """The list for the status; `shown` are the conditions the resource has now."""
    before = {each.get("type"): each for each in shown}
    return [
        {
            "type": kind,
            "status": answer.status,
            "reason": clip_word(answer.reason),
            "message": clip(answer.message, MAX_MESSAGE_LENGTH),
            "lastTransitionTime": _since(before.get(kind), answer.status, now),
            "observedGeneration": generation,
        }
        for kind, answer in given.items()
    ]


def shows_suspect(shown: Iterable[Mapping[str, Any]]) -> bool:
    """Whether these conditions say that nobody hears of the worker of a run that has not ended."""
    return any(
        each.get("type") == "Terminated" and each.get("reason") == _UNREACHABLE for each in shown
    )


def _since(shown: Mapping[str, Any] | None, status: str, now: datetime) -> str:
    if shown is not None and shown.get("status") == status:
        kept = shown.get("lastTransitionTime", EPOCH)
        if kept != EPOCH:
            return str(kept)
    return timestamp(now)


def _accepted(standing: Standing) -> Answer:
    if standing.phase is Phase.PENDING:
        return Answer(UNKNOWN, standing.reason, standing.message)
    never_recorded = standing.run is None and standing.phase is not Phase.LOST
    if never_recorded or standing.phase is Phase.REJECTED:
        return Answer(FALSE, standing.reason, standing.message)
    return Answer(TRUE, "Valid", "the run was recorded in the ledger")


def _lock_acquired(standing: Standing) -> Answer:
    run = standing.run
    if standing.phase in (Phase.STARTING, Phase.RUNNING):
        return Answer(TRUE, "Granted", f"holds the lock {run.spec.lock!r}" if run else "")
    if run is not None and run.ready_at is not None and standing.terminal:
        return Answer(FALSE, "Released", f"held the lock {run.spec.lock!r} until its end")
    if standing.phase is Phase.LOST:
        return Answer(UNKNOWN, standing.reason, standing.message)
    return Answer(FALSE, standing.reason, standing.message)


def _running(standing: Standing) -> Answer:
    if standing.phase is Phase.RUNNING:
        return Answer(TRUE, "Started", standing.message)
    if standing.backing_off:
        return Answer(FALSE, standing.reason, standing.message)
    if _was_started(standing):
        return Answer(FALSE, "Finished", "its code has run")
    return Answer(FALSE, "NotStarted", "its code has not been started")


def _terminated(standing: Standing) -> Answer:
    if not standing.terminal:
        return _not_terminated(standing)
    if standing.phase is Phase.LOST:
        return Answer(UNKNOWN, standing.reason, standing.message)
    if not _was_started(standing):
        return Answer(TRUE, "NeverStarted", "no process was started for it")
    if standing.phase in (Phase.CANCELLED, Phase.TIMED_OUT):
        return Answer(TRUE, "Stopped", "its process and all it had started are gone")
    return Answer(TRUE, "Exited", "its code came to its end")


def _not_terminated(standing: Standing) -> Answer:
    run = standing.run
    if run and run.suspect:
        return Answer(UNKNOWN, _UNREACHABLE, _SUSPECT)
    if run and run.cancellation and standing.phase is Phase.RUNNING:
        return Answer(FALSE, "Stopping", f"{run.cancellation.by} asked it to stop")
    return Answer(FALSE, standing.reason, "the run has not ended")


def _succeeded(standing: Standing) -> Answer:
    if standing.succeeded:
        return Answer(TRUE, standing.reason, standing.message)
    status = FALSE if standing.terminal and not standing.joined else UNKNOWN
    return Answer(status, standing.reason, standing.message)


def _finished(standing: Standing) -> Answer:
    if standing.terminal:
        return Answer(TRUE, str(standing.phase), standing.message)
    return Answer(FALSE, standing.reason, "the run has not ended")


def _was_started(standing: Standing) -> bool:
    if standing.phase is Phase.LOST:
        return True
    return standing.run is not None and standing.run.attempt > 0
