"""Threads that a task leaves in its child: with Hold they are dead before the lock moves on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
from support.local_platform import ROOT, Platform, alive
from support.waiting import wait_until

from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.policies import Policy

TASKS = """
import os, threading
from contextlib import suppress
from pathlib import Path
from support.waiting import wait_until
from singletrack import task
from singletrack_worker.demo_tasks import _logged

def scribble(path):
    while True:
        with open(path, "a") as file:
            file.write("x")
        threading.Event().wait(0.01)

@task(name="scribbling", lock="paper")
def scribbling(path, fails=False, size=0):
    threading.Thread(target=scribble, args=(path,), daemon=True).start()
    with _logged():
        wait_until(Path(path).exists, 60)
        if fails:
            raise ValueError("no")
    return [os.getpid(), "x" * size]

@task(name="looking", lock="paper")
def looking(path):
    with _logged():
        before = Path(path).stat().st_size
        with suppress(AssertionError):  # half a second is long for a thread that goes on
            wait_until(lambda: Path(path).stat().st_size > before, 0.5)
    return [os.getpid(), Path(path).stat().st_size - before]
"""


@pytest.fixture
def submit(platform: Platform) -> Callable[..., str]:
    (platform.folder / "scribbles.py").write_text(TASKS)
    paths = (ROOT / "core", ROOT / "worker", ROOT / "tests", platform.folder)
    platform.start_worker(
        1, SINGLETRACK_TASKS="scribbles", PYTHONPATH=os.pathsep.join(map(str, paths))
    )
    paper = str(platform.folder / "paper")

    def asked(task: str, on_lost: OnLost = OnLost.HOLD, **params: object) -> str:
        wish = {"policy": Policy.QUEUE, "on_lost": on_lost}
        return platform.submit(task, {"path": paper, **params}, **wish)

    return asked


def result(platform: Platform, run_id: str) -> list[int]:
    run = platform.wait_for_end(run_id, timeout=60)
    assert (run.state, run.attempt) == (State.SUCCEEDED, 1), run.failure
    assert run.result is not None
    found: list[int] = json.loads(run.result)
    return found


def test_a_thread_is_dead_before_the_next_run_starts(
    platform: Platform, submit: Callable[..., str]
) -> None:
    runs = [submit("scribbling"), submit("looking"), submit("looking")]
    first, second, third = (result(platform, run_id) for run_id in runs)
    assert (second[1], third[1]) == (0, 0), "the thread went on writing"
    assert not alive(first[0])
    assert second[0] == third[0] != first[0], platform.worker_log()
    platform.assert_promise_held()


def test_a_failure_is_told_by_the_agent_as_it_was(
    platform: Platform, submit: Callable[..., str]
) -> None:
    run = platform.wait_for_end(submit("scribbling", fails=True), timeout=60)
    assert (run.state, run.failure and run.failure.message) == (State.FAILED, "no")
    assert result(platform, submit("looking"))[1] == 0
    platform.assert_promise_held()


def test_an_outcome_too_large_for_the_agent_fails_the_run_and_says_why(
    platform: Platform, submit: Callable[..., str]
) -> None:
    run = platform.wait_for_end(submit("scribbling", size=150_000), timeout=60)
    assert (run.state, run.failure and run.failure.reason) == (State.FAILED, "ResultTooLarge")
    assert result(platform, submit("looking"))[1] == 0


def test_with_release_the_child_goes_on_as_under_celery(
    platform: Platform, submit: Callable[..., str]
) -> None:
    first = result(platform, submit("scribbling", OnLost.RELEASE))
    second = result(platform, submit("looking", OnLost.RELEASE))
    assert first[0] == second[0]
    assert second[1] > 0
    wait_until(lambda: alive(first[0]))
