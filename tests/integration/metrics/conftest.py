"""A platform to which everything has happened, and the two Prometheus servers that watched."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import control_plane
from support.measured import rules
from support.measured.stage import MeasuredStage, set_up
from support.measured.workload import Told, Workload
from support.prometheus import programs, server
from support.prometheus.server import Prometheus


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is when everything has happened."""

    stage: MeasuredStage
    told: Told
    servers: dict[str, Prometheus]
    """By the kinds that are there."""
    seconds: int
    """How long it took to happen; before, everything was 0 and scraped."""
    ended: float
    """When all of it had been scraped."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One for a file of tests, which only look at it."""
    folder = tmp_path_factory.mktemp("measured")
    with ExitStack() as held:
        stage = held.enter_context(set_up(folder / "stage", control_plane.programs()))
        servers = {
            kind: held.enter_context(_running(kind, folder, stage))
            for kind in programs.KINDS
            if programs.look(kind)
        }
        _until_scraped(servers)
        began = time.time()
        _until_scraped(servers)
        told = Workload(stage).play()
        _until_scraped(servers)
        seconds = math.ceil(time.time() - began)
        yield Scene(stage, told, servers, seconds, began + seconds)


@pytest.fixture(scope="module", params=programs.KINDS)
def prometheus(request: pytest.FixtureRequest, scene: Scene) -> Prometheus:
    """Each of the two servers."""
    programs.find(request.param)
    return scene.servers[request.param]


@pytest.fixture(scope="module")
def parser(scene: Scene) -> Prometheus:
    """The server that takes queries apart."""
    programs.find(programs.BUILT)
    return scene.servers[programs.BUILT]


def _until_scraped(servers: Mapping[str, Prometheus]) -> None:
    for each in servers.values():
        each.until_scraped()


def _running(kind: str, folder: Path, stage: MeasuredStage) -> AbstractContextManager[Prometheus]:
    quick = rules.evaluated_at_once(folder / kind)
    return server.running(programs.find(kind), folder / kind, stage.targets, quick)
