"""One part killed in mid-run, each in turn: one end, no second start, the lock free in time."""

import os
import signal

import pytest
from support.local_platform import BOUND_SECONDS, agent_of, alive, children_of, kill9
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.exits import Exit
from singletrack.failpoints import arming
from singletrack.lifecycle import State
from singletrack.policies import Policy


def begin_two(platform, slots=2):
    """A long run that has begun, and a short one that waits for the same lock."""
    worker = platform.start_worker(slots=slots)
    first = platform.submit("sleep_with_child", {"seconds": 60})
    second = platform.submit("add", {"x": 1, "y": 1}, policy=Policy.QUEUE)
    platform.wait_for_begin(first)
    wait_until(lambda: len({e.pid for e in platform.events(first)}) == 2)
    return worker, first, second


def tree_of(platform, run_id):
    return {event.pid for event in platform.events(run_id)}


def assert_ended_once(platform, first, second, bound=BOUND_SECONDS):
    assert platform.wait_for_end(first, timeout=bound).state is State.LOST
    assert platform.wait_for_end(second).state is State.SUCCEEDED
    assert not any(alive(pid) for pid in tree_of(platform, first))
    platform.assert_promise_held()


def test_a_killed_child_loses_its_run_at_once_and_says_how_it_died(platform):
    _worker, first, second = begin_two(platform)
    kill9(platform.wait_for_begin(first))
    assert_ended_once(platform, first, second, bound=2)
    failure = platform.run(first).failure
    assert (failure.reason, failure.message) == ("WorkerLost", "killed by SIGKILL")
    assert failure.exit == Exit(signal="SIGKILL")


def test_how_a_child_dies_is_told_to_the_agent_after_the_broker_was_away_too(platform):
    entry = "worker>agent.ask/ChildExit:delay(1)"
    platform.start_worker(1, **platform.failing(entry))
    platform.server.kill9()
    platform.server.start()
    wait_until(platform.blessed, 20)
    first = platform.submit("add", {"x": 1, "y": 1})
    assert platform.wait_for_end(first, timeout=40).state is State.SUCCEEDED
    run_id = platform.submit("sleep_with_child", {"seconds": 60})
    kill9(platform.wait_for_begin(run_id))
    assert platform.wait_for_end(run_id).state is State.LOST
    wait_until(lambda: (platform.folder / arming.FIRED).exists(), 10, "the word to the agent")
    platform.assert_promise_held()


def test_a_killed_main_process_takes_its_children_with_it(platform):
    worker, first, second = begin_two(platform)
    kill9(worker.pid)
    platform.start_worker()
    assert_ended_once(platform, first, second, bound=3)


def test_a_killed_agent_ends_what_it_watched_and_is_replaced(platform):
    worker, first, second = begin_two(platform)
    agent = agent_of(worker.pid)
    kill9(agent)
    assert_ended_once(platform, first, second)
    assert worker.poll() is None
    assert agent_of(worker.pid) != agent


def test_a_frozen_agent_is_noticed_before_the_lease_ends(platform):
    worker, first, second = begin_two(platform)
    os.kill(agent_of(worker.pid), signal.SIGSTOP)
    assert_ended_once(platform, first, second, bound=BOUND_SECONDS * 2)


def test_a_restarted_ledger_finds_the_run_still_going(platform):
    platform.start_worker()
    run_id = platform.submit("count_to", {"to": 30})
    platform.wait_for_begin(run_id)
    platform.server.kill9()
    platform.server.start()
    assert platform.wait_for_end(run_id, timeout=60).state is State.SUCCEEDED
    after = platform.submit("add", {"x": 1, "y": 1}, policy=Policy.QUEUE)
    assert platform.wait_for_end(after).state is State.SUCCEEDED
    platform.assert_promise_held()


def test_a_ledger_that_stays_away_fences_the_run_before_its_lease_ends(platform):
    platform.start_worker()
    run_id = platform.submit("sleep_with_child", {"seconds": 60})
    platform.wait_for_begin(run_id)
    pids = wait_until(lambda: len(p := tree_of(platform, run_id)) == 2 and p)
    platform.server.kill9()
    wait_until(lambda: not any(alive(pid) for pid in pids), BOUND_SECONDS)
    platform.server.start()
    assert platform.wait_for_end(run_id, timeout=60).state is State.LOST
    platform.assert_promise_held()


def test_a_claimed_run_whose_worker_dies_before_it_starts_is_run_by_another(platform):
    run_id = platform.submit("add", {"x": 1, "y": 1})
    platform.server.client().delete("celery")
    claim = ops.Claim(run_id=run_id, nonce="dead", worker="dead@test")
    assert platform.ledger.execute(claim).grant is not None
    platform.start_worker()
    run = platform.wait_for_end(run_id)
    assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    platform.assert_promise_held()


def test_a_stopped_worker_lets_its_run_finish_and_leaves_no_process(platform):
    worker = platform.start_worker()
    run_id = platform.submit("dummy_task")
    platform.wait_for_begin(run_id)
    before = children_of(worker.pid)
    worker.terminate()
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    worker.wait(15)
    wait_until(lambda: not any(alive(pid) for pid in before))
    assert not platform.ledger.execute(ops.ReadServer()).agents


@pytest.mark.parametrize("round_", range(3))
def test_repeated_kills_of_children_never_start_a_run_twice(platform, round_):
    platform.start_worker(slots=2)
    runs = [
        platform.submit("count_to", {"to": 5, "name": f"r{i % 2}"}, policy=Policy.QUEUE)
        for i in range(8)
    ]
    for run_id in runs[round_::3]:
        if platform.events(run_id) or not platform.run(run_id).terminal:
            kill9(platform.wait_for_begin(run_id))
    for run_id in runs:
        platform.wait_for_end(run_id, timeout=60)
    platform.assert_promise_held()
