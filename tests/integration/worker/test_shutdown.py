"""How a worker goes: by each signal, under load, and what becomes of the runs it has."""

import os
import random
import signal
from functools import partial

from celery import Celery
from support.local_platform import alive, children_of, with_tasks
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.policies import Policy

SEED = int(os.environ.get("SINGLETRACK_TEST_SEED", "20261125"))


def household(worker):
    """The pids of everything a worker has started."""
    below, seen = [worker.pid], []
    while below:
        found = children_of(below.pop())
        seen += found
        below += found
    return seen


def is_gone(worker, processes):
    return worker.poll() is not None and not any(alive(pid) for pid in processes)


def flow(platform, rng, number):
    """Runs on a few locks that take no time, some, and a little more."""
    return [
        platform.submit(
            "count_to",
            {"to": rng.randint(0, 6), "name": f"n{rng.randint(0, 3)}", "seconds": 0.05},
            policy=Policy.QUEUE,
        )
        for _ in range(number)
    ]


def told(platform, run):
    """How a run went wrong, and all its workers' logs say of it and of their own end."""
    words = (run.run_id, "main_ended", "agent_", "fence", "shutdown")
    logs = [platform.worker_log(i).splitlines() for i in range(len(platform.workers))]
    lines = [line for log in logs for line in log if any(word in line for word in words)]
    return "\n".join([f"{run.run_id} {run.state} {run.worker} {run.failure}", *lines])


def test_workers_that_are_replaced_one_after_the_other_lose_no_run_and_start_none_twice(platform):
    rng = random.Random(SEED)
    worker, gone, runs = platform.start_worker(), [], []
    for _ in range(4):
        runs += flow(platform, rng, 12)
        following = platform.start_worker()
        gone.append((worker, household(worker)))
        worker.terminate()
        runs += flow(platform, rng, 4)
        worker = following
    ends = [platform.wait_for_end(run_id, timeout=60) for run_id in runs]
    assert not [told(platform, run) for run in ends if run.state is not State.SUCCEEDED]
    for old, processes in gone:
        wait_until(partial(is_gone, old, processes), 30, "an old worker to be gone")
        assert old.returncode == 0
    platform.assert_promise_held()


def busy_worker(platform, *options, **environment):
    """A worker whose two slots are taken, and two runs more, one for each lock."""
    worker = platform.start_worker(2, *options, **environment)
    executing = [
        platform.submit("sleep_with_child", {"seconds": 60}),
        platform.submit("count_to", {"to": 900, "name": "x"}),
    ]
    for run_id in executing:
        platform.wait_for_begin(run_id)
    wait_until(lambda: len({event.pid for event in platform.events(executing[0])}) == 2)
    waiting = [
        platform.submit("add", {"x": 1, "y": 1}, policy=Policy.QUEUE),
        platform.submit("count_to", {"to": 1, "name": "y"}),
    ]
    return worker, household(worker), executing, waiting


def assert_interrupted_and_the_rest_goes_on(platform, worker, processes, executing, waiting):
    wait_until(lambda: is_gone(worker, processes), 30, "the worker to be gone with all its tree")
    for run_id in executing:
        run = platform.wait_for_end(run_id)
        assert (run.state, run.failure.reason) == (State.FAILED, "Interrupted"), told(platform, run)
    assert not platform.ledger.execute(ops.ReadServer()).agents
    platform.start_worker()
    for run_id in waiting:
        run = platform.wait_for_end(run_id, timeout=40)
        assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    platform.assert_promise_held()


def test_a_cold_shutdown_interrupts_what_executes_and_hands_back_the_rest(platform):
    worker, *runs = busy_worker(platform)
    worker.send_signal(signal.SIGQUIT)
    assert_interrupted_and_the_rest_goes_on(platform, worker, *runs)


STOPPED_AMID_A_MESSAGE = """
import os, signal
from billiard import pool
from singletrack_worker.demo_tasks import *

def interrupted(writer, of=pool._get_send_offset):
    send = of(writer)
    def send_and_stop(part, offset):
        sent = send(part, offset)
        with open("{handed}", "a") as file:
            file.write(".")
        if os.path.getsize("{handed}") == 3:  # after the length of the second message
            os.kill(os.getpid(), signal.SIGQUIT)
        return sent
    return send_and_stop

pool._get_send_offset = interrupted
"""


