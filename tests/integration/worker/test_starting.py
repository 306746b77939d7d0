"""A worker whose start fails half-way does not work without its gate."""

import subprocess
import sys

import pytest
from support.local_platform import start_environment
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.failpoints import arming
from singletrack.lifecycle import State


@pytest.fixture
def failing(platform, tmp_path):
    """The variables that arm a failpoint in a worker."""

    def arm(entry):
        return {arming.LIST: entry, arming.PURPOSE: "tests", arming.FOLDER: str(tmp_path)}

    return arm


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("worker>ledger.sent/register_tasks:drop-reply", "singletrack-worker: the ledger at"),
        ("worker>ledger.send/register_tasks:raise", "start_failed"),
    ],
)
def test_a_main_process_that_cannot_finish_its_start_ends(platform, failing, entry, told):
    done = subprocess.run(
        [sys.executable, "-m", "singletrack_worker", "-c", "1"],
        env=start_environment(platform, **failing(entry)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "ready." not in done.stderr, "it would drop every message it takes"


def test_a_child_that_cannot_finish_its_start_executes_nothing(platform, failing):
    # Celery gives up a worker whose first child does not start; whoever supervises it has another.
    platform.start_worker(2, **failing("child>agent.asked/Hello:raise"))
    platform.start_worker(1)
    runs = [platform.submit("count_to", {"to": 1, "name": f"r{i}"}) for i in range(6)]
    for run_id in runs:
        run = platform.wait_for_end(run_id, timeout=30)
        assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    assert "start_failed" in platform.worker_log()
    wait_until(lambda: not platform.ledger.execute(ops.ListLeases()))
    platform.assert_promise_held()
