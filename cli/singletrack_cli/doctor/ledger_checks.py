"""Checks of the ledger's server. The rules are those of the ledger's own package."""

from __future__ import annotations

from collections.abc import Iterator

from singletrack.adapters.redis_ledger import server as rules
from singletrack.adapters.redis_ledger import weaknesses
from singletrack.adapters.redis_ledger.report import Library, ServerReport
from singletrack.findings import Finding
from singletrack_cli.doctor.facts import Facts

Judgement = tuple[str, Iterator[Finding]]


def server(facts: Facts) -> Judgement:
    """What it is, and whether it can be a ledger at all."""
    report, status = facts[ServerReport], facts[ServerReport].status

    def found() -> Iterator[Finding]:
        yield from rules.find_too_old(status.version)
        yield from weaknesses.find_vulnerable(report)
        yield from rules.find_hidden_identity(status)
        yield from weaknesses.find_replica(report)
        yield from weaknesses.find_unread(report)

    summary = f"{status.flavour} {status.version}, answered in {report.answer_ms:.1f} ms"
    return summary, found()


def memory(facts: Facts) -> Judgement:
    """Whether it keeps what it is given, and has room for more."""
    report = facts[ServerReport]

    def found() -> Iterator[Finding]:
        yield from rules.find_eviction(report.status)
        yield from weaknesses.find_full(report)
        yield from weaknesses.find_client_eviction(report)

    limit = f"of {_megabytes(report.max_memory)} MB" if report.max_memory else "without a limit"
    policy = report.status.eviction_policy or "policy not known"
    return f"{policy}, {_megabytes(report.used_memory)} MB {limit}", found()


def durability(facts: Facts) -> Judgement:
    """Whether a start that was acknowledged survives a crash."""
    report, settings = facts[ServerReport], facts.settings.ledger

    def found() -> Iterator[Finding]:
        yield from rules.find_forgetting(report.status, settings.durability)
        yield from weaknesses.find_changed_sync(report, settings)
        yield from weaknesses.find_late_sync(report, settings)
        yield from weaknesses.find_relaxed(settings)
        yield from weaknesses.find_failing_writes(report)

    return weaknesses.describe_durability(report, settings), found()


def replication(facts: Facts) -> Judgement:
    """Whether it survives a failover."""
    report = facts[ServerReport]
    needed = "not known" if report.min_replicas is None else str(report.min_replicas)

    def found() -> Iterator[Finding]:
        yield from weaknesses.find_late_replicas(report)
        yield from weaknesses.find_lax_failover(report, facts.settings.lease)

    return f"{report.status.replicas or 'no'} replicas, needed for a write: {needed}", found()


def functions(facts: Facts) -> Judgement:
    """Whether the operations are there, as this release has them."""
    report = facts[ServerReport]
    there = report.library is Library.OURS
    summary = f"library {weaknesses.LIBRARY} of this release" if there else report.library.value
    return summary, weaknesses.find_library(report)


def upkeep(facts: Facts) -> Judgement:
    """Whether somebody keeps the ledger moving."""
    report = facts[ServerReport]

    def found() -> Iterator[Finding]:
        yield from weaknesses.find_unblessed(report, facts.settings.lease)
        yield from weaknesses.find_unpublished(report)

    return f"{'blessed' if report.status.blessed else 'not blessed'}, outbox in time", found()


def _megabytes(number: int) -> int:
    return round(number / 1_000_000)
