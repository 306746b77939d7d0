"""Two workers, one of them always being replaced, under load: no run is lost, none starts twice.

When the signal comes is drawn from SINGLETRACK_TEST_SEED; SINGLETRACK_TEST_RESTARTS makes the test
longer.
"""

import os
import random
from functools import partial
from pathlib import Path

import pytest
from celery import Celery
from support.local_platform import children_of
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.policies import Policy

SEED = int(os.environ.get("SINGLETRACK_TEST_SEED", "20261125"))
RESTARTS = int(os.environ.get("SINGLETRACK_TEST_RESTARTS", "3"))

OPTIONS = {"plain": (), "children_replaced": ("--max-tasks-per-child", "3")}


class Load:
    """Runs of up to 300 ms on four locks, two of three from REST, the others from a producer."""

    def __init__(self, platform, rng):
        self.platform = platform
        self.rng = rng
        self.producer = Celery("producer", broker=platform.server.url, set_as_current=False)
        self.runs = []

    def add(self, number):
        """Ask for so many more, and answer their ids."""
        added = [self._add_one() for _ in range(number)]
        self.runs += added
        return added

    def _add_one(self):
        params = {"to": self.rng.randint(0, 6), "name": f"n{self.rng.randint(0, 3)}"}
        params["seconds"] = 0.05
        if self.rng.randint(0, 2):
            return self.platform.submit("count_to", params, policy=Policy.QUEUE)
        run_id = self.producer.send_task("count_to", kwargs=params).id
        self.platform.submitted.append(run_id)
        return run_id

    def ends(self):
        """Every run at its end."""
        for run_id in self.runs:
            wait_until(partial(self._is_recorded, run_id), 60, f"a record of {run_id}")
        return [self.platform.wait_for_end(run_id, timeout=60) for run_id in self.runs]

    def _is_recorded(self, run_id):
        return self.platform.ledger.execute(ops.GetRun(run_id=run_id)) is not None


def household(worker):
    """Everything a worker has started, by pid and time of start: pids come again."""
    below, seen = [worker.pid], []
    while below:
        found = children_of(below.pop())
        seen += [(pid, started_at(pid)) for pid in found]
        below += found
    return seen


def started_at(pid):
    """When a living process was started, in ticks; None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def is_gone(worker, processes):
    living = any(when and started_at(pid) == when for pid, when in processes)
    return worker.poll() is not None and not living


def told(platform, run):
    """How a run went wrong, and all its workers' logs say of it and of their own end."""
    words = (run.run_id, "main_ended", "agent_", "fence", "shutdown")
    logs = [(i, platform.worker_log(i).splitlines()) for i in range(len(platform.workers))]
    lines = [
        f"w{i} {line}" for i, log in logs for line in log if any(word in line for word in words)
    ]
    return "\n".join([f"{run.run_id} {run.state} {run.worker} {run.failure}", *lines])


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_workers_replaced_in_turn_under_load_lose_no_run_and_start_none_twice(platform, options):
    rng = random.Random(f"{SEED} {options}")
    load, gone = Load(platform, rng), []
    workers = [platform.start_worker(2, *options) for _ in range(2)]
    for _ in range(RESTARTS):
        burst = load.add(rng.randint(4, 12))
        for run_id in burst[: rng.randint(0, len(burst))]:
            platform.wait_for_begin(run_id)
        leaving = workers.pop(0)
        gone.append((leaving, household(leaving)))
        leaving.terminate()
        load.add(rng.randint(0, 4))
        workers.append(platform.start_worker(2, *options))
    runs = load.ends()
    load.producer.close()
    bad = [run for run in runs if (run.state, run.attempt) != (State.SUCCEEDED, 1)]
    assert not bad, "\n".join(told(platform, run) for run in bad)
    for worker, processes in gone:
        wait_until(partial(is_gone, worker, processes), 60, "an old worker to be gone")
        assert worker.returncode == 0
    platform.assert_promise_held()
