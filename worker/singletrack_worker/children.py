"""What happens in a pool child when it is forked: own session, own clients, wrapped tracers."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import structlog
from celery import Celery

from singletrack import tracing
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.tasks import declaration_of
from singletrack_worker.agent.client import AgentClient, AgentError
from singletrack_worker.agent.processes import become_subreaper
from singletrack_worker.direct import DirectRuns
from singletrack_worker.execute import Executor
from singletrack_worker.gate import Gate
from singletrack_worker.main_process import MainProcess

log = structlog.get_logger()

_PAUSE_SECONDS = 0.2


def start_child(app: Celery, main: MainProcess) -> None:
    """Prepare this process to execute claimed runs."""
    agent = _introduced(main.agent_path)
    os.setsid()
    become_subreaper()
    ledger = RedisLedger.from_settings(main.runtime.settings.ledger)
    ledger.use(main.runtime.ledger.capabilities)
    runtime = replace(main.runtime, ledger=ledger, agent=agent)
    direct = DirectRuns(app, runtime.settings.run.namespace, runtime.defaults)
    tracing.start("worker", os.environ)
    executor = Executor(runtime, Gate(runtime, direct.specify, main.receipts.write))
    for task in app.tasks.values():
        if declaration_of(task) is not None:
            task.__trace__ = executor.wrap(task, task.__trace__)


def _introduced(path: str) -> AgentClient:
    """Connect and say hello, before this process opens a session of its own.

    Raises:
        SystemExit: there is no agent. A child without one must not execute anything; the pool
            starts another in its place, which finds the next agent.
    """
    try:
        agent = AgentClient.connect(path)
        agent.hello_child()
    except AgentError as error:
        log.warning("agent_unreachable", step="hello", error=str(error))
        time.sleep(_PAUSE_SECONDS)
        raise SystemExit(1) from error
    return agent
