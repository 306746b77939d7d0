"""What the sync and the asyncio client share: options, the calls, the translation of errors.

Only this package knows redis-py and its errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
import redis.exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from singletrack.adapters.redis_ledger import library, server, wire
from singletrack.adapters.redis_ledger.keys import Keys
from singletrack.errors import (
    ConfigurationError,
    LedgerMisconfigured,
    LedgerRefused,
    LedgerUnavailable,
)
from singletrack.operations import ServerStatus
from singletrack.settings import LedgerSettings

UNREACHABLE = (errors.ConnectionError, errors.TimeoutError, OSError)
_MISSING = "Function not found"
_ASSESSED_SECONDS = 10.0
_VISIT_SECONDS = 3.0

FSYNC = "appendfsync"
LIST_LIBRARY = ("FUNCTION", "LIST", "LIBRARYNAME", library.NAME, "WITHCODE")


def is_loaded(listed: Any) -> bool:
    """Whether the answer to `LIST_LIBRARY` shows this very library."""
    return library.digest() in str(listed)


def load_library() -> tuple[str, ...]:
    """The command that loads the library, replacing another text of the same version."""
    return ("FUNCTION", "LOAD", "REPLACE", library.source())


class Shared:
    """What both clients know: settings, key names, what the server can do."""

    def __init__(self, settings: LedgerSettings) -> None:
        self.settings = settings
        self.keys = Keys(settings.key_prefix)
        self.capabilities: server.Capabilities | None = None
        self._assessed_at = float("-inf")

    @property
    def is_stale(self) -> bool:
        """Whether to look at the server again: it may have failed over, or got a replica."""
        return time.monotonic() - self._assessed_at > _ASSESSED_SECONDS

    def assess(self, status: ServerStatus) -> server.Capabilities:
        """Take in what the server says of itself."""
        found = server.assess(status, self.settings.durability)
        self.capabilities = self.capabilities.renewed(found) if self.capabilities else found
        self._assessed_at = time.monotonic()
        return self.capabilities

    def fcall(self, call: wire.Call[Any]) -> tuple[str, ...]:
        name = library.function_name(call.function)
        return ("FCALL", name, "1", self.keys.meta, *call.arguments)

    def confirmations(self) -> tuple[Sequence[str], ...]:
        if self.capabilities is None:
            raise LedgerMisconfigured("prepare() must come before a durable write")
        return server.confirmation_commands(self.capabilities, self.settings.durable_wait_ms)

    def connect(self, from_url: Callable[..., Any], retry: Any) -> Any:
        """A client by redis-py's `from_url`; it connects when it is first used.

        Raises:
            ConfigurationError: the URL is not one.
        """
        try:
            return from_url(self.settings.redis_url, retry=retry, **self.options())
        except ValueError as error:
            raise ConfigurationError(
                "REDIS_URL is not the address of a server: write redis://host:6379/0, "
                "rediss:// for TLS, with :password@ before the host if there is one"
            ) from error

    def options(self) -> dict[str, Any]:
        timeout = self.settings.ledger_timeout_seconds
        return {
            "decode_responses": True,
            "protocol": 2,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "health_check_interval": 0,
        }

    def judge(self, replies: Sequence[Any], commands: Sequence[Sequence[str]]) -> Any:
        reply, *confirmed = replies
        for answer in replies:
            if isinstance(answer, Exception):
                raise answer
        for command, answer in zip(commands, confirmed, strict=True):
            if not server.is_confirmed(command, answer):
                raise LedgerUnavailable(f"the write was not confirmed in time ({command[0]})")
        return reply


def visitor(url: str) -> Any:
    """A client for a single look at a server, which is not waited for long nor asked twice."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=_VISIT_SECONDS,
        socket_connect_timeout=_VISIT_SECONDS,
    )


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn the library's errors into ours; the password never gets into a message."""
    try:
        yield
    except UNREACHABLE as error:
        where = url.rpartition("@")[2].removeprefix("redis://")
        raise LedgerUnavailable(f"the ledger at {where} did not answer: {error}") from error
    except errors.RedisError as error:
        if is_missing(error):
            raise LedgerUnavailable(
                "the ledger's server has not got the functions of this version yet, and this user "
                "may not load them: run `singletrack ledger prepare` as one who may"
            ) from error
        raise LedgerRefused(f"the ledger refused: {error}") from error


def is_missing(error: errors.RedisError) -> bool:
    """Whether a function was called that is not loaded."""
    return _MISSING in str(error)
