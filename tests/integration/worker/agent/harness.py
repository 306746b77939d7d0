"""A worker with a real agent and real children, driven and observed by a test."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from integration.worker.agent.file_ledger import FOLDER, lines
from support.waiting import wait_until

from singletrack_worker.agent import processes
from singletrack_worker.agent.startup import remove_address

HERE = Path(__file__).parent
ROOT = HERE.parents[3]

TIMING = {"LEASE": "3", "RENEW": "0.3", "FENCE": "1", "BLESSING_GRACE": "4"}
LEASE, RENEW, FENCE = 3.0, 0.3, 1.0


class Worker:
    """`worker_main.py` in a process of its own."""

    def __init__(self, folder: Path, *, guarded: bool = False) -> None:
        self._folder = folder
        self._runs = itertools.count(1)
        self._control: dict[str, Any] = {
            "mode": "ok",
            "cancel": {},
            "drop": [],
            "blessed": True,
        }
        self.control()
        os.mkfifo(folder / "wake")
        self._wake = os.open(folder / "wake", os.O_RDWR)
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker_main.py"), *(["guarded"] if guarded else [])],
            env=self._environment(),
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        ready = self.event("ready", timeout=60)
        self.agent: int = ready["agent"]
        self.path = Path(ready["path"])

    def _environment(self) -> dict[str, str]:
        paths = [str(ROOT / name) for name in ("core", "worker", "tests")]
        timing = {f"SINGLETRACK_{name}_SECONDS": value for name, value in TIMING.items()}
        return {
            **os.environ,
            **timing,
            "PYTHONPATH": os.pathsep.join(paths),
            "SINGLETRACK_CANCEL_GRACE_SECONDS": "0.3",
            FOLDER: str(self._folder),
        }

    # --- what the test says -------------------------------------------------------------------

    def send(self, do: str, **what: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
        self.process.stdin.flush()

    def job(self, task: str, **more: Any) -> dict[str, Any]:
        number = next(self._runs)
        return {"run": f"run-{number}", "nonce": f"nonce-{number}", "task": task, **more}

    def start(self, *jobs: dict[str, Any], reap: bool = True) -> None:
        """Have a new pool child execute these jobs, one after the other."""
        self.send("start", jobs=list(jobs), reap=reap)

    def started(self, task: str, *, reap: bool = True, **more: Any) -> tuple[str, int]:
        """Start one run in a child of its own; its id and the child's pid, once it is under way."""
        job = self.job(task, **more)
        self.start(job, reap=reap)
        return job["run"], self.event("started", run=job["run"])["pid"]

    def control(self, **changes: Any) -> None:
        """Change how the ledger answers."""
        self._control |= changes
        fresh = self._folder / "control.new"
        fresh.write_text(json.dumps(self._control))
        fresh.rename(self._folder / "control.json")

    def wake(self, run: str) -> None:
        os.write(self._wake, f"{run}\n".encode())

    def touch(self, name: str) -> None:
        (self._folder / name).touch()

    # --- what the test sees -------------------------------------------------------------------

    def events(self, event: str, **like: Any) -> list[dict[str, Any]]:
        return _matching(lines(self._folder / "events.jsonl"), event=event, **like)

    def event(self, event: str, timeout: float = 20, **like: Any) -> dict[str, Any]:
        found = wait_until(
            lambda: self.events(event, **like), timeout=timeout, what=f"event {event} {like}"
        )
        return found[0]

    def operations(self, op: str, **like: Any) -> list[dict[str, Any]]:
        return _matching(lines(self._folder / "operations.jsonl"), op=op, **like)

    def operation(self, op: str, timeout: float = 20, **like: Any) -> dict[str, Any]:
        found = wait_until(
            lambda: self.operations(op, **like), timeout=timeout, what=f"operation {op} {like}"
        )
        return found[0]

    def renewed(self, run: str, after: float = 0.0) -> dict[str, Any]:
        """A renewal of this run's lease that was asked after a moment."""

        def found() -> list[dict[str, Any]]:
            return [
                renewal
                for renewal in self.operations("Renew")
                if renewal["asked"] > after and run in dict(renewal["leases"])
            ]

        return wait_until(found, timeout=20, what=f"a renewal of {run}")[0]

    def relatives(self) -> list[int]:
        return [event["pid"] for event in self.events("relative")]

    # --- the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """End every process there may be, by pid."""
        everybody = lines(self._folder / "events.jsonl")
        pids = [self.agent, self.process.pid, *(event["pid"] for event in everybody)]
        for pid in dict.fromkeys(pids):
            process = processes.find(pid)
            if process and pid != os.getpid() and self._is_ours(process):
                _kill(process.identity)
        self.process.wait()
        remove_address(self.path)
        assert self.process.stdin
        self.process.stdin.close()
        os.close(self._wake)

    def _is_ours(self, process: processes.Process) -> bool:
        """Not a process that was given the same pid since."""
        folder = f"{FOLDER}={self._folder}".encode()
        return not process.dead and processes.environment_holds(process.pid, folder)


def alive(pid: int) -> bool:
    process = processes.find(pid)
    return process is not None and not process.dead


def _kill(identity: processes.ProcessId) -> None:
    pidfd = processes.open_pidfd(identity)
    if pidfd is not None:
        processes.send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)


def _matching(entries: list[dict[str, Any]], **like: Any) -> list[dict[str, Any]]:
    return [e for e in entries if all(e.get(name) == value for name, value in like.items())]
