"""What a build of several minutes says meanwhile.

On a terminal one line counts the seconds; elsewhere (CI, a pipe) a line now and then shows that it
still works, without filling the log.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

_CLEAR = "\r\x1b[K"


class BuildProgress:
    """Says what is being done and for how long; the clock is passed in for tests."""

    def __init__(
        self,
        out: TextIO,
        *,
        clock: Callable[[], float] = time.monotonic,
        every: timedelta = timedelta(seconds=15),
    ) -> None:
        self._out = out
        self._clock = clock
        self._every = every.total_seconds()
        self._terminal = out.isatty()
        self._what = ""
        self._began = self._last = clock()

    def say(self, sentence: str) -> None:
        self._write(f"{sentence}\n")

    def begin(self, what: str) -> None:
        """A new step; its seconds count from here."""
        self._what = what
        self._began = self._last = self._clock()
        self._write(what if self._terminal else f"{what}\n")

    def tick(self, detail: str) -> None:
        """To be called about once a second while the step goes on."""
        now = self._clock()
        line = f"{self._what}: {now - self._began:.0f} s"
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{line}  {detail}"[:width])
        elif now - self._last >= self._every:
            self._last = now
            self._write(f"{line}\n")

    def finish(self) -> None:
        self._write(f"{self._what}: done in {self._clock() - self._began:.0f} s\n")

    def _write(self, text: str) -> None:
        self._out.write(f"{_CLEAR}{text}" if self._terminal else text)
        self._out.flush()
