"""Celery's ways to revoke: each becomes a cancel in the ledger, and main never kills a child."""

import subprocess
import sys
import uuid

import pytest
from celery import Celery
from support.local_platform import alive, start_environment
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.policies import Policy

LONG = 60


@pytest.fixture
def platform(shared_platform):
    return shared_platform


@pytest.fixture
def bare(platform):
    """A Celery app that shares the broker and nothing else."""
    with Celery("bare", broker=platform.server.url, set_as_current=False) as app:
        yield app


def command(platform, *arguments):
    """Run Python in a project that Singletrack is installed in, and answer what it says."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=start_environment(platform),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def executing(platform, bare, **options):
    """A run with a process of its own, and the pids of both."""
    run_id = bare.send_task("sleep_with_child", args=[LONG], **options).id
    platform.submitted.append(run_id)
    platform.wait_for_begin(run_id)
    pids = wait_until(lambda: len(p := {e.pid for e in platform.events(run_id)}) == 2 and p)
    return run_id, pids


def recorded(platform, run_id):
    return wait_until(lambda: platform.ledger.execute(ops.GetRun(run_id=run_id)), 20, "a record")


def assert_cancelled(platform, run_id, pids=()):
    recorded(platform, run_id)
    run = platform.wait_for_end(run_id)
    assert (run.state, run.cancellation and run.cancellation.by) == (State.CANCELLED, "revoke")
    assert not any(alive(pid) for pid in pids)


def assert_never_started(platform, run_id):
    assert platform.run(run_id).attempt == 0
    assert not platform.events(run_id)


def test_terminate_at_the_command_line_is_a_cancel(platform, bare):
    run_id, pids = executing(platform, bare)
    app = ("celery", "-A", "singletrack_worker.app")
    command(platform, "-m", *app, "control", "terminate", "SIGKILL", run_id)
    assert_cancelled(platform, run_id, pids)
    platform.assert_promise_held()


def test_terminate_of_any_app_is_a_cancel(platform, bare):
    run_id, pids = executing(platform, bare)
    bare.control.broadcast("terminate", arguments={"signal": 9, "task_id": run_id})
    assert_cancelled(platform, run_id, pids)
    platform.assert_promise_held()


def test_terminate_reaches_a_run_that_no_worker_has(platform, bare):
    executing(platform, bare)
    waiting = platform.submit("sleep_with_child", policy=Policy.QUEUE)
    bare.control.broadcast("terminate", arguments={"signal": "SIGTERM", "task_id": waiting})
    assert_cancelled(platform, waiting)
    assert_never_started(platform, waiting)


def test_several_are_revoked_at_once_whatever_they_do(platform, bare):
    run_id, pids = executing(platform, bare)
    waiting = [platform.submit("sleep_with_child", policy=Policy.QUEUE) for _ in range(2)]
    ended = platform.submit("count_to", {"to": 0})
    assert platform.wait_for_end(ended).state is State.SUCCEEDED
    everybody = [run_id, *waiting, ended, str(uuid.uuid4())]
    bare.control.revoke(everybody, terminate=True, signal="SIGKILL")
    assert_cancelled(platform, run_id, pids)
    for other in waiting:
        assert_cancelled(platform, other)
        assert_never_started(platform, other)
    assert platform.run(ended).state is State.SUCCEEDED
    platform.assert_promise_held()


def stamped(customer):
    """Each test has a customer of its own: a worker remembers whose runs were revoked."""
    return {"stamped_headers": ["customer"], "stamps": {"customer": customer}}


def test_what_executes_is_revoked_by_its_stamp(platform, bare):
    run_id, pids = executing(platform, bare, headers=stamped("Ann"))
    other, _ = executing(platform, bare, headers={"singletrack_lock": "other"})
    bare.control.revoke_by_stamped_headers({"customer": "Ann"}, terminate=True, signal="SIGKILL")
    assert_cancelled(platform, run_id, pids)
    assert platform.run(other).state is State.RUNNING
    platform.cancel(other, grace_seconds=0)
    platform.wait_for_end(other)
    platform.assert_promise_held()


def test_what_waits_for_its_lock_is_revoked_by_its_stamp_when_its_turn_comes(platform, bare):
    holder, _ = executing(platform, bare)
    waiting = bare.send_task("sleep_with_child", args=[LONG], headers=stamped("Bob")).id
    platform.submitted.append(waiting)
    assert recorded(platform, waiting).state is State.QUEUED
    replies = bare.control.revoke_by_stamped_headers({"customer": "Bob"}, reply=True, limit=1)
    assert "flagged as revoked" in str(replies)
    platform.cancel(holder, grace_seconds=0)
    assert_cancelled(platform, waiting)
    assert_never_started(platform, waiting)
    platform.assert_promise_held()


def test_what_comes_later_is_revoked_by_its_stamp(platform, bare):
    bare.control.revoke_by_stamped_headers({"customer": ["Eve", "Nat"]}, reply=True, limit=1)
    run_id = bare.send_task("add", args=[1, 1], headers=stamped("Eve")).id
    assert_cancelled(platform, run_id)
    assert_never_started(platform, run_id)


def test_what_is_revoked_before_it_comes_is_recorded_as_cancelled(platform, bare):
    run_id = str(uuid.uuid4())
    bare.control.revoke(run_id, reply=True, limit=1)
    bare.send_task("add", args=[1, 1], task_id=run_id)
    assert_cancelled(platform, run_id)
    assert_never_started(platform, run_id)


def test_what_is_revoked_before_it_is_submitted_is_cancelled_when_its_message_comes(platform, bare):
    run_id = str(uuid.uuid4())
    bare.control.revoke(run_id, reply=True, limit=1)
    platform.submit("add", {"x": 1, "y": 1}, run_id=run_id)
    assert_cancelled(platform, run_id)
    assert_never_started(platform, run_id)


def test_a_revoke_while_no_worker_is_up_is_kept(own_platform):
    platform = own_platform
    executing_first = platform.start_worker()
    executing_first.terminate()
    executing_first.wait(20)
    run_id = platform.submit("add", {"x": 1, "y": 1})
    command(
        platform,
        "-c",
        "from singletrack_worker.app import app\n"
        "from celery.result import AsyncResult\n"
        f"AsyncResult('{run_id}', app=app).revoke()",
    )
    assert_cancelled(platform, run_id)
    platform.start_worker()
    after = platform.submit("add", {"x": 2, "y": 2})
    assert platform.wait_for_end(after).state is State.SUCCEEDED
    assert_never_started(platform, run_id)
