"""A cluster leaves nothing behind, however it ends, and changes nothing for others meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.cluster import claiming, network, processes, stopping
from support.cluster.kit import Kit
from support.cluster.layout import NUMBERS, Layout
from support.cluster.node_mounts import WANTED_SETTINGS
from support.cluster.requirements import path_of
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# What the fixture `cluster` does, in a process that can be killed.
_OF_A_TEST = """
import os, signal, sys
from support.cluster import starting
from support.cluster.kit import Kit
from support.cluster.layout import Layout
from singletrack_cli.controlplane.build_progress import BuildProgress
progress = BuildProgress(sys.stderr)
starting.start(Kit.ensure(os.environ, progress), [Layout({number})], progress, tethered=True)
print("it runs", flush=True)
signal.pause()
"""


@pytest.fixture
def layout(kit: Kit) -> Iterator[Layout]:
    """A number nobody uses; nothing is left of it whatever the test did."""
    with claiming.free(map(Layout, reversed(NUMBERS))) as free:
        stopping.clear(free)
    yield free
    stopping.stop(free)


def test_a_cluster_that_was_started_by_hand_stays_until_it_is_taken_down(layout: Layout) -> None:
    before = _machine(layout)
    assert _command(layout, "up").wait(300) == 0
    assert len(stopping.remains(layout)) > 5
    assert _command(layout, "down").wait(60) == 0
    assert stopping.remains(layout) == []
    assert _machine(layout) == before


def test_a_number_in_use_is_refused_and_what_runs_there_goes_on(layout: Layout) -> None:
    with _starting(layout):
        init = wait_until(lambda: processes.init_of(layout), timeout=60)
        second = _command(layout, "up")
        assert second.wait(60) == 1
        assert processes.init_of(layout) == init


@pytest.mark.parametrize("moment", ["folder", "node", "cable", "kube-apiserver", "kubelet"])
def test_a_start_that_was_killed_half_way_leaves_nothing_after_down(
    layout: Layout, moment: str
) -> None:
    before = _machine(layout)
    with _starting(layout) as starter:
        wait_until(lambda: _reached(layout, moment), timeout=120, what=moment)
        starter.kill()
    assert stopping.remains(layout) != []
    assert _command(layout, "down").wait(60) == 0
    assert stopping.remains(layout) == []
    assert _machine(layout) == before


def test_a_cluster_ends_with_the_tests_it_was_started_for(layout: Layout) -> None:
    before = _machine(layout)
    program = _OF_A_TEST.format(number=layout.number)
    with _python("-c", program, stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == "it runs\n"
        owner.kill()
    wait_until(lambda: not processes.of_node(layout), timeout=60)
    stopping.stop(layout)
    assert _machine(layout) == before


def test_a_start_finds_what_a_killed_one_has_left_and_clears_it(layout: Layout) -> None:
    with _starting(layout) as starter:
        wait_until(lambda: _reached(layout, "kube-apiserver"), timeout=120)
        starter.kill()
    processes.kill(layout)
    assert _command(layout, "up").wait(300) == 0
    assert _reached(layout, "kubelet")


def test_a_start_that_is_interrupted_leaves_nothing_by_itself(layout: Layout) -> None:
    with _starting(layout) as starter:
        wait_until(lambda: _reached(layout, "kube-apiserver"), timeout=120)
        starter.send_signal(signal.SIGTERM)
        assert starter.wait(60) == 130
    assert stopping.remains(layout) == []


def test_a_start_whose_node_dies_says_why_and_leaves_nothing(layout: Layout) -> None:
    with _starting(layout, stderr=subprocess.PIPE) as starter:
        wait_until(lambda: _reached(layout, "kube-apiserver"), timeout=120)
        processes.kill(layout)
        said = starter.communicate(timeout=100)[1]
    assert starter.returncode == 1
    assert "starting the API server failed; the end of" in said
    assert stopping.remains(layout) == []


def test_taking_down_what_is_not_there_does_nothing(layout: Layout) -> None:
    assert _command(layout, "down").wait(60) == 0
    assert stopping.remains(layout) == []


def _reached(layout: Layout, moment: str) -> bool:
    if moment == "folder":
        return layout.folder.exists()
    if moment == "node":
        return processes.init_of(layout) is not None
    if moment == "cable":
        return network.has_interface(layout.interfaces[0])
    return processes.component(layout, moment) is not None


@contextmanager
def _starting(layout: Layout, **options) -> Iterator[subprocess.Popen[str]]:
    starter = _command(layout, "up", **options)
    with starter:
        try:
            yield starter
        finally:
            starter.kill()


def _command(layout: Layout, command: str, **options) -> subprocess.Popen[str]:
    return _python("-m", "support.cluster", f"--number={layout.number}", command, **options)


def _python(*words: str, **options) -> subprocess.Popen[str]:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    return subprocess.Popen([sys.executable, *words], env=environ, text=True, **options)


def _machine(layout: Layout) -> dict[str, str]:
    """What a cluster could change for everybody else on this machine, looked at in another way."""
    tables = subprocess.run([path_of("iptables-save")], capture_output=True, text=True, check=True)
    rules = [line for line in tables.stdout.splitlines() if not line.startswith(("#", ":"))]
    groups = sorted(map(str, Path("/sys/fs/cgroup").glob(f"*/{layout.name}")))
    settings = {name: Path("/proc/sys", name).read_text() for name in WANTED_SETTINGS}
    places = ["/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers"]
    there = {place: str(Path(place).exists()) for place in places}
    return {**settings, **there, "rules": "\n".join(rules), "groups": "\n".join(groups)}
