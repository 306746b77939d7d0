"""The worker's main process: starts the agent before the pool, registers tasks."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

import celery
import structlog
from celery.worker import state

from singletrack import failpoints, logs, termination, tracing
from singletrack import operations as ops
from singletrack.adapters import machine
from singletrack.adapters.celery_broker import shares_server
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.adapters.redis_ledger.server import Capabilities
from singletrack.errors import LedgerError, LedgerUnavailable, SingletrackError
from singletrack.settings import Settings
from singletrack_worker import start_checks
from singletrack_worker.agent.client import AgentError
from singletrack_worker.agent.guarding import watch_agent
from singletrack_worker.agent.killing import kill_tree
from singletrack_worker.agent.processes import become_subreaper
from singletrack_worker.agent.spawning import AgentProcess, spawn_agent
from singletrack_worker.delivery import Delivery
from singletrack_worker.direct import writes_json
from singletrack_worker.exporting import WorkerMetrics
from singletrack_worker.foreign_messages import tolerate_foreign_messages
from singletrack_worker.receipts import Receipts
from singletrack_worker.refusing import Refusing
from singletrack_worker.registering import Registration
from singletrack_worker.revoking import replace_revoke
from singletrack_worker.runtime import Runtime
from singletrack_worker.shutdown_signals import put_off_while_writing
from singletrack_worker.without_scripts import do_without_scripts

if TYPE_CHECKING:
    from singletrack_worker.request import GatedRequest

log = structlog.get_logger()

_KILL_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_REPLACEMENT_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
_NEVER_SECONDS = 10 * 365 * 86400.0


class MainProcess:
    """What the main process of one worker holds."""

    def __init__(self, app: Any, runtime: Runtime, agent: AgentProcess) -> None:
        self._app = app
        self._agent = agent
        self._controller: Any = None
        self._requests: WeakValueDictionary[str, GatedRequest] = WeakValueDictionary()
        self._registration = Registration(app, runtime.ledger)
        self.receipts = Receipts()
        self._metrics = WorkerMetrics()
        self.refusing = Refusing(runtime)
        self.runtime = runtime

    @classmethod
    def start(cls, controller: Any, settings: Settings) -> Self:
        """Check, then start the agent; a worker that cannot keep the promise does not start.

        Raises:
            SystemExit: with one sentence that says what is wrong and what to do.
        """
        termination.heed_early()  # Celery handles it only once it has started
        try:
            return cls._started(controller, settings)
        except SingletrackError as error:
            sys.stderr.write(f"singletrack-worker: {error}\n")
            raise SystemExit(1) from error

    @classmethod
    def _started(cls, controller: Any, settings: Settings) -> Self:
        failpoints.arm("worker", os.environ)
        _check(controller, settings)
        ledger = RedisLedger.from_settings(settings.ledger)
        found = _prepared(ledger)
        become_subreaper()
        tolerate_foreign_messages()
        do_without_scripts(controller.app)
        agent = spawn_agent(settings, controller.hostname)
        log.info("worker_starting", worker=controller.hostname, ledger=found.summary)
        conf = controller.app.conf
        runtime = Runtime(
            settings=settings,
            ledger=ledger,
            agent=agent.client,
            worker=controller.hostname,
            pushes=shares_server(conf.broker_url or "", settings.ledger.redis_url),
            tells_celery=writes_json(controller.app),
        )
        main = cls(controller.app, runtime, agent)
        main._registration.register()
        start_checks.tell(start_checks.find_strangers_of(controller.app))
        main.guard_agent()
        tracing.load(os.environ)  # its children share what it has imported
        replace_revoke(runtime)
        _share_with_children()
        return main

    @property
    def agent_path(self) -> str:
        """Where the agent listens."""
        return str(self._agent.path)

    @property
    def no_time_limits(self) -> tuple[float | None, float | None]:
        """What to tell a pool so that it never ends a run; none at all means its own default."""
        pools_own = self._controller.time_limit or self._controller.soft_time_limit
        return (_NEVER_SECONDS, _NEVER_SECONDS) if pools_own else (None, None)

    def ready(self, controller: Any) -> None:
        """Celery consumes from now on."""
        self._controller = controller
        put_off_while_writing(controller)
        self._look_after_pool()
        controller.timer.call_repeatedly(_LOOK_SECONDS, self._look_after_pool)
        grace = self.runtime.settings.lease.blessing_grace_seconds
        controller.timer.call_repeatedly(grace / 2, self._registration.register_forgotten)
        self._metrics.started(
            controller.concurrency, self._registration.queues, lambda: len(state.active_requests)
        )
        settings = self.runtime.settings.worker
        if settings.worker_metrics_port:
            self._metrics.serve(settings.worker_metrics_host, settings.worker_metrics_port)

    def _look_after_pool(self) -> None:
        """Have the place of a child that has ended taken by another one.

        Celery looks as soon as a child closes its end of a pipe, which may be before it has ended,
        and then not again for five seconds.
        """
        self._metrics.beat()
        pool = self._controller.pool._pool
        self._tell_exits(pool)
        pool.maintain_pool()

    def _tell_exits(self, pool: Any) -> None:
        """Have the pool tell at once how a child ended; Celery itself hears of it seconds later.

        The pool forgets it whenever Celery connects to its broker again.
        """
        celerys_own = pool.on_process_down
        if getattr(celerys_own, "tells_the_agent", False):
            return

        def on_process_down(process: Any) -> None:
            if process.exitcode is not None:
                self.tell_exit(process.pid, process.exitcode)
            celerys_own(process)

        on_process_down.tells_the_agent = True  # type: ignore[attr-defined]
        pool.on_process_down = on_process_down

    def tell_exit(self, pid: int, code: int) -> None:
        """Tell the agent how a child ended; it merges that into its report."""
        self._metrics.child_ended(code)
        try:
            self.runtime.agent.child_exit(pid, code)
        except AgentError as error:
            log.warning("agent_unreachable", step="child_exit", pid=pid, error=str(error))

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Run something in the main loop after a while."""
        self._controller.timer.call_after(seconds, act)

    def stop(self) -> None:
        """Let the agent go once nothing is bound to it, and forget the connections."""
        self._agent.stop()
        self.runtime.ledger.close()

    # --- what the pool has ------------------------------------------------------------------------

    def note(self, request: GatedRequest) -> None:
        """The pool may get this message; Celery keeps the request as long as it is there."""
        self._requests[request.delivery.nonce] = request

    def forget(self, request: GatedRequest) -> None:
        """The pool is done with it."""
        self._requests.pop(request.delivery.nonce, None)

    def recorded(self, nonce: str) -> None:
        """A child says that the ledger has the run of this message."""
        request = self._requests.get(nonce)
        if request is not None:
            request.settle()

    # --- the agent's death ------------------------------------------------------------------------

    def guard_agent(self) -> None:
        """Notice from now on when the agent dies or hangs."""
        watch_agent(self._agent, self._replace_agent)

    def _replace_agent(self) -> None:
        """Nobody watches the children any more: end them, say so, start another agent."""
        orphaned = [request.delivery for request in self._requests.values() if request.worker_pid]
        log.error("agent_died", worker=self.runtime.worker, runs=len(orphaned))
        kill_tree(self._pool_pids(), _KILL_SECONDS)
        for delivery in orphaned:
            self._report_gone(delivery)
        for pause in (*_REPLACEMENT_PAUSES, None):
            try:
                self._take_agent(spawn_agent(self.runtime.settings, self.runtime.worker))
            except AgentError as error:
                log.error("agent_not_replaced", worker=self.runtime.worker, error=str(error))
            else:
                return
            time.sleep(pause or 0)
        # Without an agent nothing is executed, and nobody would notice: let the worker be started
        # anew. Celery's cold shutdown gives back the messages it holds, and waits for no child.
        os.kill(os.getpid(), signal.SIGQUIT)

    def _take_agent(self, agent: AgentProcess) -> None:
        self._agent = agent
        self._metrics.agent_replaced()
        self.runtime = replace(self.runtime, agent=agent.client)
        self.guard_agent()

    def _pool_pids(self) -> list[int]:
        pool = getattr(getattr(self._controller, "pool", None), "_pool", None)
        return [process.pid for process in getattr(pool, "_pool", [])]

    def _report_gone(self, delivery: Delivery) -> None:
        report = ops.ChildGone(
            run_id=delivery.run_id,
            nonce=delivery.nonce,
            cause=ops.Cause.DIED,
            message="the worker's lease agent died",
        )
        try:
            self.runtime.ledger.execute(report)
        except LedgerError as error:  # the sweeper ends the lease then
            with logs.about_run(delivery.run_id):
                log.warning("report_failed", error=str(error))


def _share_with_children() -> None:
    """Keep the garbage collector off all there is, in main and in its children.

    Celery has it run before every fork: it writes to each object it looks at, so that the children
    that are there already lose the pages they share with main.
    """
    gc.collect()
    gc.freeze()


def _prepared(ledger: RedisLedger) -> Capabilities:
    """What the ledger's server can do; one that does not answer yet is waited for."""
    told = False
    while True:
        try:
            return ledger.prepare()
        except LedgerUnavailable as error:
            if not told:
                log.warning("waiting_for_ledger", error=str(error))
            told = True
            time.sleep(_LOOK_SECONDS)


def _check(controller: Any, settings: Settings) -> None:
    found = start_checks.find_all(
        controller.pool_cls, celery.__version__, settings.worker.untested_celery, machine.observe()
    )
    conf = controller.app.conf
    used = conf.broker_read_url or conf.broker_url
    named = settings.broker.broker_url or settings.ledger.redis_url
    other = start_checks.find_other_broker(used, named)
    start_checks.tell(start_checks.refuse(chain(found, other)))
