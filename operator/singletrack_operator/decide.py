"""What one TaskRun and its record call for: a pure function from what was seen to actions.

Guarantees, each tested: deciding again after the actions were done asks for nothing new; a final
status is never written again; a TaskRun that shows a started attempt is never submitted; nothing is
shown, and nothing is submitted, while the ledger may have forgotten something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from singletrack.admission import Defaults, check_parameters, resolve
from singletrack.catalogue import CatalogueEntry
from singletrack.custom_resource import conditions, manifest, standing, status
from singletrack.custom_resource.manifest import TaskRun
from singletrack.custom_resource.standing import Standing
from singletrack.errors import EncodeError, InvalidParameters, ParametersTooLarge
from singletrack.lifecycle import NOT_STARTED, VIEWS, Phase, State
from singletrack.operations import Pause
from singletrack.run import Cancellation, Run
from singletrack_operator.actions import (
    AckProjection,
    Action,
    AwaitTask,
    CancelRun,
    DeleteResource,
    Prioritise,
    RequeueAfter,
    ScheduleDeletion,
    Settle,
    Submit,
    WriteStatus,
)

UNBLESSED_PAUSE_SECONDS = 15.0
"""A safety net: everything is looked at as soon as the ledger is blessed."""

#: States that get a status of their own; READY and CLAIMED pass too quickly to be worth a write.
SHOWN = frozenset({State.QUEUED, State.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that decisions depend on."""

    defaults: Defaults
    cancel_grace_seconds: float = 30.0
    record_lost_seconds: float = 60.0
    """How long a record must be missing before its run counts as lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read, at one moment."""

    taskrun: TaskRun
    record: Run | None
    blessed: bool
    """Read after the record: False means the record, or its absence, proves nothing."""
    entry: CatalogueEntry | None
    """The catalogue's entry of the task."""
    now: datetime
    pause: Pause | None = None
    """What keeps the run waiting, if that is a pause."""
    missing_seconds: float = 0.0
    """For how long the record has been looked for in vain."""


def decide(seen: Seen, rules: Rules) -> tuple[Action, ...]:
    """What to do now, in this order."""
    if seen.taskrun.finished:
        return _after_the_end(seen, rules)
    if not seen.blessed:
        return (*_cancel(seen, rules), RequeueAfter(seconds=UNBLESSED_PAUSE_SECONDS))
    if seen.record is None:
        return _without_record(seen, rules)
    if seen.record.terminal:
        return _at_the_end(seen, seen.record, rules)
    return _while_alive(seen, seen.record, rules)


def deletion_time(taskrun: TaskRun, ended: datetime, defaults: Defaults) -> datetime:
    """When a TaskRun that has ended is to be deleted."""
    ttl = manifest.to_request(taskrun).ttl_seconds
    return ended + timedelta(seconds=defaults.ttl_seconds if ttl is None else ttl)


def _after_the_end(seen: Seen, rules: Rules) -> tuple[Action, ...]:
    ended = seen.taskrun.completed_at or seen.now
    due = deletion_time(seen.taskrun, ended, rules.defaults)
    leave = DeleteResource() if due <= seen.now else ScheduleDeletion(at=due)
    if seen.record is None:
        return (leave,)
    if settle := _settle(seen, seen.record):
        return (settle, leave)
    if seen.record.terminal:
        return (AckProjection(revision=seen.record.revision), leave)
    if seen.record.cancellation is not None:
        return (leave,)
    wish = Cancellation(by="operator", reason="the TaskRun shows an end already")
    return (CancelRun(cancellation=wish), leave)


def _settle(seen: Seen, record: Run) -> Settle | None:
    """A ledger that has lost the end would start the run again once it is blessed."""
    agrees = VIEWS[record.state].phase == seen.taskrun.phase and not record.provisional
    if seen.blessed or agrees:
        return None
    outcome = manifest.outcome(seen.taskrun)
    return Settle(outcome=outcome) if outcome else None


def _without_record(seen: Seen, rules: Rules) -> tuple[Action, ...]:
    taskrun = seen.taskrun
    if taskrun.attempt > 0:
        patience = rules.record_lost_seconds - seen.missing_seconds
        return (
            (RequeueAfter(seconds=patience),)
            if patience > 0
            else _end(seen, standing.record_lost(), rules)
        )
    wish = manifest.cancellation(taskrun, rules.cancel_grace_seconds)
    if wish is not None:
        return _end(seen, standing.never_submitted(wish.reason), rules)
    if seen.entry is None:
        return _without_task(seen, rules)
    return _submit(seen, seen.entry, rules)


