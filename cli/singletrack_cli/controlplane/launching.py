"""Start one server and wait until it is ready, or say why it is not.

A server that does not get ready is gone when the error is raised.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from singletrack_cli.controlplane import command_lines, ports
from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.certificates import Certificates
from singletrack_cli.controlplane.children import Child
from singletrack_cli.controlplane.client import Client
from singletrack_cli.controlplane.errors import StartFailed

GRACE = timedelta(seconds=15)
AT_ONCE = timedelta()
_POLL = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What both servers of one control plane are started with."""

    folder: Path
    programs: Binaries
    certificates: Certificates
    deadline: timedelta
    """How long each may take to become ready."""
    audit: Mapping[str, Any] | None = None
    """What of its requests the API server writes to `AUDIT_LOG`, as an audit policy."""


def start_etcd(site: Site, *, durable: bool) -> Child:
    """Ready as soon as it listens: whoever connects then waits until it serves."""
    socket = site.folder / command_lines.ETCD_SOCKET
    socket.unlink(missing_ok=True)
    command = command_lines.etcd(site.programs, durable=durable)
    return _launch(site, "etcd", command, socket.exists)


def start_apiserver(site: Site) -> tuple[Child, Client]:
    """Ready when it answers and its own bootstrap is over; with a client that knows its port."""
    remembered = site.folder / "port"
    for port in ports.candidates(remembered):
        client = Client(port, site.certificates)
        command = command_lines.kube_apiserver(site.programs, site.certificates, port)
        command += _audit(site)
        try:
            child = _launch(site, "kube-apiserver", command, client.is_ready)
        except StartFailed as error:
            if "address already in use" in str(error):
                continue
            raise
        remembered.write_text(str(port))
        return child, client
    raise StartFailed("Somebody else took every port that was free a moment before.")


def _audit(site: Site) -> list[str]:
    if site.audit is None:
        return []
    (site.folder / command_lines.AUDIT_POLICY).write_text(json.dumps(site.audit))
    return command_lines.audit()


def _launch(
    site: Site, name: str, command: Sequence[str | Path], is_ready: Callable[[], bool]
) -> Child:
    log = site.folder / "log" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    # etcd takes every ETCD_… variable for a switch: the user's environment is not passed on.
    environ = {"HOME": str(site.folder), "PATH": os.defpath}
    child = Child(command, folder=site.folder, log=log, environ=environ)
    try:
        _await(name, child, is_ready, site.deadline)
    except BaseException:
        child.stop(GRACE)
        raise
    return child


def _await(name: str, child: Child, is_ready: Callable[[], bool], deadline: timedelta) -> None:
    end = time.monotonic() + deadline.total_seconds()
    while not is_ready():
        if child.wait(_POLL):
            said = f"ended with code {child.returncode}"
        elif time.monotonic() > end:
            said = f"was not ready within {deadline.total_seconds():.0f} s"
        else:
            continue
        raise StartFailed(f"{name} {said}; the end of {child.log}:\n{child.last_lines()}")