def test_a_cold_shutdown_while_a_message_is_handed_to_a_child_does_not_wait_for_ever(platform):
    text = STOPPED_AMID_A_MESSAGE.format(handed=platform.folder / "handed")
    worker = platform.start_worker(2, **with_tasks(platform.folder, "stopped_tasks", text))
    executing = platform.submit("count_to", {"to": 900, "name": "x"})
    platform.wait_for_begin(executing)
    processes = household(worker)
    platform.submit("count_to", {"to": 900, "name": "y"})
    wait_until(lambda: is_gone(worker, processes), 30, "the worker to be gone with all its tree")
    assert platform.wait_for_end(executing).failure.reason == "Interrupted"
    platform.assert_promise_held()


def test_a_second_interrupt_in_a_warm_shutdown_is_a_cold_one(platform):
    worker, *runs = busy_worker(platform)
    worker.send_signal(signal.SIGINT)
    wait_until(lambda: "Warm shutdown" in platform.worker_log(), 20)
    worker.send_signal(signal.SIGINT)
    assert_interrupted_and_the_rest_goes_on(platform, worker, *runs)


def test_a_soft_shutdown_lets_short_runs_end_and_interrupts_long_ones(platform):
    text = (
        "from celery import current_app\n"
        "from singletrack_worker.demo_tasks import *\n"
        "current_app.conf.worker_soft_shutdown_timeout = 4\n"
    )
    tasks = with_tasks(platform.folder, "soft_tasks", text)
    worker = platform.start_worker(2, REMAP_SIGTERM="SIGQUIT", **tasks)
    short = platform.submit("count_to", {"to": 10, "name": "short"})
    long = platform.submit("sleep_with_child", {"seconds": 60})
    for run_id in (short, long):
        platform.wait_for_begin(run_id)
    processes = household(worker)
    worker.terminate()
    assert platform.wait_for_end(short).state is State.SUCCEEDED
    assert_interrupted_and_the_rest_goes_on(platform, worker, processes, [long], [])


def test_children_that_are_replaced_after_every_few_runs_lose_none(platform):
    platform.start_worker(2, "--max-tasks-per-child", "2")
    runs = flow(platform, random.Random(SEED), 16)
    ends = [platform.wait_for_end(run_id, timeout=60) for run_id in runs]
    assert not [told(platform, run) for run in ends if run.state is not State.SUCCEEDED]
    children = {event.pid for run_id in runs for event in platform.events(run_id)}
    assert len(children) >= len(runs) // 2
    platform.assert_promise_held()


def test_a_child_that_has_grown_too_large_is_replaced_between_runs(platform):
    platform.start_worker(1, "--max-memory-per-child", "1")
    runs = flow(platform, random.Random(SEED), 5)
    ends = [platform.wait_for_end(run_id, timeout=60) for run_id in runs]
    assert not [told(platform, run) for run in ends if run.state is not State.SUCCEEDED]
    children = {event.pid for run_id in runs for event in platform.events(run_id)}
    assert len(children) == len(runs)
    platform.assert_promise_held()


def test_a_drained_worker_ends_what_it_has_takes_nothing_more_and_can_be_stopped(platform):
    worker = platform.start_worker(2)
    first = platform.submit("count_to", {"to": 20, "name": "x"})
    platform.wait_for_begin(first)
    app = Celery(broker=platform.server.url)
    replies = app.control.cancel_consumer("celery", reply=True, timeout=10, limit=1)
    assert "no longer consuming" in str(replies)
    later = platform.submit("count_to", {"to": 1, "name": "y"})
    assert platform.wait_for_end(first).state is State.SUCCEEDED
    assert platform.run(later).state is State.READY
    worker.terminate()
    worker.wait(20)
    platform.start_worker()
    assert platform.wait_for_end(later, timeout=40).state is State.SUCCEEDED
    app.close()
    platform.assert_promise_held()
