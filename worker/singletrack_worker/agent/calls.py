"""Calls to the ledger, one at a time, in a thread of their own.

A ledger that hangs must not stop the agent from killing in time, so the loop never waits for it: it
hands over one call and goes on; an eventfd tells it that the answer is there.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from singletrack.clock import Clock
from singletrack.ledger import Ledger
from singletrack.operations import Operation

_PAUSE_SECONDS = 0.5
_TOO_SOON_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of one call: the reply, or the error."""

    sent_at: float
    """CLOCK_BOOTTIME before it was sent: what a lease counts from."""
    reply: Any = None
    error: Exception | None = None


Then = Callable[[Answered], None]


class Bell:
    """Wakes up a selector from another thread."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._fd

    def ring(self) -> None:
        os.eventfd_write(self._fd, 1)

    def silence(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)


class LedgerCalls:
    """The thread that talks to the ledger, and its bell."""

    def __init__(self, ledger: Ledger, clock: Clock, bell: Bell) -> None:
        self._ledger = ledger
        self._clock = clock
        self._bell = bell
        self._then: Then | None = None
        self._calls: SimpleQueue[Operation[Any]] = SimpleQueue()
        self._answers: SimpleQueue[Answered] = SimpleQueue()
        threading.Thread(target=self._work, name="ledger", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a call is under way; there is never a second one."""
        return self._then is not None

    def begin(self, operation: Operation[Any], then: Then) -> None:
        """Send a call; `collect` will hand its answer to `then`."""
        self._then = then
        self._calls.put(operation)

    def collect(self) -> None:
        """Hand over the answer, if it has come."""
        if self._then and not self._answers.empty():
            then, self._then = self._then, None
            then(self._answers.get())

    def _work(self) -> None:
        while True:
            operation = self._calls.get()
            self._answers.put(self._perform(operation))
            self._bell.ring()

    def _perform(self, operation: Operation[Any]) -> Answered:
        sent_at = self._clock.boottime()
        try:
            reply = self._ledger.execute(operation)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease was not renewed
            return Answered(sent_at=sent_at, error=error)
        return Answered(sent_at=sent_at, reply=reply)


class Wakeups:
    """The thread that listens for runs that want to be renewed at once. Losing it does no harm."""

    def __init__(self, listen: Callable[[], Iterable[str]], bell: Bell) -> None:
        self._listen = listen
        self._bell = bell
        self._run_ids: SimpleQueue[str] = SimpleQueue()
        self._paced = threading.Event()
        threading.Thread(target=self._work, name="wakeups", daemon=True).start()

    def collect(self) -> list[str]:
        """The run ids that have come since the last time."""
        found = []
        while not self._run_ids.empty():
            found.append(self._run_ids.get())
        return found

    def _work(self) -> None:
        while True:
            asked = time.monotonic()
            with contextlib.suppress(Exception):  # the timer renews as well
                for run_id in self._listen():
                    if run_id:
                        self._run_ids.put(run_id)
                        self._bell.ring()
                    else:
                        self._pace(asked)
                    asked = time.monotonic()
            self._pace(asked)

    def _pace(self, asked: float) -> None:
        """A connection that breaks at once must not make this thread spin."""
        if time.monotonic() - asked < _TOO_SOON_SECONDS:
            self._paced.wait(_PAUSE_SECONDS)
