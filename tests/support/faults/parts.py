"""The processes of a platform under faults: started, told apart, started again when they die.

What a supervisor does in production happens in `tend`, which a test calls while it waits: a part
that has died is started again, a process that a failpoint has stopped is resumed after two leases.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.faults import telling
from support.local_platform import FAST_LEASES, ROOT, alive
from support.waiting import wait_until

from singletrack.failpoints import arming

LEASE_SECONDS = float(FAST_LEASES["SINGLETRACK_LEASE_SECONDS"])
_TRY_AGAIN = {404, 500, 503}  # 404: no worker has registered the task (again) yet
COMPONENTS = ("core", "api", "worker", "operator", "cli", "tests")
_TELL_SECONDS = 5.0

# Should the test run itself be killed, the parts go with it.
_GUARD = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []


class Part:
    """One process, with as many lives as it needs."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], ready: str):
        self.name = name
        self._command = command
        self._environment = environment
        self._ready = ready
        self._log = Path(environment["SINGLETRACK_TASK_LOG"]).with_name(f"{name}.log")
        self._begun_at = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.lives = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has said in its present life."""
        if not self._log.exists():
            return ""
        with self._log.open("rb") as file:
            file.seek(self._begun_at)
            return file.read().decode(errors="replace")

    @property
    def ready(self) -> bool:
        return self.runs and re.search(self._ready, self.log) is not None

    def start(self) -> None:
        self._begun_at = self._log.stat().st_size if self._log.exists() else 0
        self.lives += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_GUARD, sys.executable, "-m", *self._command],
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def tell(self) -> str:
        """What a worker's main holds at this moment; empty if it does not answer."""
        asked_at = len(self.log)
        telling.ask(self.pid)

        def told() -> str:
            _, beginning, text = self.log[asked_at:].partition(telling.BEGINNING)
            text, end, _ = text.partition(telling.END)
            return f"{self.name}: {beginning}{text}" if end else ""

        with contextlib.suppress(AssertionError):  # one that is frozen, say
            return wait_until(told, _TELL_SECONDS)
        return ""

    def kill(self) -> None:
        if self.runs and self._process is not None:
            self._process.kill()
            self._process.wait(10)


class Parts:
    """All of them, and the folder in which failpoints are armed."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.task_log = folder / "tasks.log"
        self.environment = {
            **FAST_LEASES,
            **environment,
            arming.LIST: "",
            arming.PURPOSE: "tests",
            arming.FOLDER: str(folder),
            "SINGLETRACK_TASK_LOG": str(self.task_log),
            "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in COMPONENTS),
        }
        self.parts: dict[str, Part] = {}
        self.disturbed_until = time.monotonic()
        """Until when something was dead or frozen that has to be there for anything to move."""
        self._stopped: dict[int, float] = {}
        self._number = 0

    def add(self, name: str, *command: str, ready: str, **environment: str) -> Part:
        part = Part(name, [*command], {**self.environment, **environment}, ready)
        self.parts[name] = part
        part.start()
        return part

    def until_ready(self, seconds: float = 60.0) -> None:
        def all_ready() -> bool:
            self.tend()
            late = [part.name for part in self.parts.values() if not part.ready]
            assert not late, f"not ready: {', '.join(late)}"
            return not self._stopped

        wait_until(all_ready, seconds, "every part to be ready")

    # --- faults -----------------------------------------------------------------------------------

    def arm(self, entries: str) -> None:
        """Arm these instead of those before."""
        self._number += 1
        fresh = self.folder / "fresh"
        fresh.write_text(f"{self._number} {entries}")
        fresh.replace(self.folder / arming.ARMED)

    def fired(self) -> list[dict[str, Any]]:
        """The failpoints that have fired since they were armed."""
        log = self.folder / arming.FIRED
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in map(json.loads, lines) if line["number"] == str(self._number)]

    def tend(self) -> None:
        """Start what has died, resume what has been frozen for two leases."""
        now = time.monotonic()
        self._resume(now)
        for part in self.parts.values():
            if not part.runs:
                part.start()
        if self._stopped or not all(part.ready for part in self.parts.values()):
            self.disturbed_until = now

    def _resume(self, now: float) -> None:
        stopped = {line["pid"] for line in self.fired() if line["action"] == "stop"}
        for pid in filter(is_stopped, stopped - self._stopped.keys()):
            self._stopped[pid] = now + 2 * LEASE_SECONDS
        for pid, resume_at in list(self._stopped.items()):
            if now >= resume_at or not alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
                del self._stopped[pid]

    # --- processes --------------------------------------------------------------------------------

    def strangers(self) -> list[int]:
        """Processes of this platform that descend from none of its parts."""
        roots = {part.pid for part in self.parts.values() if part.runs}
        return [pid for pid in self._marked() if not roots & {pid, *ancestors(pid)}]

    def _marked(self) -> list[int]:
        mark = f"SINGLETRACK_TASK_LOG={self.task_log}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0") and alive(int(entry.name)):
                    found.append(int(entry.name))
        return found

    def stop(self) -> list[int]:
        """End everything; answers which processes were left after ten seconds."""
        for pid in self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for part in self.parts.values():
            part.kill()
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self._marked(), 15)
        left = self._marked()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            break
        found.append(pid)
    return found


def is_stopped(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


class Rest:
    """The REST door, asked again until it answers: what a client with an idempotency key does."""

    def __init__(self, part: Part, tend: Any) -> None:
        self.patience_seconds = 2.0
        self._part = part
        self._tend = tend

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        """The status and the content of the first answer that is not 'try again'."""

        def answered() -> tuple[int, Any] | None:
            self._tend()
            answer = self.try_once(method, path, body, key)
            return None if answer and answer[0] in _TRY_AGAIN else answer

        return wait_until(answered, 60, f"{method} {path} to be answered")

    def try_once(self, method: str, path: str, body: Any, key: str) -> tuple[int, Any] | None:
        """The status and the content of the answer; None if there was none."""
        found = re.findall(r"url=http://([\d.]+):(\d+)", self._part.log)
        if not found:
            return None
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        connection = http.client.HTTPConnection(
            found[-1][0], int(found[-1][1]), timeout=self.patience_seconds
        )
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return response.status, content
