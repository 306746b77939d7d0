"""The same promises with RabbitMQ as the broker: it carries messages, the ledger keeps the runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from support.local_platform import ROOT, Platform, children_of, kill9
from support.rabbitmq import RabbitMQ
from support.redis_servers import RedisServer
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.policies import Policy
from singletrack.run import Run

LONG = 60.0

PROJECT = """
from celery import Celery
from singletrack import task
from singletrack_worker import install
from singletrack_worker.demo_tasks import *

app = install(Celery("project", backend="rpc://"))

@app.task(name="theirs")
def theirs(x):
    return 2 * x
"""


@pytest.fixture
def rabbit(fresh_valkey: RedisServer, rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Platform]:
    """A platform whose messages go through RabbitMQ, by a queue of this test's own."""
    queue = {"SINGLETRACK_DEFAULT_QUEUE": tmp_path.name, "SINGLETRACK_BROKER_URL": rabbitmq.url}
    platform = Platform(fresh_valkey, tmp_path, **queue)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


@pytest.fixture
def producer(rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Celery]:
    """An app that knows the broker and its queue and nothing else."""
    with Celery("producer", broker=rabbitmq.url, set_as_current=False) as app:
        app.conf.task_default_queue = tmp_path.name
        yield app


def send(platform: Platform, producer: Celery, task: str, *args: object, **named: object) -> str:
    run_id = str(producer.send_task(task, args=args, kwargs=named).id)
    platform.submitted.append(run_id)
    return run_id


def recorded(platform: Platform, run_id: str) -> Run:
    get = ops.GetRun(run_id=run_id)
    return wait_until(lambda: platform.ledger.execute(get), LONG, f"a record of {run_id}")


def start(platform: Platform, *options: str) -> subprocess.Popen[bytes]:
    return platform.start_worker(2, "-Q", platform.settings.broker.default_queue, *options)


def test_a_producers_run_is_parked_behind_the_lock_and_runs_once(
    rabbit: Platform, producer: Celery
) -> None:
    start(rabbit)
    first = send(rabbit, producer, "count_to", 30, name="a")
    rabbit.wait_for_begin(first)
    second, third = (send(rabbit, producer, "count_to", 1, name="a") for _ in range(2))
    for run_id in (second, third):
        recorded(rabbit, run_id)
        assert rabbit.wait_for(run_id, State.QUEUED).attempt == 0
    for run_id in (first, second, third):
        run = rabbit.wait_for_end(run_id, timeout=LONG)
        assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    rabbit.assert_promise_held()


def test_what_is_submitted_is_published_by_the_outbox(rabbit: Platform) -> None:
    queue = rabbit.settings.broker.default_queue
    run_id = rabbit.submit("count_to", {"to": 1, "name": "a"}, queue=queue)
    waiting = rabbit.submit("count_to", {"to": 1, "name": "a"}, queue=queue, policy=Policy.QUEUE)
    wait_until(lambda: rabbit.run(run_id).publications == 1, LONG, "the run to be published")
    assert not rabbit.server.client().exists(queue)
    start(rabbit)
    for each in (run_id, waiting):
        assert rabbit.wait_for_end(each, timeout=LONG).state is State.SUCCEEDED
    rabbit.assert_promise_held()


def test_what_a_killed_worker_had_comes_again_and_nothing_starts_twice(
    rabbit: Platform, producer: Celery
) -> None:
    worker = start(rabbit, "--prefetch-multiplier", "4")
    executing = [send(rabbit, producer, "count_to", 600, name=name) for name in "ab"]
    for run_id in executing:
        rabbit.wait_for_begin(run_id)
    held = [send(rabbit, producer, "count_to", 1, name=name) for name in "cdef"]
    parked = send(rabbit, producer, "count_to", 1, name="a")
    kill9(worker.pid)
    worker.wait(20)
    start(rabbit)
    for run_id in executing:
        run = rabbit.wait_for_end(run_id, timeout=LONG)
        assert (run.state, run.attempt) == (State.LOST, 1)
        assert len({event.pid for event in rabbit.events(run_id)}) == 1
    for run_id in (*held, parked):
        recorded(rabbit, run_id)
        run = rabbit.wait_for_end(run_id, timeout=LONG)
        assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    rabbit.assert_promise_held()


def test_a_stopped_worker_lets_its_run_finish_and_gives_back_the_rest(
    rabbit: Platform, producer: Celery
) -> None:
    worker = start(rabbit)
    executing = [send(rabbit, producer, "count_to", 20, name=name) for name in "ab"]
    for run_id in executing:
        rabbit.wait_for_begin(run_id)
    rest = [send(rabbit, producer, "count_to", 1, name=name) for name in "cd"]
    below = children_of(worker.pid)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(LONG) == 0
    assert not set(below) & set(children_of(os.getpid()))
    start(rabbit)
    for run_id in (*executing, *rest):
        recorded(rabbit, run_id)
        run = rabbit.wait_for_end(run_id, timeout=LONG)
        assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    rabbit.assert_promise_held()


def test_a_revoke_by_way_of_rabbitmq_is_a_cancel(rabbit: Platform, producer: Celery) -> None:
    start(rabbit)
    run_id = send(rabbit, producer, "sleep_with_child", 60)
    rabbit.wait_for_begin(run_id)
    producer.control.revoke(run_id, terminate=True, signal="SIGKILL")
    assert rabbit.wait_for_end(run_id).state is State.CANCELLED
    rabbit.assert_promise_held()


@pytest.fixture
def project(rabbit: Platform) -> Callable[[str], str]:
    """Run code in a process of a project that has its results by `rpc://`."""
    (rabbit.folder / "project.py").write_text(PROJECT)
    paths = (ROOT / "core", ROOT / "worker", rabbit.folder)
    queue = rabbit.settings.broker.default_queue
    rabbit.environment |= {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    with (rabbit.folder / "project.py").open("a") as module:
        module.write(f"\napp.conf.task_default_queue = {queue!r}\n")

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from project import *\n" + textwrap.dedent(code)],
            env={**os.environ, **rabbit.environment},
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def start_project(platform: Platform) -> subprocess.Popen[bytes]:
    """The project's own worker."""
    log = (platform.folder / "project.log").open("wb")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "project", "worker", "-c", "1", "-l", "info"],
            env={**os.environ, **platform.environment},
            cwd=platform.folder,
            stdout=log,
            stderr=log,
        )
    platform.workers.append(process)
    path = platform.folder / "project.log"
    wait_until(
        lambda: process.poll() is not None or b" ready." in path.read_bytes(), 90, "the worker"
    )
    assert process.poll() is None, path.read_text()
    return process


def test_results_by_rpc_and_those_of_the_ledger_are_told_apart(
    rabbit: Platform, project: Callable[[str], str]
) -> None:
    start_project(rabbit)
    code = """
    theirs_result, ours = theirs.delay(21), add.delay(1, 2)
    print(theirs_result.get(timeout=40), ours.get(timeout=40), ours.status)
    """
    assert project(code) == "42 3 SUCCESS"
