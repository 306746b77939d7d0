"""What a server must offer to be a ledger: pure decisions over what it says of itself.

`prepare` refuses a server with an error among these findings; `singletrack doctor` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from singletrack.errors import LedgerMisconfigured
from singletrack.findings import Finding, Severity, error
from singletrack.operations import ServerStatus
from singletrack.settings import Durability

_FUNCTIONS_SINCE = (7, 0)
_WAITAOF_SINCE = {"redis": (7, 2), "valkey": (8, 0)}


class Confirmation(StrEnum):
    """How a client knows that a write would survive a crash of the server."""

    REPLY = "reply"  # the server syncs its append-only file before it answers
    WAITAOF = "waitaof"  # WAITAOF behind the write, on the same connection; WAIT too for a replica
    WAIT = "wait"  # WAIT for one replica, on the same connection
    NONE = "none"  # relaxed: the server's own persistence decides


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What was found out about a server, in words for people and in choices for the client."""

    confirmation: Confirmation
    replicas: int
    summary: str
    server_id: str = ""

    def renewed(self, found: Capabilities) -> Capabilities:
        """What counts after another look.

        A replica that is away still counts on the same server: it may come back as the primary, and
        must not have missed anything then.
        """
        away = found.server_id == self.server_id and found.replicas < self.replicas
        return self if away else found


def version_of(text: str) -> tuple[int, ...]:
    """`7.0.15` as (7, 0, 15)."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def version_in(info: Mapping[str, object]) -> str:
    """The server's version as its INFO has it; Valkey also says which Redis it resembles."""
    return str(info.get("valkey_version") or info.get("redis_version") or "0")


def check_version(info: Mapping[str, object]) -> None:
    """Refuse a server without functions.

    Raises:
        LedgerMisconfigured: names the version found and the one needed.
    """
    _refuse(find_too_old(version_in(info)))


def assess(status: ServerStatus, durability: Durability) -> Capabilities:
    """Decide how writes are confirmed on this server.

    Raises:
        LedgerMisconfigured: names the setting that breaks the promise and the fix.
    """
    _refuse(find_hidden_identity(status))
    _refuse(find_eviction(status))
    _refuse(find_forgetting(status, durability))
    confirmation = confirmation_of(status, durability) or Confirmation.NONE
    sentence = summary(status, confirmation)
    return Capabilities(confirmation, status.replicas, sentence, status.server_id)


def summary(status: ServerStatus, confirmation: Confirmation) -> str:
    """The server in one line."""
    return (
        f"{status.flavour} {status.version}, append-only file "
        f"{'on' if status.aof_enabled else 'off'}"
        f"{', fsync ' + status.fsync if status.fsync else ''}, {status.replicas} replicas, "
        f"begin is confirmed by {confirmation}"
    )


def _refuse(findings: Iterator[Finding]) -> None:
    for finding in findings:
        if finding.severity is Severity.ERROR:
            raise LedgerMisconfigured(str(finding))


def find_too_old(version: str) -> Iterator[Finding]:
    """A server without functions."""
    if version_of(version) < _FUNCTIONS_SINCE:
        yield error(
            f"the server is version {version}, which has no functions",
            "Use Redis 7.0 or later, or Valkey 8 or later",
        )


def find_hidden_identity(status: ServerStatus) -> Iterator[Finding]:
    """A server whose restarts cannot be noticed."""
    if not status.server_id:
        yield error(
            "the server hides its run_id, so nobody could tell that it has restarted; a proxied "
            "server cannot be used",
            "Set REDIS_URL to the server itself",
        )


def find_eviction(status: ServerStatus) -> Iterator[Finding]:
    """A server that throws away what it holds when its memory is full."""
    if status.evicts:
        yield error(
            f"maxmemory-policy is {status.eviction_policy!r}: the server may evict locks, so no "
            "run starts",
            "Run: CONFIG SET maxmemory-policy noeviction",
        )


def find_forgetting(status: ServerStatus, durability: Durability) -> Iterator[Finding]:
    """A server whose crash forgets that a run has started."""
    if confirmation_of(status, durability) is None:
        yield error(
            "a crash of the server could forget that a run has started: its append-only file is "
            f"{'on, but synced late' if status.aof_enabled else 'off'}",
            "Run: CONFIG SET appendonly yes, CONFIG SET appendfsync always (and write both into "
            "the server's configuration); or accept it with SINGLETRACK_DURABILITY=relaxed",
        )


def find_unfit(status: ServerStatus, durability: Durability) -> Iterator[Finding]:
    """Why no run may start on a server as it is now, although it was good enough once."""
    yield from find_eviction(status)
    yield from find_forgetting(status, durability)


def has_hidden_losses(status: ServerStatus, fsync: str) -> bool:
    """Whether a server that has restarted and says that it syncs first did not do so before.

    The note of its last life says how that one synced: then it may have lost what it acknowledged.
    """
    restarted = bool(status.blessed_id) and not status.blessed
    return restarted and fsync == "always" and status.fsync not in {"always", ""}


def confirmation_of(status: ServerStatus, durability: Durability) -> Confirmation | None:
    """How a write is confirmed; None where this server has no way to."""
    if durability is Durability.RELAXED:
        return Confirmation.NONE
    if status.aof_enabled and status.fsync == "always":
        return Confirmation.WAIT if status.replicas else Confirmation.REPLY
    has_waitaof = version_of(status.version) >= _WAITAOF_SINCE[status.flavour]
    if status.aof_enabled and has_waitaof:
        return Confirmation.WAITAOF
    return Confirmation.WAIT if status.replicas else None


def confirmation_commands(capabilities: Capabilities, wait_ms: int) -> tuple[Sequence[str], ...]:
    """The commands sent behind a write on its connection; none when the reply is enough.

    `WAITAOF 1 1` says the same in one command and takes a second: a replica tells of its disk once
    a second. What counts for a failover is that the replica has the write.
    """
    on_disk, on_replica = ["WAITAOF", "1", "0", str(wait_ms)], ["WAIT", "1", str(wait_ms)]
    match capabilities.confirmation:
        case Confirmation.WAITAOF:
            return (on_disk, on_replica) if capabilities.replicas else (on_disk,)
        case Confirmation.WAIT:
            return (on_replica,)
        case _:
            return ()


def is_confirmed(command: Sequence[str], reply: object) -> bool:
    """Whether the answer to a confirmation command says that enough copies exist."""
    wanted = [int(number) for number in command[1:-1]]
    got = [int(number) for number in reply] if isinstance(reply, list) else [int(str(reply))]
    return all(have >= want for have, want in zip(got, wanted, strict=True))
