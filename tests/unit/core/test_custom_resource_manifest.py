"""TaskRuns as values: what is read from them, and the ones the API makes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from singletrack.admission import Defaults, RunRequest, resolve
from singletrack.catalogue import CatalogueEntry
from singletrack.custom_resource import manifest
from singletrack.exits import Exit
from singletrack.lifecycle import TERMINAL, VIEWS, State
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.run import Cancellation, CancelMode, Door, Failure, Outcome

ENTRY = CatalogueEntry(name="report", parameters={"type": "object"}, lock="reports/{month}")


def a_manifest(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "uid": "8cdccb52",
            "name": "report-x7",
            "namespace": "billing",
            "generation": 3,
            "resourceVersion": "117",
            "creationTimestamp": "2026-10-01T12:00:00Z",
        }
        | metadata,
        "spec": {"task": "report"} | (spec or {}),
    }


def a_request(**fields: Any) -> RunRequest:
    given = {"run_id": "", "task": "report", "namespace": "billing", "door": Door.REST} | fields
    return RunRequest(**given)


def test_the_uid_is_the_run_id_and_kubectl_the_door() -> None:
    request = manifest.to_request(manifest.read(a_manifest()))

    assert request.run_id == "8cdccb52"
    assert request.door is Door.KUBECTL
    assert (request.namespace, request.name) == ("billing", "report-x7")


def test_every_field_of_the_spec_reaches_the_request() -> None:
    spec = {
        "params": {"month": "2026-10"},
        "queue": "slow",
        "priority": 7,
        "lock": {"key": "k/{month}", "policy": "Queue", "maxQueue": 3},
        "startDeadlineSeconds": 60,
        "timeoutSeconds": 600,
        "softTimeoutSeconds": 500,
        "ttlSecondsAfterFinished": 0,
    }
    request = manifest.to_request(manifest.read(a_manifest(spec)))

    assert request.params == {"month": "2026-10"}
    assert (request.queue, request.priority) == ("slow", 7)
    assert (request.lock, request.policy, request.max_queue) == ("k/{month}", Policy.QUEUE, 3)
    assert request.start_deadline_seconds == 60.0
    assert (request.timeout_seconds, request.soft_timeout_seconds) == (600.0, 500.0)
    assert request.ttl_seconds == 0.0


def test_what_the_spec_leaves_out_stays_undecided() -> None:
    request = manifest.to_request(manifest.read(a_manifest()))

    assert (request.queue, request.lock, request.policy, request.max_queue) == (None,) * 4
    assert (request.timeout_seconds, request.soft_timeout_seconds) == (None, None)
    assert request.ttl_seconds is None


def test_times_are_read_with_their_zone() -> None:
    taskrun = manifest.read(a_manifest())

    assert taskrun.created_at == datetime(2026, 10, 1, 12, tzinfo=UTC)


def test_without_cancel_there_is_no_wish() -> None:
    assert manifest.cancellation(manifest.read(a_manifest()), 30.0) is None


def test_an_empty_cancel_is_a_wish_with_the_default_grace() -> None:
    taskrun = manifest.read(a_manifest({"cancel": {}}))

    assert manifest.cancellation(taskrun, 30.0) == Cancellation(by="kubernetes", grace_seconds=30.0)


def test_a_cancel_carries_its_grace_and_its_reason() -> None:
    taskrun = manifest.read(a_manifest({"cancel": {"gracePeriodSeconds": 0, "reason": "wrong"}}))
    wish = manifest.cancellation(taskrun, 30.0)

    assert wish == Cancellation(by="kubernetes", reason="wrong", grace_seconds=0.0)


def test_a_forced_cancel_has_no_grace_whatever_is_said_beside_it() -> None:
    taskrun = manifest.read(a_manifest({"cancel": {"mode": "Force", "gracePeriodSeconds": 9}}))
    wish = manifest.cancellation(taskrun, 30.0)

    assert wish == Cancellation(by="kubernetes", grace_seconds=0.0)
    assert wish.mode is CancelMode.FORCE


def test_a_deletion_that_a_finalizer_holds_up_is_a_wish_too() -> None:
    taskrun = manifest.read(a_manifest(deletionTimestamp="2026-10-01T12:00:00Z"))

    assert manifest.cancellation(taskrun, 30.0) is not None


def made_and_read_again(request: RunRequest) -> tuple[Any, Any]:
    resolved = resolve(request, ENTRY, Defaults())
    made = manifest.build(request, resolved)
    created = made | {"metadata": made["metadata"] | {"uid": "u-1", "name": "report-1"}}
    return resolved, resolve(manifest.to_request(manifest.read(created)), ENTRY, Defaults())


@pytest.mark.parametrize(
    "request_",
    [
        a_request(params={"month": "2026-10"}),
        a_request(params={"month": "{odd}"}),
        a_request(params={"month": "}"}),
        a_request(params={"month": "x"}, policy=Policy.QUEUE, max_queue=4),
        a_request(params={"month": "x"}, lock="own", queue="slow", priority=5),
    ],
)
def test_whoever_submits_the_made_taskrun_makes_the_same_run(request_: RunRequest) -> None:
    meant, made = made_and_read_again(request_)

    assert made.fingerprint == meant.fingerprint
    assert (made.priority, made.max_queue, made.door) == (
        meant.priority,
        meant.max_queue,
        Door.REST,
    )


def test_rest_rejects_unless_somebody_says_otherwise_and_the_taskrun_says_so() -> None:
    request = a_request(params={"month": "x"})
    made = manifest.build(request, resolve(request, ENTRY, Defaults()))

    assert made["spec"]["lock"] == {"key": "reports/x", "policy": "Reject"}


def test_seconds_are_rounded_up_because_the_resource_holds_whole_ones() -> None:
    request = a_request(params={"month": "x"}, timeout_seconds=0.2, ttl_seconds=0.0)
    made = manifest.build(request, resolve(request, ENTRY, Defaults()))

    assert made["spec"]["timeoutSeconds"] == 1
    assert made["spec"]["ttlSecondsAfterFinished"] == 0


@pytest.mark.parametrize(
    ("soft", "hard", "made"),
    [
        (1.5, None, {"softTimeoutSeconds": 1}),
        (0.2, None, {"softTimeoutSeconds": 1}),
        (1.2, 1.8, {"softTimeoutSeconds": 1, "timeoutSeconds": 2}),
        (7.0, 7.1, {"softTimeoutSeconds": 7, "timeoutSeconds": 8}),
        (0.2, 0.9, {"timeoutSeconds": 1}),
    ],
)
def test_a_soft_limit_is_rounded_so_that_it_stays_below_the_other(
    soft: float, hard: float | None, made: dict[str, int]
) -> None:
    said = {"timeout_seconds": hard, "soft_timeout_seconds": soft}
    request = a_request(params={"month": "x"}, **said)
    spec = manifest.build(request, resolve(request, ENTRY, Defaults()))["spec"]

    assert {name: value for name, value in spec.items() if name.endswith("imeoutSeconds")} == made


def test_a_made_taskrun_has_a_generated_name_unless_it_is_given_one() -> None:
    request, named = a_request(params={"month": "x"}), a_request(params={"month": "x"}, name="n-1")

    for each, expected in ((request, {"generateName": "report-"}), (named, {"name": "n-1"})):
        metadata = manifest.build(each, resolve(each, ENTRY, Defaults()))["metadata"]
        assert expected.items() <= metadata.items()


@pytest.mark.parametrize(
    ("task", "prefix"),
    [
        ("dummy_task", "dummy-task-"),
        ("demo.tasks.Report", "demo-tasks-report-"),
        ("...", "run-"),
        ("x" * 80, "x" * 40 + "-"),
    ],
)
def test_name_prefixes_are_valid_names(task: str, prefix: str) -> None:
    assert manifest.name_prefix(task) == prefix


def test_an_unknown_door_counts_as_kubectl() -> None:
    forged = a_manifest(annotations={manifest.DOOR_ANNOTATION: "window"})

    assert manifest.to_request(manifest.read(forged)).door is Door.KUBECTL


def test_a_cancel_field_fits_the_schema() -> None:
    field = manifest.cancel_field(Cancellation(by="me", reason="r" * 999, grace_seconds=0.5))

    assert (field["mode"], field["gracePeriodSeconds"]) == ("Graceful", 1)
    assert len(field["reason"]) == 256


@pytest.mark.parametrize("choice", list(OnLost))
def test_what_becomes_of_the_lock_travels_through_the_resource(choice: OnLost) -> None:
    asked = a_request(on_lost=choice, lock="k")
    built = manifest.build(asked, resolve(asked, ENTRY, Defaults()))
    read = manifest.to_request(manifest.read(a_manifest(built["spec"])))
    assert resolve(read, ENTRY, Defaults()).on_lost is choice


def test_the_task_decides_what_becomes_of_the_lock_unless_the_request_does() -> None:
    holding = CatalogueEntry(name="report", parameters={}, lock="k", on_lost=OnLost.HOLD)
    assert resolve(a_request(), holding, Defaults()).on_lost is OnLost.HOLD
    release = a_request(on_lost=OnLost.RELEASE)
    assert resolve(release, holding, Defaults()).on_lost is OnLost.RELEASE
    assert CatalogueEntry.from_json(holding.to_json()) == holding


@pytest.mark.parametrize(
    ("shown", "ended"),
    [
        ({}, None),
        ({"exitCode": 0}, Exit(code=0)),
        ({"exitCode": 3}, Exit(code=3)),
        ({"signal": "SIGKILL"}, Exit(signal="SIGKILL")),
    ],
)
@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_the_end_a_status_shows_is_read_from_it(
    state: State, shown: dict[str, Any], ended: Exit | None
) -> None:
    error = {"reason": "TaskError", "message": "no", "type": "E", "traceback": "line 1"} | shown
    status = {"phase": str(VIEWS[state].phase), "error": error, "result": {"a": [1]}}
    taskrun = manifest.read(a_manifest() | {"status": status})
    assert manifest.outcome(taskrun) == Outcome(
        state=state,
        result='{"a": [1]}',
        failure=Failure(
            reason="TaskError", message="no", error_type="E", traceback="line 1", exit=ended
        ),
    )


def test_a_status_without_an_end_shows_none() -> None:
    assert manifest.outcome(manifest.read(a_manifest() | {"status": {"phase": "Running"}})) is None
