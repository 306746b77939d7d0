"""The private cluster: an API server of our own, furnished for TaskRuns, kept running.

Its objects, certificates and port stay in its folder. The operator and the API each get a
kubeconfig with the token of their own account; the administrator's is for the user alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from singletrack_cli import furnishing, parts
from singletrack_cli.backoff import Backoff
from singletrack_cli.concurrently import in_thread
from singletrack_cli.controlplane import Binaries, ControlPlane, ControlPlaneError
from singletrack_cli.errors import CannotStart
from singletrack_cli.furnishing import Kubectl
from singletrack_cli.terminal import Terminal

NAME = "cluster"
NAMESPACE = "singletrack"
OPERATOR_ACCOUNT = "singletrack-operator"
API_ACCOUNT = "singletrack-api"

# They lie beside the administrator's certificate, which is valid for longer.
_TOKEN_LIFETIME = timedelta(days=365)

_APISERVER_GRACE = timedelta(seconds=4)


class PrivateCluster:
    """etcd and kube-apiserver from `start` to `stop`."""

    def __init__(
        self,
        programs: Binaries,
        folder: Path,
        environ: Mapping[str, str],
        terminal: Terminal,
        changed: Callable[[], None],
    ) -> None:
        self._programs = programs
        self._folder = folder.absolute()
        self._environ = environ
        self._terminal = terminal
        self._changed = changed
        self._starting: asyncio.Task[ControlPlane] | None = None
        self._plane: ControlPlane | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.operator_kubeconfig = self._folder
        self.api_kubeconfig = self._folder

    @property
    def kubeconfig(self) -> Path:
        """The administrator's: for the user, for no part."""
        return self._folder / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        """The one that fits this server."""
        return self._programs.kubectl

    @property
    def pids(self) -> dict[str, int]:
        plane = self._plane
        return {"etcd": plane.etcd.pid, "kube-apiserver": plane.apiserver.pid} if plane else {}

    async def start(self) -> None:
        """Start both servers, install what TaskRuns need, keep the servers running from then on.

        Raises:
            CannotStart: says which of it failed and how.
        """
        with self._terminal.progress("starting etcd and kube-apiserver"):
            self._plane = await self._launch()
        with self._terminal.progress("installing the TaskRun resource"):
            await in_thread(lambda: furnishing.install_everything(self._client()))
            await in_thread(self._make_accounts)
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self, hurry: asyncio.Event) -> None:
        """End kube-apiserver, then etcd; in a hurry their end is left to that of this process."""
        if self._keeping:
            self._keeping.cancel()
        ending = asyncio.create_task(self._end())
        hurried = asyncio.create_task(hurry.wait())
        with self._terminal.progress("waiting for kube-apiserver and etcd to end"):
            await asyncio.wait({ending, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()

    async def _launch(self) -> ControlPlane:
        launch = in_thread(lambda: ControlPlane.start(self._programs, self._folder))
        self._starting = asyncio.create_task(launch)
        try:
            # Not cancelled with us: a control plane that is half started must still be ended.
            return await asyncio.shield(self._starting)
        except (ControlPlaneError, OSError) as error:
            raise CannotStart(str(error)) from error

    async def _end(self) -> None:
        if self._starting is not None:
            with suppress(ControlPlaneError, OSError):
                plane = await self._starting
                # It waits for every client that still watches something; its objects are in etcd.
                await in_thread(lambda: plane.apiserver.stop(_APISERVER_GRACE))
                await in_thread(plane.stop)

    async def _keep(self) -> None:
        backoff, loop = Backoff(), asyncio.get_running_loop()
        while True:
            began = loop.time()
            if self._plane is not None:
                ended = await in_thread(self._plane.wait)
                await in_thread(self._plane.stop)
                self._plane = None
                why = f"{ended.log.stem} has ended"
            pause = backoff.after(loop.time() - began)
            self._terminal.say(f"{why}; starting the API server again in {pause:g} s")
            await asyncio.sleep(pause)
            try:
                self._plane = await self._launch()
                await in_thread(self._make_accounts)
                self._changed()
            except CannotStart as error:
                why = str(error).partition(";")[0]

    def _make_accounts(self) -> None:
        if self._plane is not None:
            make = self._plane.service_account_kubeconfig
            self.operator_kubeconfig = make(NAMESPACE, OPERATOR_ACCOUNT, lifetime=_TOKEN_LIFETIME)
            self.api_kubeconfig = make(NAMESPACE, API_ACCOUNT, lifetime=_TOKEN_LIFETIME)

    def _client(self) -> Kubectl:
        return Kubectl(
            program=self.kubectl,
            kubeconfig=self.kubeconfig,
            cache=self._folder / "kubectl-cache",
            environ=parts.personal(self._environ),
        )
