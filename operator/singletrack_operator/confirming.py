"""Confirms deaths: a run that holds its lock (`onLost: Hold`) ends once its Pod certainly has.

While there is no such run, this does nothing at all; while there is one, the Pod of its worker is
watched, because what a Pod ended with is gone with the Pod. Whatever was not seen, or is not
certain, is left to the run's own worker and to people.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog

from singletrack import logs
from singletrack.adapters.kubernetes.errors import Expired, KubernetesError
from singletrack.adapters.kubernetes.pods import Pods
from singletrack.errors import LedgerError
from singletrack.ledger import AsyncLedger
from singletrack.operations import ConfirmDead, LeaseView, Verdict
from singletrack.pods import Pod
from singletrack_operator import deaths
from singletrack_operator.deaths import Death

log = structlog.get_logger()

_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_NODE_SECONDS = 10.0

Report = Callable[[Pod, Death], None]


@dataclass(slots=True)
class PodWatch:
    """Follows one Pod until it has certainly ended, through every failure of the API server."""

    pods: Pods
    pod: Pod
    report: Report
    since: str = ""
    """The version up to which everything was seen."""

    async def follow(self) -> None:
        """Watch the Pod; return when its end was reported."""
        failures = 0
        while True:
            try:
                if await self._read():
                    return
                failures = 0
            except Expired:
                self.since = ""
            except KubernetesError as error:
                failures += 1
                if failures == 1:
                    log.warning("pod_not_watched", pod=str(self.pod), error=str(error))
            await asyncio.sleep(_pause(failures))

    async def follow_node(self) -> None:
        """Look at the Pod's node again and again; return when its end was reported."""
        failures = 0
        while True:
            try:
                node = await self.pods.node(self.pod.node)
                failures = 0
                if node and (death := deaths.of_node(self.pod.node, node)):
                    return self.report(self.pod, death)
            except KubernetesError as error:
                failures += 1
                if failures == 1:
                    log.warning("node_not_read", node=self.pod.node, error=str(error))
            await asyncio.sleep(_NODE_SECONDS)

    async def _read(self) -> bool:
        async with aclosing(self.pods.watch(self.pod, self.since)) as versions:
            async for body in versions:
                self.since = body["metadata"]["resourceVersion"]
                if death := deaths.of_pod(self.pod, body):
                    self.report(self.pod, death)
                    return True
        return False


class Confirmations:
    """Which Pods have to be watched, which have ended, and what the ledger is told of them."""

    def __init__(self, ledger: AsyncLedger, pods: Pods) -> None:
        self._ledger = ledger
        self._pods = pods
        self._held: dict[Pod, list[LeaseView]] = {}
        self._watches: dict[Pod, PodWatch] = {}
        self._tasks: dict[tuple[Pod, str], asyncio.Task[None]] = {}
        self._deaths: dict[Pod, Death] = {}
        self._news = asyncio.Event()

    def note(self, leases: Sequence[LeaseView]) -> None:
        """Take in all leases there are now; called about every second, and cheap."""
        held: dict[Pod, list[LeaseView]] = {}
        for lease in leases:
            if lease.pod:
                held.setdefault(lease.pod, []).append(lease)
        if held or self._held:
            self._held = held
            self._news.set()

    async def run(self) -> None:
        """Watch and confirm, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._news.wait()
                self._news.clear()
                self._forget()
                self._follow(group.create_task)
                await self._confirm()

    def _forget(self) -> None:
        """Let go of the Pods in which no run holds its lock any more."""
        for pod, kind in [key for key in self._tasks if key[0] not in self._held]:
            self._tasks.pop((pod, kind)).cancel()
            self._watches.pop(pod, None)
            self._deaths.pop(pod, None)

    def _follow(self, start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        for pod, leases in self._held.items():
            watch = self._watches.setdefault(pod, PodWatch(self._pods, pod, self._ended))
            if (pod, "pod") not in self._tasks:
                self._tasks[pod, "pod"] = start(watch.follow())
            suspect = pod.node and any(lease.suspect for lease in leases)
            if suspect and (pod, "node") not in self._tasks:
                self._tasks[pod, "node"] = start(watch.follow_node())

    def _ended(self, pod: Pod, death: Death) -> None:
        self._deaths.setdefault(pod, death)
        self._news.set()

    async def _confirm(self) -> None:
        """Tell the ledger; what it does not take now it is told again with the next leases."""
        for pod, death in list(self._deaths.items()):
            for lease in self._held.get(pod, ()):
                with logs.about_run(lease.run_id):
                    await self._tell(lease, death)

    async def _tell(self, lease: LeaseView, death: Death) -> None:
        notice = ConfirmDead(
            run_id=lease.run_id,
            nonce=lease.nonce,
            message=death.message,
            cause=death.cause,
            exit=death.exit,
        )
        try:
            reply = await self._ledger.execute_durably(notice)
        except LedgerError as error:
            log.debug("death_not_confirmed", error=str(error))
            return
        if reply.verdict is Verdict.OK:
            log.warning("death_confirmed", state=reply.state, reason=death.message)


def _pause(failures: int) -> float:
    longest: float = min(_PAUSE_SECONDS * 2 ** min(failures, 10), _LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
