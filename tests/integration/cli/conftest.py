"""Hands out `singletrack up`, and the programs of the private cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.cli.up_process import StartUp, Up
from support import control_plane

from singletrack_cli.controlplane.binaries import Binaries


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[StartUp]:
    started: list[Up] = []

    def start(*words: str, **environ: str) -> Up:
        started.append(Up(tmp_path, *words, **environ))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="session")
def programs() -> Binaries:
    return control_plane.programs()
