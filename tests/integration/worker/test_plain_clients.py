"""A client with Celery's own Redis backend and nothing of ours waits for no run for ever."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.local_platform import Platform, kill9
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State

ID = "<the run's id>"
REVOKED = "TaskRevokedError"
STOPPED = f"{REVOKED} stopped because the run was cancelled"


def count(to: int = 600, **options: Any) -> str:
    return f"app.send_task('count_to', ({to},), task_id='{ID}', **{options})"


def asking(policy: str) -> str:
    """A run that asks for the lock somebody holds."""
    headers = {"singletrack_policy": policy, "singletrack_lock": "held"}
    return count(to=1, headers=headers)


def hold(platform: Platform) -> str:
    holder = platform.submit("count_to", {"to": 600}, lock="held")
    platform.wait_for_begin(holder)
    return holder


def cancel_it(platform: Platform, run_id: str) -> None:
    platform.wait_for(run_id, State.QUEUED)
    platform.cancel(run_id)


def supersede_it(platform: Platform, run_id: str) -> None:
    platform.wait_for(run_id, State.QUEUED)
    platform.submit("add", {"x": 1, "y": 1}, lock="held", policy="QueueLatest")


def cancel_what_it_joined(platform: Platform, run_id: str) -> None:
    platform.cancel(platform.wait_for(run_id, State.JOINED).holder.run_id)


def kill_its_process(platform: Platform, run_id: str) -> None:
    kill9(platform.wait_for_begin(run_id))


def cancel_its_process(platform: Platform, run_id: str) -> None:
    platform.wait_for_begin(run_id)
    platform.cancel(run_id)


Deed = Callable[[Platform, str], Any]

#: How it is sent, what is done then, and what `.get()` returns or raises.
ENDS: dict[str, tuple[str, Deed | None, str]] = {
    "succeeds": (f"app.send_task('add', (1, 1), task_id='{ID}')", None, "2"),
    "raises": (f"app.send_task('fail', ('no luck',), task_id='{ID}')", None, "ValueError no luck"),
    "exits": (f"app.send_task('exit_early', task_id='{ID}')", None, "SystemExit the task called"),
    "fits nothing": (
        f"app.send_task('add', (1, 1), task_id='{ID}', headers={{'singletrack_policy': 'No'}})",
        None,
        "InvalidParams header singletrack_policy",
    ),
    "is over its time": (count(time_limit=1), None, "TimeLimitExceeded"),
    "loses its process": (count(), kill_its_process, "WorkerLostError"),
    "is cancelled at work": (count(), cancel_its_process, STOPPED),
    "is cancelled while it waits": (asking("Queue"), cancel_it, f"{REVOKED} because"),
    "is superseded": (asking("QueueLatest"), supersede_it, f"{REVOKED} superseded by run"),
    "is rejected": (asking("Reject"), None, f"{REVOKED} lock default/held is held by run"),
    "is skipped": (asking("Skip"), None, f"{REVOKED} not needed: lock default/held is held"),
    "joins": (asking("Join"), cancel_what_it_joined, STOPPED),
    "waits too long": (
        asking("Queue").replace("**{", "**{'expires': 1, "),
        None,
        f"{REVOKED} ",
    ),
}


@pytest.fixture
def platform(shared_platform: Platform) -> Platform:
    return shared_platform


@pytest.mark.parametrize(("sent", "deed", "answer"), ENDS.values(), ids=ENDS)
def test_the_caller_of_a_run_is_answered_when_it(platform, bare, sent, deed, answer):
    run_id = str(uuid.uuid4())
    sent = sent.replace(ID, run_id)
    if "held" in sent:
        hold(platform)
    with ThreadPoolExecutor() as pool:  # it waits before there is anything to find
        caller = pool.submit(bare, f"told({sent})")
        if deed:
            deed(platform, run_id)
        assert caller.result().startswith(answer)
    assert bare(f"told(app.AsyncResult('{run_id}'))").startswith(answer)  # and finds it later


def test_nothing_is_kept_of_a_result_nobody_wants(platform, bare):
    run_id = bare("print(app.send_task('add', (1, 1), ignore_result=True).id)")
    wait_until(lambda: platform.ledger.execute(ops.GetRun(run_id=run_id)), 20, "its record")
    assert platform.wait_for_end(run_id).result == "2"
    assert not platform.server.client().exists(f"celery-task-meta-{run_id}")
