"""Every look and every check; a new one is a line here.

A check is pure: from facts to a summary and findings. It asks for the facts it needs; one that was
not observed ends it with the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from singletrack.adapters.kubernetes.reviewing import ClusterReport
from singletrack.adapters.machine import Machine
from singletrack.adapters.redis_ledger.report import ServerReport
from singletrack.findings import Finding
from singletrack_cli.doctor import cluster_checks, ledger_checks, local_checks, worker_checks
from singletrack_cli.doctor.facts import BrokerView, ClockSample, Facts, Workers
from singletrack_cli.doctor.observing import (
    Observe,
    look_at_broker,
    look_at_clock,
    look_at_cluster,
    look_at_machine,
    look_at_server,
    look_for_workers,
)

Judge = Callable[[Facts], tuple[str, Iterable[Finding]]]


@dataclass(frozen=True, slots=True)
class Observer:
    """One look."""

    name: str
    kind: type[Any]
    look: Observe


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    judge: Judge
    owns: type[Any] | None = None
    """If facts of this kind could not be observed, the reason is a finding of this check."""


OBSERVERS = (
    Observer("server", ServerReport, look_at_server),
    Observer("clock", ClockSample, look_at_clock),
    Observer("broker", BrokerView, look_at_broker),
    Observer("workers", Workers, look_for_workers),
    Observer("machine", Machine, look_at_machine),
    Observer("cluster", ClusterReport, look_at_cluster),
)

CHECKS = (
    Check("settings", local_checks.settings),
    Check("server", ledger_checks.server, owns=ServerReport),
    Check("memory", ledger_checks.memory),
    Check("durability", ledger_checks.durability),
    Check("replication", ledger_checks.replication),
    Check("functions", ledger_checks.functions),
    Check("upkeep", ledger_checks.upkeep),
    Check("broker", worker_checks.broker, owns=BrokerView),
    Check("workers", worker_checks.workers, owns=Workers),
    Check("tasks", worker_checks.tasks),
    Check("clock", local_checks.clock, owns=ClockSample),
    Check("machine", local_checks.machine, owns=Machine),
    Check("cluster", cluster_checks.cluster, owns=ClusterReport),
    Check("resource", cluster_checks.resource),
    Check("rights", cluster_checks.rights),
)
