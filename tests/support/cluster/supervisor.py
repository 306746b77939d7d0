"""Keep the components of a node running, and reap what nobody else waits for.

For the first process of a node: the kernel hands it every orphan, and a component that ends (or is
killed by a test) is started again after a moment, as a distribution's service manager would.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from support.cluster.components import Component

_PAUSE = timedelta(seconds=1)


class Supervisor:
    """`reap` belongs into the main thread; the other methods may be called in any."""

    def __init__(self, logs: Path, environ: Mapping[str, str]) -> None:
        self._logs = logs
        self._environ = environ
        self._started = threading.Lock()
        self._kept: dict[int, Component] = {}
        self._awaited: dict[int, _Ending] = {}

    def keep(self, component: Component) -> None:
        """Start it now, and again whenever it ends."""
        with self._started:  # so that its end is not seen before its beginning is noted
            self._kept[self._spawn(component.name, component.command)] = component

    def run(self, name: str, command: Sequence[str | Path]) -> int:
        """Run a program to its end; its exit code."""
        with self._started:
            ending = self._awaited[self._spawn(name, command)] = _Ending()
        return ending.wait()

    def reap(self) -> NoReturn:
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(_PAUSE.total_seconds())  # there is no child yet
                continue
            code = os.waitstatus_to_exitcode(status)
            with self._started:
                component, ending = self._kept.pop(pid, None), self._awaited.pop(pid, None)
            if ending is not None:
                ending.set(code)
            if component is not None:
                self._note(component, f"ended with code {code}; it is started again")
                threading.Timer(_PAUSE.total_seconds(), self.keep, [component]).start()

    def _spawn(self, name: str, command: Sequence[str | Path]) -> int:
        words = [str(word) for word in command]
        log, append = str(self._logs / f"{name}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawn(
            words[0],
            words,
            self._environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def _note(self, component: Component, sentence: str) -> None:
        with (self._logs / f"{component.name}.log").open("a") as log:
            log.write(f"--- {component.name} {sentence}\n")


class _Ending:
    """The exit code of a program, as soon as it has one."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._code = 0

    def set(self, code: int) -> None:
        self._code = code
        self._ended.set()

    def wait(self) -> int:
        self._ended.wait()
        return self._code
