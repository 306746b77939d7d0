"""Tasks whose very exceptions misbehave."""

from support.local_platform import with_tasks

from singletrack.lifecycle import State

TASKS = """
from singletrack import task

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")
    __repr__ = __str__
    def __reduce__(self):
        raise RuntimeError("no pickle")

@task(name="unprintable")
def unprintable():
    raise Unprintable

@task(name="printable")
def printable():
    return "fine"
"""


def test_an_exception_that_cannot_be_printed_is_recorded_all_the_same(platform):
    worker = platform.start_worker(1, **with_tasks(platform.folder, "hostile_tasks", TASKS))
    run_id = platform.submit("unprintable")
    run = platform.wait_for_end(run_id)
    assert (run.state, run.failure.reason) == (State.FAILED, "TaskError")
    assert run.failure.error_type.endswith("Unprintable")
    after = platform.submit("printable")
    assert platform.wait_for_end(after).state is State.SUCCEEDED
    assert worker.poll() is None
