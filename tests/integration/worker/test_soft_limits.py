"""Soft time limits on real workers: what a task may make of one, and what it never hits."""

import pytest
from support.local_platform import start_environment, with_tasks
from support.producers import prompt
from support.waiting import wait_until

from singletrack import Retry
from singletrack.lifecycle import State

TASKS = """
import os, pathlib, signal, subprocess, sys, time
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from singletrack import context, task

CHILD = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"

def hang():
    while True:
        signal.pause()

def go_on(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass

@task(name="tidy", soft_timeout=0.5, timeout=60)
def tidy():
    caught = 0
    for _ in range(2):
        try:
            go_on(0.7) if caught else hang()
        except SoftTimeLimitExceeded:
            caught += 1
    return f"tidied up after {caught}"

@task(name="untidy", soft_timeout=0.5, timeout=60)
def untidy():
    hang()

@task(name="deaf", soft_timeout=0.3, timeout=1)
def deaf():
    until = time.monotonic() + 600
    while time.monotonic() < until:
        try:
            sum(range(200_000_000))  # in C, where no signal is seen
        except BaseException as error:
            context.progress(1, message=type(error).__name__)

@task(name="patient", soft_timeout=0.5, timeout=60)
def patient(child_file):
    child = subprocess.Popen([sys.executable, "-c", CHILD, child_file])
    try:
        hang()
    except SoftTimeLimitExceeded:
        return child.poll() is None
    finally:
        child.kill()
        child.wait()

@task(name="own_alarms", soft_timeout=0.5, timeout=60)
def own_alarms():
    heard, before = [], {}
    for number in (signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2):
        before[number] = signal.signal(number, lambda number, _frame: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        hang()
    except SoftTimeLimitExceeded:
        return [*heard, "soft"]
    finally:  # Celery tells of its own soft limits by SIGUSR1, in this process too
        for number, handler in before.items():
            signal.signal(number, handler)

@task(name="reports", soft_timeout=0.5, timeout=60)
def reports():
    try:
        while True:
            context.progress(1, 1, "again")  # the last of all is sent at once, whenever it comes
    except SoftTimeLimitExceeded:
        context.progress(2, 2, "told")
        return "told"

@task(name="asks_again", soft_timeout=0.5, timeout=60, bind=True, max_retries=1)
def asks_again(self):
    try:
        self.request.retries or hang()
    except SoftTimeLimitExceeded as error:
        raise self.retry(exc=error, countdown=0)
    return self.request.retries

@task(name="raises_it", soft_timeout=60)
def raises_it():
    raise SoftTimeLimitExceeded("of somebody else")

@task(name="celerys", soft_time_limit=1, time_limit=60)
def celerys():
    hang()

@task(name="unlimited")
def unlimited(seconds):
    time.sleep(seconds)
    return os.getpid()

@shared_task(name="foreign", soft_time_limit=1)
def foreign(file):
    try:
        hang()
    except SoftTimeLimitExceeded:
        pathlib.Path(file).touch()
"""

PRODUCER = """
import sys
from singletrack_worker.app import app
import limited_tasks

def told(result):
    try:
        return result.get(timeout=30)
    except Exception as error:
        return type(error).__name__

print({})
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The variables of processes that have the tasks above."""
    return with_tasks(tmp_path_factory.mktemp("tasks"), "limited_tasks", TASKS)


@pytest.fixture(scope="module")
def worker_environment(project):
    return project


@pytest.fixture
def limited(shared_platform):
    """A platform whose worker has the tasks above."""
    return shared_platform


def said(platform, project, expression):
    """What an expression is in the process of a producer that has the tasks above."""
    ask = prompt("", **start_environment(platform, **project))
    return ask(PRODUCER.format(expression))


def log_of(platform, run):
    """The lines of the worker's log about a run."""
    return "\n".join(line for line in platform.worker_log().splitlines() if run.run_id in line)


def test_a_task_that_catches_its_soft_limit_succeeds_with_what_it_returns(limited):
    run = limited.wait_for_end(limited.submit("tidy"))
    assert (run.state, run.result) == (State.SUCCEEDED, '"tidied up after 1"')


def test_a_task_that_lets_its_soft_limit_out_is_timed_out_and_says_so(limited):
    run = limited.wait_for_end(limited.submit("untidy"))
    assert (run.state, run.failure.reason) == (State.TIMED_OUT, "SoftTimeout")
    assert run.failure.error_type == "celery.exceptions.SoftTimeLimitExceeded"
    assert "limited_tasks.py" in run.failure.traceback
    after = limited.wait_for_end(limited.submit("tidy"))
    assert after.worker == run.worker
    assert "run_stopping" not in log_of(limited, run)


