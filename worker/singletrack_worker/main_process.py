"""The worker's main process: starts the agent before the pool, holds the gate, registers tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Self

import structlog
from celery.concurrency.prefork import TaskPool

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.errors import ConfigurationError, SingletrackError
from singletrack.settings import Settings
from singletrack.tasks import declaration_of, describe
from singletrack_worker.agent.processes import become_subreaper
from singletrack_worker.agent.spawning import AgentProcess, spawn_agent
from singletrack_worker.direct import DirectRuns
from singletrack_worker.gate import Gate
from singletrack_worker.revoking import replace_revoke
from singletrack_worker.runtime import Runtime

log = structlog.get_logger()


class MainProcess:
    """What the main process of one worker holds."""

    def __init__(self, app: Any, runtime: Runtime, agent: AgentProcess) -> None:
        self._app = app
        self._agent = agent
        self._controller: Any = None
        self.runtime = runtime
        direct = DirectRuns(app, runtime.settings.run.namespace, runtime.defaults)
        self.gate = Gate(runtime, direct.specify)

    @classmethod
    def start(cls, controller: Any, settings: Settings) -> Self:
        """Check, then start the agent; a worker that cannot keep the promise does not start.

        Raises:
            SystemExit: with one sentence that says what is wrong and what to do.
        """
        try:
            _check_pool(controller)
            ledger = RedisLedger.from_settings(settings.ledger)
            found = ledger.prepare()
            become_subreaper()
            agent = spawn_agent(settings, controller.hostname)
        except SingletrackError as error:
            sys.stderr.write(f"singletrack-worker: {error}\n")
            raise SystemExit(1) from error
        log.info("worker_starting", worker=controller.hostname, ledger=found.summary)
        runtime = Runtime(
            settings=settings, ledger=ledger, agent=agent.client, worker=controller.hostname
        )
        main = cls(controller.app, runtime, agent)
        main.register_tasks()
        replace_revoke(runtime)
        return main

    @property
    def agent_path(self) -> str:
        """Where the agent listens."""
        return str(self._agent.path)

    def ready(self, controller: Any) -> None:
        """Celery consumes from now on."""
        self._controller = controller

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Run something in the main loop after a while."""
        self._controller.timer.call_after(seconds, act)

    def register_tasks(self) -> None:
        """Write this worker's tasks into the catalogue."""
        entries = {}
        for task in self._app.tasks.values():
            declared = declaration_of(task)
            if declared is not None:
                entries[task.name] = describe(task, declared).to_json()
        if entries:
            self.runtime.ledger.execute(ops.RegisterTasks(entries=entries))
        log.info("tasks_registered", tasks=sorted(entries))

    def stop(self) -> None:
        """Let the agent go once nothing is bound to it, and forget the connections."""
        self._agent.stop()
        self.runtime.ledger.close()


def _check_pool(controller: Any) -> None:
    pool = controller.pool_cls
    if not (isinstance(pool, type) and issubclass(pool, TaskPool)):
        name = getattr(pool, "__name__", pool)
        raise ConfigurationError(
            f"the pool {name} cannot stop a task; start the worker with --pool=prefork"
        )
