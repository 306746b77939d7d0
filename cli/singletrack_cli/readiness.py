"""Whether a part does its work yet: by what it printed, or by what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import assert_never

from singletrack_cli.parts import Pongs, Says, Serves
from singletrack_cli.processes import Process

_PATIENCE_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 0.03
_LONGEST_PAUSE_SECONDS = 0.5
_OK = (b"HTTP/1.1 200", b"HTTP/1.0 200")


async def until_ready(process: Process) -> None:
    """Ask again and again as long as it lives, and set its `ready` when it is."""

    async def settled() -> bool:
        return not process.alive or await is_ready(process)

    await until(settled)
    if process.alive:
        process.ready.set()


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the answer is yes; the caller sets the deadline."""
    pause = _FIRST_PAUSE_SECONDS
    while not await true():
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, _LONGEST_PAUSE_SECONDS)


async def is_ready(process: Process) -> bool:
    match process.part.ready:
        case Says():
            return process.said_ready
        case Serves(port=port, path=path):
            return await serves(port, path)
        case Pongs(port=port, password=password):
            return await pongs(port, password)
        case other:
            assert_never(other)


async def serves(port: int, path: str) -> bool:
    """Whether this HTTP server of this machine answers 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    return (await _asked(port, request.encode(), b"\r\n")).startswith(_OK)


async def pongs(port: int, password: str) -> bool:
    """Whether this server has loaded its data: before that it refuses the PING."""
    return await _asked(port, f"AUTH {password}\r\nPING\r\n".encode(), b"+PONG\r\n") != b""


async def _asked(port: int, request: bytes, until: bytes) -> bytes:
    """The answer up to some bytes; empty if there is none like that."""
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                return await reader.readuntil(until)
            finally:
                writer.close()
    return b""
