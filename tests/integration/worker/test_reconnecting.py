"""A worker that has lost its broker and found it again gives each child its work as before."""

from __future__ import annotations

import os
import signal

import pytest
from support.local_platform import ROOT, Platform, agent_of, children_of, kill9
from support.waiting import wait_until

from singletrack.lifecycle import State

SOON = 12.0
"""Before anybody publishes a message again."""

#: Celery's main makes new pipes for the place of a child that died at work. Meanwhile other threads
#: open files: the one by which the dead child answered is closed, and its number is the next free
#: one, or the next but one.
TAKING = """
import os
from celery.concurrency.asynpool import AsynPool

destroy_queues = AsynPool.destroy_queues

def destroy_and_take(pool, queues, process):
    number = queues[1]._reader.fileno()
    destroyed = destroy_queues(pool, queues, process)
    taken = []
    while not taken or taken[-1] < number:
        taken.append(os.open(os.devnull, os.O_RDONLY))
    os.close(taken.pop())
    for _ in range(int(os.environ["LEFT_FREE"])):
        os.close(taken.pop())
    return destroyed

AsynPool.destroy_queues = destroy_and_take
"""


@pytest.mark.parametrize(
    "left_free",
    [
        pytest.param(0, id="where_it_gets_its_work_there_main_had_heard_another"),
        pytest.param(1, id="where_main_gives_it_work_there_main_had_heard_another"),
    ],
)
def test_a_child_in_the_place_of_one_that_died_at_work_gets_what_comes_after_a_reconnect(
    platform: Platform, left_free: int
) -> None:
    main = start_worker(platform, left_free)
    lost = platform.submit("count_to", {"to": 600, "name": "lost"})
    kill9(platform.wait_for_begin(lost))
    assert platform.wait_for_end(lost).state is State.LOST
    succeeds(platform, platform.submit("add", {"x": 1, "y": 1}))

    reconnect(platform)

    [child] = set(children_of(main)) - {agent_of(main)}
    os.kill(child, signal.SIGSTOP)  # so that whoever else wants its work is first
    run_id = platform.submit("add", {"x": 1, "y": 2})
    wait_until(lambda: noted(platform, run_id), SOON, "main to have the message")
    os.kill(child, signal.SIGCONT)
    succeeds(platform, run_id)
    platform.assert_promise_held()


def start_worker(platform: Platform, left_free: int) -> int:
    (platform.folder / "taking.py").write_text(TAKING)
    paths = (ROOT / "core", ROOT / "worker", platform.folder)
    return platform.start_worker(
        1,
        SINGLETRACK_TASKS="singletrack_worker.demo_tasks,taking",
        PYTHONPATH=os.pathsep.join(map(str, paths)),
        LEFT_FREE=str(left_free),
    ).pid


def succeeds(platform: Platform, run_id: str) -> None:
    assert platform.wait_for_end(run_id, timeout=SOON).state is State.SUCCEEDED


def reconnect(platform: Platform) -> None:
    """Have the worker lose its broker and find it again."""
    platform.server.kill9()
    platform.server.start()
    wait_until(lambda: platform.worker_log().count("Connected to redis") == 2, 30, "a reconnect")
    wait_until(platform.blessed, 60, "the ledger to be blessed")


def noted(platform: Platform, run_id: str) -> bool:
    return any(run_id in kept for kept in platform.server.client().hvals("unacked"))
