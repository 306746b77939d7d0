"""What happens in a pool child when it is forked: own session, own clients, wrapped tracers."""

from __future__ import annotations

import os

from celery import Celery

from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.tasks import declaration_of
from singletrack_worker.agent.client import AgentClient
from singletrack_worker.agent.processes import become_subreaper
from singletrack_worker.execute import Executor
from singletrack_worker.main_process import MainProcess
from singletrack_worker.runtime import Runtime


def start_child(app: Celery, main: MainProcess) -> None:
    """Prepare this process to execute claimed runs."""
    agent = AgentClient.connect(main.agent_path)
    agent.hello_child()
    os.setsid()
    become_subreaper()
    ledger = RedisLedger.from_settings(main.runtime.settings.ledger)
    ledger.use(main.runtime.ledger.capabilities)
    executor = Executor(
        Runtime(
            settings=main.runtime.settings,
            ledger=ledger,
            agent=agent,
            worker=main.runtime.worker,
        )
    )
    for task in app.tasks.values():
        if declaration_of(task) is not None:
            task.__trace__ = executor.wrap(task, task.__trace__)
