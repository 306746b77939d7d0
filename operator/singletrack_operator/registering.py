"""Waits for tasks: TaskRuns that name one nobody has registered yet are looked at when it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from singletrack.errors import LedgerError
from singletrack.ledger import AsyncLedger
from singletrack.operations import ListTasks

_PAUSE_SECONDS = 2.0


class AwaitedTasks:
    """The tasks that are waited for, and by which TaskRuns."""

    def __init__(self) -> None:
        self._awaited: dict[str, set[str]] = {}
        self._somebody = asyncio.Event()

    def add(self, task: str, uid: str) -> None:
        self._awaited.setdefault(task, set()).add(uid)
        self._somebody.set()

    async def run(self, ledger: AsyncLedger, look: Callable[[str], None]) -> None:
        """Ask the catalogue while anybody waits, until cancelled."""
        while True:
            await self._somebody.wait()
            try:
                registered = set(await ledger.execute(ListTasks()))
            except LedgerError:
                registered = set()
            for task in registered & self._awaited.keys():
                for uid in self._awaited.pop(task):
                    look(uid)
            if not self._awaited:
                self._somebody.clear()
            await asyncio.sleep(_PAUSE_SECONDS)