def _without_task(seen: Seen, rules: Rules) -> tuple[Action, ...]:
    taskrun = seen.taskrun
    request = manifest.to_request(taskrun)
    deadline = request.start_deadline_seconds or rules.defaults.start_deadline_seconds
    patience = deadline - (seen.now - taskrun.created_at).total_seconds()
    if patience <= 0:
        return _end(seen, standing.task_never_registered(taskrun.task, deadline), rules)
    waits = (AwaitTask(task=taskrun.task), RequeueAfter(seconds=patience))
    pending = standing.task_not_registered(taskrun.task)
    return waits if _shows(taskrun, pending) else (_write(seen, pending), *waits)


def _submit(seen: Seen, entry: CatalogueEntry, rules: Rules) -> tuple[Action, ...]:
    request = manifest.to_request(seen.taskrun)
    try:
        check_parameters(request, entry)
        spec = resolve(request, entry, rules.defaults)
    except ParametersTooLarge as error:
        return _end(seen, standing.refused("ParamsTooLarge", str(error)), rules)
    except (InvalidParameters, EncodeError) as error:
        sentence = f"{error}{_yaml_hint(request.params)}"
        return _end(seen, standing.refused("InvalidParams", sentence), rules)
    return (Submit(spec=spec),)


def _yaml_hint(params: Mapping[str, Any]) -> str:
    """YAML reads a bare `n`, `y`, `on`, `off` as a truth value, even where a name is meant."""
    taken_for_truth = {"true", "false"} & params.keys()
    return "; if a parameter is called n, y, on or off, quote its name" if taken_for_truth else ""


def _while_alive(seen: Seen, record: Run, rules: Rules) -> tuple[Action, ...]:
    if change := _cancel(seen, rules) or _prioritise(seen.taskrun, record):
        return change
    seen_it = AckProjection(revision=record.revision)
    stands = standing.of_run(record, seen.pause)
    forgot = record.attempt < seen.taskrun.attempt
    parked = seen.pause is not None and seen.taskrun.phase == Phase.PENDING
    shown = record.state in SHOWN or stands.backing_off or parked
    if forgot or not shown or _shows(seen.taskrun, stands):
        return (seen_it,)
    return (_write(seen, stands), seen_it)


def _at_the_end(seen: Seen, record: Run, rules: Rules) -> tuple[Action, ...]:
    forgot = record.attempt < seen.taskrun.attempt
    stands = standing.record_rolled_back(record) if forgot else standing.of_run(record)
    write, *rest = _end(seen, stands, rules)
    return (write, AckProjection(revision=record.revision), *rest)


def _cancel(seen: Seen, rules: Rules) -> tuple[Action, ...]:
    record, taskrun = seen.record, seen.taskrun
    if record is None or record.terminal:
        return ()
    wish, asked = manifest.cancellation(taskrun, rules.cancel_grace_seconds), record.cancellation
    if wish is None and asked is None and seen.blessed and record.attempt < taskrun.attempt:
        wish = Cancellation(
            by="operator",
            reason="the ledger has forgotten a start the TaskRun shows; it must not start again",
        )
    return (CancelRun(cancellation=wish),) if wish and wish.is_harder_than(asked) else ()


def _prioritise(taskrun: TaskRun, record: Run) -> tuple[Action, ...]:
    wanted = manifest.to_request(taskrun).priority
    changed = record.state in NOT_STARTED and record.spec.priority != wanted
    return (Prioritise(priority=wanted),) if changed else ()


def _end(seen: Seen, stands: Standing, rules: Rules) -> tuple[Action, ...]:
    ended = stands.run.finished_at if stands.run and stands.run.finished_at else seen.now
    due = deletion_time(seen.taskrun, ended, rules.defaults)
    return (_write(seen, stands), ScheduleDeletion(at=max(due, seen.now)))


def _write(seen: Seen, stands: Standing) -> WriteStatus:
    shown = status.build(seen.taskrun, stands, seen.now)
    place = seen.record.spec.traceparent if seen.record else ""
    return WriteStatus(status=shown, terminal=stands.terminal, traceparent=place)


def _shows(taskrun: TaskRun, stands: Standing) -> bool:
    """Whether the status says this already, for the spec as it is now.

    Who holds the lock, and how far the task has come, may be out of date: waiting and progress cost
    no writes.
    """
    shown = taskrun.status
    attempt = stands.run.attempt if stands.run else 0
    suspect = stands.run is not None and stands.run.suspect
    return (
        taskrun.phase == stands.phase
        and conditions.shows_suspect(shown.get("conditions") or ()) == suspect
        and shown.get("observedGeneration") == taskrun.generation
        and taskrun.attempt == attempt
    )
