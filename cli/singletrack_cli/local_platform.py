"""The parts of a local platform together: in which order they start and end.

Start: the server, then the cluster and the worker side by side, then the API and the operator. End:
what brings work first (API, operator), then the worker, which may finish its runs, then what they
all stand on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from singletrack_cli import checking, parts, readiness
from singletrack_cli.concurrently import together
from singletrack_cli.controlplane import Binaries, ports
from singletrack_cli.embedded_valkey import EmbeddedValkey
from singletrack_cli.errors import CannotStart
from singletrack_cli.options import Options
from singletrack_cli.parts import Part, Site
from singletrack_cli.private_cluster import PrivateCluster
from singletrack_cli.supervising import Keeper, MakePart
from singletrack_cli.terminal import Terminal

_ACCEPTING_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be started."""

    options: Options
    environ: Mapping[str, str] = field(repr=False)
    mark: str
    """By which every process of this platform is recognised."""
    start_task: str = ""
    valkey: Path | None = None
    """The program of the embedded server, unless another one is given."""
    programs: Binaries | None = None
    """Those of the private cluster, if there is to be one."""


class LocalPlatform:
    """Everything from `start` to `stop`; `changed` is called when a process was replaced."""

    def __init__(self, plan: Plan, terminal: Terminal, changed: Callable[[], None]) -> None:
        self._plan = plan
        self._options = plan.options
        self._environ = plan.environ
        self._terminal = terminal
        self._changed = changed
        self._keepers: dict[str, Keeper] = {}
        self.cluster: PrivateCluster | None = None
        self.site = Site(
            redis_url=plan.options.redis,
            api_port=plan.options.api_port,
            operator_port=0,
            api_kubeconfig=plan.options.kubeconfig,
            operator_kubeconfig=plan.options.kubeconfig,
            start_task=plan.start_task,
            mark=plan.mark,
        )

    @property
    def pids(self) -> dict[str, int]:
        """Who is who now."""
        pids = {name: keeper.pid for name, keeper in self._keepers.items()}
        return pids | (self.cluster.pids if self.cluster else {})

    @property
    def kubeconfig(self) -> Path | None:
        """What the user's kubectl needs."""
        return self.cluster.kubeconfig if self.cluster else self._options.kubeconfig

    @property
    def metrics_port(self) -> int:
        """The operator exports the numbers of the runs; where there is none, the API does."""
        return self.site.operator_port or self.site.api_port

    async def start(self) -> None:
        """Start everything, and return when runs are accepted and executed.

        Raises:
            CannotStart: one of the parts did not get ready. Call `stop` all the same.
        """
        if self._plan.valkey is not None:
            await self._keep_somewhere("valkey", partial(self._place_valkey, self._plan.valkey))
        await together(self._keep("worker", self._worker), self._start_cluster())
        await together(self._start_api(), self._start_operator())
        await self._accepting()

    async def renew_worker(self) -> None:
        """A new worker takes over; the old one ends when its runs have."""
        await self._keepers["worker"].replace()

    async def stop(self, hurry: asyncio.Event) -> None:
        """End everything in order; `hurry` shortens every wait."""
        await asyncio.gather(self._end("api", hurry), self._end("operator", hurry))
        await self._end("worker", hurry)
        if self.cluster is not None:
            await self.cluster.stop(hurry)
        await self._end("valkey", hurry)

    def _place_valkey(self, program: Path) -> tuple[int, MakePart]:
        server = EmbeddedValkey.prepare(program, self._options.data.absolute() / "valkey")
        self.site = replace(self.site, redis_url=server.url)
        return server.port, lambda _: server.part(self._environ, self._plan.mark)

    async def _start_cluster(self) -> None:
        if self._plan.programs is None:
            return
        self.cluster = PrivateCluster(
            self._plan.programs,
            self._options.data / "kubernetes",
            self._environ,
            self._terminal,
            self._changed,
        )
        await self.cluster.start()
        self.site = replace(
            self.site,
            api_kubeconfig=self.cluster.api_kubeconfig,
            operator_kubeconfig=self.cluster.operator_kubeconfig,
        )

    async def _start_api(self) -> None:
        def make(_: int) -> Part:
            return parts.api(self._options, self.site, self._environ)

        def place() -> tuple[int, MakePart]:
            self.site = replace(self.site, api_port=checking.free_port())
            return self.site.api_port, make

        if self._options.api_port:
            await self._keep("api", make)
        else:
            await self._keep_somewhere("api", place)

    async def _start_operator(self) -> None:
        def place() -> tuple[int, MakePart]:
            self.site = replace(self.site, operator_port=checking.free_port())
            return self.site.operator_port, lambda _: parts.operator(self.site, self._environ)

        if self._options.with_operator:
            await self._keep_somewhere("operator", place)

    async def _keep_somewhere(self, name: str, place: Callable[[], tuple[int, MakePart]]) -> None:
        """On a port of our choice; on another one if somebody else has just taken that."""
        now = asyncio.Event()
        now.set()
        for is_last in (False, False, True):
            port, make = place()
            try:
                await self._keep(name, make)
            except CannotStart:
                await self._end(name, now)
                if is_last or ports.is_free(port):
                    raise
            else:
                return

    async def _keep(self, name: str, make: MakePart) -> None:
        self._keepers[name] = Keeper(name, make, self._terminal, self._changed)
        await self._keepers[name].start()

    def _worker(self, generation: int) -> Part:
        return parts.worker(self._options, self.site, self._environ, generation)

    async def _end(self, name: str, hurry: asyncio.Event) -> None:
        if name in self._keepers:
            await self._keepers[name].stop(hurry)

    async def _accepting(self) -> None:
        """Right after a crash nothing starts until it is certain that no old run still executes."""
        port = self.site.api_port
        what = "waiting until runs may start: those of a platform that was killed must be over"
        with self._terminal.progress(what):
            try:
                async with asyncio.timeout(_ACCEPTING_SECONDS):
                    await readiness.until(lambda: readiness.serves(port, "/readyz"))
            except TimeoutError:
                url = f"http://127.0.0.1:{port}/readyz"
                raise CannotStart(
                    f"runs were not accepted within {_ACCEPTING_SECONDS:.0f} s; {url} says why"
                ) from None
