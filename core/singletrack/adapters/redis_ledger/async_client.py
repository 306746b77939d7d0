"""The asyncio ledger on Redis or Valkey: API, operator, upkeep. The rules are those of `client`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import redis.asyncio
import redis.exceptions as errors
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from singletrack import cancelling
from singletrack import operations as ops
from singletrack.adapters.redis_ledger import server, wire
from singletrack.adapters.redis_ledger.connection import (
    FSYNC,
    LIST_LIBRARY,
    Shared,
    is_loaded,
    is_missing,
    load_library,
    translated,
)
from singletrack.failpoints import failpoint
from singletrack.operations import Operation
from singletrack.settings import LedgerSettings

R = TypeVar("R")


class AsyncRedisLedger:
    """A ledger by an asyncio connection pool."""

    def __init__(self, settings: LedgerSettings) -> None:
        self._shared = Shared(settings)
        # redis-py types every reply as every possible reply; `wire` decodes them.
        from_url = redis.asyncio.Redis.from_url
        self._redis: Any = self._shared.connect(from_url, Retry(NoBackoff(), 1))

    @classmethod
    def from_settings(cls, settings: LedgerSettings) -> AsyncRedisLedger:
        return cls(settings)

    async def prepare(self) -> server.Capabilities:
        """Check the server and load the functions; see `RedisLedger.prepare`."""
        shared = self._shared
        with self._asking():
            server.check_version(await self._redis.info("server"))
            await self._load()
        return shared.assess(await self.note_server())

    async def execute(self, operation: Operation[R]) -> R:
        """Perform one operation; see `singletrack.ledger.Ledger`."""
        call = wire.encode(operation)
        with self._asking():
            failpoint("ledger.send", call.function)
            try:
                reply = await self._redis.execute_command(*self._shared.fcall(call))
            except errors.ResponseError as error:
                if not is_missing(error):
                    raise
                await self._load()
                reply = await self._redis.execute_command(*self._shared.fcall(call))
            failpoint("ledger.sent", call.function)
        return call.decode(reply)

    async def execute_durably(self, operation: Operation[R]) -> R:
        """Perform a write and wait until it would survive a crash of the server."""
        if self._shared.capabilities is not None and self._shared.is_stale:
            self._shared.assess(await self.execute(ops.ReadServer()))
        commands = self._shared.confirmations()
        if not commands:
            return await self.execute(operation)
        call = wire.encode(operation)
        with self._asking():
            failpoint("ledger.send", call.function)
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.execute_command(*self._shared.fcall(call))
            for command in commands:
                pipeline.execute_command(*command)
            replies = await pipeline.execute(raise_on_error=False)
            failpoint("ledger.sent", call.function)
            return call.decode(self._shared.judge(replies, commands))

    async def changes(self, cursor: str, timeout_seconds: float) -> tuple[str, Sequence[str]]:
        """Wait for hints after `cursor`; see `singletrack.ledger.AsyncLedger`."""
        wait_ms = max(1, int(min(timeout_seconds, self._patience()) * 1000))
        stream = self._shared.keys.changes
        with self._asking():
            found = await self._redis.xread({stream: cursor or "$"}, count=1000, block=wait_ms)
            if not found:
                return cursor or await self._last_change(), []
        entries = found[0][1]
        return entries[-1][0], list(dict.fromkeys(fields["run"] for _, fields in entries))

    async def note_server(self) -> ops.ServerStatus:
        """Read the server, and note how it syncs; see `singletrack.ledger.AsyncLedger`."""
        status = await self.execute(ops.ReadServer())
        with self._asking():
            try:
                fsync = (await self._redis.config_get(FSYNC)).get(FSYNC, "")
            except errors.ResponseError:
                return status
            if fsync in {"", status.fsync}:
                return status
            if server.has_hidden_losses(status, fsync):
                await self.execute(ops.Unbless())
            await self._redis.hset(self._shared.keys.meta, "fsync", fsync)
        return replace(status, fsync=fsync)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Errors are ours within this block, and a cancellation is one."""
        with cancelling.kept(), translated(self._shared.settings.redis_url):
            yield

    def _patience(self) -> float:
        """A blocking read must end before its socket does."""
        return self._shared.settings.ledger_timeout_seconds * 0.75

    async def _last_change(self) -> str:
        last = await self._redis.xrevrange(self._shared.keys.changes, count=1)
        return last[0][0] if last else "0-0"

    async def _load(self) -> None:
        with suppress(errors.NoPermissionError):  # a function that is missing is told by its call
            if not is_loaded(await self._redis.execute_command(*LIST_LIBRARY)):
                await self._redis.execute_command(*load_library())
