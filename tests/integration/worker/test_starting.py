"""A worker whose start fails half-way does not work without its gate."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from support.local_platform import agent_of, kill9, start_environment, with_tasks
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack import termination
from singletrack.lifecycle import State


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            "worker>ledger.sent/register_tasks:drop-reply, "
            "worker>ledger.sent/register_tasks:drop-reply@2",  # it is sent again once
            "singletrack-worker: the ledger at",
        ),
        ("worker>ledger.send/register_tasks:raise", "start_failed"),
    ],
)
def test_a_main_process_that_cannot_finish_its_start_ends(platform, entry, told):
    done = subprocess.run(
        [sys.executable, "-m", "singletrack_worker", "-c", "1"],
        env=start_environment(platform, **platform.failing(entry)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "ready." not in done.stderr, "it would drop every message it takes"


def test_a_child_that_cannot_finish_its_start_executes_nothing(platform):
    # Celery gives up a worker whose first child does not start; whoever supervises it has another.
    platform.start_worker(2, **platform.failing("child>agent.asked/Hello:raise"))
    platform.start_worker(1)
    runs = [platform.submit("count_to", {"to": 1, "name": f"r{i}"}) for i in range(6)]
    for run_id in runs:
        run = platform.wait_for_end(run_id, timeout=30)
        assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    assert "start_failed" in platform.worker_log()
    wait_until(lambda: not platform.ledger.execute(ops.ListLeases()))
    platform.assert_promise_held()


def test_an_agent_that_cannot_be_replaced_at_once_is_replaced_a_moment_later(platform):
    entry = "worker>agent.asked/Hello:drop-reply@2"
    worker = platform.start_worker(1, **platform.failing(entry))
    agent = agent_of(worker.pid)
    kill9(agent)
    run_id = platform.submit("add", {"x": 1, "y": 1})
    assert platform.wait_for_end(run_id, timeout=30).state is State.SUCCEEDED
    assert agent_of(worker.pid) != agent
    platform.assert_promise_held()


def test_a_worker_that_cannot_have_another_agent_ends(platform):
    entries = ", ".join(f"worker>agent.asked/Hello:drop-reply@{nth}" for nth in range(2, 20))
    worker = platform.start_worker(1, **platform.failing(entries))
    kill9(agent_of(worker.pid))
    assert worker.wait(60) is not None
    assert "agent_not_replaced" in platform.worker_log()


@contextmanager
def worker_without_ledger(platform, *command, **environment):
    """A worker that waits for its ledger, and the lines that it says from then on."""
    platform.server.kill9()
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        env=start_environment(platform, **environment),
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            lines = iter(worker.stderr)
            assert any("waiting_for_ledger" in line for line in lines)
            yield worker, lines
        finally:
            worker.kill()


def test_a_worker_that_is_there_before_its_ledger_waits_for_it(platform):
    with worker_without_ledger(platform, "singletrack_worker", "-c", "1") as (_, lines):
        platform.server.start()
        assert any(" ready." in line for line in lines)


PROJECT = """
from celery import Celery
from singletrack_worker import install

app = install(Celery("project"))
"""


def test_a_projects_own_worker_that_waits_for_its_ledger_ends_when_told_to(platform):
    # By a handler: a signal's default does nothing to the first process of a container.
    environment = with_tasks(platform.folder, "project", PROJECT)
    command = ["celery", "--app=project", "worker", "--concurrency=1"]
    with worker_without_ledger(platform, *command, **environment) as (worker, _):
        worker.terminate()
        assert worker.wait(30) == termination.CODE
