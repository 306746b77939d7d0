"""What a diagnosis knows of a server: more than a ledger needs, and read without its functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from singletrack.adapters.redis_ledger.server import version_in
from singletrack.operations import ServerStatus

_MICROS = 1_000_000


class Library(StrEnum):
    """Which function library the server has."""

    OURS = "ours"
    OTHER_TEXT = "other text"  # our version by name, another text
    MISSING = "missing"
    FORBIDDEN = "forbidden"  # this account may not call it


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A replica as the primary sees it."""

    online: bool
    lag_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """One look at a server; a configured value that may not be read is empty."""

    status: ServerStatus
    answer_ms: float
    account: str
    is_replica: bool
    replicas: tuple[Replica, ...]
    configured: Mapping[str, str]
    """Of `CONFIG GET`; empty where this account may not use it."""
    recorded_fsync: str
    """`appendfsync` as it was when a component last looked: what the workers rely on."""
    used_memory: int
    max_memory: int
    uptime_seconds: int
    failing_writes: str
    """Which of its files the server could not write; empty when all is well."""
    library: Library
    other_libraries: tuple[str, ...]
    overdue_seconds: float
    """For how long the oldest message has waited to be published."""
    catalogue: Mapping[str, str]
    denied: tuple[str, ...]
    """Commands this account may not use, so that what they tell is not known."""

    @property
    def min_replicas(self) -> int | None:
        """How many replicas must be there for a write to be accepted; None when not known."""
        text = self.configured.get("min-replicas-to-write")
        return None if text is None else int(text)

    @property
    def recovering_seconds(self) -> float:
        """For how long the server has been up without being blessed."""
        return 0.0 if self.status.blessed else float(self.uptime_seconds)


def read_status(
    info: Mapping[str, Any], meta: Mapping[str, str], agents: Mapping[str, str], fsync: str
) -> ServerStatus:
    """The same value as the operation `ReadServer` answers, from INFO and the ledger's hashes."""
    return ServerStatus(
        server_id=str(info.get("run_id", "")),
        blessed_id=meta.get("blessed", ""),
        version=version_in(info),
        flavour="valkey" if "valkey_version" in info else "redis",
        eviction_policy=str(info.get("maxmemory_policy", "")),
        aof_enabled=int(info.get("aof_enabled", 0)) == 1,
        replicas=int(info.get("connected_slaves", 0)),
        fsync=fsync,
        agents=agents,
        micros=int(info.get("server_time_usec", 0)),
    )


def read_replicas(info: Mapping[str, Any]) -> tuple[Replica, ...]:
    lines = (info.get(f"slave{number}") for number in range(int(info.get("connected_slaves", 0))))
    return tuple(
        Replica(online=line.get("state") == "online", lag_seconds=int(line.get("lag", 0)))
        for line in lines
        if isinstance(line, Mapping)
    )


def read_failing_writes(info: Mapping[str, Any]) -> str:
    """What keeps the server from writing, in the words of its INFO."""
    watched = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    return ", ".join(f"{name} is {info[name]}" for name in watched if info.get(name) == "err")


def overdue(first: Sequence[str], micros: int) -> float:
    """Seconds since the first entry of the outbox, a run and its time, was due."""
    return micros / _MICROS - float(first[1]) / 1000 if first else 0.0
