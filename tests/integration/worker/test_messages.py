"""Whatever lies in the broker's list: no run is lost or started twice, and the worker lives."""

import base64
import json
import uuid

import pytest
from support.messages import envelope, node_style, php_style
from support.waiting import wait_until

from singletrack.lifecycle import State
from singletrack.policies import Policy


def push(platform, *messages):
    platform.server.client().lpush("celery", *messages)


def expected(platform, *run_ids):
    """These runs are judged at the end, like those that were submitted."""
    platform.submitted += run_ids
    return run_ids


def assert_alive(platform, worker):
    """The worker takes the next run, and everything went as promised."""
    run_id = platform.submit("add", {"x": 1, "y": 1}, policy=Policy.QUEUE)
    assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    assert worker.poll() is None
    platform.assert_promise_held()


def cut(text):
    return text[: len(text) // 2]


def with_body(text):
    run_id = str(uuid.uuid4())
    headers = json.loads(node_style("add", run_id=run_id))["headers"]
    return envelope(text, run_id, headers)


def changed(message, **fields):
    return json.dumps(json.loads(message) | fields)


FOREIGN = {
    "no JSON": "hello",
    "JSON of another system": json.dumps({"class": "HardWorker", "args": [1], "jid": "x"}),
    "a number": "42",
    "a list": "[1, 2, 3]",
    "nothing": "",
    "bytes that are no text": b"\xff\xfe\x00pickle",
    "a truncated message": cut(node_style("add", {"x": 1, "y": 2})),
    "a truncated body": with_body('[[1, 2], {"x"'),
    "a body of another shape": with_body('{"hello": "world"}'),
    "a body that is a number": with_body("42"),
    "arguments that are none": with_body("[1, 2, 3]"),
    "a body that is no base64": changed(node_style("add"), body="%%%"),
    "a pickle": changed(
        node_style("add"),
        body=base64.b64encode(b"\x80\x04N.").decode(),
        **{"content-type": "application/x-python-serialize", "content-encoding": "binary"},
    ),
    "a task nobody knows": node_style("nobody_knows", {"x": 1}),
    "headers that are none": changed(node_style("add"), headers=None),
    "no properties": changed(node_style("add"), properties={}),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_message_of_ours_is_passed_over(shared_platform, name):
    before = shared_platform.submit("count_to", {"to": 2})
    push(shared_platform, FOREIGN[name])
    assert shared_platform.wait_for_end(before).state is State.SUCCEEDED
    assert_alive(shared_platform, shared_platform.workers[0])


@pytest.mark.parametrize("style", [node_style, php_style])
def test_raw_messages_of_other_languages_run_behind_the_lock(shared_platform, style):
    platform = shared_platform
    ids = expected(platform, *(str(uuid.uuid4()) for _ in range(3)))
    kwargs = {"to": 2, "name": "raw", "seconds": 0.05}
    push(platform, *(style("count_to", kwargs, run_id=run_id) for run_id in ids))
    wait_until(lambda: len(known(platform, ids)) == 3, 20, "the runs to be recorded")
    for run_id in ids:
        run = platform.wait_for_end(run_id)
        assert (run.state, run.spec.lock) == (State.SUCCEEDED, "default/count/raw")
    assert_alive(platform, platform.workers[0])


@pytest.mark.parametrize("style", [node_style, php_style])
def test_positional_arguments_name_the_lock_as_well(shared_platform, style):
    platform = shared_platform
    (run_id,) = expected(platform, str(uuid.uuid4()))
    push(platform, style("count_to", args=(1, "positional"), run_id=run_id))
    wait_until(lambda: known(platform, [run_id]), 20, "the run to be recorded")
    run = platform.wait_for_end(run_id)
    assert (run.state, run.spec.lock) == (State.SUCCEEDED, "default/count/positional")


def test_five_megabytes_are_refused_and_said_so(shared_platform):
    platform = shared_platform
    (run_id,) = expected(platform, str(uuid.uuid4()))
    push(platform, node_style("dummy_task", {"name": "x" * 5 * 1024 * 1024}, run_id=run_id))
    wait_until(lambda: known(platform, [run_id]), 20, "the run to be recorded")
    run = platform.wait_for_end(run_id)
    assert (run.state, run.failure.reason) == (State.FAILED, "ParamsTooLarge")
    assert platform.events(run_id) == [], "its code never began"
    assert_alive(platform, platform.workers[0])


def test_a_message_that_comes_five_times_starts_one_run(platform):
    run_id = platform.submit("count_to", {"to": 3})
    (direct,) = expected(platform, str(uuid.uuid4()))
    client = platform.server.client()
    (ours,) = client.lrange("celery", 0, -1)
    push(platform, *[ours] * 4)
    push(platform, *[node_style("count_to", {"to": 3, "name": "d"}, run_id=direct)] * 5)
    worker = platform.start_worker(2)
    wait_until(lambda: known(platform, [direct]), 20, "the producer's run to be recorded")
    for each in (run_id, direct):
        assert platform.wait_for_end(each).attempt == 1
    wait_until(lambda: client.llen("celery") == 0, 20, "every copy to be taken")
    assert_alive(platform, worker)


def test_messages_in_another_order_all_run(platform):
    ids = [platform.submit("count_to", {"to": 1}, lock=f"n{i}") for i in range(5)]
    client = platform.server.client()
    messages = client.lrange("celery", 0, -1)
    client.delete("celery")
    client.rpush("celery", *reversed(messages))
    worker = platform.start_worker(2)
    for run_id in ids:
        assert platform.wait_for_end(run_id).state is State.SUCCEEDED
    assert_alive(platform, worker)


def test_lost_messages_are_published_again(platform):
    ids = [platform.submit("count_to", {"to": 1}, lock=f"n{i}") for i in range(3)]
    waiting = platform.submit("count_to", {"to": 1}, lock="n0", policy=Policy.QUEUE)
    platform.server.client().delete("celery")
    worker = platform.start_worker(2)
    for run_id in [*ids, waiting]:
        assert platform.wait_for_end(run_id, timeout=40).state is State.SUCCEEDED
    assert_alive(platform, worker)


def known(platform, run_ids):
    """Those of which there is a record."""
    from singletrack import operations as ops

    return [i for i in run_ids if platform.ledger.execute(ops.GetRun(run_id=i)) is not None]
