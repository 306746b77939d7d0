"""One call of `singletrack up`: look, start, tell, attend until a signal comes, stop.

The first signal (Ctrl-C, SIGTERM, a closed terminal) stops everything in order, the second hurries,
the third gives up waiting. Whatever ends this process, the warden sees to it that nothing is left.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from singletrack_cli import announcing, checking, given_cluster, reloading, screen
from singletrack_cli.concurrently import together
from singletrack_cli.controlplane import Binaries
from singletrack_cli.errors import CannotStart
from singletrack_cli.local_platform import LocalPlatform, Plan
from singletrack_cli.options import Options
from singletrack_cli.reloading import Changes
from singletrack_cli.task_modules import DEMO
from singletrack_cli.terminal import Terminal
from singletrack_cli.wardship import ended_with_us

INTERRUPTED = 130

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Session:
    """Made inside an event loop; `run` is its whole life."""

    def __init__(self, options: Options, environ: Mapping[str, str], terminal: Terminal) -> None:
        self._options = options
        self._environ = environ
        self._terminal = terminal
        self._began = time.monotonic()
        self._mark = secrets.token_hex(8)
        self._modules = DEMO
        self._valkey: Path | None = None
        self._platform: LocalPlatform | None = None
        self._warden = 0
        self._was_ready = False
        self._times_asked = 0
        self._hurry = asyncio.Event()

    async def run(self, programs: Binaries | None) -> int:
        """The exit code: 0 after an orderly end.

        Raises:
            CannotStart: says in one sentence why not; nothing runs any more.
        """
        with ended_with_us(self._mark, self._environ) as self._warden:
            work = asyncio.create_task(self._work(programs))
            self._heed_signals(work)
            with suppress(asyncio.CancelledError):
                await work
        return 0 if self._was_ready else INTERRUPTED

    async def _work(self, programs: Binaries | None) -> None:
        announcing.forget_state(self._options.data)  # of one that was killed
        await self._look()
        async with self._changes() as changes:
            platform = LocalPlatform(self._plan(programs), self._terminal, self._publish)
            try:
                await platform.start()
                self._tell(platform)
                await self._attend(platform, changes)
            finally:
                self._platform = None
                announcing.forget_state(self._options.data)
                await platform.stop(self._hurry)

    async def _look(self) -> None:
        """Everything that takes more than a glance, side by side."""
        works = [given_cluster.prepare(self._options, self._environ), self._look_at_server()]
        if self._options.tasks or self._options.reload:
            works.append(self._look_at_tasks())
        with self._terminal.progress("looking at what is to be started"):
            await together(*works)

    async def _look_at_server(self) -> None:
        if self._options.redis:
            await checking.check_server(self._options.redis, self._environ)
        else:
            self._valkey = await checking.find_valkey(self._environ)

    async def _look_at_tasks(self) -> None:
        self._modules = await checking.inspect_tasks(self._options, self._environ)

    def _plan(self, programs: Binaries | None) -> Plan:
        return Plan(
            options=self._options,
            environ=self._environ,
            mark=self._mark,
            start_task=self._modules.start_task(self._environ),
            valkey=self._valkey,
            programs=programs,
        )

    def _tell(self, platform: LocalPlatform) -> None:
        """It is ready: say so to people and programs."""
        self._platform, self._was_ready = platform, True
        self._publish()
        announcing.write_environment(self._options.data, platform, self._environ)
        facts = announcing.facts(
            self._options,
            platform,
            self._modules,
            self._environ,
            time.monotonic() - self._began,
        )
        self._terminal.show(screen.render(facts, coloured=self._terminal.coloured))
        self._terminal.quiet = False

    def _publish(self) -> None:
        if self._platform is not None:
            state = announcing.state(self._platform, self._warden)
            announcing.write_state(self._options.data, state)

    @asynccontextmanager
    async def _changes(self) -> AsyncIterator[Changes | None]:
        """Those of the tasks' files, from before a worker reads them; None if nobody follows."""
        if not self._options.reload:
            yield None
            return
        async with reloading.watching(self._modules.files) as changes:
            yield changes

    async def _attend(self, platform: LocalPlatform, changes: Changes | None) -> None:
        """Whatever there is to do until the end, which comes as a cancellation."""
        if changes is not None:
            await self._reload(platform, changes)
        await asyncio.Event().wait()

    async def _reload(self, platform: LocalPlatform, changes: Changes) -> None:
        while True:
            names = ", ".join(announcing.shown(path) for path in await changes.next())
            try:
                await self._look_at_tasks()
            except CannotStart as error:
                self._terminal.say(f"{names} changed, but {error}; the old worker goes on")
                continue
            changes.watch(self._modules.files)
            self._terminal.say(f"{names} changed: a new worker takes over")
            await platform.renew_worker()

    def _heed_signals(self, work: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._asked_to_stop, work)  # but heed `nohup`
        self._terminal.when_gone(lambda: loop.call_soon_threadsafe(self._nobody_looks, work))

    def _nobody_looks(self, work: asyncio.Task[None]) -> None:
        if self._times_asked == 0:  # a closed terminal sends a signal as well
            self._asked_to_stop(work)

    def _asked_to_stop(self, work: asyncio.Task[None]) -> None:
        self._times_asked += 1
        if self._times_asked == 1:
            self._terminal.say("stopping (Ctrl-C again to hurry)")
            work.cancel()
        elif self._times_asked == 2:
            self._terminal.say("hurrying")
            self._hurry.set()
        else:
            os._exit(INTERRUPTED)  # the kernel and the warden end the rest
