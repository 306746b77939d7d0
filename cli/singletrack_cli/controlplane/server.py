"""A running control plane: etcd and kube-apiserver as children of this process.

Guarantees: `start` returns when the API server answers and its own bootstrap (RBAC roles,
namespaces) is over, or raises and leaves nothing running; `stop` returns when both processes are
gone; neither outlives this process even if it is killed. One data folder serves one control plane
at a time, and may serve many after one another: objects, certificates and port stay.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from singletrack_cli.controlplane import (
    certificates,
    command_lines,
    kubeconfig,
    service_accounts,
)
from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.children import Child
from singletrack_cli.controlplane.errors import StartFailed
from singletrack_cli.controlplane.launching import AT_ONCE, GRACE, Site, start_apiserver, start_etcd

_DEADLINE = timedelta(seconds=60)
_TURN = timedelta(seconds=1)


class ControlPlane:
    """Made by `start`; as a context manager it stops at the end of the block."""

    def __init__(self, site: Site, etcd: Child) -> None:
        self.etcd = etcd
        self.kubeconfig = site.folder / "kubeconfig"
        self._site = site
        self._held = ExitStack()
        self.start_apiserver()

    @classmethod
    def start(
        cls,
        programs: Binaries,
        folder: Path,
        *,
        durable: bool = True,
        deadline: timedelta = _DEADLINE,
        audit: Mapping[str, Any] | None = None,
    ) -> Self:
        """Start both servers below `folder`.

        For tests only: `durable=False` lets etcd skip fsync, and `audit` is a policy by which the
        API server writes its requests to `audit_log`.
        """
        folder = folder.absolute()
        with ExitStack() as held:
            held.enter_context(_only_user_of(folder))
            site = Site(
                folder=folder,
                programs=programs,
                certificates=certificates.ensure(folder / "pki", datetime.now(UTC)),
                deadline=deadline,
                audit=audit,
            )
            etcd = start_etcd(site, durable=durable)
            held.callback(etcd.stop, GRACE)
            plane = cls(site, etcd)
            held.callback(plane.stop_apiserver)
            plane._held = held.pop_all()
        return plane

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.client.port}"

    @property
    def programs(self) -> Binaries:
        """Among them the kubectl that fits this server."""
        return self._site.programs

    @property
    def audit_log(self) -> Path:
        """One JSON object (`audit.k8s.io/v1` Event) a line, if there is an audit policy."""
        return self._site.folder / command_lines.AUDIT_LOG

    def stop(self) -> None:
        """End the API server, then its store; a second call does nothing."""
        self._held.close()

    def wait(self) -> Child:
        """Return when one of the two servers has ended, which neither does unasked: that one."""
        while not self.etcd.ended:
            if self.apiserver.wait(_TURN):
                return self.apiserver
        return self.etcd

    def stop_apiserver(self) -> None:
        """End the API server alone, so that tests see what its clients do without it."""
        # Without its store it does not end by itself, nor is there anything left to finish.
        self.apiserver.stop(AT_ONCE if self.etcd.ended else GRACE)

    def start_apiserver(self) -> None:
        """Start it again after `stop_apiserver`, on the same port unless somebody took that."""
        self.apiserver, self.client = start_apiserver(self._site)
        config = kubeconfig.for_admin(self.url, self._site.certificates)
        kubeconfig.write(self.kubeconfig, config)

    def service_account_kubeconfig(
        self, namespace: str, name: str, *, lifetime: timedelta = timedelta(hours=1)
    ) -> Path:
        """A kubeconfig with a fresh token of a ServiceAccount, which is made if it is not there."""
        service_accounts.ensure(self.client, namespace, name)
        token = service_accounts.token(self.client, namespace, name, lifetime)
        path = self._site.folder / f"kubeconfig-{namespace}-{name}"
        config = kubeconfig.for_token(self.url, self._site.certificates, namespace, token)
        kubeconfig.write(path, config)
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


@contextmanager
def _only_user_of(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartFailed(f"Another control plane runs in {folder}.") from None
        yield
