"""Tasks of `bench/recovery.py`: one that sleeps, and one that does everything not to be stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from singletrack import context, task
from singletrack.testing.task_log import VARIABLE, TaskLog


@task(name="sleep")
def sleep(seconds: float) -> None:
    with _log().recording(**_who()):
        time.sleep(seconds)


@task(name="resist")
def resist() -> None:
    """Ignore SIGTERM, and leave a daemon in a session of its own that ignores it as well."""
    log = _log()
    with log.recording(**_who()):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.run(["setsid", "--fork", *log.child_command(**_who()), "--stubborn"], check=True)
        while True:
            time.sleep(1)


def _log() -> TaskLog:
    return TaskLog(os.environ.get(VARIABLE))


def _who() -> dict[str, object]:
    return {
        "run": context.run_id,
        "lock": context.lock,
        "token": context.token,
        "attempt": context.attempt,
    }
