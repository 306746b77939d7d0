"""A worker whose memory is used up, in a control group of its own."""

import contextlib
import uuid

import pytest
from support.local_platform import kill9, with_tasks
from support.waiting import wait_until

from singletrack.adapters.machine import memory_folder
from singletrack.lifecycle import State

LIMIT = 400 * 2**20
TASKS = """
from singletrack import task
from singletrack_worker.demo_tasks import *

@task(name="eat")
def eat():
    eaten = []
    while True:
        eaten.append(bytearray(2**20))
"""


@pytest.fixture
def little_memory():
    """The folder of a control group with little memory, in whichever version there is."""
    folder = memory_folder() / f"test-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        names = [
            name for name in ("memory.max", "memory.limit_in_bytes") if (folder / name).exists()
        ]
        if not names:
            pytest.skip("the memory controller is not handed down to groups made here")
        (folder / names[0]).write_text(str(LIMIT))
        for swap, most in (("memory.swap.max", 0), ("memory.memsw.limit_in_bytes", LIMIT)):
            with contextlib.suppress(OSError):
                (folder / swap).write_text(str(most))
        yield folder
    finally:
        wait_until(lambda: _removed(folder), 60, "the control group to be empty")


def _removed(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


@pytest.fixture
def worker_in(platform, little_memory):
    """The pid of a worker in that group; ended before the group is removed."""
    enter = f'echo $$ > {little_memory}/cgroup.procs && exec "$@"'
    worker = platform.start_worker(
        2,
        launcher=("sh", "-c", enter, "sh"),
        **with_tasks(platform.folder, "hungry_tasks", TASKS),
    )
    yield worker
    worker.terminate()
    worker.wait(60)


def test_a_run_that_uses_up_the_memory_is_lost_as_oomkilled_and_says_what_to_do(
    platform, worker_in
):
    platform.submit("add", {"x": 1, "y": 1})
    run = platform.wait_for_end(platform.submit("eat", lock="eat"), timeout=60)
    assert (run.state, run.failure.reason) == (State.LOST, "OOMKilled")
    assert f"its memory of {LIMIT // 2**20} MiB; raise the memory limit" in run.failure.message
    after = platform.submit("add", {"x": 2, "y": 2})
    assert platform.wait_for_end(after).result == "4"
    assert worker_in.poll() is None
    platform.assert_promise_held()


def test_a_sigkill_from_outside_is_not_taken_for_it_even_after_one(platform, worker_in):
    platform.wait_for_end(platform.submit("eat", lock="eat"), timeout=60)
    run_id = platform.submit("sleep_with_child")
    kill9(platform.wait_for_begin(run_id))
    run = platform.wait_for_end(run_id)
    assert (run.state, run.failure.reason) == (State.LOST, "WorkerLost")
