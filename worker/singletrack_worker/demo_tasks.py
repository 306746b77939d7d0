"""A few tasks to try the platform with; the tutorial, the demo and the tests run them.

Each writes what it does into the task log (`SINGLETRACK_TASK_LOG`) for the history checker.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from singletrack import Retry, context, task
from singletrack.testing.task_log import TaskLog


@task(name="dummy_task")
def dummy_task(name: str = "Bob") -> str:
    """Say hello after a second: the task of the original note."""
    with _logged():
        time.sleep(float(os.environ.get("SINGLETRACK_DEMO_SECONDS", "1")))
        return f"Hello {name}!"


@task(name="add")
def add(x: int, y: int) -> int:
    """Add two numbers."""
    with _logged():
        return x + y


@task(name="count_to", lock="count/{name}")
def count_to(to: int, name: str = "default", seconds: float = 0.1) -> dict[str, Any]:
    """Count slowly and say how far it is; runs with another name do not wait for each other."""
    with _logged():
        for i in range(to):
            context.progress(i, to, f"counted to {i}")
            time.sleep(seconds)
        context.progress(to, to, "done")
        return {"counted": to, "run": context.run_id, "token": context.token}


@task(name="fail")
def fail(message: str = "this task always fails") -> None:
    """Raise an error, to look at a traceback."""
    with _logged():
        raise ValueError(message)


@task(name="flaky", retries=Retry(limit=3, initial_seconds=0.2, max_seconds=1))
def flaky(failures: int = 1) -> str:
    """Fail so many times, then succeed: up to three more attempts are made of it."""
    with _logged():
        if context.attempt <= failures:
            raise ConnectionError(f"attempt {context.attempt}: nobody answers")
        return f"attempt {context.attempt} got through"


@task(name="not_json")
def not_json() -> object:
    """Return something JSON has no form for."""
    return object()


@task(name="exit_early")
def exit_early(code: int = 3) -> None:
    """Call sys.exit() in the middle of the task."""
    with _logged():
        sys.exit(code)


@task(name="sleep_with_child")
def sleep_with_child(seconds: float = 60.0, stubborn: bool = False) -> str:  # noqa: FBT001, FBT002
    """Start a process of its own and sleep; a stubborn one does not stop when asked."""
    with _logged() as log:
        command = log.child_command(**_who()) if log.path else ["sleep", str(seconds + 60)]
        subprocess.Popen([*command, "--stubborn"] if stubborn and log.path else command)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                time.sleep(0.05)
            except SystemExit:
                if not stubborn:
                    raise
        return "slept"


@contextmanager
def _logged() -> Iterator[TaskLog]:
    log = TaskLog(os.environ.get("SINGLETRACK_TASK_LOG") if context.running else None)
    with log.recording(**_who()):
        yield log


def _who() -> dict[str, Any]:
    return {
        "run": context.run_id,
        "lock": context.lock,
        "token": context.token,
        "attempt": context.attempt,
    }
