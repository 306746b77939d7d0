"""The rules of the operator, as a table: what is seen, what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from singletrack.admission import Defaults
from singletrack.catalogue import CatalogueEntry
from singletrack.custom_resource import manifest
from singletrack.custom_resource.manifest import TaskRun
from singletrack.lifecycle import TERMINAL, State
from singletrack.operations import Pause
from singletrack.policies import Policy
from singletrack.run import Cancellation, Failure, Run, RunSpec
from singletrack_operator import actions
from singletrack_operator.decide import Rules, Seen, decide

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
RULES = Rules(defaults=Defaults(start_deadline_seconds=300, ttl_seconds=3600))
ENTRY = CatalogueEntry(
    name="t",
    parameters={
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "additionalProperties": False,
    },
)
DAY_AGO = "2026-09-30T12:00:00Z"


def a_taskrun(
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    **metadata: Any,
) -> TaskRun:
    known = {
        "uid": "u-1",
        "name": "a",
        "namespace": "ns",
        "generation": 1,
        "creationTimestamp": "2026-10-01T11:59:00Z",
    }
    return manifest.read(
        {
            "metadata": known | metadata,
            "spec": {"task": "t"} | (spec or {}),
            "status": {"phase": "Pending"} if status is None else status,
        }
    )


def a_run(state: State, **fields: Any) -> Run:
    started = state in {State.RUNNING, State.SUCCEEDED, State.FAILED, State.LOST}
    known: dict[str, Any] = {
        "spec": RunSpec(run_id="u-1", task="t", lock="ns/default", name="a", namespace="ns"),
        "state": state,
        "revision": 4,
        "submitted_at": NOW,
        "attempt": int(started),
        "started_at": NOW if started else None,
        "finished_at": NOW if state in TERMINAL else None,
    }
    return Run(**(known | fields))


def shown(phase: str, attempt: int = 0, generation: int = 1, **more: Any) -> dict[str, Any]:
    status = {"phase": phase, "observedGeneration": generation, "runID": "u-1"} | more
    return status | ({"attempt": attempt} if attempt else {})


def in_words(decided: tuple[actions.Action, ...]) -> list[str]:
    return [IN_WORDS[type(action)](action) for action in decided]


def written(status: Mapping[str, Any]) -> str:
    reasons = {each["type"]: each["reason"] for each in status["conditions"]}
    return f"write {status['phase']}/{reasons['Succeeded']}"


IN_WORDS: dict[type, Callable[[Any], str]] = {
    actions.WriteStatus: lambda a: written(a.status),
    actions.AckProjection: lambda a: f"ack {a.revision}",
    actions.CancelRun: lambda a: f"cancel by {a.cancellation.by}",
    actions.Settle: lambda a: f"settle {a.outcome.state}",
    actions.RequeueAfter: lambda a: f"again in {a.seconds:g}",
    actions.ScheduleDeletion: lambda a: f"delete in {(a.at - NOW).total_seconds():g}",
    actions.Submit: lambda a: f"submit {a.spec.lock} {a.spec.policy}",
    actions.AwaitTask: lambda a: f"await {a.task}",
    actions.DeleteResource: lambda _: "delete",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    taskrun: TaskRun
    record: Run | None = None
    blessed: bool = True
    entry: CatalogueEntry | None = ENTRY
    missing_seconds: float = 0.0
    pause: Pause | None = None
    does: list[str] = field(default_factory=list)


ENDED = {"completionTime": "2026-10-01T12:00:00Z"}
SUSPECT = {"conditions": [{"type": "Terminated", "reason": "WorkerUnreachable"}]}
PENDING_TASK = shown("Pending") | {"runID": ""}
ASKED = Cancellation(by="somebody")
CANCEL = {"cancel": {"reason": "wrong"}}
ENDED_JUST_NOW = {"completionTime": "2026-10-01T12:00:00Z"}

PAUSED = Pause(by="ann", reason="moving", since=NOW)

CASES = {
    "that its lock is paused is said with the write that it gets anyway": Case(
        taskrun=a_taskrun(),
        record=a_run(State.QUEUED),
        pause=PAUSED,
        does=["write Queued/LockPaused", "ack 4"],
    ),
    "a pause costs one that waits already no write": Case(
        taskrun=a_taskrun(status=shown("Queued")),
        record=a_run(State.QUEUED),
        pause=PAUSED,
        does=["ack 4"],
    ),
    "what waits because its queue is paused says so once": Case(
        taskrun=a_taskrun(),
        record=a_run(State.READY),
        pause=PAUSED,
        does=["write Starting/QueuePaused", "ack 4"],
    ),
    "which is not written again": Case(
        taskrun=a_taskrun(status=shown("Starting")),
        record=a_run(State.READY),
        pause=PAUSED,
        does=["ack 4"],
    ),
    "nor after another wait was shown": Case(
        taskrun=a_taskrun(status=shown("Queued")),
        record=a_run(State.READY),
        pause=PAUSED,
        does=["ack 4"],
    ),
    "a new one is submitted, and waits if it must": Case(
        taskrun=a_taskrun(), does=["submit ns/default Queue"]
    ),
    "its own policy and lock count": Case(
        taskrun=a_taskrun({"lock": {"key": "k", "policy": "Reject"}}),
        does=["submit ns/k Reject"],
    ),
    "parameters that do not fit are refused": Case(
        taskrun=a_taskrun({"params": {"nme": "Bob"}}),
        does=["write Rejected/InvalidParams", "delete in 3600"],
    ),
    "parameters that are too large are refused": Case(
        taskrun=a_taskrun({"params": {"name": "x" * 17_000}}),
        does=["write Rejected/ParamsTooLarge", "delete in 3600"],
    ),
    "a lock template that lacks a parameter is refused": Case(
        taskrun=a_taskrun({"lock": {"key": "k/{month}"}}),
        does=["write Rejected/InvalidParams", "delete in 3600"],
    ),
    "an unknown task is waited for, and that is said": Case(
        taskrun=a_taskrun(),
        entry=None,
        does=["write Pending/TaskNotRegistered", "await t", "again in 240"],
    ),
    "that it waits for its task is said once": Case(
        taskrun=a_taskrun(status=PENDING_TASK), entry=None, does=["await t", "again in 240"]
    ),
    "an unknown task expires at the start deadline": Case(
        taskrun=a_taskrun({"startDeadlineSeconds": 60}, PENDING_TASK),
        entry=None,
        does=["write Expired/TaskNotRegistered", "delete in 3600"],
    ),
    "a task that comes in time is submitted": Case(
        taskrun=a_taskrun(status=PENDING_TASK), does=["submit ns/default Queue"]
    ),
    "cancelled before it was submitted": Case(
        taskrun=a_taskrun(CANCEL), does=["write Cancelled/Cancelled", "delete in 3600"]
    ),
    "a deletion that is held up is a cancel": Case(
        taskrun=a_taskrun(deletionTimestamp=DAY_AGO),
        does=["write Cancelled/Cancelled", "delete in 3600"],
    ),
    "waiting is shown": Case(
        taskrun=a_taskrun(),
        record=a_run(State.QUEUED),
        does=["write Queued/WaitingForLock", "ack 4"],
    ),
    "waiting is shown once": Case(
        taskrun=a_taskrun(status=shown("Queued")), record=a_run(State.QUEUED), does=["ack 4"]
    ),
    "waiting is shown again for a changed spec": Case(
        taskrun=a_taskrun(status=shown("Queued"), generation=2),
        record=a_run(State.QUEUED),
        does=["write Queued/WaitingForLock", "ack 4"],
    ),
    "starting is not worth a write": Case(
        taskrun=a_taskrun(), record=a_run(State.READY), does=["ack 4"]
    ),
    "nor is it after waiting": Case(
        taskrun=a_taskrun(status=shown("Queued")), record=a_run(State.CLAIMED), does=["ack 4"]
    ),
    "running is shown": Case(
        taskrun=a_taskrun(), record=a_run(State.RUNNING), does=["write Running/Running", "ack 4"]
    ),
    "running is shown once, progress costs nothing": Case(
        taskrun=a_taskrun(status=shown("Running", 1)), record=a_run(State.RUNNING), does=["ack 4"]
    ),
    "a second attempt is shown": Case(
        taskrun=a_taskrun(status=shown("Running", 1)),
        record=a_run(State.RUNNING, attempt=2),
        does=["write Running/Running", "ack 4"],
    ),
    "a cancel goes to the ledger first": Case(
        taskrun=a_taskrun(CANCEL), record=a_run(State.RUNNING), does=["cancel by kubernetes"]
    ),
    "a cancel goes there once": Case(
        taskrun=a_taskrun(CANCEL, shown("Running", 1)),
        record=a_run(State.RUNNING, cancellation=ASKED),
        does=["ack 4"],
    ),
    "a cancel that has become harder goes there again": Case(
        taskrun=a_taskrun({"cancel": {"reason": "wrong", "mode": "Force"}}, shown("Running", 1)),
        record=a_run(State.RUNNING, cancellation=ASKED),
        does=["cancel by kubernetes"],
    ),
    "a cancel that is milder than what the ledger knows does not": Case(
        taskrun=a_taskrun(CANCEL, shown("Running", 1)),
        record=a_run(State.RUNNING, cancellation=replace(ASKED, grace_seconds=0)),
        does=["ack 4"],
    ),
    "the end is shown and the resource's days are counted": Case(
        taskrun=a_taskrun(status=shown("Running", 1)),
        record=a_run(State.SUCCEEDED),
        does=["write Succeeded/Completed", "ack 4", "delete in 3600"],
    ),
    "its own time to live counts": Case(
        taskrun=a_taskrun({"ttlSecondsAfterFinished": 5}, shown("Running", 1)),
        record=a_run(State.FAILED, failure=Failure(reason="TaskError")),
        does=["write Failed/TaskError", "ack 4", "delete in 5"],
    ),
    "a quick run is shown once, at its end": Case(
        taskrun=a_taskrun(),
        record=a_run(State.SUCCEEDED),
        does=["write Succeeded/Completed", "ack 4", "delete in 3600"],
    ),
    "a refusal of the ledger is shown": Case(
        taskrun=a_taskrun(),
        record=a_run(State.REJECTED, failure=Failure(reason="LockHeld")),
        does=["write Rejected/LockHeld", "ack 4", "delete in 3600"],
    ),
    "nothing is shown while the ledger recovers": Case(
        taskrun=a_taskrun(), record=a_run(State.RUNNING), blessed=False, does=["again in 15"]
    ),
    "nothing is submitted while it recovers": Case(
        taskrun=a_taskrun(), blessed=False, does=["again in 15"]
    ),
    "no run is lost while it recovers": Case(
        taskrun=a_taskrun(status=shown("Running", 1)),
        blessed=False,
        missing_seconds=999,
        does=["again in 15"],
    ),
    "cancels are sent while it recovers": Case(
        taskrun=a_taskrun(CANCEL),
        record=a_run(State.RUNNING),
        blessed=False,
        does=["cancel by kubernetes", "again in 15"],
    ),
    "a record that is lost provisionally gets the end that is known": Case(
        taskrun=a_taskrun(status=shown("Succeeded", 1) | ENDED | {"result": [42]}),
        record=a_run(State.LOST, provisional=True),
        blessed=False,
        does=["settle SUCCEEDED", "delete in 3600"],
    ),
    "one whose TaskRun says so already is lost for good": Case(
        taskrun=a_taskrun(status=shown("Lost", 1) | ENDED),
        record=a_run(State.LOST, provisional=True),
        blessed=False,
        does=["settle LOST", "delete in 3600"],
    ),
    "what has no end yet stays provisional until the ledger is blessed": Case(
        taskrun=a_taskrun(status=shown("Running", 1)),
        record=a_run(State.LOST, provisional=True),
        blessed=False,
        does=["again in 15"],
    ),
    "an end that the ledger has lost is given back to it": Case(
        taskrun=a_taskrun(status=shown("Succeeded", 1) | ENDED | {"result": [42]}),
        record=a_run(State.READY),
        blessed=False,
        does=["settle SUCCEEDED", "delete in 3600"],
    ),
    "an end that both know needs no settling": Case(
        taskrun=a_taskrun(status=shown("Succeeded", 1) | ENDED),
        record=a_run(State.SUCCEEDED),
        blessed=False,
        does=["ack 4", "delete in 3600"],
    ),
    "a run that becomes suspect is shown": Case(
        taskrun=a_taskrun(status=shown("Running", 1)),
        record=a_run(State.RUNNING, suspect_at=NOW),
        does=["write Running/Running", "ack 4"],
    ),
    "a run that is suspect and shown so is left alone": Case(
        taskrun=a_taskrun(status=shown("Running", 1) | SUSPECT),
        record=a_run(State.RUNNING, suspect_at=NOW),
        does=["ack 4"],
    ),
    "a run that is trusted again is shown": Case(
        taskrun=a_taskrun(status=shown("Running", 1) | SUSPECT),
        record=a_run(State.RUNNING),
        does=["write Running/Running", "ack 4"],
    ),
    "a started run without a record is given time": Case(
        taskrun=a_taskrun(status=shown("Running", 1)), missing_seconds=20, does=["again in 40"]
    ),
    "then it is lost, and never submitted again": Case(
        taskrun=a_taskrun(status=shown("Running", 1)),
        missing_seconds=60,
        does=["write Lost/RecordLost", "delete in 3600"],
    ),
    "a run that only waited is submitted again": Case(
        taskrun=a_taskrun(status=shown("Queued")), does=["submit ns/default Queue"]
    ),
    "a record that forgot a start must not start again": Case(
        taskrun=a_taskrun(status=shown("Running", 1)),
        record=a_run(State.READY),
        does=["cancel by operator"],
    ),
    "and its end is that it is lost": Case(
        taskrun=a_taskrun(status=shown("Running", 1)),
        record=a_run(State.CANCELLED, attempt=0),
        does=["write Lost/RecordLost", "ack 4", "delete in 3600"],
    ),
    "a final status is left alone": Case(
        taskrun=a_taskrun(status=shown("Succeeded", 1, **ENDED_JUST_NOW)),
        record=a_run(State.SUCCEEDED),
        does=["ack 4", "delete in 3600"],
    ),
    "whatever the record says": Case(
        taskrun=a_taskrun(status=shown("Succeeded", 1, **ENDED_JUST_NOW)),
        record=a_run(State.FAILED),
        does=["ack 4", "delete in 3600"],
    ),
    "a run that is over must not be alive": Case(
        taskrun=a_taskrun(status=shown("Lost", 1, **ENDED_JUST_NOW)),
        record=a_run(State.RUNNING),
        does=["cancel by operator", "delete in 3600"],
    ),
    "an old one is deleted": Case(
        taskrun=a_taskrun(status=shown("Succeeded", 1, completionTime=DAY_AGO)), does=["delete"]
    ),
    "an old one is deleted though it asks for a cancel": Case(
        taskrun=a_taskrun(CANCEL, shown("Cancelled", completionTime=DAY_AGO)), does=["delete"]
    ),
}


def see(case: Case) -> Seen:
    return Seen(
        taskrun=case.taskrun,
        record=case.record,
        blessed=case.blessed,
        entry=case.entry,
        now=NOW,
        missing_seconds=case.missing_seconds,
        pause=case.pause,
    )


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str) -> None:
    assert in_words(decide(see(CASES[name]), RULES)) == CASES[name].does


def test_a_refusal_says_what_is_wrong_in_a_sentence() -> None:
    (write, _) = decide(see(CASES["parameters that do not fit are refused"]), RULES)

    assert isinstance(write, actions.WriteStatus)
    assert "nme" in write.status["error"]["message"]


def test_a_name_that_yaml_took_for_a_truth_value_gets_a_hint() -> None:
    (write, _) = decide(see(Case(taskrun=a_taskrun({"params": {"false": 20}}))), RULES)

    assert isinstance(write, actions.WriteStatus)
    assert "quote its name" in write.status["error"]["message"]


def test_the_task_decides_what_the_resource_leaves_open() -> None:
    entry = CatalogueEntry(name="t", parameters={}, lock="own", policy=Policy.REPLACE)
    decided = decide(see(Case(taskrun=a_taskrun(), entry=entry)), RULES)

    assert in_words(decided) == ["submit ns/own Replace"]


def test_a_time_to_live_of_zero_is_now_and_not_before() -> None:
    earlier = a_run(State.SUCCEEDED, finished_at=NOW - timedelta(seconds=9))
    taskrun = a_taskrun({"ttlSecondsAfterFinished": 0}, shown("Running", 1))

    assert in_words(decide(see(Case(taskrun=taskrun, record=earlier)), RULES))[-1] == "delete in 0"
