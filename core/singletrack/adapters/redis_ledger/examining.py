"""Looks at a server without changing anything on it, functions included: for `doctor` only.

What an account may not read is left out and named, so that the rest can still be told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import redis
import redis.exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import library, report, wire
from singletrack.adapters.redis_ledger.connection import UNREACHABLE, Shared, is_missing
from singletrack.adapters.redis_ledger.report import Library, ServerReport
from singletrack.clock import Clock
from singletrack.errors import SingletrackError
from singletrack.findings import Finding, error
from singletrack.settings import LedgerSettings

_LIBRARIES = ("FUNCTION", "LIST", "LIBRARYNAME", "singletrack_v*", "WITHCODE")
_IN_A_FUNCTION = "can't run this command"
_CONFIGURATION = (
    "appendfsync",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "maxmemory-clients",
)


class CannotExamine(SingletrackError):
    """The server cannot be looked at; says why as a finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(str(finding))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """The server's clock, read between two looks at our own; seconds."""

    before: float
    after: float
    server: float


class Examiner:
    """A blocking connection of its own; `with` closes it."""

    def __init__(self, settings: LedgerSettings) -> None:
        self._shared = Shared(settings)
        self._redis: Any = self._shared.connect(redis.Redis.from_url, Retry(NoBackoff(), 0))
        self._denied: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._redis.close()

    def examine(self) -> ServerReport:
        """One look.

        Raises:
            CannotExamine: it does not answer, or does not let this account in.
        """
        try:
            return self._examine()
        except (*UNREACHABLE, errors.RedisError) as problem:
            raise CannotExamine(refusal(problem, self._shared.settings.redis_url)) from problem

    def read_clock(self, clock: Clock) -> ClockReading:
        """One look at the server's clock."""
        try:
            before = clock.boottime()
            seconds, micros = self._redis.time()
            return ClockReading(
                before=before, after=clock.boottime(), server=seconds + micros / 1_000_000
            )
        except (*UNREACHABLE, errors.RedisError) as problem:
            raise CannotExamine(refusal(problem, self._shared.settings.redis_url)) from problem

    def _examine(self) -> ServerReport:
        began = time.perf_counter()
        info = self._redis.info("everything")
        answer_ms = (time.perf_counter() - began) * 1000
        keys = self._shared.keys
        meta = self._ask("HGETALL", keys.meta) or {}
        agents = self._ask("HGETALL", f"{keys.base}agents") or {}
        configured = self._ask("CONFIG GET", *_CONFIGURATION) or {}
        fsync = configured.get("appendfsync") or meta.get("fsync", "")
        status = report.read_status(info, meta, agents, fsync)
        first = self._ask("ZRANGE", f"{keys.base}due", 0, 0, "WITHSCORES") or ()
        loaded, others = self._libraries()
        return ServerReport(
            status=status,
            answer_ms=answer_ms,
            account=account_of(self._shared.settings.redis_url),
            is_replica=info.get("role") != "master",
            replicas=report.read_replicas(info),
            configured=configured,
            recorded_fsync=meta.get("fsync", ""),
            used_memory=int(info.get("used_memory", 0)),
            max_memory=int(info.get("maxmemory", 0)),
            uptime_seconds=int(info.get("uptime_in_seconds", 0)),
            failing_writes=report.read_failing_writes(info),
            library=loaded,
            other_libraries=others,
            overdue_seconds=report.overdue(first, status.micros),
            catalogue=self._ask("HGETALL", f"{keys.base}tasks") or {},
            denied=tuple(self._denied),
        )

    def _libraries(self) -> tuple[Library, tuple[str, ...]]:
        listed = self._ask(*_LIBRARIES)
        if listed is None:
            return self._call(), ()
        texts = dict(_named(each) for each in listed)
        text = texts.pop(library.NAME, None)
        if text is None:
            return Library.MISSING, tuple(sorted(texts))
        if library.digest() not in text:
            return Library.OTHER_TEXT, tuple(sorted(texts))
        return self._call(), tuple(sorted(texts))

    def _call(self) -> Library:
        """Call a function that only reads, as a component would."""
        call = wire.encode(ops.ReadServer())
        try:
            self._redis.execute_command(*self._shared.fcall(call))
        except errors.NoPermissionError:
            return Library.FORBIDDEN
        except errors.ResponseError as problem:
            if is_missing(problem):
                return Library.MISSING
            if _IN_A_FUNCTION in str(problem):
                return Library.FORBIDDEN
            raise
        return Library.OURS

    def _ask(self, *command: Any) -> Any:
        try:
            return self._redis.execute_command(*command)
        except errors.NoPermissionError:
            self._denied.append(str(command[0]))
            return None


def account_of(url: str) -> str:
    """The ACL user a URL logs in as."""
    return urlsplit(url).username or "default"


def refusal(problem: Exception, url: str) -> Finding:
    """Why a server cannot be looked at, and what to do; never shows the password."""
    where = url.rpartition("@")[2].removeprefix("redis://")
    if isinstance(problem, errors.NoPermissionError):
        account = account_of(url)
        return error(
            f"the account {account!r} may not ask the server what it is: {problem}",
            f"Run as an administrator: ACL SETUSER {account} +info",
        )
    if isinstance(problem, errors.AuthenticationError):
        return error(
            f"the server at {where} does not let us in: {problem}",
            "Put the account and its password into REDIS_URL: redis://user:password@host:port/0",
        )
    return error(
        f"the server at {where} did not answer: {problem}",
        "Start it, or set REDIS_URL to where it is: redis://host:port/0, rediss:// for TLS",
    )


def _named(listed: Any) -> tuple[str, str]:
    """A library's name and code: a flat list of names and values under protocol 2."""
    fields = dict(zip(listed[::2], listed[1::2], strict=True))
    return str(fields["library_name"]), str(fields.get("library_code", ""))
