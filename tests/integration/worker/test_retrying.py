"""Attempts on real workers: what fails, is lost or asks for it is tried again under its own id."""

import os
import signal

import pytest
from support.local_platform import with_tasks
from support.waiting import wait_until

from singletrack import Retry
from singletrack.lifecycle import State
from singletrack.testing.evidence import Limits

TASKS = """
from singletrack_worker.demo_tasks import *
from datetime import UTC, datetime, timedelta
from singletrack import task

@task(name="asks", bind=True, max_retries=2)
def asks(self, wanted):
    if self.request.retries < wanted:
        when = datetime.now(UTC) + timedelta(seconds=0.1)
        raise self.retry(exc=ValueError(f"after {self.request.retries}"), eta=when)
    return self.request.retries

@task(name="asks_by_itself", bind=True, autoretry_for=(KeyError,), default_retry_delay=0)
def asks_by_itself(self, wanted):
    if self.request.retries < wanted:
        raise KeyError(self.request.retries)
    return self.request.retries

@task(name="gives_up", bind=True, max_retries=1, default_retry_delay=0)
def gives_up(self):
    self.retry()

@task(name="changes", bind=True)
def changes(self, wanted):
    self.retry(args=(wanted + 1,))
"""


@pytest.fixture(scope="module")
def worker_environment(tmp_path_factory):
    """Of a project whose tasks ask for another attempt."""
    return with_tasks(tmp_path_factory.mktemp("tasks"), "again_tasks", TASKS)


@pytest.fixture
def platform(shared_platform):
    return shared_platform


def test_a_run_that_fails_is_tried_again_until_it_gets_through(platform):
    run = platform.wait_for_end(platform.submit("flaky", {"failures": 2}))
    assert (run.state, run.attempt) == (State.SUCCEEDED, 3)
    assert run.result == '"attempt 3 got through"'
    platform.assert_promise_held(Limits(max_attempts=4))


def test_a_run_that_never_gets_through_fails_with_its_last_error(platform):
    run_id = platform.submit("flaky", {"failures": 9}, retry=Retry(limit=1, initial_seconds=0))
    run = platform.wait_for_end(run_id)
    assert (run.state, run.attempt) == (State.FAILED, 2)
    assert run.failure.message == "attempt 2: nobody answers"
    platform.assert_promise_held(Limits(max_attempts=2))


def test_the_next_run_waits_until_the_last_attempt_is_over(platform):
    first = platform.submit("flaky", {"failures": 1})
    second = platform.submit("add", {"x": 1, "y": 2}, policy="Queue")
    assert platform.wait_for_end(second).state is State.SUCCEEDED
    assert platform.run(first).finished_at <= platform.run(second).started_at
    platform.assert_promise_held(Limits(max_attempts=2))


def test_a_run_whose_process_was_killed_is_tried_again_if_it_says_so(platform):
    retry = Retry(limit=1, initial_seconds=0, causes=("WorkerLost",))
    run_id = platform.submit("count_to", {"to": 10}, retry=retry)
    platform.wait_for_begin(run_id)
    os.kill(platform.events(run_id)[0].pid, signal.SIGKILL)
    run = platform.wait_for_end(run_id)
    assert (run.state, run.attempt) == (State.SUCCEEDED, 2)
    platform.assert_promise_held(Limits(max_attempts=2))


def test_a_run_whose_time_was_over_is_tried_again_if_it_says_so(platform):
    retry = Retry(limit=1, initial_seconds=0, causes=("Timeout",))
    run_id = platform.submit("sleep_with_child", {"seconds": 60}, retry=retry, timeout_seconds=0.5)
    run = platform.wait_for_end(run_id)
    assert (run.state, run.attempt) == (State.TIMED_OUT, 2)
    platform.assert_promise_held(Limits(max_attempts=2))


def test_a_cancel_between_two_attempts_ends_the_run_at_once(platform):
    slow = Retry(limit=3, initial_seconds=86_400, max_seconds=86_400)
    run_id = platform.submit("flaky", {"failures": 9}, retry=slow)
    wait_until(lambda: platform.run(run_id).backing_off)
    platform.cancel(run_id)
    assert platform.run(run_id).state is State.CANCELLED
    platform.assert_promise_held(Limits(max_attempts=4))


@pytest.mark.parametrize("task", ["asks", "asks_by_itself"])
def test_code_asks_for_another_attempt_as_in_any_celery_task(platform, task):
    run = platform.wait_for_end(platform.submit(task, {"wanted": 2}))
    assert (run.state, run.result, run.attempt) == (State.SUCCEEDED, "2", 3)
    assert run.failure is None


def test_code_that_has_asked_too_often_fails_with_its_own_error(platform):
    run = platform.wait_for_end(platform.submit("asks", {"wanted": 9}))
    assert (run.state, run.attempt) == (State.FAILED, 3)
    assert (run.failure.error_type, run.failure.message) == ("ValueError", "after 2")


def test_code_without_an_error_of_its_own_fails_with_celerys(platform):
    run = platform.wait_for_end(platform.submit("gives_up"))
    assert (run.state, run.attempt) == (State.FAILED, 2)
    assert run.failure.error_type == "celery.exceptions.MaxRetriesExceededError"


def test_code_that_wants_other_parameters_is_told_that_this_is_another_run(platform):
    run = platform.wait_for_end(platform.submit("changes", {"wanted": 1}))
    assert (run.state, run.attempt) == (State.FAILED, 1)
    assert "start another run with `.delay()`" in run.failure.message
