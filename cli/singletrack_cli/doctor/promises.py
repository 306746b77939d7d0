"""What an installation promises as it is configured now; the words are the platform's own."""

from __future__ import annotations

from collections.abc import Iterator

from singletrack.adapters.redis_ledger.report import ServerReport
from singletrack.adapters.redis_ledger.server import (
    Capabilities,
    Confirmation,
    confirmation_commands,
    confirmation_of,
)
from singletrack.custom_resource.definition import PROMISE
from singletrack.operations import ServerStatus
from singletrack_cli.doctor.facts import CannotTell, Facts


def promises(facts: Facts) -> Iterator[str]:
    """Sentences; none while the server is not known."""
    try:
        status = facts[ServerReport].status
    except CannotTell:
        return
    settings = facts.settings.ledger
    confirmation = confirmation_of(status, settings.durability)
    if confirmation is None:
        yield (
            "Nothing: this server could forget a start, so workers, API and operator refuse to "
            "start on it with durability strict."
        )
        return
    yield PROMISE
    yield after_crash(confirmation, status)
    if not status.replicas:
        yield (
            "Failover: there is no replica. While the server is away nothing starts, and work "
            "whose lease cannot be renewed is ended."
        )
        return
    capabilities = Capabilities(confirmation, status.replicas, "")
    commands = confirmation_commands(capabilities, settings.durable_wait_ms)
    yield after_failover(status.replicas, int(commands[-1][1]) if commands else 0)


def after_crash(confirmation: Confirmation, status: ServerStatus) -> str:
    """What a crash of the server costs."""
    match confirmation:
        case Confirmation.REPLY:
            return "Crash of the server: no acknowledged write is lost; each is on disk first."
        case Confirmation.WAITAOF:
            return "Crash of the server: no start is lost; each waits until it is on disk."
        case Confirmation.WAIT if status.aof_enabled and status.fsync == "always":
            return "Crash of the server: no acknowledged write is lost; each is on disk first."
        case Confirmation.WAIT:
            return (
                "Crash of the server: no start is lost if a replica takes over; each waits until "
                "a replica has it. A primary that comes back by itself may have forgotten starts."
            )
        case Confirmation.NONE:
            kept = f"fsync {status.fsync or 'not known'}" if status.aof_enabled else "no file"
            return (
                "Relaxed: starts are not waited for, so a crash of the server can start a run "
                f"twice (append-only file: {kept})."
            )


def after_failover(replicas: int, copies: int) -> str:
    """What a promotion costs."""
    if copies >= replicas:
        return "Failover: no start is lost; each waits until every replica has it."
    if copies:
        return (
            f"Failover: no start is lost if one of the {copies} replicas that had to have it is "
            f"promoted; of {replicas} replicas another one may start a run twice."
        )
    return "Failover: starts are not waited for, so a promotion can start a run twice."
