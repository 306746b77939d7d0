"""The looks: each reads facts of one kind, in its own time, independently of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from singletrack.adapters import machine
from singletrack.adapters.celery_broker import shares_server
from singletrack.adapters.celery_broker.census import Census
from singletrack.adapters.redis_ledger.examining import CannotExamine, Examiner
from singletrack.adapters.redis_ledger.report import ServerReport
from singletrack.adapters.redis_ledger.unacknowledged import read_unacknowledged
from singletrack.clock import SystemClock
from singletrack.errors import BrokerUnavailable, ConfigurationError, SingletrackError
from singletrack.findings import Finding, error
from singletrack.settings import Settings
from singletrack_cli.concurrently import in_thread
from singletrack_cli.doctor.facts import (
    BrokerView,
    CannotTell,
    ClockSample,
    NotAsked,
    SettingsRead,
    Target,
    Workers,
)

Observe = Callable[[Target, Settings], Awaitable[Any]]

_REDIS = {"redis", "rediss", "valkey", "valkeys"}
_CLOCK_LOOKS = 5


def read_settings() -> SettingsRead:
    """What the environment says; a wrong group does not keep the others from being read."""
    groups: dict[str, Any] = {}
    wrong: list[Finding] = []
    for name, field in Settings.model_fields.items():
        group: Any = field.annotation
        try:
            groups[name] = group()
        except ValidationError as problem:
            groups[name] = group.model_construct()
            wrong += [_finding(each) for each in problem.errors()]
    return SettingsRead(settings=Settings.model_construct(**groups), wrong=tuple(wrong))


async def look_at_server(_: Target, settings: Settings) -> ServerReport:
    """The ledger's server."""
    return await in_thread(lambda: _examined(settings))


async def look_at_clock(target: Target, settings: Settings) -> ClockSample:
    """The server's clock, now and a moment later; of several looks the quickest counts."""
    try:
        examiner = Examiner(settings.ledger)
    except ConfigurationError as problem:
        raise CannotTell("the server has no address") from problem
    with examiner:

        def read() -> Any:
            looks = [examiner.read_clock(SystemClock()) for _ in range(_CLOCK_LOOKS)]
            return min(looks, key=lambda look: look.after - look.before)

        try:
            first = await in_thread(read)
            await asyncio.sleep(target.watch_seconds)
            return ClockSample(first=first, last=await in_thread(read))
        except CannotExamine as problem:
            raise CannotTell("the server does not answer") from problem


async def look_at_broker(_: Target, settings: Settings) -> BrokerView:
    """Whether the broker answers, and who else's messages are there."""
    return await in_thread(lambda: _broker(settings))


async def look_for_workers(target: Target, settings: Settings) -> Workers:
    """Who answers."""
    return await in_thread(lambda: _workers(settings, target.watch_seconds))


async def look_at_machine(_: Target, __: Settings) -> machine.Machine:
    """The machine the doctor runs on."""
    return await in_thread(machine.observe)


async def look_at_cluster(target: Target, settings: Settings) -> Any:
    """The cluster of the kubeconfig that was named."""
    if target.kubeconfig is None:
        raise NotAsked("not asked for: --kubeconfig FILE")
    try:
        from singletrack.adapters.kubernetes.connection import from_kubeconfig
        from singletrack.adapters.kubernetes.reviewing import Reviewer
        from singletrack.adapters.kubernetes.session import KubernetesSession
    except ImportError as missing:
        raise CannotTell(
            f"{missing.name} is not installed: pip install 'singletrack[all]'"
        ) from missing
    try:
        connection = from_kubeconfig(target.kubeconfig, target.context)
    except ConfigurationError as problem:
        raise _failed(problem, "Name another file with --kubeconfig, or --context") from problem
    session = KubernetesSession(connection)
    try:
        return await Reviewer(session).review(target.operator, settings.served.namespaces)
    except SingletrackError as problem:
        raise _failed(
            problem,
            f"See whether kubectl --kubeconfig {target.kubeconfig} get --raw /version works",
        ) from problem
    finally:
        await session.close()


def _examined(settings: Settings) -> ServerReport:
    try:
        with Examiner(settings.ledger) as examiner:
            return examiner.examine()
    except CannotExamine as problem:
        raise CannotTell("the server cannot be looked at", problem.finding) from problem
    except ConfigurationError as problem:
        raise _failed(problem, "Set REDIS_URL") from problem


def _broker(settings: Settings) -> BrokerView:
    url = _broker_url(settings)
    census = Census(url)
    try:
        address = census.connect()
        held = read_unacknowledged(url) if urlsplit(url).scheme in _REDIS else ()
    except BrokerUnavailable as problem:
        raise _failed(
            problem, "Start it, or set SINGLETRACK_BROKER_URL (empty: the ledger's own server)"
        ) from problem
    finally:
        census.close()
    in_ledger = shares_server(settings.broker.broker_url, settings.ledger.redis_url)
    return BrokerView(address=address, in_ledger=in_ledger, unacknowledged=held)


def _workers(settings: Settings, seconds: float) -> Workers:
    census = Census(_broker_url(settings))
    try:
        return Workers(answered=census.ask(seconds))
    except BrokerUnavailable as problem:
        raise CannotTell(str(problem)) from problem
    finally:
        census.close()


def _broker_url(settings: Settings) -> str:
    return settings.broker.broker_url or settings.ledger.redis_url


def _failed(problem: SingletrackError, remedy: str) -> CannotTell:
    return CannotTell(str(problem), error(str(problem), remedy))


def _finding(wrong: Any) -> Finding:
    where = "_".join(str(part) for part in wrong["loc"])
    said = str(wrong["msg"]).removeprefix("Value error, ")
    name = where if where.isupper() or not where else f"SINGLETRACK_{where.upper()}"
    return error(
        f"{name}: {said}" if name else said,
        f"Change it, or leave it out: unset {name}"
        if name
        else "Change it, or leave all of "
        "these out for their defaults: lease 30, renew 5, fence 8, margin 5, grace 45",
    )
