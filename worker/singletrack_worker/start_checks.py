"""What keeps a worker from starting, and what it warns of: each with its remedy.

A worker that cannot keep the promise does not start; `MainProcess.start` says why and ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any

import structlog
from celery.concurrency.prefork import TaskPool

from singletrack.adapters.celery_broker import shares_server
from singletrack.adapters.machine import Machine, find_missing_features
from singletrack.adapters.redis_ledger.unacknowledged import find_strangers, read_unacknowledged
from singletrack.errors import BrokerUnavailable, ConfigurationError
from singletrack.findings import Finding, Severity, error, warning

#: The minors of Celery whose insides the gate is tested with (`Request.revoked`, the pool).
KNOWN_CELERY = ("5.7",)

_PREFORK = ("prefork", "processes")
_REDIS = ("redis://", "rediss://")

log = structlog.get_logger()


def find_wrong_pool(pool: Any) -> Iterator[Finding]:
    """A pool whose tasks are not processes."""
    if isinstance(pool, type) and issubclass(pool, TaskPool):
        return
    name = str(getattr(pool, "__module__", pool)).rpartition(".")[2]
    yield wrong_pool(name)


def find_wrong_pool_option(arguments: Sequence[str]) -> Iterator[Finding]:
    """The same, before Celery imports (and patches everything for) the pool that is asked for."""
    for option, value in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, given, inline = option.partition("=")
        if name == "--pool":
            value = inline if given else value
        elif option.startswith("-P"):
            value = option[2:] or value
        else:
            continue
        if value not in _PREFORK:
            yield wrong_pool(value)


def wrong_pool(name: str) -> Finding:
    return error(
        f"the pool {name} cannot stop a task", "Start the worker with --pool=prefork (or without)"
    )


def find_unknown_celery(version: str, accepted: str) -> Iterator[Finding]:
    """A Celery whose insides may be others than those the gate hooks into."""
    minor = ".".join(version.split(".")[:2])
    if minor in KNOWN_CELERY:
        return
    if minor == accepted:
        yield warning(
            f"Celery {version} is not tested with this release, and was accepted by "
            "SINGLETRACK_UNTESTED_CELERY",
            f"Install celery~={KNOWN_CELERY[-1]}.0",
        )
        return
    yield error(
        f"Celery {version} is not one this release knows ({', '.join(KNOWN_CELERY)}): the gate "
        "hooks into its insides, and runs might pass it unseen",
        f"Install celery~={KNOWN_CELERY[-1]}.0, or a newer Singletrack; to try it at your own "
        f"risk, set SINGLETRACK_UNTESTED_CELERY={minor}",
    )


def find_other_broker(used: object, named: str) -> Iterator[Finding]:
    """An app's broker that the upkeep is not told of: a run that has waited would not come back."""
    if isinstance(used, str) and used and not shares_server(used, named):
        yield error(
            "the app's broker is not the one that Singletrack is told of, so a run that has waited "
            "for its lock would be published where no worker looks",
            "Set SINGLETRACK_BROKER_URL to the app's broker_url, here and for the upkeep",
        )


def find_all(pool: Any, celery_version: str, accepted: str, machine: Machine) -> Iterator[Finding]:
    """Everything that can be judged before anything is connected."""
    yield from find_wrong_pool(pool)
    yield from find_unknown_celery(celery_version, accepted)
    yield from find_missing_features(machine)


def refuse(findings: Iterable[Finding]) -> list[Finding]:
    """The findings one can live with.

    Raises:
        ConfigurationError: there is an error among them.
    """
    found = list(findings)
    for finding in found:
        if finding.severity is Severity.ERROR:
            raise ConfigurationError(str(finding))
    return found


def tell(findings: Iterable[Finding]) -> None:
    """A line for each in the log."""
    for finding in findings:
        log.warning("worker_weakness", problem=finding.problem, remedy=finding.remedy)


def redis_broker_of(app: Any) -> str:
    """The URL of the Redis server that an app's workers take messages from; empty if none does."""
    url = app.conf.broker_read_url or app.conf.broker_url or ""
    return url if isinstance(url, str) and url.startswith(_REDIS) else ""


def find_strangers_of(app: Any) -> Iterator[Finding]:
    """Other apps in the broker's database; a broker that does not answer is no finding here."""
    if url := redis_broker_of(app):
        with suppress(BrokerUnavailable):
            yield from find_strangers(read_unacknowledged(url), app.tasks)
