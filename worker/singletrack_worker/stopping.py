"""SIGTERM in a pool child: stops user code, never the bookkeeping around it.

billiard's own handler ends the child wherever it is. While a run is being executed this one takes
its place: the first SIGTERM raises in user code; outside user code it is only remembered. So does
the signal that Celery's pool ends its children with: another one where `REMAP_SIGTERM` says so.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from billiard.common import TERM_SIGNAL

_NUMBERS = {int(signal.SIGTERM), int(TERM_SIGNAL)}


class StopRequested(SystemExit):
    """Raised in user code when its process is told to stop; a SystemExit, so `finally` runs."""


class StopSignal:
    """Takes SIGTERM for the time of one run."""

    def __init__(self) -> None:
        self.received = False
        self._in_user_code = False
        self._number: int = signal.SIGTERM

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Handle SIGTERM here; give it back at the end."""
        self.received = False
        previous: Any = {number: signal.signal(number, self._handle) for number in _NUMBERS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def user_code(self) -> Iterator[None]:
        """In here the first SIGTERM raises `StopRequested`."""
        self._in_user_code = True
        try:
            if self.received:
                raise StopRequested
            yield
        finally:
            self._in_user_code = False

    def pass_on(self) -> None:
        """Deliver the signal again, to whoever handles it now: the child itself was meant."""
        os.kill(os.getpid(), self._number)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        first, self.received, self._number = not self.received, True, number
        if first and self._in_user_code:
            raise StopRequested
