"""The platform under the story: started like anybody would, stopped whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from singletrack.testing import task_log
from singletrack_cli import parts, warden
from singletrack_cli.announcing import STATE_FILE
from singletrack_cli.demo.errors import CommandFailed
from singletrack_cli.demo.stage import Setting
from singletrack_cli.processes import tethered

_LAST_LINE = "Ctrl-C stops everything"
_READY_SECONDS = 180
_END_SECONDS = 60
_SHOWN_LINES = 25

_CURL = '#!/bin/sh\nexec {python} -m singletrack_cli.demo.fetch "$@"\n'


class PlatformProcess:
    """One `singletrack up` in a folder of its own."""

    def __init__(self, folder: Path, programs: Path, out: TextIO) -> None:
        self._folder = folder
        self._out = out
        self._lines: list[str] = []
        self._shown = threading.Event()
        words = ["up", "--kubernetes", "--api-port", "0", "--data", "data"]
        out.write(f"\n$ singletrack {' '.join(words)}\n")
        out.flush()
        # Below everything: the kernel ends it when this process ends, and its warden the rest.
        self._process = subprocess.Popen(
            tethered([sys.executable, "-m", "singletrack_cli", *words]),
            cwd=folder,
            env=parts.personal(os.environ)
            | {"KUBEBUILDER_ASSETS": str(programs), task_log.VARIABLE: str(folder / "tasks.log")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._relay, daemon=True).start()

    def setting(self) -> Setting:
        """Where everything is, once it is ready.

        Raises:
            CommandFailed: it did not become ready; it has said why.
        """
        if not self._shown.wait(_READY_SECONDS) or self._process.poll() is not None:
            raise CommandFailed("the platform did not start")
        state = json.loads((self._folder / "data" / STATE_FILE).read_text())
        return Setting(
            api=state["api"],
            metrics=state["metrics"],
            redis=state["redis"],
            mark=state["mark"],
            pid=state["pid"],
            log=self._folder / "tasks.log",
            environ=self._shell(state),
        )

    def stop(self) -> int:
        """End it as Ctrl-C does, twice if it takes long; its exit code."""
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
            try:
                return self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        return self._process.wait()

    def last_lines(self) -> str:
        """What the parts said last, for the case that something went wrong."""
        return "\n".join(self._lines[-_SHOWN_LINES:])

    def _relay(self) -> None:
        """Show everything up to the end of the screen; keep what comes later."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for above
        for line in self._process.stdout:
            self._lines.append(line.rstrip("\n"))
            if not self._shown.is_set():
                self._out.write(line)
                self._out.flush()
            if line.startswith(_LAST_LINE):
                self._shown.set()
                self._lines.clear()
        self._shown.set()

    def _shell(self, state: Mapping[str, Any]) -> dict[str, str]:
        """The environment of a shell in which `data/env` was sourced."""
        programs = self._folder / "bin"
        programs.mkdir()
        (programs / "kubectl").symlink_to(state["kubectl"])  # the one that fits the server
        if shutil.which("curl") is None:
            (programs / "curl").write_text(_CURL.format(python=sys.executable))
            (programs / "curl").chmod(0o755)
        path = [str(programs), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        return parts.personal(os.environ) | {
            "PATH": os.pathsep.join(path),
            "KUBECONFIG": state["kubeconfig"],
            "KUBECACHEDIR": str(self._folder / "kubectl-cache"),
            "REDIS_URL": state["redis"],
        }


@contextmanager
def running(folder: Path, programs: Path, out: TextIO) -> Iterator[PlatformProcess]:
    """A platform for the length of a block; nothing of it is left afterwards."""
    process = PlatformProcess(folder, programs, out)
    try:
        yield process
    finally:
        process.stop()


def left_over(mark: str) -> list[int]:
    """The processes of a platform that still live."""
    return warden.look(f"{parts.MARK}={mark}".encode())[0]
