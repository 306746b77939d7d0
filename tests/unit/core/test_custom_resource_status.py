"""From a run's record to the status: phases, conditions, limits."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.taskruns import NOW, a_run

from singletrack.custom_resource import manifest, standing, status
from singletrack.custom_resource.definition import custom_resource_definition
from singletrack.custom_resource.manifest import TaskRun
from singletrack.errors import Holder
from singletrack.exits import Exit
from singletrack.lifecycle import TERMINAL, VIEWS, State
from singletrack.operations import Pause
from singletrack.run import Cancellation, Failure, Progress, Run

LATER = NOW + timedelta(minutes=1)

_VERSION = custom_resource_definition()["spec"]["versions"][0]
STATUS_SCHEMA = _VERSION["schema"]["openAPIV3Schema"]["properties"]["status"]


def a_taskrun(status: dict[str, Any] | None = None, generation: int = 1) -> TaskRun:
    shown = STATUS_SCHEMA["default"] if status is None else status
    return manifest.read(
        {
            "metadata": {
                "uid": "u-1",
                "name": "a",
                "namespace": "ns",
                "generation": generation,
                "creationTimestamp": "2026-10-01T11:59:00Z",
            },
            "spec": {"task": "t"},
            "status": shown,
        }
    )


def build(run: Run, taskrun: TaskRun | None = None, now: datetime = NOW) -> dict[str, Any]:
    return status.build(taskrun or a_taskrun(), standing.of_run(run), now)


def answer(built: dict[str, Any], kind: str) -> tuple[str, str] | None:
    found = [each for each in built["conditions"] if each["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else None


@pytest.mark.parametrize("state", list(State))
def test_every_state_gives_a_status_the_schema_accepts(state: State) -> None:
    built = build(a_run(state))

    jsonschema_rs.validate(STATUS_SCHEMA, built)
    assert built["phase"] == VIEWS[state].phase


@pytest.mark.parametrize("state", list(State))
def test_finished_is_true_at_every_end_and_only_there(state: State) -> None:
    built = build(a_run(state))
    finished = answer(built, "Finished")

    assert finished is not None
    assert (finished[0] == "True") == (state in TERMINAL)
    assert ("completionTime" in built) == (state in TERMINAL)


@pytest.mark.parametrize("state", list(State))
def test_tools_see_work_in_progress_success_or_a_stall_and_never_two_of_them(state: State) -> None:
    built = build(a_run(state))
    reconciling, stalled = answer(built, "Reconciling"), answer(built, "Stalled")

    assert (reconciling is not None) == (state not in TERMINAL)
    fine = {State.SUCCEEDED, State.JOINED}
    assert (stalled is not None) == (state in TERMINAL and state not in fine)


def test_every_condition_names_the_generation_it_speaks_of() -> None:
    built = build(a_run(State.SUCCEEDED), a_taskrun(generation=7))

    assert {each["observedGeneration"] for each in built["conditions"]} == {7}
    assert built["observedGeneration"] == 7


def test_a_transition_time_moves_only_when_the_answer_does() -> None:
    running = build(a_run(State.RUNNING))
    ended = build(a_run(State.SUCCEEDED), a_taskrun(running), now=LATER)
    when = {each["type"]: each["lastTransitionTime"] for each in ended["conditions"]}

    assert when["Accepted"] == "2026-10-01T12:00:00Z"
    assert when["Succeeded"] == "2026-10-01T12:01:00Z"


def test_the_default_status_counts_as_never_answered() -> None:
    queued = build(a_run(State.QUEUED))
    reconciling = next(c for c in queued["conditions"] if c["type"] == "Reconciling")

    assert reconciling["lastTransitionTime"] == "2026-10-01T12:00:00Z"


def test_a_joined_run_has_ended_and_leaves_its_success_open() -> None:
    built = build(a_run(State.JOINED, holder=Holder(run_id="u-9", name="first")))

    assert answer(built, "Accepted") == ("True", "Valid")
    assert answer(built, "LockAcquired") == ("False", "Joined")
    assert answer(built, "Succeeded") == ("Unknown", "Joined")
    assert answer(built, "Finished") == ("True", "Joined")
    assert answer(built, "Terminated") == ("True", "NeverStarted")
    assert answer(built, "ResultStored") == ("Unknown", "Joined")
    assert built["lock"]["holder"] == "first"
    assert "error" not in built
    [succeeded] = [each for each in built["conditions"] if each["type"] == "Succeeded"]
    assert succeeded["message"] == "stands for run first, which holds the lock or is next"


def test_a_skipped_run_did_not_succeed_and_names_the_holder() -> None:
    why = Failure(reason="Skipped", message="not needed: lock ns/default is held by run first")
    built = build(a_run(State.SKIPPED, holder=Holder(run_id="u-9", name="first"), failure=why))

    assert answer(built, "Accepted") == ("True", "Valid")
    assert answer(built, "Succeeded") == ("False", "Skipped")
    assert answer(built, "Terminated") == ("True", "NeverStarted")
    assert built["lock"]["holder"] == "first"
    assert built["error"]["message"] == why.message


def test_a_waiting_run_names_the_holder_of_its_lock() -> None:
    built = build(a_run(State.QUEUED, holder=Holder(run_id="u-9", name="first")))

    assert answer(built, "LockAcquired") == ("False", "WaitingForLock")
    assert built["lock"]["holder"] == "first"
    assert "held by first" in built["conditions"][1]["message"]


def test_a_refused_run_was_not_accepted_and_names_the_holder() -> None:
    failure = Failure(reason="LockHeld", message="lock ns/default is held by run first")
    holder = Holder(run_id="u-9", name="first")
    built = build(a_run(State.REJECTED, failure=failure, holder=holder))

    assert answer(built, "Accepted") == ("False", "LockHeld")
    assert answer(built, "Terminated") == ("True", "NeverStarted")
    assert built["error"] == {"reason": "LockHeld", "message": failure.message}
    assert built["lock"]["holder"] == "first"


def test_a_run_told_to_stop_is_not_terminated_until_it_has() -> None:
    asked = Cancellation(by="kubernetes")
    going = build(a_run(State.RUNNING, cancellation=asked))
    gone = build(a_run(State.CANCELLED, cancellation=asked))

    assert answer(going, "Terminated") == ("False", "Stopping")
    assert answer(gone, "Terminated") == ("True", "Stopped")


def test_nobody_knows_whether_a_lost_process_is_gone() -> None:
    built = build(a_run(State.LOST, failure=Failure(reason="WorkerLost", message="no word")))

    assert answer(built, "Terminated") == ("Unknown", "WorkerLost")
    assert answer(built, "Succeeded") == ("False", "WorkerLost")


@pytest.mark.parametrize("result", ['{"a": [1, 2]}', "3", '"text"', "false", "0", "[]"])
def test_a_small_result_stands_in_the_status(result: str) -> None:
    built = build(a_run(State.SUCCEEDED, result=result))

    assert built["result"] == json.loads(result)
    assert answer(built, "ResultStored") == ("True", "Inline")


@pytest.mark.parametrize(
    "result",
    [
        json.dumps("x" * 4096),
        str(2**63),
        "[" * 2000 + "]" * 2000,
        '"\\ud800"',
    ],
    ids=["large", "64 bits", "deep", "lone surrogate"],
)
def test_a_result_the_resource_cannot_carry_is_read_elsewhere(result: str) -> None:
    built = build(a_run(State.SUCCEEDED, result=result))

    assert "result" not in built
    assert answer(built, "ResultStored") == ("True", "External")
    assert "/v1/namespaces/ns/runs/u-1/result" in str(built["conditions"])


@pytest.mark.parametrize("result", [None, "null"])
def test_nothing_returned_is_nothing_stored(result: str | None) -> None:
    built = build(a_run(State.SUCCEEDED, result=result))

    assert "result" not in built
    assert answer(built, "ResultStored") == ("True", "Nothing")


def test_of_a_long_traceback_the_end_is_kept_in_whole_lines() -> None:
    lines = "\n".join(f"  line {number}: é" for number in range(500)) + "\nValueError: boom"
    failure = Failure(reason="TaskError", message="boom", traceback=lines)
    shown = build(a_run(State.FAILED, failure=failure))["error"]["traceback"]

    assert len(shown.encode()) <= 2048
    assert shown.endswith("\nValueError: boom")
    assert shown.startswith("…\n  line ")


def test_started_attempts_stay_visible_when_the_record_is_lost() -> None:
    running = a_taskrun(build(a_run(State.RUNNING, worker="w-1", token=9)))
    lost = status.build(running, standing.record_lost(), LATER)

    assert lost["phase"] == "Lost"
    assert (lost["attempt"], lost["worker"], lost["runID"]) == (1, "w-1", "u-1")
    assert lost["startTime"] == "2026-10-01T12:00:00.000000Z"
    assert answer(lost, "Succeeded") == ("False", "RecordLost")


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (State.QUEUED, "LockPaused", "waits for the lock"),
        (State.READY, "QueuePaused", "holds the lock"),
    ],
)
def test_a_pause_that_keeps_a_run_waiting_is_told(state: State, reason: str, words: str) -> None:
    pause = Pause(by="ann", reason="new rollers", since=NOW)
    stands = standing.of_run(a_run(state), pause)
    assert stands.reason == reason
    assert stands.message.startswith(words)
    assert stands.message.endswith("was paused by ann: new rollers")


@pytest.mark.parametrize(
    ("ended", "shown"),
    [(Exit(code=3), {"exitCode": 3}), (Exit(signal="SIGKILL"), {"signal": "SIGKILL"})],
)
def test_how_the_process_ended_is_shown_apart_from_the_words(
    ended: Exit, shown: dict[str, Any]
) -> None:
    failure = Failure(reason="WorkerLost", message=str(ended), exit=ended)
    built = build(a_run(State.LOST, failure=failure))
    assert built["error"] == {"reason": "WorkerLost", "message": str(ended)} | shown
    jsonschema_rs.validate(STATUS_SCHEMA, built)


WORDS = st.text(max_size=3000)
EXITS = st.builds(Exit, signal=st.text(min_size=1, max_size=99)) | st.builds(
    Exit, code=st.integers(0, 255)
)


@given(
    state=st.sampled_from(list(State)),
    message=WORDS,
    worker=WORDS,
    traceback=WORDS,
    progress=st.floats(allow_nan=False, allow_infinity=False),
    ended=st.none() | EXITS,
)
def test_whatever_a_record_says_the_schema_accepts_the_status(
    state: State, message: str, worker: str, traceback: str, progress: float, ended: Exit | None
) -> None:
    words = {"reason": message, "message": message, "error_type": message}
    failure = Failure(**words, traceback=traceback, exit=ended)
    run = a_run(
        state,
        failure=failure if state in TERMINAL - {State.SUCCEEDED} else None,
        worker=worker,
        progress=Progress(current=progress, total=progress, message=message),
        cancellation=Cancellation(by="somebody", reason=message),
        holder=Holder(run_id="r", name=worker),
    )
    jsonschema_rs.validate(STATUS_SCHEMA, build(run))


def test_a_suspect_run_shows_that_nobody_knows_whether_it_has_terminated() -> None:
    built = build(a_run(State.RUNNING, suspect_at=NOW))
    assert built["phase"] == "Running"
    assert answer(built, "Terminated") == ("Unknown", "WorkerUnreachable")
    jsonschema_rs.validate(STATUS_SCHEMA, built)


def test_a_run_whose_lock_was_released_shows_who_and_why() -> None:
    why = "its lock was released by alice (rest): the rack has no power"
    failure = Failure(reason="WorkerUnreachable", message=why)
    built = build(a_run(State.LOST, failure=failure))
    assert answer(built, "Terminated") == ("Unknown", "WorkerUnreachable")
    assert built["error"]["message"] == why
