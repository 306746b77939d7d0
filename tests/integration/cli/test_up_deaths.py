"""What `singletrack up` does when a part dies, when it is killed itself, and when nothing ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from integration.cli.up_process import END, StartUp, Up
from support.waiting import wait_until

from singletrack.testing import task_log

# It starts a process of its own, and neither of them listens to SIGTERM.
STUBBORN = "?seconds=600&stubborn=true"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def with_a_stubborn_run(start_up: StartUp) -> tuple[Up, list[int]]:
    """A platform that executes a run which does not want to end; the pids of its processes."""
    up = start_up(
        SINGLETRACK_START_TASK="sleep_with_child", SINGLETRACK_TASK_LOG="tasks.log"
    ).ready()
    assert "id" in up.get(f"/start{STUBBORN}")
    log = up.folder / "tasks.log"

    def pids() -> set[int]:
        found = {event.pid for event in task_log.read(log)} if log.exists() else set()
        return found if len(found) == 2 else set()

    return up, sorted(wait_until(pids, 20, "the run and its child"))


@pytest.mark.parametrize("part", ["worker", "api", "valkey"])
def test_a_part_that_is_killed_is_started_again_and_everything_goes_on(
    start_up: StartUp, part: str
) -> None:
    up = start_up().ready()
    run = up.starts_and_ends()
    pid, url = up.pid(part), up.state["redis"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: up.pid(part) != pid, what=f"another {part}")
    assert f"{part} has ended (killed by SIGKILL); starting it again in 0.5 s" in up.output
    assert up.starts_and_ends()["status"] == "SUCCESS"
    assert up.get(f"/status?task_id={run['id']}") == run
    assert up.state["redis"] == url
    assert up.interrupt() == 0
    assert up.left_over() == []


def test_killed_itself_it_leaves_no_process_not_even_of_a_task(start_up: StartUp) -> None:
    up, pids = with_a_stubborn_run(start_up)
    parts = [int(pid) for pid in up.state["parts"].values()]
    up.process.kill()
    up.process.wait()
    wait_until(lambda: not any(map(alive, [*parts, *pids])), what="every process to end")
    assert up.left_over() == []


def test_a_run_may_end_by_itself_unless_somebody_hurries(start_up: StartUp) -> None:
    up, pids = with_a_stubborn_run(start_up)
    up.process.send_signal(signal.SIGINT)
    wait_until(lambda: "waiting for worker to end (Ctrl-C again to hurry)" in up.output)
    assert all(map(alive, pids))
    began = time.monotonic()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(END) == 0
    assert time.monotonic() - began < 15
    assert not any(map(alive, pids))
    assert up.left_over() == []


def test_the_third_time_it_gives_up_waiting_and_still_leaves_nothing(start_up: StartUp) -> None:
    up, pids = with_a_stubborn_run(start_up)
    up.process.send_signal(signal.SIGINT)
    wait_until(lambda: "| stopping" in up.output)
    up.process.send_signal(signal.SIGINT)
    wait_until(lambda: "| hurrying" in up.output)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(5) == 130
    wait_until(lambda: not any(map(alive, pids)), what="every process to end")
    wait_until(lambda: up.left_over() == [])
