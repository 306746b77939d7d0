"""What a run lives through on a real worker: its ways in, its ends, its errors."""

import json

import pytest
from support.local_platform import alive
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.policies import Policy


@pytest.fixture
def platform(shared_platform):
    return shared_platform


def test_a_run_executes_once_and_its_result_is_recorded(platform):
    run = platform.wait_for_end(platform.submit("add", {"x": 2, "y": 3}))
    assert (run.state, run.result, run.attempt) == (State.SUCCEEDED, "5", 1)
    platform.assert_promise_held()


def test_two_runs_on_one_lock_never_overlap_and_the_second_follows(platform):
    first, second = (platform.submit("dummy_task", policy=Policy.QUEUE) for _ in range(2))
    assert platform.wait_for_end(second).state is State.SUCCEEDED
    one, other = platform.run(first), platform.run(second)
    assert one.finished_at <= other.started_at
    assert one.token < other.token
    platform.assert_promise_held()


def test_runs_on_different_locks_execute_side_by_side(platform):
    runs = [platform.submit("count_to", {"to": 10, "name": name}) for name in "ab"]
    for run_id in runs:
        platform.wait_for_begin(run_id)
    one, other = (platform.wait_for_end(run_id) for run_id in runs)
    assert one.started_at < other.finished_at
    assert other.started_at < one.finished_at
    platform.assert_promise_held()


def test_many_runs_on_few_locks_keep_the_promise(platform):
    runs = [
        platform.submit("count_to", {"to": 1, "name": f"l{i % 3}"}, policy=Policy.QUEUE)
        for i in range(30)
    ]
    for run_id in runs:
        assert platform.wait_for_end(run_id, timeout=60).state is State.SUCCEEDED
    platform.assert_promise_held()


def test_a_failing_task_leaves_its_type_message_and_traceback(platform):
    run = platform.wait_for_end(platform.submit("fail", {"message": "no luck"}))
    assert run.state is State.FAILED
    assert (run.failure.reason, run.failure.error_type) == ("TaskError", "ValueError")
    assert run.failure.message == "no luck"
    assert "demo_tasks.py" in run.failure.traceback
    platform.assert_promise_held()


def test_a_result_that_is_not_json_fails_the_run_and_names_the_type(platform):
    run = platform.wait_for_end(platform.submit("not_json"))
    assert run.state is State.FAILED
    assert run.failure.reason == "EncodeError"
    assert "'object'" in run.failure.message


def test_sys_exit_ends_the_run_and_the_child_goes_on(own_platform):
    own_platform.start_worker(slots=1)
    first = own_platform.submit("exit_early", {"code": 3})
    pid = own_platform.wait_for_begin(first)
    failure = own_platform.wait_for_end(first).failure
    assert (failure.reason, failure.exit) == ("SystemExit", Exit(code=3))
    second = own_platform.submit("add", {"x": 1, "y": 1}, policy=Policy.QUEUE)
    assert own_platform.wait_for_begin(second) == pid
    assert own_platform.wait_for_end(second).state is State.SUCCEEDED


def test_progress_reaches_the_record_while_the_run_goes_on(platform):
    run_id = platform.submit("count_to", {"to": 40})
    run = wait_until(lambda: (r := platform.run(run_id)).progress and r, 20)
    assert run.state is State.RUNNING
    assert run.progress.total == 40
    platform.cancel(run_id)
    assert platform.wait_for_end(run_id).state is State.CANCELLED


def test_a_run_over_its_time_is_stopped_and_says_so(platform):
    run = platform.wait_for_end(platform.submit("count_to", {"to": 600}, timeout_seconds=0.5))
    assert run.state is State.TIMED_OUT
    assert run.failure.reason == "Timeout"
    platform.assert_promise_held()


def test_a_run_no_worker_takes_expires_at_its_start_deadline(own_platform):
    run = own_platform.wait_for_end(
        own_platform.submit("add", {"x": 1, "y": 1}, start_deadline_seconds=0.2)
    )
    assert run.state is State.EXPIRED
    assert run.failure.reason == "StartDeadlineExceeded"


def test_a_lost_message_is_published_again(own_platform):
    run_id = own_platform.submit("add", {"x": 1, "y": 1})
    client = own_platform.server.client()
    assert client.delete("celery") == 1
    # Make the outbox's next look due now instead of in fifteen seconds.
    client.zadd("{st}:due", {run_id: 0})
    own_platform.start_worker()
    assert own_platform.wait_for_end(run_id).state is State.SUCCEEDED
    own_platform.assert_promise_held()


