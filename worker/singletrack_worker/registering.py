"""What this worker executes, written into the ledger: for the doors, and as labels of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.errors import LedgerError
from singletrack.tasks import declaration_of, describe
from singletrack_worker.routing import Routes

log = structlog.get_logger()


class Registration:
    """The tasks of an app, and the broker queues its worker takes messages from."""

    def __init__(self, app: Any, ledger: RedisLedger) -> None:
        self._app = app
        self._ledger = ledger
        self._entries: dict[str, str] = {}

    @property
    def queues(self) -> tuple[str, ...]:
        """Where the worker takes messages from."""
        return tuple(self._app.amqp.queues.consume_from)

    def register(self) -> None:
        """Write down everything.

        Raises:
            LedgerError: the ledger does not have it.
        """
        routes = Routes(self._app)
        for task in self._app.tasks.values():
            declared = declaration_of(task)
            if declared is not None:
                entry = describe(task, declared)
                queue = entry.queue or routes.queue_of(task)
                self._entries[task.name] = replace(entry, queue=queue).to_json()
        if self._entries:
            self._write(self._entries)
        log.info("tasks_registered", tasks=sorted(self._entries))

    def register_forgotten(self) -> None:
        """A server that has lost everything does not know what can be run, before it is blessed."""
        try:
            known = self._ledger.execute(ops.ListTasks())
            lost = {name: entry for name, entry in self._entries.items() if name not in known}
            if lost:
                self._write(lost)
                log.info("tasks_registered", tasks=sorted(lost))
        except LedgerError as error:
            log.debug("tasks_not_registered", error=str(error))

    def _write(self, entries: Mapping[str, str]) -> None:
        self._ledger.execute(ops.RegisterTasks(entries=entries, queues=self.queues))
