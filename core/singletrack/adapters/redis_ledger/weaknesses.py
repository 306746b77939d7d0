"""What makes a server a weak ledger although it can be one: pure rules, for `singletrack doctor`.

The rules that stop a component from starting are in `server`; nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from singletrack.adapters.redis_ledger import library, server
from singletrack.adapters.redis_ledger.report import Library, ServerReport
from singletrack.adapters.redis_ledger.server import Confirmation, confirmation_of, version_of
from singletrack.findings import Finding, error, info, warning
from singletrack.settings import Durability, LeaseSettings, LedgerSettings

LIBRARY = library.NAME

_MUCH_MEMORY = 0.8
_TOO_MUCH_MEMORY = 0.95
_MOST_REPLICA_LAG = 10
_MARGIN_SECONDS = 5.0
_PUBLISHING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """A known hole and the first version of each series without it."""

    name: str
    what: str
    flavour: str
    since: tuple[int, ...]
    fixed: tuple[tuple[int, ...], ...]

    def affects(self, version: tuple[int, ...]) -> bool:
        if version < self.since or version >= self.fixed[-1]:
            return False
        return not any(version[:2] == fixed[:2] and version >= fixed for fixed in self.fixed)


_LUA = ("CVE-2025-49844", "a Lua script can run any code on the server's machine")
_UNBLOCKING = ("CVE-2026-23479", "a blocked client that is evicted can corrupt the memory")

VULNERABILITIES = (
    Vulnerability(*_LUA, "redis", (0,), ((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2))),
    Vulnerability(*_LUA, "valkey", (0,), ((7, 2, 11), (8, 0, 6), (8, 1, 4))),
    Vulnerability(*_UNBLOCKING, "redis", (7, 2), ((8, 6, 3),)),
)


def find_vulnerable(report: ServerReport) -> Iterator[Finding]:
    """Versions with a hole that is known and closed in later ones."""
    status = report.status
    holes = [hole for hole in VULNERABILITIES if hole.flavour == status.flavour]
    open_ones = [hole for hole in holes if hole.affects(version_of(status.version))]
    if open_ones:
        names = "; ".join(f"{hole.name}: {hole.what}" for hole in open_ones)
        enough = ".".join(str(part) for part in max(hole.fixed[-1] for hole in holes))
        yield warning(
            f"{status.flavour} {status.version} has known holes, unless its distributor has "
            f"closed them ({names})",
            f"Upgrade to {status.flavour} {enough} or later",
        )


def find_replica(report: ServerReport) -> Iterator[Finding]:
    """A server that takes no writes."""
    if report.is_replica:
        yield error(
            "this server is a replica and refuses every write",
            "Set REDIS_URL to the primary (or promote this one: REPLICAOF NO ONE)",
        )


def find_full(report: ServerReport) -> Iterator[Finding]:
    """Little memory left: with `noeviction` a full server refuses new runs."""
    if not report.max_memory:
        return
    share = report.used_memory / report.max_memory
    if share < _MUCH_MEMORY:
        return
    make = error if share >= _TOO_MUCH_MEMORY else warning
    yield make(
        f"{share:.0%} of maxmemory is used; at 100% the server refuses new runs",
        f"Run: CONFIG SET maxmemory {2 * report.max_memory} (and write it into the server's "
        "configuration), or keep records for less long: SINGLETRACK_TTL_SECONDS_AFTER_FINISHED",
    )


def find_client_eviction(report: ServerReport) -> Iterator[Finding]:
    """A server that drops connections of ours to save memory."""
    if report.configured.get("maxmemory-clients", "0") != "0":
        yield warning(
            "maxmemory-clients is set: under pressure the server drops the connections by which "
            "agents renew their leases",
            "Run: CONFIG SET maxmemory-clients 0",
        )


def find_failing_writes(report: ServerReport) -> Iterator[Finding]:
    """Files that cannot be written."""
    if report.failing_writes:
        yield error(
            f"the server cannot write its files ({report.failing_writes})",
            "Look into the server's log; give its disk room, then run: BGREWRITEAOF",
        )


def find_changed_sync(report: ServerReport, settings: LedgerSettings) -> Iterator[Finding]:
    """Workers that take a reply for a write on disk, on a server that has ceased to sync first.

    The upkeep notes the change within seconds, unless its account may not see it.
    """
    strict = settings.durability is Durability.STRICT
    if strict and report.recorded_fsync == "always" != report.status.fsync:
        yield error(
            f"appendfsync is {report.status.fsync} now and nobody has noted it: workers take a "
            "reply for a write on disk",
            "Run: CONFIG SET appendfsync always; or let the account of the upkeep see the change: "
            "ACL SETUSER … +config|get",
        )


def find_late_sync(report: ServerReport, settings: LedgerSettings) -> Iterator[Finding]:
    """Starts that wait for the disk."""
    status = report.status
    if confirmation_of(status, settings.durability) is not Confirmation.WAITAOF:
        return
    remedy = "Run: CONFIG SET appendfsync always (and write it into the server's configuration)"
    if status.fsync == "everysec":
        yield warning("appendfsync is everysec: each start waits up to a second", remedy)
    elif status.fsync == "no":
        yield error(
            "appendfsync is no: a write reaches the disk when the kernel likes, so most starts "
            f"are not confirmed within {settings.durable_wait_ms} ms",
            remedy,
        )


def find_relaxed(settings: LedgerSettings) -> Iterator[Finding]:
    """The weaker promise."""
    if settings.durability is Durability.RELAXED:
        yield warning(
            "SINGLETRACK_DURABILITY is relaxed: a crash or a failover of the server can start a "
            "run twice",
            "Set SINGLETRACK_DURABILITY=strict, on a server with appendonly yes and appendfsync "
            "always",
        )


def find_late_replicas(report: ServerReport) -> Iterator[Finding]:
    """Replicas that do not keep up, or are too few for a write."""
    max_lag = float(report.configured.get("min-replicas-max-lag", _MOST_REPLICA_LAG))
    current = [each for each in report.replicas if each.online and each.lag_seconds <= max_lag]
    late = report.status.replicas - len(current)
    if report.min_replicas and len(current) < report.min_replicas:
        yield error(
            f"{len(current)} replicas keep up and min-replicas-to-write is {report.min_replicas}: "
            "the server refuses every write",
            "Start the replicas and look into their logs; see: INFO replication",
        )
    elif late:
        yield warning(
            f"{late} of {report.status.replicas} replicas are not online or lag by more than "
            f"{max_lag:g} s; one that is promoted forgets what it has not heard",
            "Look into the replica's log; see: INFO replication",
        )


def find_lax_failover(report: ServerReport, lease: LeaseSettings) -> Iterator[Finding]:
    """Settings with which a failover forgets what was acknowledged, or comes too soon."""
    replicas = report.status.replicas
    max_lag = float(report.configured.get("min-replicas-max-lag", _MOST_REPLICA_LAG))
    if replicas and report.min_replicas == 0:
        yield warning(
            f"there are {replicas} replicas and min-replicas-to-write is 0: after a failover a "
            "primary that was cut off goes on taking writes that its successor does not know",
            f"Run: CONFIG SET min-replicas-to-write {replicas} min-replicas-max-lag "
            f"{_MOST_REPLICA_LAG} (and write it into the server's configuration)",
        )
    needed = lease.lease_seconds + max_lag + _MARGIN_SECONDS
    if report.min_replicas and lease.blessing_grace_seconds < needed:
        yield warning(
            f"min-replicas-max-lag is {max_lag:g} s and the grace after a failover "
            f"{lease.blessing_grace_seconds:g} s: a run that the old primary let start may still "
            "execute when the new one serves",
            f"Set SINGLETRACK_BLESSING_GRACE_SECONDS={needed:g}, or lower min-replicas-max-lag",
        )


def find_library(report: ServerReport) -> Iterator[Finding]:
    """Functions that are not there, or are not those of this release."""
    load = "Start a worker, the API or the operator of this release: it loads them"
    match report.library:
        case Library.MISSING:
            yield error(f"the function library {LIBRARY} is not on the server", load)
        case Library.FORBIDDEN:
            yield error(
                f"the account {report.account!r} may not call the functions, or not the commands "
                "they use",
                f"Run as an administrator: ACL SETUSER {report.account} +fcall +info +@write "
                "+@read; docs/how-to/external-redis.md has the whole line",
            )
        case Library.OTHER_TEXT:
            yield warning(
                f"the function library {LIBRARY} on the server is not that of this release: "
                "parts of two releases use this ledger",
                "Bring every part to the same release; the part that starts last loads its own",
            )
        case Library.OURS:
            pass
    if report.other_libraries:
        yield info(
            f"functions of another version are on the server too: "
            f"{', '.join(report.other_libraries)}",
            f"When no part of that release runs any more: FUNCTION DELETE "
            f"{report.other_libraries[0]}",
        )


def find_unblessed(report: ServerReport, lease: LeaseSettings) -> Iterator[Finding]:
    """A server that has (re)started and serves no claims yet."""
    status = report.status
    if status.blessed or status.evicts or not status.server_id:
        return
    if status.withdrawn:
        yield info(
            "the server may have lost records; runs start again "
            f"{lease.blessing_grace_seconds:g} s after it has ceased to evict",
            "Wait",
        )
        return
    # Whoever blesses has had to see it for the whole grace, and needs a moment to come.
    if report.recovering_seconds > lease.blessing_grace_seconds + _MARGIN_SECONDS:
        yield error(
            f"the server has been up for {report.uptime_seconds} s and nobody has blessed it: no "
            "run starts, because no upkeep runs",
            "Start the API (or, with Kubernetes, the operator): singletrack-api, "
            "singletrack-operator",
        )
    else:
        yield info(
            "the server has just started; runs start again when the running work has reported, "
            f"after {lease.blessing_grace_seconds:g} s at the latest",
            "Wait",
        )


def find_unpublished(report: ServerReport) -> Iterator[Finding]:
    """An outbox that nobody empties."""
    if report.status.blessed and report.overdue_seconds > _PUBLISHING_SECONDS:
        yield error(
            f"a run has waited for {report.overdue_seconds:.0f} s to be published: no upkeep runs",
            "Start the API (or, with Kubernetes, the operator): singletrack-api, "
            "singletrack-operator",
        )


def find_unread(report: ServerReport) -> Iterator[Finding]:
    """What could not be looked at."""
    if report.denied:
        yield info(
            f"the account {report.account!r} may not use {', '.join(report.denied)}, so some of "
            "this is not known",
            "Run doctor with an administrator's account in REDIS_URL",
        )


def describe_durability(report: ServerReport, settings: LedgerSettings) -> str:
    """How a start is confirmed, in one line."""
    found = confirmation_of(report.status, settings.durability)
    return f"{settings.durability}: {server.summary(report.status, found or Confirmation.NONE)}"
