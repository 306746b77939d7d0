"""A server that has lost what it acknowledged, in mid-run: running work is adopted, nothing starts
twice, and what has ended stays ended."""

from __future__ import annotations

import shutil

import pytest
from celery import Celery
from support.local_platform import Platform, children_of, kill9
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.pods import Pod
from singletrack.policies import Policy
from singletrack.run import Door

LONG = 60.0


def flush(platform: Platform) -> None:
    platform.server.client().flushall()


def wait_for_start(platform: Platform, run_id: str) -> int:
    platform.wait_for(run_id, State.RUNNING)
    return platform.wait_for_begin(run_id)


def assert_runs_go_on(platform: Platform) -> None:
    wait_until(platform.blessed, LONG, "the ledger to be blessed")
    after = platform.submit("add", {"x": 1, "y": 1}, policy=Policy.QUEUE)
    assert platform.wait_for_end(after, timeout=LONG).state is State.SUCCEEDED
    platform.assert_promise_held()


def test_a_run_goes_on_when_the_server_loses_everything(platform: Platform) -> None:
    platform.start_worker()
    run_id = platform.submit("count_to", {"to": 40, "name": "flush"})
    wait_for_start(platform, run_id)
    before = platform.run(run_id)
    flush(platform)
    run = platform.wait_for_end(run_id, timeout=LONG)
    assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    assert (run.token, run.nonce, run.worker) == (before.token, before.nonce, before.worker)
    assert run.spec.kwargs == {"to": 40, "name": "flush"}
    assert (run.spec.lock, run.spec.door, run.spec.policy) == (
        before.spec.lock,
        before.spec.door,
        before.spec.policy,
    )
    assert_runs_go_on(platform)


def test_a_run_that_holds_its_lock_says_in_which_pod_it_is_and_says_it_again(
    platform: Platform,
) -> None:
    pod = Pod(namespace="shop", name="worker-1", uid="u1", node="n1")
    platform.start_worker(
        SINGLETRACK_POD_NAME=pod.name,
        SINGLETRACK_POD_NAMESPACE=pod.namespace,
        SINGLETRACK_POD_UID=pod.uid,
        SINGLETRACK_NODE_NAME=pod.node,
    )
    run_id = platform.submit("count_to", {"to": 40, "name": "pod"}, on_lost=OnLost.HOLD)
    wait_for_start(platform, run_id)
    assert platform.run(run_id).pod == pod
    flush(platform)
    run = platform.wait_for_end(run_id, timeout=LONG)
    assert (run.state, run.pod) == (State.SUCCEEDED, pod)
    assert_runs_go_on(platform)


def test_nothing_starts_until_the_grace_is_over(platform: Platform) -> None:
    platform.start_worker()
    run_id = platform.submit("count_to", {"to": 60, "name": "grace"})
    wait_for_start(platform, run_id)
    flush(platform)
    waiting = platform.submit("add", {"x": 1, "y": 1})
    platform.wait_for(run_id, State.RUNNING)
    assert platform.run(waiting).state is State.READY
    assert not platform.blessed()
    assert platform.wait_for_end(waiting, timeout=LONG).state is State.SUCCEEDED
    platform.wait_for_end(run_id)
    platform.assert_promise_held()


def test_what_has_ended_stays_ended(platform: Platform) -> None:
    platform.start_worker()
    done = platform.submit("add", {"x": 40, "y": 2})
    failed = platform.submit("fail", {"message": "oh"}, policy=Policy.QUEUE)
    platform.wait_for_end(done)
    before = platform.wait_for_end(failed)
    flush(platform)
    run = platform.wait_for(done, State.SUCCEEDED, timeout=LONG)
    assert run.result == "42"
    run = platform.wait_for(failed, State.FAILED, timeout=LONG)
    assert run.failure == before.failure
    again = ops.Submit(spec=run.spec, push=True)
    assert not platform.ledger.execute(again).created
    assert_runs_go_on(platform)


def test_a_producers_run_is_restored_too(platform: Platform) -> None:
    platform.start_worker()
    with Celery("producer", broker=platform.server.url, set_as_current=False) as producer:
        sent = producer.send_task("count_to", args=[30], kwargs={"name": "direct"})
    run_id = str(sent.id)
    platform.submitted.append(run_id)
    wait_until(lambda: platform.ledger.execute(ops.GetRun(run_id=run_id)), 20, "the record")
    wait_for_start(platform, run_id)
    flush(platform)
    run = platform.wait_for_end(run_id, timeout=LONG)
    assert (run.state, run.spec.door) == (State.SUCCEEDED, Door.PRODUCER)
    assert (run.spec.args, run.spec.kwargs) == ((30,), {"name": "direct"})
    assert_runs_go_on(platform)


def test_a_child_that_dies_while_nothing_is_known_of_its_run_loses_it(
    platform: Platform,
) -> None:
    platform.start_worker()
    run_id = platform.submit("count_to", {"to": 600, "name": "dies"})
    child = wait_for_start(platform, run_id)
    flush(platform)
    kill9(child)
    run = platform.wait_for_end(run_id, timeout=LONG)
    assert run.state is State.LOST
    assert run.failure is not None
    assert "SIGKILL" in run.failure.message
    assert_runs_go_on(platform)


def test_the_tasks_are_known_again_before_anything_may_start(platform: Platform) -> None:
    platform.start_worker()
    flush(platform)
    wait_until(platform.blessed, LONG, "the ledger to be blessed")
    assert "add" in platform.ledger.execute(ops.ListTasks())


@pytest.mark.parametrize("kept_since", ["claimed", "waiting"])
def test_an_older_copy_of_the_data_takes_no_run_away(platform: Platform, kept_since: str) -> None:
    """A copy from before the run was submitted, or from while it was waiting for its lock."""
    worker = platform.start_worker()
    first = platform.submit("count_to", {"to": 10, "name": "older"})
    wait_for_start(platform, first)
    second = ""
    if kept_since == "waiting":
        second = platform.submit("count_to", {"to": 40, "name": "older"}, policy=Policy.QUEUE)
    copy = platform.folder / "copy"
    data = platform.server.folder / "appendonlydir"
    shutil.copytree(data, copy)
    if not second:
        second = platform.submit("count_to", {"to": 40, "name": "older"}, policy=Policy.QUEUE)
    assert platform.wait_for_end(first).state is State.SUCCEEDED
    wait_for_start(platform, second)
    platform.server.kill9()
    shutil.rmtree(data)
    copy.rename(data)
    platform.server.start()
    assert platform.wait_for_end(second, timeout=LONG).state is State.SUCCEEDED
    assert platform.wait_for(first, State.SUCCEEDED, timeout=LONG).result is not None
    assert_runs_go_on(platform)
    assert children_of(worker.pid)
