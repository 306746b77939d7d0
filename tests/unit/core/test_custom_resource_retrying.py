"""How `spec.retry` is read and written, and what a TaskRun shows between two attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from singletrack.custom_resource import manifest, standing, status
from singletrack.lifecycle import State
from singletrack.retries import NO_RETRY, Retry, RetryCause
from singletrack.run import Failure, Run, RunSpec

NOW = datetime(2026, 11, 25, tzinfo=UTC)
FAILURE = Failure(reason="TaskError", message="no rows", error_type="ValueError")


def taskrun(**spec: Any) -> manifest.TaskRun:
    metadata = {"uid": "u", "name": "n", "namespace": "default", "generation": 1}
    return manifest.read({"metadata": metadata, "spec": {"task": "report"} | spec})


def shown(**changes: Any) -> dict[str, Any]:
    run = Run(
        spec=RunSpec(run_id="u", task="report", lock="default/default"),
        revision=5,
        attempt=1,
        failure=FAILURE,
        submitted_at=NOW,
        started_at=NOW,
        **changes,
    )
    return status.build(taskrun(), standing.of_run(run), NOW)


def condition(of: dict[str, Any], kind: str) -> tuple[str, str]:
    [found] = [each for each in of["conditions"] if each["type"] == kind]
    return found["status"], found["reason"]


def test_what_spec_retry_says_reaches_the_request() -> None:
    asked = {"limit": 2, "backoff": {"initialSeconds": 1, "maxSeconds": 5}, "causes": ["Timeout"]}
    wanted = Retry(limit=2, initial_seconds=1, max_seconds=5, causes=(RetryCause.TIMEOUT,))
    assert manifest.to_request(taskrun(retry=asked)).retry == wanted
    assert manifest.retry_field(wanted) == asked


def test_what_spec_retry_leaves_out_has_its_default() -> None:
    assert manifest.to_request(taskrun()).retry is None
    assert manifest.to_request(taskrun(retry={})).retry == NO_RETRY
    assert manifest.to_request(taskrun(retry={"limit": 3})).retry == Retry(limit=3)


def test_the_time_it_may_wait_for_its_lock_reaches_the_request() -> None:
    assert manifest.to_request(taskrun(queueTimeoutSeconds=7)).queue_timeout_seconds == 7


def test_between_two_attempts_it_says_that_it_backs_off_and_why() -> None:
    between = shown(state=State.READY, not_before=NOW + timedelta(seconds=9))
    assert (between["phase"], between["attempt"]) == ("Starting", 1)
    assert condition(between, "Running") == ("False", "BackingOff")
    assert condition(between, "LockAcquired") == ("True", "Granted")
    assert condition(between, "Finished") == ("False", "BackingOff")
    assert between["error"] == {"reason": "TaskError", "message": "no rows", "type": "ValueError"}


def test_the_last_error_is_seen_while_the_next_attempt_runs() -> None:
    running = shown(state=State.RUNNING)
    assert condition(running, "Running") == ("True", "Started")
    assert running["error"]["message"] == "no rows"
