"""One started part: its lines, its end, its signals.

It dies with this process whatever ends this one (`controlplane/tether.py`), has a session of its
own, so that Ctrl-C reaches us alone, and is watched through a pidfd, which costs nothing while it
lives. Must be started from the main thread: for the kernel the starting thread is the parent.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from singletrack_cli.parts import Part, Says

_TETHER = Path(__file__).with_name("controlplane") / "tether.py"
_LONGEST_LINE = 64 * 1024
_REMEMBERED = 30
_LAST_WORDS_SECONDS = 0.5


def tethered(command: Sequence[str]) -> list[str]:
    """The command that starts a program as one that is killed when this process ends."""
    return [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *command]


class Process:
    """One life of a part: it runs as soon as this is made; `listen` must follow."""

    def __init__(self, part: Part, on_line: Callable[[Process, str], None]) -> None:
        self.part = part
        self.ready = asyncio.Event()
        """Set by whoever watches for it (`readiness`)."""
        self._on_line = on_line
        self._said = False
        self._tail: deque[str] = deque(maxlen=_REMEMBERED)
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._silent = asyncio.Event()
        self._popen = subprocess.Popen(
            tethered(part.command),
            env=dict(part.environ),
            cwd=part.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._started_at = loop.time()
        self._pidfd = os.pidfd_open(self._popen.pid)
        loop.add_reader(self._pidfd, self._reap)

    async def listen(self) -> None:
        """Hear what it prints from now on."""
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(
            lambda: _Lines(self._hear, self._silent.set), self._popen.stdout
        )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return not self._ended.done()

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return asyncio.get_running_loop().time() - self._started_at

    @property
    def is_ready(self) -> bool:
        return self.ready.is_set()

    @property
    def said_ready(self) -> bool:
        """Whether it has printed the words that say it is ready."""
        return self._said

    async def ended(self) -> int:
        """Its exit code, negative for a signal, once it has ended."""
        return await asyncio.shield(self._ended)

    async def ends_within(self, seconds: float | None) -> bool:
        """Wait for the end, but no longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended()
        return not self.alive

    async def gets_ready(self, seconds: float) -> bool:
        """Wait until it is ready; False if it ends before, or takes longer."""
        waits = [asyncio.ensure_future(self.ready.wait()), asyncio.ensure_future(self.ended())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return self.is_ready and self.alive

    async def last_words(self) -> list[str]:
        """What it printed last, once all of it has arrived."""
        with suppress(TimeoutError):  # something it has started may still hold the pipe
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._silent.wait()
        return list(self._tail)

    def send(self, number: signal.Signals) -> None:
        """To the process alone, not to what it has started; nothing happens after its end."""
        if self.alive:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _reap(self) -> None:
        code = self._popen.poll()
        if code is None:
            return
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._ended.set_result(code)

    def _hear(self, line: str) -> None:
        self._tail.append(line)
        ready = self.part.ready
        if isinstance(ready, Says) and ready.words in line:
            self._said = True
        self._on_line(self, line)


class _Lines(asyncio.Protocol):
    """Cuts a stream into lines; one that never ends is cut as well."""

    def __init__(self, on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
        self._on_line = on_line
        self._on_end = on_end
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._on_line(line.decode(errors="replace").rstrip("\r"))

    def connection_lost(self, _error: Exception | None) -> None:
        if self._rest:
            self.data_received(b"\n")
        self._on_end()


def said_of(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
