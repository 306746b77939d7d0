"""What was observed, by kind; what could not be observed says why when somebody asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from singletrack.adapters.celery_broker.census import WorkerView
from singletrack.adapters.kubernetes.reviewing import ServiceAccount
from singletrack.adapters.redis_ledger.examining import ClockReading
from singletrack.findings import Finding
from singletrack.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be looked at, beside what the environment says."""

    kubeconfig: Path | None = None
    context: str = ""
    operator: ServiceAccount = field(
        default=ServiceAccount(namespace="singletrack", name="singletrack-operator")
    )
    seconds: float = 10.0
    """The deadline of each look."""
    watch_seconds: float = 1.5
    """For how long the clocks are watched and the workers' answers awaited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsRead:
    """The platform's settings; a group that is wrong has its defaults and a finding."""

    settings: Settings
    wrong: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSample:
    """The server's clock against ours, twice."""

    first: ClockReading
    last: ClockReading


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerView:
    """The broker, as far as messages tell."""

    address: str
    in_ledger: bool
    """The messages are in the ledger's own database."""
    unacknowledged: tuple[str, ...] = ()
    """Tasks whose messages a Redis broker holds as taken and not acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """The workers that have answered."""

    answered: tuple[WorkerView, ...]


class CannotTell(Exception):
    """Something was not observed."""

    def __init__(self, reason: str, finding: Finding | None = None) -> None:
        self.reason = reason
        self.finding = finding
        """The weak point that is the reason."""
        self.kind: type[Any] | None = None
        """The kind of facts that is missing; noted when somebody asks for them."""
        super().__init__(reason)


class NotAsked(CannotTell):
    """Nobody wanted to know."""


class Facts:
    """`facts[ServerReport]` is the report, or raises why there is none."""

    def __init__(self, observed: Mapping[type[Any], Any]) -> None:
        self._observed = observed

    def __getitem__(self, kind: type[T]) -> T:
        """The fact of this kind.

        Raises:
            CannotTell: it could not be observed.
        """
        fact = self._observed[kind]
        if isinstance(fact, CannotTell):
            fact.kind = kind
            raise fact
        found: T = fact
        return found

    @property
    def settings(self) -> Settings:
        return self[SettingsRead].settings
