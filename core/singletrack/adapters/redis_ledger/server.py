"""What a server must offer to be a ledger: pure decisions over what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from singletrack.errors import LedgerMisconfigured
from singletrack.operations import ServerStatus
from singletrack.settings import Durability

_FUNCTIONS_SINCE = (7, 0)
_WAITAOF_SINCE = {"redis": (7, 2), "valkey": (8, 0)}


class Confirmation(StrEnum):
    """How a client knows that a write would survive a crash of the server."""

    REPLY = "reply"  # the server syncs its append-only file before it answers
    WAITAOF = "waitaof"  # WAITAOF behind the write, on the same connection
    WAIT = "wait"  # WAIT for one replica, on the same connection
    NONE = "none"  # relaxed: the server's own persistence decides


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What was found out about a server, in words for people and in choices for the client."""

    confirmation: Confirmation
    replicas: int
    summary: str


def version_of(text: str) -> tuple[int, ...]:
    """`7.0.15` as (7, 0, 15)."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def check_version(info: Mapping[str, object]) -> None:
    """Refuse a server without functions.

    Raises:
        LedgerMisconfigured: names the version found and the one needed.
    """
    found = str(info.get("valkey_version") or info.get("redis_version") or "0")
    if version_of(found) < _FUNCTIONS_SINCE:
        raise LedgerMisconfigured(
            f"the server is version {found}, which has no functions: "
            "use Redis 7.0 or later, or Valkey 8 or later"
        )


def assess(status: ServerStatus, durability: Durability) -> Capabilities:
    """Decide how writes are confirmed on this server.

    Raises:
        LedgerMisconfigured: names the setting that breaks the promise and the fix.
    """
    if not status.server_id:
        raise LedgerMisconfigured("the server hides its run_id; a proxied server cannot be used")
    if status.eviction_policy not in {"noeviction", ""}:
        raise LedgerMisconfigured(
            f"maxmemory-policy is {status.eviction_policy!r}: the server may evict locks. "
            "Run: CONFIG SET maxmemory-policy noeviction"
        )
    confirmation = _confirmation(status, durability)
    summary = (
        f"{status.flavour} {status.version}, append-only file "
        f"{'on' if status.aof_enabled else 'off'}"
        f"{', fsync ' + status.fsync if status.fsync else ''}, {status.replicas} replicas, "
        f"begin is confirmed by {confirmation}"
    )
    return Capabilities(confirmation, status.replicas, summary)


def _confirmation(status: ServerStatus, durability: Durability) -> Confirmation:
    if durability is Durability.RELAXED:
        return Confirmation.NONE
    if status.aof_enabled and status.fsync == "always" and not status.replicas:
        return Confirmation.REPLY
    has_waitaof = version_of(status.version) >= _WAITAOF_SINCE[status.flavour]
    if status.aof_enabled and has_waitaof:
        return Confirmation.WAITAOF
    if status.replicas:
        return Confirmation.WAIT
    raise LedgerMisconfigured(
        "a crash of the server could forget that a run has started: its append-only file is "
        f"{'on, but synced late' if status.aof_enabled else 'off'}. "
        "Run: CONFIG SET appendonly yes, CONFIG SET appendfsync always (and write both into the "
        "server's configuration); or accept it with SINGLETRACK_DURABILITY=relaxed"
    )


def confirmation_command(capabilities: Capabilities, wait_ms: int) -> Sequence[str] | None:
    """The command sent behind a write on its connection; None when the reply is enough."""
    match capabilities.confirmation:
        case Confirmation.WAITAOF:
            return ["WAITAOF", "1", "1" if capabilities.replicas else "0", str(wait_ms)]
        case Confirmation.WAIT:
            return ["WAIT", "1", str(wait_ms)]
        case _:
            return None


def is_confirmed(command: Sequence[str], reply: object) -> bool:
    """Whether the answer to a confirmation command says that enough copies exist."""
    wanted = [int(number) for number in command[1:-1]]
    got = [int(number) for number in reply] if isinstance(reply, list) else [int(str(reply))]
    return all(have >= want for have, want in zip(got, wanted, strict=True))
