"""The work queue: which TaskRuns to look at, each by one worker at a time.

A key that is added while it waits is looked at once; one that is added while it is being looked at
is looked at again afterwards. A key whose turn has failed comes back after a growing pause with
jitter, and so do keys that asked for a later look.
"""

from __future__ import annotations

import asyncio
import heapq
import random

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 60.0


class WorkQueue:
    """Keys in order of arrival, without duplicates; for one event loop."""

    def __init__(self, jitter: random.Random | None = None) -> None:
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._later: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._alarm: asyncio.TimerHandle | None = None
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads load, guards nothing

    def __len__(self) -> int:
        """How many wait for a worker now."""
        return self._ready.qsize()

    @property
    def busy(self) -> int:
        """How many are being looked at now."""
        return len(self._working)

    def failures(self, key: str) -> int:
        """How many turns of this key have failed in a row."""
        return self._failures.get(key, 0)

    def add(self, key: str) -> None:
        """Look at it as soon as a worker is free."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_later(self, key: str, seconds: float) -> None:
        """Look at it after so many seconds; the earliest of several such wishes counts."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(seconds, 0.0)
        if self._due.get(key, at + 1) <= at:
            return
        self._due[key] = at
        heapq.heappush(self._later, (at, key))
        self._set_alarm(loop)

    async def take(self) -> str:
        """The next key; it is this worker's until `done` or `failed`."""
        key = await self._ready.get()
        self._waiting.discard(key)
        self._working.add(key)
        self._idle.clear()
        return key

    def done(self, key: str) -> None:
        """The turn went well."""
        self._failures.pop(key, None)
        self._release(key)

    def failed(self, key: str, at_least_seconds: float = 0.0) -> None:
        """The turn failed: come back after a pause that doubles each time."""
        failures = min(self._failures.get(key, 0), 20)
        self._failures[key] = failures + 1
        pause = min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS)
        self._release(key)
        self.add_later(key, max(pause * self._jitter.uniform(0.5, 1.0), at_least_seconds))

    def _release(self, key: str) -> None:
        self._working.discard(key)
        if not self._working:
            self._idle.set()
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(self._later[0][0], self._ring) if self._later else None

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._later and self._later[0][0] <= now:
            at, key = heapq.heappop(self._later)
            if self._due.get(key) == at:
                del self._due[key]
                self.add(key)
        self._set_alarm(loop)

    async def drained(self, patience_seconds: float) -> None:
        """Return when nobody works on anything any more, or patience is at its end."""
        try:
            async with asyncio.timeout(patience_seconds):
                await self._idle.wait()
        except TimeoutError:
            return
