"""Producers that know nothing of Singletrack: what they may say, and what is refused."""

import base64
import json
import uuid
from typing import Any

import pytest
from support.local_platform import with_tasks
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.testing.task_log import read

TASKS = """
from celery import current_app
from singletrack_worker.demo_tasks import *
current_app.conf.accept_content = ["json", "yaml"]
"""


@pytest.fixture(scope="module")
def worker_environment(tmp_path_factory):
    """A module of tasks whose app takes YAML as well."""
    return with_tasks(tmp_path_factory.mktemp("tasks"), "yaml_tasks", TASKS)


@pytest.fixture
def platform(shared_platform):
    return shared_platform


def ended(platform, run_id):
    def found():
        run = platform.ledger.execute(ops.GetRun(run_id=run_id))
        return run if run and run.terminal else None

    platform.submitted.append(run_id)
    return wait_until(found, 20, f"an end of run {run_id}")


def sent(platform, bare, options):
    """The end of a run of `add` that a bare producer sent with these options."""
    return ended(platform, bare(f"print(app.send_task('add', (1, 1), {options}).id)"))


def begun(platform):
    """What has ever begun here."""
    return {event.run for event in read(platform.task_log)} if platform.task_log.exists() else set()


CANVAS = {
    "a chain": "(add(1, 1) | add(1) | add(2)).apply_async()",
    "a group": "group(add(1, 1), add(2, 2)).apply_async()",
    "a chord": "chord([add(1, 1), add(2, 2)])(app.signature('add', (1,)))",
}


@pytest.mark.parametrize("canvas", CANVAS.values(), ids=CANVAS)
def test_whoever_waits_for_a_refused_canvas_is_told_why_and_does_not_hang(platform, bare, canvas):
    before = begun(platform)
    assert "passes the gate, which refuses" in bare(f"told({canvas})")
    assert begun(platform) == before


REFUSED = {
    "chain=[add(3)]": "being a member of a chain",
    "chord=add(3)": "being a member of a group or a chord",
    "group_id='g'": "being a member of a group or a chord",
    "link=add(3)": "`link` and `link_error`",
    "link_error=add(3)": "`link` and `link_error`",
    "serializer='yaml'": "a serializer other than JSON",
}


@pytest.mark.parametrize(("options", "words"), REFUSED.items())
def test_what_the_gate_refuses_ends_as_a_failed_run_with_the_sentence(
    platform, bare, options, words
):
    run = sent(platform, bare, options)
    assert (run.state, run.failure.reason) == (State.FAILED, "NotSupported")
    assert f"task 'add' passes the gate, which refuses {words}" in run.failure.message
    assert not platform.events(run.run_id)


def test_a_message_that_waits_too_long_for_its_lock_never_starts(platform, bare):
    holder = platform.submit("count_to", {"to": 600}, lock="default")
    platform.wait_for_begin(holder)
    assert sent(platform, bare, "expires=1").state is State.EXPIRED
    assert platform.run(holder).state is State.RUNNING


def test_a_message_that_comes_after_its_expiry_is_recorded_and_not_started(platform, bare):
    past = "expires=datetime.now(UTC) - timedelta(seconds=5)"
    run = sent(platform, bare, past)
    assert (run.state, run.failure.reason) == (State.CANCELLED, "Expired")
    code = f"r = app.AsyncResult('{run.run_id}'); told(r); print(r.status)"
    assert bare(code).split() == ["TaskRevokedError", *run.failure.message.split(), "REVOKED"]
    assert not platform.events(run.run_id)


def test_an_expiry_that_is_kept_changes_nothing(platform, bare):
    assert sent(platform, bare, "expires=60").result == "2"


def test_a_countdown_is_celerys_and_the_run_exists_from_its_end_on(platform, bare):
    platform.wait_for_begin(platform.submit("count_to", {"to": 600}, lock="one slot of two"))
    later, first = bare(
        """
        later = app.send_task("add", (1, 1), countdown=3)
        first = app.send_task("add", (2, 2))
        told(first)
        print(later.id, first.id)
        """
    ).split()[1:]
    run, before = ended(platform, later), ended(platform, first)
    assert (run.result, before.result) == ("2", "4")
    assert before.finished_at < run.submitted_at


def test_a_compressed_message_is_as_good_as_another(platform, bare):
    assert sent(platform, bare, "compression='gzip'").result == "2"


def test_a_time_limit_of_one_call_is_the_runs_timeout(platform, bare):
    run_id = bare("print(app.send_task('count_to', (600,), time_limit=1).id)")
    assert ended(platform, run_id).state is State.TIMED_OUT


PROTOCOLS: dict[int, Any] = {
    # What `celery-node` and `php-celery` push, reduced to what the protocol asks for.
    2: lambda run_id, args, kwargs: {
        "headers": {"lang": "js", "task": "add", "id": run_id, "root_id": run_id},
        "body": [args, kwargs, {}],
    },
    1: lambda run_id, args, kwargs: {
        "headers": {},
        "body": {"id": run_id, "task": "add", "args": args, "kwargs": kwargs},
    },
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_json_producer_of_another_language_meets_the_same_gate(platform, protocol):
    run_id, client = str(uuid.uuid4()), platform.server.client()
    made = PROTOCOLS[protocol](run_id, [4], {"y": 5})
    envelope = {
        "body": base64.b64encode(json.dumps(made["body"]).encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": made["headers"],
        "properties": {
            "correlation_id": run_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "delivery_tag": str(uuid.uuid4()),
            "body_encoding": "base64",
        },
    }
    client.lpush("celery", json.dumps(envelope))
    run = ended(platform, run_id)
    assert (run.state, run.result) == (State.SUCCEEDED, "9")
    meta = json.loads(client.get(f"celery-task-meta-{run_id}"))
    assert (meta["status"], meta["result"]) == ("SUCCESS", 9)
    platform.assert_promise_held()
