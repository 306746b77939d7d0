"""A worker's main process and its pool children, as the agent meets them, without Celery.

Reads commands from stdin, one JSON object a line, and says what happens in `events.jsonl`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from integration.worker.agent.file_ledger import FOLDER, append, boottime
from support.waiting import wait_until

from singletrack.operations import Grant
from singletrack.settings import Settings
from singletrack_worker.agent import killing, processes, spawning
from singletrack_worker.agent.client import AgentClient, AgentError
from singletrack_worker.agent.guarding import watch_agent
from singletrack_worker.agent.processes import become_subreaper, die_with_parent

HERE = Path(__file__).parent

folder = Path(os.environ[FOLDER])


def say(event: str, **what: Any) -> None:
    append(folder / "events.jsonl", {"event": event, "pid": os.getpid(), "at": boottime(), **what})


class Stop(SystemExit):
    """SIGTERM has come."""


def stop(_number: int, _frame: object) -> None:
    raise Stop


# --- what user code does --------------------------------------------------------------------------


def hang() -> None:
    while True:
        signal.pause()


def relative(born: int | None = None) -> None:
    """A process of the run that goes on for ever and cannot be terminated."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("relative")
    if born is not None:
        os.write(born, b".")
    hang()


def fork(act: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return pid


def daemon(born: int) -> None:
    """Forks twice and opens a session of its own."""

    def second() -> None:
        os.setsid()
        fork(lambda: relative(born))

    os.waitpid(fork(second), 0)


def program() -> None:
    """Another program in a session of its own."""
    code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    command = [sys.executable, "-S", "-c", code]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert started.stdout
    append(
        folder / "events.jsonl",
        {"event": "relative", "pid": int(started.stdout.readline()), "at": boottime()},
    )
    keep.append(started)


keep: list[Any] = []


def family() -> None:
    births, born = os.pipe()
    fork(lambda: relative(born))
    daemon(born)
    program()
    for _ in range(2):
        os.read(births, 1)
    say("family")


def work_with_family() -> None:
    family()
    hang()


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    births, born = os.pipe()
    fork(lambda: relative(born))
    os.read(births, 1)
    say("deaf")
    hang()


_LITTERS, _LITTER = 25, 100


def bomb() -> None:
    """Forks for half a second, and so do its children; each waits for the one it has born."""
    until = time.monotonic() + 0.5

    def spread(born: int) -> None:
        say("relative")
        os.write(born, b".")
        births, mine = os.pipe()
        for _ in range(_LITTER):
            if time.monotonic() > until:
                break
            fork(lambda: relative(mine))
            os.read(births, 1)
        hang()

    births, born = os.pipe()
    for _ in range(_LITTERS):
        if time.monotonic() > until:
            break
        fork(lambda: spread(born))
        os.read(births, 1)
    hang()


def nothing() -> None:
    """Returns at once."""


def end_the_process() -> None:
    os._exit(3)


def meddle() -> None:
    """A process of the run speaks to the agent as if it were the pool child."""

    def attempt() -> None:
        agent = AgentClient.connect(os.environ["SINGLETRACK_AGENT_ADDRESS"])
        answers = []
        for ask in (
            agent.hello_main,
            agent.hello_child,
            lambda: agent.leaving("nonce-1"),
            lambda: agent.bind("run-1", "nonce-1", boottime()).bound,
            agent.stopping,
        ):
            try:
                answers.append(ask())
            except AgentError as error:
                answers.append(str(error))
        say("meddled", answers=answers)

    fork(attempt)
    hang()


TASKS: dict[str, Callable[[], None]] = {
    act.__name__: act
    for act in (
        hang,
        work_with_family,
        ignore_sigterm,
        bomb,
        nothing,
        family,
        end_the_process,
        meddle,
    )
}


# --- a pool child ---------------------------------------------------------------------------------


def child(path: Path, jobs: list[dict[str, Any]]) -> None:
    die_with_parent()
    agent = AgentClient.connect(path)
    agent.hello_child()
    os.setsid()
    become_subreaper()
    say("child")
    for job in jobs:
        execute(agent, job)
    hang()


def execute(agent: AgentClient, job: dict[str, Any]) -> None:
    nonce = job["nonce"]
    for wait in job.get("wait_for", ()):
        wait_until((folder / wait).exists, 60, wait)
    bound = agent.bind(job["run"], nonce, boottime() - job.get("age", 0.0))
    say("bound", run=job["run"], bound=bound.bound, reason=getattr(bound, "reason", ""))
    if not bound.bound or job["task"] == "never_start":
        return hang()
    grant = Grant(
        run_id=job["run"],
        nonce=nonce,
        token=7,
        lock="l",
        attempt=1,
        timeout_seconds=job.get("timeout"),
    )
    agent.started(grant)
    say("started", run=job["run"])
    signal.signal(signal.SIGTERM, stop)
    try:
        TASKS[job["task"]]()
    except Stop:
        say("stopped", run=job["run"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cause = agent.leaving(nonce)
    say("clear", run=job["run"], cause=cause, children=processes.children_of(os.getpid()))
    if job.get("keep"):
        hang()
    agent.left(nonce)
    say("left", run=job["run"])
    return None


# --- main -----------------------------------------------------------------------------------------


class Main:
    def __init__(self, *, guarded: bool) -> None:
        become_subreaper()
        self.agent = spawning.spawn_agent(Settings(), "worker@test")
        self.pool: list[int] = []
        if guarded:
            watch_agent(self.agent, self.agent_died)
        say("ready", agent=self.agent.process.pid, path=str(self.agent.path))

    def agent_died(self) -> None:
        killed = killing.kill_tree(self.pool, 5.0)
        say("agent_died", complete=killed.complete)

    def start(self, jobs: list[dict[str, Any]], *, reap: bool) -> None:
        pid = fork(lambda: child(self.agent.path, jobs))
        self.pool.append(pid)
        if reap:
            threading.Thread(target=self.reap, args=(pid,), daemon=True).start()

    def reap(self, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        say("reaped", child=pid, status=status)
        self.agent.client.child_exit(pid, os.waitstatus_to_exitcode(status))

    def stop(self) -> None:
        self.agent.stop()
        say("agent_stopped", code=self.agent.process.returncode)


def serve() -> None:
    spawning.COMMAND = ("-P", str(HERE / "agent_process.py"))
    main = Main(guarded="guarded" in sys.argv)
    for line in sys.stdin:
        command = json.loads(line)
        getattr(main, command.pop("do"))(**command)


if __name__ == "__main__":
    serve()
