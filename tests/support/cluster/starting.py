"""Start a cluster from nothing until its node is Ready and its DNS answers.

A start that fails or is interrupted takes down what it has made; after a kill, `stopping.stop` or
the next start does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from support.cluster import (
    claiming,
    configuration,
    control_groups,
    credentials,
    network,
    processes,
    stopping,
)
from support.cluster.errors import ClusterError
from support.cluster.kit import Kit
from support.cluster.layout import Layout
from support.cluster.programs import SOURCES
from support.cluster.requirements import path_of
from support.cluster.running import Cluster
from support.cluster.work_order import WorkOrder

from singletrack_cli.controlplane.build_progress import BuildProgress
from singletrack_cli.controlplane.children import Child

T = TypeVar("T")

_DEADLINE = timedelta(minutes=3)
_TURN = timedelta(milliseconds=100)
_NAMESPACES = ("--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net", "--uts")


def start(
    kit: Kit, layouts: Iterable[Layout], progress: BuildProgress, *, tethered: bool = False
) -> Cluster:
    """On the first free one of `layouts`; if `tethered`, the node ends when this process does."""
    with claiming.free(layouts) as layout:
        stopping.clear(layout)  # what a killed start has left
        try:
            return _started(layout, kit, progress, tethered=tethered)
        except BaseException:
            stopping.clear(layout)
            raise


def _started(layout: Layout, kit: Kit, progress: BuildProgress, *, tethered: bool) -> Cluster:
    _prepare(layout, kit)
    spawned = _spawn_tethered(layout) if tethered else _spawn(layout)
    waiting = _Waiting(layout, spawned, progress)
    init = waiting.until("making the node", lambda: processes.init_of(layout))
    network.connect(layout, init)
    cluster = Cluster(layout, kit)
    waiting.until("starting the API server", cluster.client.is_ready)
    _wait_for_kubernetes(cluster, waiting)
    return cluster


def _wait_for_kubernetes(cluster: Cluster, waiting: _Waiting) -> None:
    account = ["get", "serviceaccount/default"]
    waiting.until("starting the controllers", lambda: _succeeds(cluster, *account))
    manifest = (SOURCES / "coredns.yaml").read_text().replace("CLUSTER_DNS", cluster.layout.dns)
    cluster.kubectl("apply", "--filename=-", stdin=manifest)
    ready = ["wait", "--for=condition=Ready", f"node/{cluster.layout.name}", "--timeout=1s"]
    waiting.until("starting the kubelet", lambda: _succeeds(cluster, *ready))
    dns = ["deployment/coredns", "--namespace=kube-system", "--timeout=1s"]
    available = ["wait", "--for=condition=Available", *dns]
    waiting.until("starting DNS", lambda: _succeeds(cluster, *available))


def _prepare(layout: Layout, kit: Kit) -> None:
    """Everything that is there before the node is: files, and the control groups of its pods."""
    if taken := network.routes_into(layout):
        raise ClusterError(f"{layout.network} is in use on this machine: {', '.join(taken)}")
    layout.folder.mkdir(mode=0o700)
    layout.logs.mkdir()
    credentials.make(layout)
    configuration.write(layout)
    control_groups.make(layout.name)
    WorkOrder(layout=layout, programs=kit.programs, images=kit.images.at_start).write()


def _node_command(layout: Layout) -> list[str]:
    apart = [str(path_of("unshare")), *_NAMESPACES, "--propagation=private"]
    return [*apart, sys.executable, "-m", processes.NODE_MODULE, str(layout.folder)]


def _node_environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _spawn(layout: Layout) -> int:
    """The node outlives this process; it is found again by its command line."""
    command, log = _node_command(layout), str(layout.logs / "node.log")
    return os.posix_spawn(
        command[0],
        command,
        _node_environ(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _spawn_tethered(layout: Layout) -> int:
    command, log = _node_command(layout), layout.logs / "node.log"
    return Child(command, folder=layout.folder, log=log, environ=_node_environ()).pid


def _succeeds(cluster: Cluster, *words: str) -> bool:
    try:
        cluster.kubectl(*words)
    except ClusterError:
        return False
    return True


class _Waiting:
    """Waits for the node, and no longer than it lives."""

    def __init__(self, layout: Layout, node: int, progress: BuildProgress) -> None:
        self._layout = layout
        self._node = node
        self._progress = progress

    def until(self, what: str, condition: Callable[[], T | None]) -> T:
        self._progress.begin(what)
        end = time.monotonic() + _DEADLINE.total_seconds()
        while not (answer := condition()):
            if time.monotonic() > end or processes.gone(self._node):
                raise ClusterError(f"{what} failed; {_last_words(self._layout)}")
            self._progress.tick("")
            time.sleep(_TURN.total_seconds())
        self._progress.finish()
        return answer


def _last_words(layout: Layout) -> str:
    """The end of each log, the latest last: one of them says why."""
    logs = sorted(layout.logs.glob("*.log"), key=lambda log: log.stat().st_mtime)
    kept = (log for log in logs if log != layout.audit_log)
    return "\n".join(f"the end of {log.name}:\n{_tail(log)}" for log in kept)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-4:]
    return "\n".join(f"  {line[:300]}" for line in lines)