def test_a_message_that_comes_twice_runs_once(own_platform):
    run_id = own_platform.submit("dummy_task")
    client = own_platform.server.client()
    message = client.lindex("celery", 0)
    client.lpush("celery", message, message)
    own_platform.start_worker()
    assert own_platform.wait_for_end(run_id).state is State.SUCCEEDED
    wait_until(lambda: client.llen("celery") == 0)
    own_platform.assert_promise_held()


def test_a_cancelled_run_stops_with_everything_it_has_started(platform):
    first = platform.submit("sleep_with_child", {"seconds": 60})
    second = platform.submit("add", {"x": 1, "y": 1}, policy=Policy.QUEUE)
    platform.wait_for_begin(first)
    pids = wait_until(lambda: len(p := {e.pid for e in platform.events(first)}) == 2 and p)
    platform.cancel(first)
    assert platform.wait_for_end(first).state is State.CANCELLED
    assert platform.wait_for_end(second).state is State.SUCCEEDED
    child = pids - {platform.events(first)[0].pid}
    assert not any(alive(pid) for pid in child)
    platform.assert_promise_held()


def test_a_task_that_ignores_the_request_is_killed_after_the_grace(platform):
    run_id = platform.submit("sleep_with_child", {"seconds": 60, "stubborn": True})
    platform.wait_for_begin(run_id)
    pids = wait_until(lambda: len(p := {e.pid for e in platform.events(run_id)}) == 2 and p)
    platform.cancel(run_id, grace_seconds=0.3)
    run = platform.wait_for_end(run_id)
    assert run.state is State.CANCELLED
    assert run.failure.message == "because"
    assert not any(alive(pid) for pid in pids)
    after = platform.submit("add", {"x": 1, "y": 1}, policy=Policy.QUEUE)
    assert platform.wait_for_end(after).state is State.SUCCEEDED
    platform.assert_promise_held()


def test_reject_refuses_while_the_lock_is_held_and_names_the_holder(platform):
    holder = platform.submit("count_to", {"to": 50}, lock="x")
    platform.wait_for_begin(holder)
    refused = platform.run(platform.submit("add", {"x": 1, "y": 1}, lock="x"))
    assert refused.state is State.REJECTED
    assert refused.holder.run_id == holder
    platform.cancel(holder)
    platform.wait_for_end(holder)
    platform.assert_promise_held()


def test_replace_stops_the_holder_and_runs_after_it(platform):
    holder = platform.submit("count_to", {"to": 600}, lock="x")
    platform.wait_for_begin(holder)
    waiting = platform.submit("add", {"x": 1, "y": 1}, lock="x", policy=Policy.QUEUE)
    newcomer = platform.submit("add", {"x": 2, "y": 2}, lock="x", policy=Policy.REPLACE)
    assert platform.wait_for_end(newcomer).result == "4"
    assert platform.run(holder).state is State.CANCELLED
    assert platform.run(waiting).state is State.SUPERSEDED
    platform.assert_promise_held()


def test_the_metrics_agree_with_what_happened(own_platform):
    own_platform.start_worker()
    for number in range(3):
        own_platform.wait_for_end(own_platform.submit("add", {"x": number, "y": 1}))
    own_platform.wait_for_end(own_platform.submit("fail"))
    counters = own_platform.ledger.execute(ops.ReadCounters())
    assert counters["runs_submitted_total|task=add|door=rest"] == 3
    assert counters["runs_finished_total|task=add|outcome=succeeded"] == 3
    assert counters["runs_finished_total|task=fail|outcome=failed"] == 1
    durations = "run_duration_seconds_bucket|task=add|result=ok|"
    assert sum(number for name, number in counters.items() if name.startswith(durations)) == 3
    assert not any(number for name, number in counters.items() if name.startswith("runs|"))


def test_an_undecodable_message_is_dropped_and_the_worker_goes_on(platform):
    client = platform.server.client()
    broken: dict[str, object] = {"body": "bm90IGpzb24=", "content-encoding": "utf-8"}
    broken |= {"content-type": "application/json", "headers": {"id": "x", "task": "add"}}
    broken["properties"] = {
        "body_encoding": "base64",
        "delivery_tag": "t",
        "delivery_info": {"exchange": "", "routing_key": "celery"},
    }
    client.lpush("celery", json.dumps(broken))
    assert platform.wait_for_end(platform.submit("add", {"x": 1, "y": 1})).state is State.SUCCEEDED
