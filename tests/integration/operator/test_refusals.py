"""What the API server refuses by itself: each refusal is a sentence that names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from integration.operator.cluster import Cluster, HandWorker, taskrun

from singletrack.lifecycle import State

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown field": (
        taskrun("a", parameters={"x": 1}),
        "spec.parameters",
        "unknown field",
    ),
    "an unknown field of the lock": (
        taskrun("a", lock={"key": "k", "policies": "Queue"}),
        "spec.lock.policies",
        "unknown field",
    ),
    "no task": (
        taskrun("a") | {"spec": {"params": {}}},
        "spec.task",
        "Required value",
    ),
    "an empty task": (taskrun("a", task=""), "spec.task", "should be at least 1 chars long"),
    "a policy nobody knows": (
        taskrun("a", lock={"policy": "Maybe"}),
        "spec.lock.policy",
        'supported values: "Reject", "Queue", "QueueLatest", "Replace", "Join", "Skip"',
    ),
    "room to wait without a queue": (
        taskrun("a", lock={"policy": "Reject", "maxQueue": 3}),
        "spec.lock.maxQueue",
        "lock.maxQueue needs lock.policy: Queue",
    ),
    "a priority out of bounds": (
        taskrun("a", priority=1001),
        "spec.priority",
        "should be less than or equal to 1000",
    ),
    "a timeout of zero": (
        taskrun("a", timeoutSeconds=0),
        "spec.timeoutSeconds",
        "should be greater than or equal to 1",
    ),
    "a soft limit of zero": (
        taskrun("a", softTimeoutSeconds=0),
        "spec.softTimeoutSeconds",
        "should be greater than or equal to 1",
    ),
    "a soft limit that is not below the other": (
        taskrun("a", timeoutSeconds=60, softTimeoutSeconds=60),
        "spec.softTimeoutSeconds",
        "softTimeoutSeconds has to be less than timeoutSeconds",
    ),
    "a time to live in words": (
        taskrun("a", ttlSecondsAfterFinished="1h"),
        "spec.ttlSecondsAfterFinished",
        "must be of type integer",
    ),
    "a list of parameters": (
        taskrun("a", params=["x"]),
        "spec.params",
        "must be of type object",
    ),
    "a queue with a blank": (taskrun("a", queue="my queue"), "spec.queue", "should match"),
    "a task name that is too long": (
        taskrun("a", task="x" * 254),
        "spec.task",
        "may not be more than 253",
    ),
    "a lock key that is too long": (
        taskrun("a", lock={"key": "k" * 254}),
        "spec.lock.key",
        "may not be more than 253",
    ),
    "a mode nobody knows": (
        taskrun("a", cancel={"mode": "Hard"}),
        "spec.cancel.mode",
        'supported values: "Graceful", "Force"',
    ),
    "a grace period below zero": (
        taskrun("a", cancel={"gracePeriodSeconds": -1}),
        "spec.cancel.gracePeriodSeconds",
        "should be greater than or equal to 0",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_manifest_is_refused_and_its_field_named(cluster: Cluster, what: str) -> None:
    manifest, field, sentence = WRONG[what]
    answer = cluster.kubectl("create", "-f", "-", "--dry-run=server", stdin=manifest)

    assert answer.returncode != 0
    assert field in answer.stderr
    assert sentence in answer.stderr


CHANGES = {
    "task": {"task": "other"},
    "params": {"params": {"name": "Al"}},
    "params removed": {"params": None},
    "queue": {"queue": "other"},
    "lock": {"lock": {"key": "other"}},
    "lock removed": {"lock": None},
    "startDeadlineSeconds": {"startDeadlineSeconds": 9},
    "timeoutSeconds": {"timeoutSeconds": 9},
    "softTimeoutSeconds": {"softTimeoutSeconds": 9},
}


def patch(cluster: Cluster, name: str, spec: dict[str, Any], *options: str) -> tuple[bool, str]:
    change = json.dumps({"spec": spec})
    answer = cluster.kubectl("patch", "strun", name, "--type=merge", "-p", change, *options)
    return answer.returncode == 0, answer.stderr


def a_pending_one(cluster: Cluster) -> None:
    """It names a task nobody registers, so it stays as it is."""
    cluster.create(taskrun("a", task="never", params={"name": "Bob"}, lock={"key": "k"}))


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_asked_for_cannot_be_changed(cluster: Cluster, what: str) -> None:
    a_pending_one(cluster)
    done, complaint = patch(cluster, "a", CHANGES[what])

    assert not done
    assert f"spec.{what.split()[0]}" in complaint
    assert "create a new TaskRun instead" in complaint


def test_before_the_run_is_in_line_its_priority_may_change(cluster: Cluster) -> None:
    a_pending_one(cluster)

    assert patch(cluster, "a", {"priority": 5}) == (True, "")


def test_the_time_to_live_may_change_and_a_cancel_be_added(cluster: Cluster) -> None:
    a_pending_one(cluster)

    assert patch(cluster, "a", {"ttlSecondsAfterFinished": 5}) == (True, "")
    assert patch(cluster, "a", {"cancel": {}}) == (True, "")


def test_a_cancel_cannot_be_withdrawn(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("a"))
    worker.start(created)
    assert patch(cluster, "a", {"cancel": {"reason": "x"}}) == (True, "")

    done, complaint = patch(cluster, "a", {"cancel": None}, "--dry-run=server")
    assert not done
    assert "cancel cannot be withdrawn once it is set" in complaint


HARDER = {
    "to Force": ({}, {"mode": "Force"}),
    "to Force with its grace period": ({"gracePeriodSeconds": 9}, {"mode": "Force"}),
    "a grace period where there was none": ({}, {"gracePeriodSeconds": 600}),
    "a shorter grace period": ({"gracePeriodSeconds": 9}, {"gracePeriodSeconds": 8}),
    "the same again": ({"mode": "Force", "reason": "x"}, {"mode": "Force", "reason": "x"}),
}

MILDER = {
    "back to Graceful": ({"mode": "Force"}, {"mode": "Graceful"}, "mode can only be changed from"),
    "without its mode": ({"mode": "Force"}, {"mode": None}, "mode can only be changed from"),
    "a longer grace period": (
        {"gracePeriodSeconds": 8},
        {"gracePeriodSeconds": 9},
        "gracePeriodSeconds can only be shortened",
    ),
    "without its grace period": (
        {"gracePeriodSeconds": 8},
        {"gracePeriodSeconds": None},
        "gracePeriodSeconds can only be shortened",
    ),
    "another reason": ({"reason": "x"}, {"reason": "y"}, "reason cannot be changed"),
    "a reason where there was none": ({}, {"reason": "y"}, "reason cannot be changed"),
    "without its reason": ({"reason": "x"}, {"reason": None}, "reason cannot be changed"),
}


def one_being_stopped(cluster: Cluster, worker: HandWorker, cancel: dict[str, Any]) -> None:
    worker.start(cluster.create(taskrun("a")))
    assert patch(cluster, "a", {"cancel": cancel}) == (True, "")


@pytest.mark.parametrize("what", HARDER)
def test_a_cancel_may_become_harder(cluster: Cluster, worker: HandWorker, what: str) -> None:
    first, then = HARDER[what]
    one_being_stopped(cluster, worker, first)

    assert patch(cluster, "a", {"cancel": then}, "--dry-run=server") == (True, "")


@pytest.mark.parametrize("what", MILDER)
def test_a_cancel_may_not_become_milder_or_another(
    cluster: Cluster, worker: HandWorker, what: str
) -> None:
    first, then, sentence = MILDER[what]
    one_being_stopped(cluster, worker, first)
    done, complaint = patch(cluster, "a", {"cancel": then}, "--dry-run=server")

    assert not done
    assert f"spec.cancel.{sentence.split()[0]}" in complaint
    assert sentence in complaint


def test_once_started_a_priority_is_fixed(cluster: Cluster, worker: HandWorker) -> None:
    worker.start(cluster.create(taskrun("first")))
    cluster.until_phase("first", "Running")
    done, complaint = patch(cluster, "first", {"priority": 5})

    assert not done
    assert "spec.priority" in complaint
    assert "once the run has started" in complaint


def test_who_waits_moves_in_line_when_the_priority_is_changed(
    cluster: Cluster, worker: HandWorker
) -> None:
    first = cluster.create(taskrun("first"))
    worker.start(first)
    second, third = cluster.create(taskrun("second")), cluster.create(taskrun("third"))
    for created in (second, third):
        cluster.until_phase(created["metadata"]["name"], "Queued")
    assert patch(cluster, "third", {"priority": 5}) == (True, "")
    worker.until_waiting(third, second)

    worker.finish(first)
    worker.until_state(third, State.READY)
    assert cluster.phase("second") == "Queued"


def test_after_the_end_nothing_can_be_changed(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("a"))
    worker.start(created)
    worker.finish(created)
    cluster.until_phase("a", "Succeeded")

    for change in ({"cancel": {}}, {"ttlSecondsAfterFinished": 1}, {"priority": 3}):
        done, complaint = patch(cluster, "a", change)
        assert not done
        assert "spec cannot be changed once the run has ended" in complaint
    for status in ({"phase": "Failed"}, {"completionTime": None}, {"result": None}):
        written = json.dumps({"status": status})
        answer = cluster.kubectl(
            "patch", "strun", "a", "--subresource=status", "--type=merge", "-p", written
        )
        assert "status cannot be changed once the run has ended" in answer.stderr