def test_a_task_that_does_not_hear_of_its_soft_limit_meets_the_other_one(limited):
    run = limited.wait_for_end(limited.submit("deaf"), timeout=40)
    assert (run.state, run.failure.reason) == (State.TIMED_OUT, "Timeout")
    assert "run_warned" in log_of(limited, run)
    assert "run_stopping" in log_of(limited, run)


def test_a_process_the_task_has_started_does_not_hear_of_its_soft_limit(limited):
    started = limited.folder / "child-has-started"
    run = limited.wait_for_end(limited.submit("patient", {"child_file": str(started)}))
    assert (run.state, run.result) == (State.SUCCEEDED, "true")


def test_a_task_keeps_its_alarms_and_signals(limited):
    run = limited.wait_for_end(limited.submit("own_alarms"))
    assert run.result == '[14, "soft"]'


def test_a_report_on_its_way_is_not_interrupted(limited):
    run = limited.wait_for_end(limited.submit("reports"))
    assert (run.state, run.result) == (State.SUCCEEDED, '"told"')
    assert run.progress.message == "told"
    assert "progress_not_sent" not in log_of(limited, run)


def test_a_soft_limit_that_is_over_while_the_end_is_being_told_does_nothing(own_platform, project):
    limited = own_platform
    limited.start_worker(1, **project, **limited.failing("executor.returned:delay(1500)"))
    run = limited.wait_for_end(limited.submit("unlimited", {"seconds": 0}, soft_timeout_seconds=1))
    assert run.state is State.SUCCEEDED
    assert "run_warned" in limited.worker_log()
    after = limited.wait_for_end(limited.submit("unlimited", {"seconds": 0}, policy="Queue"))
    assert after.result == run.result, "another process has executed it"


def test_a_soft_limit_that_is_over_before_the_code_has_started_ends_it_at_its_first_step(
    own_platform, project
):
    limited = own_platform
    limited.start_worker(1, **project, **limited.failing("executor.confirmed:delay(1500)"))
    run = limited.wait_for_end(limited.submit("unlimited", {"seconds": 0}, soft_timeout_seconds=1))
    assert (run.state, run.failure.reason) == (State.TIMED_OUT, "SoftTimeout")


def test_an_exception_of_that_name_is_an_error_where_no_limit_was_over(limited):
    run = limited.wait_for_end(limited.submit("raises_it"))
    assert (run.state, run.failure.reason) == (State.FAILED, "TaskError")


def test_a_run_whose_soft_limit_was_over_is_tried_again_as_one_over_its_time(limited):
    for cause, attempts in (("Timeout", 2), ("Error", 1)):
        retry = Retry(limit=1, initial_seconds=0, causes=(cause,))
        run = limited.wait_for_end(limited.submit("untidy", retry=retry))
        assert (run.state, run.attempt) == (State.TIMED_OUT, attempts)


def test_a_task_may_ask_for_another_attempt_when_its_soft_limit_is_over(limited):
    run = limited.wait_for_end(limited.submit("asks_again"))
    assert (run.state, run.result, run.attempt) == (State.SUCCEEDED, "1", 2)


# --- Celery's own soft limits --------------------------------------------------------------------


def test_celerys_soft_limit_of_a_task_is_the_runs_and_celery_itself_keeps_quiet(
    own_platform, project
):
    limited = own_platform
    limited.start_worker(1, "--soft-time-limit", "1", "--time-limit", "2", **project)
    assert said(limited, project, "told(limited_tasks.celerys.delay())") == "SoftTimeLimitExceeded"
    longer = limited.submit("unlimited", {"seconds": 3}, policy="Queue")
    assert limited.wait_for_end(longer).state is State.SUCCEEDED
    assert "Soft time limit" not in limited.worker_log()


def test_a_call_may_say_a_soft_limit_of_its_own(limited, project):
    run_id = said(
        limited,
        project,
        "limited_tasks.unlimited.apply_async((600,), soft_time_limit=1, time_limit=60).id",
    )
    run = limited.wait_for_end(run_id)
    assert (run.state, run.failure.reason) == (State.TIMED_OUT, "SoftTimeout")
    assert (run.spec.timeout_seconds, run.spec.soft_timeout_seconds) == (60, 1)


def test_a_task_that_does_not_pass_the_gate_is_still_told_by_celery(limited, project):
    limited.wait_for_end(limited.submit("tidy"))
    told = limited.folder / "told-by-celery"
    said(limited, project, f"app.send_task('foreign', ({str(told)!r},)).id")
    wait_until(told.exists, 20)
