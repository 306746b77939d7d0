"""What comes out on the terminal: lines of the parts, lines of our own, progress.

A thread writes, so that a terminal that stands still (Ctrl-S, a pager) never holds up the parts,
whose pipes this process empties; what does not fit into the queue meanwhile is counted and dropped.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO

SLOW_SECONDS = 2.0

_ROOM = 10_000
_NAME_WIDTH = 8
_LATER_SECONDS = 10.0
_CLEAR = "\r\x1b[K"
_RESET = "\x1b[0m"
_COLOURS = {
    "up": "\x1b[1m",
    "valkey": "\x1b[33m",
    "cluster": "\x1b[36m",
    "worker": "\x1b[32m",
    "api": "\x1b[34m",
    "operator": "\x1b[35m",
}


@dataclass(frozen=True, slots=True)
class _Line:
    text: str


@dataclass(frozen=True, slots=True)
class _Status:
    """A line at the bottom that the next one replaces; empty for none."""

    text: str


class Terminal:
    """Call `close` at the end: it writes what is left."""

    def __init__(
        self, out: TextIO, environ: Mapping[str, str] = os.environ, *, verbose: bool = False
    ) -> None:
        self.verbose = verbose
        self.quiet = not verbose
        """While this is true, what the parts print is not shown."""
        self.interactive = out.isatty()
        self.coloured = self.interactive and not environ.get("NO_COLOR")
        self._out = out
        self._queue: queue.Queue[_Line | _Status | None] = queue.Queue(_ROOM)
        self._dropped = 0
        self._status = ""
        self._waits: dict[object, tuple[str, float]] = {}
        self._gone: Callable[[], object] = lambda: None
        self._writer = threading.Thread(target=self._write_all, daemon=True, name="terminal")
        self._writer.start()

    def when_gone(self, act: Callable[[], object]) -> None:
        """What to do, in the writer's thread, when nobody reads any more (`up | head`)."""
        self._gone = act

    def say(self, text: str) -> None:
        """One line of our own."""
        self.line("up", text)

    def line(self, part: str, text: str) -> None:
        """One line of a part, behind its name."""
        name = f"{part:<{_NAME_WIDTH}} |"
        if self.coloured:
            name = f"{_COLOURS.get(part, '')}{name}{_RESET}"
        self._put(_Line(f"{name} {text}"))

    def show(self, block: str) -> None:
        """Several lines as they are."""
        self._put(_Line(block))

    @contextmanager
    def progress(self, what: str) -> Iterator[None]:
        """Say what is being waited for as soon as it takes long, and for how long."""
        key = object()
        self._waits[key] = (what, time.monotonic())
        ticking = asyncio.get_running_loop().create_task(self._tick(key))
        try:
            yield
        finally:
            ticking.cancel()
            del self._waits[key]
            self._show_waits()

    def close(self) -> None:
        """Write what is left, but do not wait long for a terminal that stands still."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        self._writer.join(SLOW_SECONDS)

    async def _tick(self, key: object) -> None:
        await asyncio.sleep(SLOW_SECONDS)
        while True:
            if self.interactive:
                self._show_waits()
                await asyncio.sleep(1)
            else:
                self.say(_described(*self._waits[key]))
                await asyncio.sleep(_LATER_SECONDS)

    def _show_waits(self) -> None:
        now = time.monotonic()
        slow = [wait for wait in self._waits.values() if now - wait[1] >= SLOW_SECONDS]
        self._put(_Status(", ".join(_described(*wait) for wait in slow)))

    def _put(self, item: _Line | _Status) -> None:
        try:
            if self._dropped:
                missing = f"({self._dropped} lines were dropped: the terminal stood still)"
                self._queue.put_nowait(_Line(missing))
                self._dropped = 0
            self._queue.put_nowait(item)
        except queue.Full:
            self._dropped += 1

    def _write_all(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._out.write(self._rendered(item))
                self._out.flush()
        except (OSError, ValueError):  # the other end is closed, or we are
            self._gone()

    def _rendered(self, item: _Line | _Status) -> str:
        if isinstance(item, _Status):
            changed, self._status = item.text != self._status, item.text
            return f"{_CLEAR}{item.text}" if self.interactive and changed else ""
        if not self._status:
            return f"{item.text}\n"
        return f"{_CLEAR}{item.text}\n{self._status}"


def _described(what: str, began: float) -> str:
    return f"{what}: {time.monotonic() - began:.0f} s"
