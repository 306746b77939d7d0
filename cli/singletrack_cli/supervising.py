"""Starts a part, keeps it running, ends it: the life of one part beside the others.

A part that dies is started again after a pause that grows, with one line to say so. What a process
prints is shown once it is ready (always with --verbose): a start that succeeds is not interesting,
and one that fails is told with the process's last words.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress

from singletrack_cli.backoff import Backoff
from singletrack_cli.errors import CannotStart
from singletrack_cli.parts import Part
from singletrack_cli.processes import Process, said_of
from singletrack_cli.readiness import until_ready
from singletrack_cli.terminal import Terminal

READY_SECONDS = 60.0
HURRIED_SECONDS = 5.0

_SHOWN_LINES = 12

MakePart = Callable[[int], Part]
"""The part for its n-th process, counted from 1."""


class Keeper:
    """Keeps one part running from `start` to `stop`."""

    def __init__(
        self, name: str, make: MakePart, terminal: Terminal, changed: Callable[[], None]
    ) -> None:
        self.name = name
        self._make = make
        self._terminal = terminal
        self._changed = changed
        self._generation = 0
        self._current: Process | None = None
        self._leaving: set[Process] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._chores: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int:
        """Of the present process; 0 before the first."""
        return self._current.pid if self._current else 0

    async def start(self) -> None:
        """Start it, return when it is ready, and keep it running from then on.

        Raises:
            CannotStart: it ended, or was not ready in time; says why in its own words.
        """
        with self._terminal.progress(f"starting {self.name}"):
            process = await self._launch()
            if not await process.gets_ready(READY_SECONDS):
                raise CannotStart(await why_not(process))
        self._keeping = self._do(self._keep(process))

    async def replace(self) -> None:
        """Let a new process take over once it is ready; then the old one ends after its work."""
        old = self._current
        if self._keeping is not None:
            self._keeping.cancel()
        new = await self._launch()
        self._keeping = self._do(self._keep(new))
        await new.gets_ready(READY_SECONDS)
        if old is not None and old.alive:
            self._leaving.add(old)
            old.send(signal.SIGTERM)
            self._do(self._forget(old))

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask it to end, and return when it has; `hurry` makes that soon."""
        for chore in self._chores:
            chore.cancel()
        present = {self._current} if self._current else set()
        await asyncio.gather(*(self._end(each, hurry) for each in self._leaving | present))

    async def _keep(self, process: Process) -> None:
        backoff = Backoff()
        while True:
            code = await process.ended()
            pause = backoff.after(process.age)
            self._terminal.say(await _obituary(process, code, pause))
            await asyncio.sleep(pause)
            with suppress(OSError):  # no room for one more process: wait longer
                process = await self._launch()

    async def _launch(self) -> Process:
        self._generation += 1
        process = self._current = Process(self._make(self._generation), self._hear)
        await process.listen()
        self._do(until_ready(process))
        self._changed()
        return process

    async def _end(self, process: Process, hurry: asyncio.Event) -> None:
        process.send(signal.SIGTERM)
        with self._terminal.progress(f"waiting for {self.name} to end (Ctrl-C again to hurry)"):
            if await _ends(process, hurry):
                return
        process.send(process.part.hurry)
        if not await process.ends_within(HURRIED_SECONDS):
            process.send(signal.SIGKILL)
            await process.ended()

    async def _forget(self, process: Process) -> None:
        await process.ended()
        self._leaving.discard(process)

    def _hear(self, process: Process, line: str) -> None:
        interesting = (
            line.strip() and process.is_ready and process.part.talks and not self._terminal.quiet
        )
        if interesting or self._terminal.verbose:
            self._terminal.line(self.name, line)

    def _do(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        chore = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)
        return chore


async def why_not(process: Process) -> str:
    """Why a process did not get ready: the sentence it ended with, or its last lines."""
    words = [line for line in await process.last_words() if line.strip()]
    name = process.part.name
    if process.alive:
        said = f"{name} was not ready within {READY_SECONDS:.0f} s"
    else:
        said = f"{name} did not start ({said_of(await process.ended())})"
        if words and (sentence := spoken(words[-1])):
            return f"{name} did not start: {sentence}"
    lines = "\n".join(f"  {line}" for line in words[-_SHOWN_LINES:])
    return f"{said}; its last words:\n{lines}" if words else said


def spoken(line: str) -> str:
    """The sentence in a last line like `singletrack-api: port 8000 is taken…`; else nothing."""
    program, _, sentence = line.partition(": ")
    return sentence if program.startswith("singletrack-") and " " not in program else ""


async def _obituary(process: Process, code: int, pause: float) -> str:
    """One line: what happened, and why as far as it said so before it was ever ready."""
    words = [] if process.is_ready else [line for line in await process.last_words() if line]
    why = f": {spoken(words[-1]) or words[-1]}" if words else ""
    return f"{process.part.name} has ended ({said_of(code)}){why}; starting it again in {pause:g} s"


async def _ends(process: Process, hurry: asyncio.Event) -> bool:
    """Whether it ends by itself before its patience is over or somebody hurries."""
    hurried = asyncio.ensure_future(hurry.wait())
    ended = asyncio.ensure_future(process.ended())
    try:
        await asyncio.wait(
            {hurried, ended},
            timeout=process.part.patience_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        hurried.cancel()
        ended.cancel()
    return not process.alive
