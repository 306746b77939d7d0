"""From a TaskRun to its end: what is written, how often, and what becomes of bad ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from integration.operator.cluster import SOON, Cluster, HandWorker, OperatorProcess, taskrun
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State

CREATED = Counter({"POST  201": 1})
WRITTEN = "PATCH status 200"


def test_a_run_that_starts_at_once_costs_three_writes(cluster: Cluster, worker: HandWorker) -> None:
    before = cluster.writes()
    created = cluster.create(taskrun("a"))
    worker.start(created)
    cluster.until_phase("a", "Running")
    worker.finish(created)
    cluster.until_phase("a", "Succeeded")

    cluster.assert_written(CREATED + Counter({WRITTEN: 2}), since=before)


def test_the_writes_that_are_counted_here_are_those_of_the_metrics(
    cluster: Cluster, worker: HandWorker
) -> None:
    written, counted = cluster.all_writes()
    worker.start(cluster.create(taskrun("a")))
    cluster.until_phase("a", "Running")
    cluster.assert_written(CREATED + Counter({WRITTEN: 1}))

    def agree() -> bool:
        written_now, counted_now = cluster.all_writes()
        return written_now - written == counted_now - counted != Counter()

    wait_until(agree, SOON, "the audit log and the metrics to agree")


def test_a_run_that_waits_costs_one_more_however_many_go_first(
    cluster: Cluster, worker: HandWorker
) -> None:
    first = cluster.create(taskrun("first"))
    worker.start(first)
    cluster.until_phase("first", "Running")
    others = [cluster.create(taskrun(f"w{n}", priority=1)) for n in range(3)]
    for other in others:
        cluster.until_phase(other["metadata"]["name"], "Queued")
    before = cluster.writes()
    last = cluster.create(taskrun("last"))
    cluster.until_phase("last", "Queued")
    waiting = cluster.writes()

    for done, following in zip([first, *others], [*others, last], strict=True):
        worker.finish(done)
        cluster.until_phase(done["metadata"]["name"], "Succeeded")
        worker.start(following)
        cluster.until_phase(following["metadata"]["name"], "Running")
    worker.finish(last)
    cluster.until_phase("last", "Succeeded")

    assert waiting - before == CREATED + Counter({WRITTEN: 1})
    # Since then: the first one's end, two for each of the others, two for the last one.
    cluster.assert_written(Counter({WRITTEN: 1 + 3 * 2 + 2}), since=waiting)


def test_a_run_that_waits_says_that_its_lock_is_paused_and_costs_no_more_for_it(
    cluster: Cluster, worker: HandWorker
) -> None:
    lock = f"{cluster.namespace}/press"
    worker.ledger.execute(ops.PauseLock(lock=lock, by="ann", reason="new rollers"))
    before = cluster.writes()
    created = cluster.create(taskrun("a", lock={"key": "press"}))
    shown = cluster.until_phase("a", "Queued")
    assert cluster.condition(shown, "LockAcquired")["reason"] == "LockPaused"
    assert "was paused by ann: new rollers" in cluster.do("describe", "strun/a")

    worker.ledger.execute(ops.ResumeLock(lock=lock))
    worker.start(created)
    running = cluster.until_phase("a", "Running")
    assert cluster.condition(running, "LockAcquired")["reason"] == "Granted"
    worker.finish(created)
    cluster.until_phase("a", "Succeeded")
    cluster.assert_written(CREATED + Counter({WRITTEN: 3}), since=before)


def test_a_run_says_that_its_queue_is_paused(cluster: Cluster, worker: HandWorker) -> None:
    worker.ledger.execute(ops.PauseQueue(queue="slow", by="ann", reason="new workers"))
    before = cluster.writes()
    created = cluster.create(taskrun("a", queue="slow"))
    shown = cluster.until_phase("a", "Starting")
    assert cluster.condition(shown, "Reconciling")["reason"] == "QueuePaused"
    assert "was paused by ann: new workers" in cluster.do("describe", "strun/a")

    worker.ledger.execute(ops.ResumeQueue(queue="slow"))
    worker.start(created)
    cluster.until_phase("a", "Running")
    worker.finish(created)
    cluster.until_phase("a", "Succeeded")
    cluster.assert_written(CREATED + Counter({WRITTEN: 3}), since=before)


def test_who_comes_first_in_line_goes_first(cluster: Cluster, worker: HandWorker) -> None:
    first = cluster.create(taskrun("first"))
    worker.start(first)
    late = cluster.create(taskrun("late"))
    cluster.until_phase("late", "Queued")
    urgent = cluster.create(taskrun("urgent", priority=10))
    cluster.until_phase("urgent", "Queued")

    worker.finish(first)
    worker.until_state(urgent, State.READY)
    assert worker.state(late) is State.QUEUED


def test_a_joining_run_ends_in_one_write_and_names_the_one_it_joined(
    cluster: Cluster, worker: HandWorker
) -> None:
    worker.start(cluster.create(taskrun("first")))
    cluster.until_phase("first", "Running")
    before = cluster.writes()
    cluster.create(taskrun("second", lock={"policy": "Join"}))
    shown = cluster.until_phase("second", "Joined")

    assert shown["status"]["lock"]["holder"] == "first"
    assert cluster.condition(shown, "Succeeded")["status"] == "Unknown"
    assert cluster.condition(shown, "Finished")["status"] == "True"
    cluster.assert_written(CREATED + Counter({WRITTEN: 1}), since=before)


def test_a_skipped_run_names_the_holder(cluster: Cluster, worker: HandWorker) -> None:
    worker.start(cluster.create(taskrun("first")))
    cluster.create(taskrun("second", lock={"policy": "Skip"}))
    shown = cluster.until_phase("second", "Skipped")

    assert shown["status"]["lock"]["holder"] == "first"
    assert "held by run first" in shown["status"]["error"]["message"]


def test_only_the_newest_waits_under_queue_latest(cluster: Cluster, worker: HandWorker) -> None:
    first = cluster.create(taskrun("first"))
    worker.start(first)
    cluster.create(taskrun("second", lock={"policy": "QueueLatest"}))
    cluster.until_phase("second", "Queued")
    third = cluster.create(taskrun("third", lock={"policy": "QueueLatest"}))
    shown = cluster.until_phase("second", "Superseded")
    assert third["metadata"]["uid"] in shown["status"]["error"]["message"]

    worker.finish(first)
    worker.until_state(third, State.READY)


def test_many_created_at_once_get_in_line_in_the_order_of_their_creation(
    cluster: Cluster, worker: HandWorker
) -> None:
    names = [f"n{number:02}" for number in range(20)]
    manifests = {"apiVersion": "v1", "kind": "List", "items": [taskrun(name) for name in names]}
    cluster.do("create", "-f", "-", stdin=manifests)
    created = [_created(cluster, name) for name in names]
    runs = [_recorded(worker, it) for it in created]
    by_creation = sorted(zip(created, runs, strict=True), key=lambda pair: _version(pair[0]))
    sequence = [run.sequence for _, run in by_creation]
    assert sequence == sorted(sequence)


def test_what_was_created_while_no_operator_ran_gets_in_line_by_its_age_not_by_its_name(
    cluster: Cluster, operator: OperatorProcess, worker: HandWorker
) -> None:
    operator.stop()
    names = [f"n{number:02}" for number in reversed(range(12))]
    manifests = {"apiVersion": "v1", "kind": "List", "items": [taskrun(name) for name in names]}
    cluster.do("create", "-f", "-", stdin=manifests)
    created = [_created(cluster, name) for name in names]
    operator.start()
    sequence = [_recorded(worker, it).sequence for it in created]
    assert sequence == sorted(sequence)


def _created(cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = wait_until(lambda: cluster.get(name))
    return found


def _recorded(worker: HandWorker, created: dict[str, Any]) -> Any:
    return wait_until(lambda: worker.run(created), SOON, "a record")


def _version(created: dict[str, Any]) -> tuple[str, str]:
    metadata = created["metadata"]
    return metadata["creationTimestamp"], metadata["name"]


def test_a_refused_run_names_the_holder(cluster: Cluster, worker: HandWorker) -> None:
    worker.start(cluster.create(taskrun("holder")))
    cluster.create(taskrun("late", lock={"policy": "Reject"}))
    refused = cluster.until_phase("late", "Rejected")["status"]

    assert refused["lock"]["holder"] == "holder"
    assert refused["error"]["reason"] == "LockHeld"
    assert "holder" in refused["error"]["message"]


def test_an_unknown_task_waits_for_a_worker_that_knows_it(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess
) -> None:
    created = cluster.create(taskrun("a", task=f"late-{cluster.namespace}"))
    wait_until(lambda: "TaskNotRegistered" in str(cluster.get("a")), SOON)
    shown = cluster.get("a")
    assert shown is not None
    accepted = cluster.condition(shown, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("Unknown", "TaskNotRegistered")
    assert shown["status"]["phase"] == "Pending"
    assert worker.run(created) is None

    worker.register(f"late-{cluster.namespace}")
    worker.start(created)
    cluster.until_phase("a", "Running")


def test_an_unknown_task_expires(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("a", task="never", startDeadlineSeconds=1))
    ended = cluster.until_phase("a", "Expired")

    assert ended["status"]["error"]["reason"] == "TaskNotRegistered"
    assert cluster.condition(ended, "Accepted")["status"] == "False"
    assert worker.run(created) is None


@pytest.mark.parametrize(
    ("params", "reason", "sentence"),
    [
        ({"nme": "Bob"}, "InvalidParams", "'nme'"),
        ({"name": 7}, "InvalidParams", "params.name"),
        ({"name": "x" * 17_000}, "ParamsTooLarge", "the limit is 16384"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(
    cluster: Cluster, worker: HandWorker, params: dict[str, object], reason: str, sentence: str
) -> None:
    created = cluster.create(taskrun("a", params=params))
    ended = cluster.until_phase("a", "Rejected")

    assert ended["status"]["error"]["reason"] == reason
    assert sentence in ended["status"]["error"]["message"]
    assert worker.run(created) is None


def test_ten_megabytes_of_parameters_never_get_in(
    cluster: Cluster, operator: OperatorProcess
) -> None:
    answer = cluster.kubectl(
        "create", "-f", "-", stdin=taskrun("a", params={"name": "x" * 10_000_000})
    )

    assert answer.returncode != 0
    assert "too large" in answer.stderr
    assert operator.alive


def test_a_waiting_run_is_cancelled_without_ever_starting(
    cluster: Cluster, worker: HandWorker
) -> None:
    worker.start(cluster.create(taskrun("first")))
    cluster.create(taskrun("second"))
    cluster.until_phase("second", "Queued")
    cluster.do("patch", "strun", "second", "--type=merge", "-p", '{"spec":{"cancel":{}}}')
    ended = cluster.until_phase("second", "Cancelled")

    assert cluster.condition(ended, "Terminated")["reason"] == "NeverStarted"


def test_a_finished_one_is_deleted_when_its_time_is_over(
    cluster: Cluster, worker: HandWorker
) -> None:
    created = cluster.create(taskrun("a", ttlSecondsAfterFinished=1))
    worker.start(created)
    worker.finish(created)
    cluster.until_phase("a", "Succeeded")

    wait_until(lambda: cluster.get("a") is None, SOON, "the deletion")


def test_a_large_result_is_read_elsewhere(cluster: Cluster, worker: HandWorker) -> None:
    created = cluster.create(taskrun("a"))
    worker.start(created)
    worker.finish(created, result='"' + "x" * 5000 + '"')
    ended = cluster.until_phase("a", "Succeeded")
    stored = cluster.condition(ended, "ResultStored")

    assert "result" not in ended["status"]
    assert (stored["status"], stored["reason"]) == ("True", "External")
    assert created["metadata"]["uid"] in stored["message"]


def test_replacing_ends_the_holder_and_everybody_waiting(
    cluster: Cluster, worker: HandWorker
) -> None:
    holder = cluster.create(taskrun("holder"))
    worker.start(holder)
    cluster.create(taskrun("waiting"))
    cluster.until_phase("waiting", "Queued")
    cluster.create(taskrun("newest", lock={"policy": "Replace"}))

    cluster.until_phase("waiting", "Superseded")
    cluster.until_phase("newest", "Queued")
    worker.die(holder)
    cluster.until_phase("holder", "Cancelled")


def test_the_numbers_agree(cluster: Cluster, worker: HandWorker, operator: OperatorProcess) -> None:
    ended = operator.metric("singletrack_runs_finished_total", task="hello", outcome="succeeded")
    written = operator.metric("singletrack_operator_status_writes_total", phase="Succeeded")
    created = cluster.create(taskrun("a"))
    worker.start(created)
    worker.finish(created)
    cluster.until_phase("a", "Succeeded")

    assert written + 1 == operator.metric(
        "singletrack_operator_status_writes_total", phase="Succeeded"
    )
    assert ended + 1 == operator.metric(
        "singletrack_runs_finished_total", task="hello", outcome="succeeded"
    )
    assert operator.metric("singletrack_operator_watch_restarts_total") == 0
