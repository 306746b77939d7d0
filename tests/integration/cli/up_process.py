"""`singletrack up` as a process of a test: in a folder of its own, on free ports."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from support.waiting import wait_until

from singletrack_cli import parts, warden

ROOT = Path(__file__).resolve().parents[3]
COMPONENTS = ("core", "api", "worker", "operator", "cli")

READY = 60.0
END = 30.0


def command_environ() -> dict[str, str]:
    """The caller's environment, with this checkout's packages."""
    path = os.pathsep.join(str(ROOT / name) for name in COMPONENTS)
    return {**os.environ, "PYTHONPATH": path}


class Up:
    """One `singletrack up`."""

    def __init__(self, folder: Path, *words: str, **environ: str) -> None:
        self.folder = folder
        self._log = folder / "up.log"
        self._given = words
        (folder / "data" / "up.json").unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "singletrack_cli", "up", *_usual(words), *words],
                cwd=folder,
                env={**command_environ(), **environ},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ready(self) -> Up:
        there = self.folder / "data" / "up.json"
        wait_until(lambda: there.exists() or self.ended, READY, "the platform to be ready")
        assert there.exists(), self.output
        self.mark = self.state["mark"]
        return self

    # --- what a story is told on (`support.taskrun_story.Platform`) -------------------------------

    namespace = "default"

    @property
    def redis_url(self) -> str:
        return str(self.state["redis"])

    @property
    def task_log(self) -> Path:
        return self.folder / "tasks.log"

    def kubectl(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [self.state["kubectl"], *words],
            env={**os.environ, "KUBECONFIG": self.state["kubeconfig"]},
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def describe(self) -> str:
        return self.output

    # ----------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "data" / "up.json").read_text())
        return found

    def pid(self, part: str) -> int:
        return int(self.state["parts"][part])

    def left_over(self) -> list[int]:
        """The processes of this platform that live."""
        return warden.look(f"{parts.MARK}={self.mark}".encode())[0]

    def get(self, path: str) -> Any:
        """What the API answers, refusals included."""
        host, _, port = self.state["api"].removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())

    def starts_and_ends(self, query: str = "") -> Mapping[str, Any]:
        """Run the start task over REST; how it ended."""
        started = wait_until(lambda: self._started(query), 20, "a start to be accepted")

        def ended() -> Any:
            with contextlib.suppress(OSError, http.client.HTTPException):
                status = self.get(f"/status?task_id={started}")
                return status if status.get("status") not in {"PENDING", "STARTED"} else None
            return None

        found: Mapping[str, Any] = wait_until(ended, 20, f"run {started} to end")
        return found

    def shell(self, script: str) -> str:
        """What a person gets in another terminal, after `source data/env`."""
        done = subprocess.run(
            ["/bin/sh", "-c", f". data/env; {script}"],
            cwd=self.folder,
            env=command_environ(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does, and answer its exit code."""
        self.process.send_signal(number)
        return self.process.wait(END)

    def close(self) -> None:
        if not self.ended:
            self.process.kill()
            self.process.wait()

    def _started(self, query: str) -> Any:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get(f"/start{query}").get("id")
        return None


def _usual(words: tuple[str, ...]) -> list[str]:
    port = [] if "--api-port" in words else ["--api-port", "0"]
    return [*port, "--data", "data"]


class StartUp(Protocol):
    """Starts one in the test's folder; it is ended with the test."""

    def __call__(self, *words: str, **environ: str) -> Up: ...
