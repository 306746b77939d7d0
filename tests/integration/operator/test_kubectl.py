"""kubectl as people use it, on a real API server."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml
from integration.operator.cluster import ROOT, SOON, Cluster, HandWorker, taskrun
from support.waiting import wait_until

from singletrack.lifecycle import State


def test_create_with_a_generated_name_runs_and_shows_it(
    cluster: Cluster, worker: HandWorker
) -> None:
    created = cluster.create(taskrun(params={"name": "Bob"}))
    name = created["metadata"]["name"]
    worker.start(created)
    cluster.until_phase(name, "Running")
    worker.finish(created)
    shown = cluster.until_phase(name, "Succeeded")

    assert name.startswith("run-")
    assert shown["status"]["result"] == {"said": "hello"}
    assert shown["status"]["runID"] == created["metadata"]["uid"]


def test_applying_the_same_again_changes_nothing(cluster: Cluster, worker: HandWorker) -> None:
    manifest = taskrun("again", params={"name": "Bob"}, lock={"key": "k", "policy": "Queue"})

    assert cluster.do("apply", "-f", "-", stdin=manifest).endswith("again created\n")
    created = cluster.get("again")
    assert created is not None
    assert cluster.do("apply", "-f", "-", stdin=manifest).endswith("again unchanged\n")
    worker.start(created)
    worker.finish(created)
    cluster.until_phase("again", "Succeeded")
    assert cluster.do("apply", "-f", "-", stdin=manifest).endswith("again unchanged\n")


def test_get_shows_what_people_want_to_know(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("a"))
    worker.start(created)
    cluster.until_phase("a", "Running")
    header, row = cluster.do("get", "strun").splitlines()
    wide = cluster.do("get", "strun", "-o", "wide").splitlines()[0]

    assert header.split() == ["NAME", "TASK", "PHASE", "REASON", "LOCK", "STARTED", "AGE"]
    assert row.split()[:5] == ["a", "hello", "Running", "Running", f"{cluster.namespace}/default"]
    assert wide.split()[7:] == ["QUEUE", "ATTEMPT", "WORKER", "TOKEN", "MESSAGE"]


def test_get_watch_tells_the_story(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("a"))
    command = cluster.command("get", "strun", "a", "--watch", "--no-headers")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        phases = [watching.stdout.readline().split()[2]]
        worker.start(created)
        cluster.until_phase("a", "Running")
        worker.finish(created)
        while phases[-1] != "Succeeded":
            phases.append(watching.stdout.readline().split()[2])
        watching.terminate()

    assert phases == ["Pending", "Running", "Succeeded"]


def test_describe_says_who_holds_the_lock(cluster: Cluster, worker: HandWorker) -> None:
    worker.start(cluster.create(taskrun("first")))
    cluster.create(taskrun("second"))
    cluster.until_phase("second", "Queued")
    told = cluster.do("describe", "strun", "second")

    assert f"waits for the lock '{cluster.namespace}/default', held by first" in told
    assert "Holder:" in told


def test_describe_tells_of_a_failure(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("a"))
    worker.start(created)
    worker.fail(created, "no such month")
    cluster.until_phase("a", "Failed")

    def event() -> bool:
        told = cluster.do("describe", "strun", "a").partition("Events:")[2]
        return "Warning" in told and "TaskError" in told and "no such month" in told

    wait_until(event, SOON, "the event")


def test_explain_knows_every_field_of_the_lock(cluster: Cluster) -> None:
    told = cluster.do("explain", "taskrun.spec.lock")

    for field in ("key", "policy", "maxQueue", "Reject, Queue, QueueLatest, Replace"):
        assert field in told
    assert "at most one valid lease" in cluster.do("explain", "taskrun").lower().replace(
        "\n   ", ""
    )


def test_wait_returns_at_success_and_at_failure(cluster: Cluster, worker: HandWorker) -> None:
    good = cluster.create(taskrun("good", lock={"key": "g"}))
    bad = cluster.create(taskrun("bad", lock={"key": "b"}))
    for created in (good, bad):
        worker.start(created)
    worker.finish(good)
    worker.fail(bad)
    wait = ("wait", "--timeout=20s")

    assert "condition met" in cluster.do(*wait, "--for=condition=Succeeded", "strun/good")
    assert "condition met" in cluster.do(*wait, "--for=condition=Succeeded=False", "strun/bad")
    assert cluster.do(*wait, "--for=condition=Finished", "strun", "--all").count("met") == 2
    assert "met" in cluster.do(*wait, "--for=jsonpath={.status.phase}=Failed", "strun/bad")
    failed = cluster.get("bad")
    assert failed is not None
    assert failed["status"]["error"]["type"] == "ValueError"
    assert "ValueError: boom" in failed["status"]["error"]["traceback"]


def test_wait_does_not_hang_after_a_cancel(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("a"))
    worker.start(created)
    cluster.until_phase("a", "Running")
    cluster.do("patch", "strun", "a", "--type=merge", "-p", '{"spec":{"cancel":{"reason":"why"}}}')
    wait_until(lambda: cancelled(worker, created), SOON)
    worker.die(created)

    told = cluster.do("wait", "--timeout=20s", "--for=condition=Finished", "strun/a")
    assert "condition met" in told
    ended = cluster.until_phase("a", "Cancelled")
    assert ended["status"]["observedGeneration"] == ended["metadata"]["generation"] == 2
    assert cluster.condition(ended, "Terminated")["status"] == "True"


def test_a_deleted_run_can_be_applied_again_at_once(cluster: Cluster, worker: HandWorker) -> None:
    manifest = taskrun("again", lock={"key": "k", "policy": "Reject"})
    cluster.do("apply", "-f", "-", stdin=manifest)
    first = cluster.get("again")
    assert first is not None
    worker.start(first)
    cluster.until_phase("again", "Running")

    cluster.do("delete", "strun", "again")
    wait_until(lambda: cancelled(worker, first), SOON, "the deletion to be a cancel")
    cluster.do("apply", "-f", "-", stdin=manifest)
    second = cluster.until_phase("again", "Queued")
    worker.die(first)
    worker.start(second)

    shown = cluster.until_phase("again", "Running")
    assert shown["metadata"]["uid"] == second["metadata"]["uid"] != first["metadata"]["uid"]
    assert worker.state(first) is State.CANCELLED


def test_the_short_name_is_ours_and_tektons_are_not(cluster: Cluster) -> None:
    assert cluster.kubectl("get", "strun").returncode == 0
    assert cluster.kubectl("get", "singletrack").returncode == 0
    for taken in ("tr", "trs"):
        answer = cluster.kubectl("get", taken)
        assert "the server doesn't have a resource type" in answer.stderr


@pytest.mark.parametrize("example", sorted((ROOT / "k8s" / "examples").glob("*.yaml")), ids=str)
def test_every_example_is_accepted(cluster: Cluster, example: Any) -> None:
    assert "created" in cluster.do("create", "-f", str(example), "--dry-run=server")
    assert yaml.safe_load(example.read_text())["metadata"]["generateName"]


def cancelled(worker: HandWorker, created: dict[str, Any]) -> bool:
    record = worker.run(created)
    return record is not None and record.cancellation is not None


def test_both_time_limits_reach_the_run(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("limited", timeoutSeconds=60, softTimeoutSeconds=50))
    worker.until_state(created, State.READY)
    run = worker.run(created)

    assert run is not None
    assert (run.spec.timeout_seconds, run.spec.soft_timeout_seconds) == (60, 50)


def test_a_soft_limit_that_the_limit_of_the_task_comes_before_is_refused(
    cluster: Cluster, worker: HandWorker
) -> None:
    worker.register("hurried", timeout_seconds=5)
    cluster.create(taskrun("a", "hurried", softTimeoutSeconds=9))
    shown = cluster.until_phase("a", "Rejected")

    assert "softTimeoutSeconds (9) has to be less than timeoutSeconds (5)" in str(shown["status"])
