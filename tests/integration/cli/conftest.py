"""Hands out `singletrack up`, and the programs of the private cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.cli.up_process import StartUp, Up
from support.servers import require

from singletrack_cli.controlplane import source as sources
from singletrack_cli.controlplane.binaries import Binaries, search


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
    found = search(os.environ, sources.find(os.environ)).found
    remedy = "build it with: python -m singletrack_cli.controlplane build"
    return require(found, "kube-apiserver", remedy)
