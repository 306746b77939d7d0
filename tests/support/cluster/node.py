"""`python -m support.cluster.node FOLDER`: the first process of a node.

It has process, mount, network and host name namespaces of its own, and everything else on the node
is its descendant: the kernel ends every component, container, mount and interface with it. That is
why stopping a cluster needs no list of what was started.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from support.cluster import components, network, node_mounts
from support.cluster.configuration import CONTAINERD_SOCKET
from support.cluster.layout import Layout
from support.cluster.supervisor import Supervisor
from support.cluster.work_order import WorkOrder

from singletrack_cli.controlplane import command_lines
from singletrack_cli.controlplane.certificates import Certificates
from singletrack_cli.controlplane.client import Client

_TURN = timedelta(milliseconds=50)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(folder: Path) -> None:
    os.chdir(folder)  # etcd's sockets have relative names
    order = WorkOrder.read(folder)
    layout = order.layout
    socket.sethostname(layout.name)
    node_mounts.make(layout)
    _wait_for(lambda: network.has_interface(layout.interfaces[1]))
    network.furnish(layout)
    # The user's environment is not passed on: etcd, for one, takes every ETCD_… for a switch.
    environ = {"PATH": _PATH, "HOME": "/root", "TZ": "UTC"}
    supervisor = Supervisor(layout.logs, environ)
    threading.excepthook = _give_up
    for work in (_start_kubernetes, _start_containers):
        threading.Thread(target=work, args=(supervisor, order), daemon=True).start()
    supervisor.reap()


def _start_kubernetes(supervisor: Supervisor, order: WorkOrder) -> None:
    """The API server first: kube-controller-manager ends if the rights are not yet there."""
    layout, programs = order.layout, order.programs
    supervisor.keep(components.etcd(programs))
    _wait_for((layout.folder / command_lines.ETCD_SOCKET).exists)
    supervisor.keep(components.kube_apiserver(layout, programs))
    _wait_for(_client(layout).is_ready)
    supervisor.keep(components.kube_controller_manager(layout, programs))
    supervisor.keep(components.kube_scheduler(layout, programs))


def _start_containers(supervisor: Supervisor, order: WorkOrder) -> None:
    """The kubelet last: an image that is missing when a pod comes costs a pause of many seconds."""
    layout, programs = order.layout, order.programs
    supervisor.keep(components.containerd(layout))
    _wait_for(Path(CONTAINERD_SOCKET).exists)
    for archive in order.images:
        code = supervisor.run("image-import", components.image_import(archive))
        if code != 0:
            raise RuntimeError(f"importing {archive} ended with code {code}")
    _wait_for(_client(layout).is_ready)
    supervisor.keep(components.kubelet(layout, programs))
    supervisor.keep(components.kube_proxy(layout, programs))


def _client(layout: Layout) -> Client:
    return Client(layout.port, Certificates(folder=layout.credentials), host=layout.node)


def _give_up(failure: threading.ExceptHookArgs) -> None:
    """A node that is only half there ends: who started it sees that, and why in its log."""
    traceback.print_exception(failure.exc_value)
    sys.stderr.flush()
    os._exit(1)


def _wait_for(condition: Callable[[], bool]) -> None:
    """Who started the node has a deadline, and ends it when that is over."""
    while not condition():
        time.sleep(_TURN.total_seconds())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
