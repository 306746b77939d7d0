"""The signals by which a pool child is told to stop, or that its run's soft time limit is over.

They raise in user code, never in the bookkeeping around it: outside user code a signal is only
remembered. billiard's own handler of SIGTERM ends the child wherever it is, so while a run is being
executed this one takes its place; also for the signal that Celery's pool ends its children with:
another one where `REMAP_SIGTERM` says so. A stop goes before a soft time limit.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from types import FrameType
from typing import Any

from billiard.common import TERM_SIGNAL
from celery.exceptions import SoftTimeLimitExceeded

from singletrack.clock import Clock
from singletrack_worker.agent.messages import SOFT_LIMIT

_NUMBERS = {int(signal.SIGTERM), int(TERM_SIGNAL)}


class StopRequested(SystemExit):
    """Raised in user code when its process is told to stop; a SystemExit, so `finally` runs."""


class Interruptions:
    """Takes these signals for the time of one run."""

    def __init__(self, clock: Clock) -> None:
        self.received = False
        """Whether the process was told to stop."""
        self.overran = False
        """Whether user code was told that its soft time limit is over."""
        self._clock = clock
        self._stopped = False
        self._in_user_code = self._held = False
        self._number: int = signal.SIGTERM
        self._taken_at = self._warned_at = -inf
        self._soft_seconds = inf

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Handle the signals here, and give SIGTERM back at the end.

        Not so the agent's: one that comes late would end the process.
        """
        self.received = self.overran = self._stopped = False
        self._taken_at, self._warned_at = self._clock.boottime(), -inf
        signal.signal(SOFT_LIMIT, self._warn)
        previous: Any = {number: signal.signal(number, self._stop) for number in _NUMBERS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def user_code(self, soft_seconds: float | None = None) -> Iterator[None]:
        """In here the first stop raises `StopRequested`, the limit `SoftTimeLimitExceeded`."""
        self._soft_seconds = inf if soft_seconds is None else soft_seconds
        self._in_user_code = True
        try:
            self._interrupt()
            yield
        finally:
            self._in_user_code = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """What user code has called of ours is not interrupted, but what comes after it."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals raise in the main thread alone
            return
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self._interrupt()

    def pass_on(self) -> None:
        """Deliver the stop again, to whoever handles it now: the child itself was meant."""
        os.kill(os.getpid(), self._number)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.received, self._number = True, number
        self._interrupt()

    def _warn(self, _number: int, _frame: FrameType | None) -> None:
        self._warned_at = self._clock.boottime()
        self._interrupt()

    def _interrupt(self) -> None:
        if not self._in_user_code or self._held:
            return
        if self.received:
            if not self._stopped:
                self._stopped = True
                raise StopRequested
        elif self._is_over and not self.overran:
            self.overran = True
            raise SoftTimeLimitExceeded

    @property
    def _is_over(self) -> bool:
        """A warning that was meant for an earlier run comes too soon for this one."""
        return self._warned_at >= self._taken_at + self._soft_seconds
