"""The synchronous ledger on Redis or Valkey: worker, lease agent, command line.

A call is repeated once when its connection broke: every operation is idempotent. A server that has
lost the function library gets it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import redis
import redis.exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import server, wire
from singletrack.adapters.redis_ledger.asking import Asked, Idle
from singletrack.adapters.redis_ledger.connection import (
    FSYNC,
    LIST_LIBRARY,
    UNREACHABLE,
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

_RECONNECT_SECONDS = 0.5


class RedisLedger:
    """A ledger by a blocking connection pool."""

    def __init__(self, settings: LedgerSettings) -> None:
        self._shared = Shared(settings)
        # redis-py types every reply as every possible reply; `wire` decodes them.
        self._redis: Any = self._shared.connect(redis.Redis.from_url, Retry(NoBackoff(), 1))
        self._idle = Idle(self._redis.connection_pool)

    @classmethod
    def from_settings(cls, settings: LedgerSettings) -> RedisLedger:
        return cls(settings)

    def prepare(self) -> server.Capabilities:
        """Check the server, load the functions, find out how writes are confirmed.

        Raises:
            LedgerMisconfigured: names the setting and the fix.
            LedgerUnavailable: the server does not answer.
        """
        shared = self._shared
        with translated(shared.settings.redis_url):
            server.check_version(self._redis.info("server"))
            self._load()
        return shared.assess(self._note_server())

    @property
    def capabilities(self) -> server.Capabilities | None:
        """What `prepare` found out; None before it."""
        return self._shared.capabilities

    def use(self, capabilities: server.Capabilities | None) -> None:
        """Take over what another process has found out by `prepare`."""
        self._shared.capabilities = capabilities

    def execute(self, operation: Operation[R]) -> R:
        """Perform one operation; see `singletrack.ledger.Ledger`."""
        return self._ask(operation, ())()

    def execute_durably(self, operation: Operation[R]) -> R:
        """Perform a write and wait until it would survive a crash of the server."""
        return self.ask_durably(operation)()

    def ask_durably(self, operation: Operation[R]) -> Callable[[], R]:
        """Send a durable write; see `singletrack.ledger.Ledger`."""
        shared = self._shared
        if shared.capabilities is not None and shared.is_stale:
            shared.assess(self.execute(ops.ReadServer()))
        return self._ask(operation, shared.confirmations())

    def _ask(
        self, operation: Operation[R], confirmations: Sequence[Sequence[str]]
    ) -> Callable[[], R]:
        shared = self._shared
        call = wire.encode(operation)
        # One packet on one connection. If it breaks, everything is sent again on the next one: WAIT
        # and WAITAOF cover what their own connection has written, and nothing else.
        commands = (shared.fcall(call), *confirmations)

        def send() -> Asked:
            failpoint("ledger.send", call.function)
            return Asked(self._idle, commands)

        def hear(asked: Asked) -> list[Any]:
            replies = asked.answer()
            failpoint("ledger.sent", call.function)
            return replies

        def answer(asked: Asked) -> R:
            with translated(shared.settings.redis_url):
                try:
                    replies = hear(asked)
                except UNREACHABLE:
                    replies = hear(send())
                if isinstance(replies[0], errors.ResponseError) and is_missing(replies[0]):
                    self._load()
                    replies = hear(send())
                return call.decode(shared.judge(replies, confirmations))

        with translated(shared.settings.redis_url):
            return partial(answer, send())

    def wakeups(self) -> Iterator[str]:
        """Ids of runs whose agent should renew now, until the process ends; survives reconnects."""
        timeout = self._shared.settings.ledger_timeout_seconds
        while True:
            try:
                with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(self._shared.keys.wake)
                    while True:
                        message = channel.get_message(timeout=timeout)
                        yield message["data"] if message else ""
            except UNREACHABLE:
                time.sleep(_RECONNECT_SECONDS)
                yield ""

    def close(self) -> None:
        """Close the connections."""
        self._idle.close()
        self._redis.close()

    def _load(self) -> None:
        with suppress(errors.NoPermissionError):  # a function that is missing is told by its call
            if not is_loaded(self._redis.execute_command(*LIST_LIBRARY)):
                self._redis.execute_command(*load_library())

    def _note_server(self) -> ops.ServerStatus:
        """See `AsyncLedger.note_server`."""
        status = self.execute(ops.ReadServer())
        with translated(self._shared.settings.redis_url):
            try:
                fsync = self._redis.config_get(FSYNC).get(FSYNC, "")
            except errors.ResponseError:
                return status
            if fsync in {"", status.fsync}:
                return status
            if server.has_hidden_losses(status, fsync):
                self.execute(ops.Unbless())
            self._redis.hset(self._shared.keys.meta, "fsync", fsync)
        return replace(status, fsync=fsync)
