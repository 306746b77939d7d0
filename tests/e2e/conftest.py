"""A real cluster for the tests of this folder: one for all of them, a namespace for each."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e.releases import TAG
from support.cluster import starting
from support.cluster.errors import ClusterError
from support.cluster.kit import Kit
from support.cluster.layout import NUMBERS, Layout
from support.cluster.running import Cluster
from support.platform_images import Builder
from support.servers import require

from singletrack_cli.controlplane.build_progress import BuildProgress

_COUNTED = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A place for one test, where only pods without any privilege are let in."""

    cluster: Cluster
    name: str

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return self.cluster.kubectl(f"--namespace={self.name}", *words, stdin=stdin)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a failure, what the cluster says: it is gone when one reads of it."""
    report = yield
    place = getattr(item, "funcargs", {}).get("place")
    if place is not None and call.when == "call" and report.failed:
        report.sections.append(("the place", place.describe()))
    return report


@pytest.fixture(scope="session")
def kit() -> Kit:
    """The programs and images; `make e2e` has built them before, this finds them."""
    try:
        return Kit.ensure(os.environ, BuildProgress(sys.stderr))
    except ClusterError as error:
        return require(None, "cluster", str(error))


@pytest.fixture(scope="session")
def cluster(kit: Kit) -> Iterator[Cluster]:
    """On the first free number, and gone with this process even if that is killed."""
    layouts = map(Layout, NUMBERS)
    running = starting.start(kit, layouts, BuildProgress(sys.stderr), tethered=True)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def images(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Those of the platform, built from this checkout, in the cluster."""
    load_images(cluster, tmp_path_factory.mktemp("images"))


def load_images(cluster: Cluster, folder: Path) -> None:
    """Build the platform's images and import them; `folder` is for the archives."""
    builder = Builder(cluster.kit.images, folder)
    for archive in (*builder.platform(TAG), builder.own_tasks(TAG), builder.valkey()):
        cluster.import_image(archive)
        archive.unlink()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    name = f"test-{next(_COUNTED)}"
    cluster.kubectl("create", "namespace", name)
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", name, enforced)
    yield Namespace(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
