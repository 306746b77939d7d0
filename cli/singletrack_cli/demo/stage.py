"""Where the story is told: commands with their real output, narration, claims with a tick."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, TypeVar

from singletrack.testing import task_log
from singletrack.testing.task_log import Event
from singletrack_cli.demo.errors import ClaimFailed, CommandFailed

T = TypeVar("T")

TASKRUNS = "taskruns.singletrack.dev"

_TIMEOUT_SECONDS = 120
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
_BOLD, _GREEN, _RED, _PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The platform the story is told on."""

    api: str
    metrics: str
    redis: str = field(repr=False)
    mark: str
    pid: int
    log: Path
    """What the tasks write while they execute."""
    environ: Mapping[str, str] = field(repr=False)
    """Of a person's shell: where the cluster and the ledger are."""


class Stage:
    """Shows and checks."""

    def __init__(self, out: TextIO, setting: Setting) -> None:
        self.setting = setting
        self.claims = 0
        self._out = out
        self._coloured = out.isatty() and not os.environ.get("NO_COLOR")

    def tell(self, text: str) -> None:
        """A line of narration."""
        self._show(_BOLD, f"\n# {text}")

    def run(self, command: str) -> str:
        """Type a command, show what it prints, and answer it.

        Raises:
            CommandFailed: its exit code was not 0.
        """
        self._show(_GREEN, f"\n$ {command}")
        done = self._execute(command)
        self._show("", done.stdout.rstrip() or "(prints nothing)")
        if done.returncode != 0:
            raise CommandFailed(
                f"`{_first_line(command)}` ended with code {done.returncode}: {done.stderr.strip()}"
            )
        return done.stdout

    def look(self, command: str) -> str:
        """What a command prints, without showing it: for the claims."""
        done = self._execute(command)
        if done.returncode != 0:
            raise CommandFailed(f"`{_first_line(command)}` failed: {done.stderr.strip()}")
        return done.stdout

    def claim(self, sentence: str, holds: object, found: object = "") -> None:
        """Say that something is so.

        Raises:
            ClaimFailed: it is not.
        """
        if not holds:
            self._show(_RED, f"  ✗ {sentence}")
            raise ClaimFailed(f"it does not hold that {sentence}" + (f": {found}" if found else ""))
        self.claims += 1
        self._show(_GREEN, f"  ✓ {sentence}")

    def taskrun(self, name: str) -> dict[str, Any]:
        """A TaskRun as kubectl shows it to programs."""
        found: dict[str, Any] = json.loads(self.look(f"kubectl get {TASKRUNS} {name} -o json"))
        return found

    def taskruns(self) -> dict[str, dict[str, Any]]:
        """All of them at one moment, by name."""
        items = json.loads(self.look(f"kubectl get {TASKRUNS} -o json"))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def events(self, run: str) -> list[Event]:
        """What the processes of one run have written."""
        path = self.setting.log
        return [event for event in task_log.read(path) if event.run == run] if path.exists() else []

    def until(self, what: str, ask: Callable[[], T]) -> T:
        """Ask until the answer is yes.

        Raises:
            ClaimFailed: it took too long.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (answer := ask()):
            if time.monotonic() > deadline:
                raise ClaimFailed(f"waited {_PATIENCE_SECONDS:.0f} s in vain for {what}")
            time.sleep(_PAUSE_SECONDS)
        return answer

    def show(self, text: str) -> None:
        """Something that is neither a command nor a claim."""
        self._show("", text)

    def _execute(self, command: str) -> subprocess.CompletedProcess[str]:
        with subprocess.Popen(
            ["/bin/sh", "-c", command],
            env=dict(self.setting.environ),
            cwd=self.setting.log.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as shell:
            try:
                out, err = shell.communicate(timeout=_TIMEOUT_SECONDS)
            except BaseException as error:  # Ctrl-C above all: what the shell has started must end
                os.killpg(shell.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    said = f"`{_first_line(command)}` did not end within {_TIMEOUT_SECONDS} s"
                    raise CommandFailed(said) from error
                raise
        return subprocess.CompletedProcess(command, shell.returncode, out, err)

    def _show(self, style: str, text: str) -> None:
        coloured = self._coloured and style
        self._out.write(f"{style}{text}{_PLAIN}\n" if coloured else f"{text}\n")
        self._out.flush()


def _first_line(command: str) -> str:
    return command.partition("\n")[0]
