"""A TCP proxy between a client and a server that does what networks do: slow, lossy, cut, silent.

    with FaultProxy(server.port) as link:
        client = connect(link.port)
        link.faults.delay_seconds = 0.2     # from now on, in both directions
        link.faults.dropped = {Way.DOWN}    # what the server says is lost, and nobody is told
        link.blackhole()                    # what is connected now hangs; who connects anew gets by
        link.reset()                        # what is connected now is torn down (RST)
        link.heal()

It runs in a thread of its own, so that a test may wait for what comes of it. Bytes are never
changed or reordered: TCP does not do that.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

CHUNK = 64 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Way(StrEnum):
    UP = "up"  # from the client to the server
    DOWN = "down"  # from the server to the client


@dataclass
class Faults:
    """What happens to every connection, new ones too; may be changed at any time."""

    delay_seconds: float = 0.0
    """Before each chunk is passed on."""
    dropped: set[Way] = field(default_factory=set)
    """These directions are swallowed; the connection stays open."""
    slice_bytes: int = 0
    """Pass on so many bytes at a time, with the delay before each; 0 for all at once."""
    cut_after_bytes: int | None = None
    """Pass on so many bytes more from the server, over all connections, then reset."""
    cut_once: bool = False
    """Whether what comes after the cut passes again."""
    refusing: bool = False
    """New connections are reset at once."""


class Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.ends = (client, server)
        self.silent = False

    def reset(self) -> None:
        """Tear it down so that both ends see a reset, not an orderly end."""
        for end in self.ends:
            raw = end.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            end.transport.abort()

    def hush(self) -> None:
        """Neither end hears of the other any more."""
        self.silent = True

    def reset_if_silent(self) -> None:
        if self.silent:
            self.reset()

    def close(self) -> None:
        for end in self.ends:
            end.close()


class FaultProxy:
    """Listens on a free port of 127.0.0.1 and passes on to another."""

    def __init__(self, target_port: int, host: str = "127.0.0.1") -> None:
        self.faults = Faults()
        self.port = 0
        self.accepted = 0
        """How many connections it has passed on."""
        self._target = (host, target_port)
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def point_at(self, target_port: int) -> None:
        """Pass on to another server from now on, and reset what is connected to the present one."""
        self._target = (self._target[0], target_port)
        self.reset()

    # --- faults at once ---------------------------------------------------------------------------

    def reset(self) -> None:
        """Reset what is connected now."""
        self._for_each(Link.reset)

    def blackhole(self) -> None:
        """Whatever is connected now never hears of the other end again, in either direction."""
        self._for_each(Link.hush)

    def cut_off(self) -> None:
        """As a pulled cable: what is connected hangs, and nobody new gets by."""
        self.faults.dropped = {Way.UP, Way.DOWN}

    def heal(self) -> None:
        """No more faults; what hangs is reset, as by a network that has forgotten it."""
        self.faults = Faults()
        self._for_each(Link.reset_if_silent)

    @property
    def open_links(self) -> int:
        return len(self._links)

    # --- the proxy --------------------------------------------------------------------------------

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.faults.refusing:
            Link(writer, writer).reset()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            Link(writer, writer).reset()
            return
        self.accepted += 1
        link = Link(writer, far_writer)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(link, reader, far_writer, Way.UP),
                self._pump(link, far_reader, writer, Way.DOWN),
            )
        except (ConnectionError, asyncio.CancelledError):
            link.reset()
        finally:
            self._links.discard(link)
            link.close()

    async def _pump(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way
    ) -> None:
        while data := await reader.read(CHUNK):
            for piece in self._pieces(data):
                await asyncio.sleep(self.faults.delay_seconds)
                if not link.silent and way not in self.faults.dropped:
                    writer.write(self._allowed(piece, way))
                    await writer.drain()
        if not link.silent and way not in self.faults.dropped:
            with contextlib.suppress(OSError):
                writer.write_eof()

    def _pieces(self, data: bytes) -> list[bytes]:
        size = self.faults.slice_bytes or len(data)
        return [data[i : i + size] for i in range(0, len(data), size)]

    def _allowed(self, data: bytes, way: Way) -> bytes:
        """As much of it as may still pass; the rest is the cut."""
        left = self.faults.cut_after_bytes
        if way is Way.UP or left is None:
            return data
        if left <= 0:
            self.faults.cut_after_bytes = None if self.faults.cut_once else 0
            raise ConnectionResetError("cut")
        self.faults.cut_after_bytes = left - len(data[:left])
        return data[:left]

    # --- the other thread -------------------------------------------------------------------------

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _for_each(self, act: Callable[[Link], None]) -> None:
        async def run() -> None:
            for link in list(self._links):
                act(link)

        self._do(run())
