"""Processes that end when this one does, whatever ends this one.

A control plane that outlives its terminal keeps a port, 300 MB and the lock on its data. So the
kernel kills each child when its parent goes (`tether.py`). The kernel counts the *thread* that
started the child as its parent: every child gets a thread of its own, which waits for it.
Children live in their own session, so that Ctrl-C reaches us alone and we end them in order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

_TETHER = Path(__file__).with_name("tether.py")


class Child:
    """One running program; what it says goes to `log`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        log: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self.returncode: int | None = None
        self._ended = threading.Event()
        started: Future[int] = Future()
        words = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *map(str, command)]
        threading.Thread(
            target=self._keep, args=(words, folder, environ, started), daemon=True
        ).start()
        self.pid = started.result()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait for the end; False if it has not come within `timeout`."""
        return self._ended.wait(None if timeout is None else timeout.total_seconds())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child and what it started; nothing happens if it has ended."""
        if not self.ended:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def stop(self, grace: timedelta) -> None:
        """Ask the child to end, kill it after `grace`, and return when it is gone."""
        self.signal(signal.SIGTERM)
        if not self.wait(grace):
            self.signal(signal.SIGKILL)
            self.wait()

    def last_lines(self, count: int = 12) -> str:
        """The end of its log, to say why it failed."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line[:400]}" for line in lines[-count:])

    def _keep(
        self,
        command: list[str],
        folder: Path,
        environ: Mapping[str, str] | None,
        started: Future[int],
    ) -> None:
        try:
            with self.log.open("wb") as output:
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(process.pid)
        self.returncode = process.wait()
        self._ended.set()
