"""`install(app)`: lets tasks of a Celery app pass the gate, and leaves everything else as it is.

Installing does no input or output and reads no setting of the app: what has to be known of the app
is looked at when Celery itself reads its configuration, registers its tasks and starts a worker.
What changes for tasks that do not pass the gate: docs/explanation/celery-settings.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from celery import Celery, current_app, signals
from kombu.utils.functional import maybe_list

from singletrack import logs, tracing
from singletrack.errors import ConfigurationError
from singletrack.settings import Settings
from singletrack.tasks import declaration_of
from singletrack_worker.attached import (
    Gating,
    Installed,
    attach,
    attach_main,
    installed_in,
    main_of,
)
from singletrack_worker.children import start_child
from singletrack_worker.consuming import Consuming
from singletrack_worker.gated_task import gate_task
from singletrack_worker.ledger_control import CONTROL
from singletrack_worker.main_process import MainProcess
from singletrack_worker.own_backend import BACKEND
from singletrack_worker.result_backend import ledger_backend_of
from singletrack_worker.routing import is_for_gated_tasks_only

log = structlog.get_logger()

_CELERYS_OWN = "celery."


def install(app: Celery, gate: str = "declared", *, settings: Settings | None = None) -> Celery:
    """Make tasks of an app run one at a time per lock.

    Args:
        app: any Celery app, configured before or after.
        gate: `declared`: the tasks declared with `singletrack.task`; the others run exactly as
            before. `all`: every task; those that declare no lock share the key `default`.
        settings: read from the environment when not given.

    Raises:
        ConfigurationError: there is no such gate.
    """
    logs.join()
    target: Any = app  # celery-types knows neither these signals nor what may be replaced
    attach(
        target,
        Installed(
            settings=settings or Settings(),
            gating=_gating(gate),
            own_backend=target.backend_cls,
            own_control=target.control_cls,
        ),
    )
    target.backend_cls = BACKEND
    target.control_cls = CONTROL
    vars(target).pop("control", None)  # it keeps the one it has made
    target.steps["consumer"].add(Consuming)
    target.on_after_configure.connect(_find_broker, weak=False)
    target.on_after_finalize.connect(_gate_tasks, weak=False)
    target.register_task = _then_gate(target, target.register_task)
    if target.configured:
        _find_broker(target, target.conf)
    if target.finalized:
        _gate_tasks(target)
    signals.celeryd_init.connect(_fetch_one_at_a_time, weak=False)
    signals.worker_init.connect(_start_main, weak=False)
    signals.worker_ready.connect(_main_ready, weak=False)
    signals.worker_shutdown.connect(_stop_main, weak=False)
    signals.worker_process_init.connect(_start_child, weak=False)
    signals.worker_process_shutdown.connect(_end_child, weak=False)
    return app


def _gating(name: str) -> Gating:
    try:
        return Gating(name)
    except ValueError as error:
        raise ConfigurationError(
            f'install(app, gate={name!r}): the gate is "declared" or "all"'
        ) from error


def _find_broker(sender: Any, source: Any, **_: Any) -> None:
    """An app that names no broker has its messages where the ledger is."""
    installed = installed_in(sender)
    if installed is not None and not source.broker_url:
        settings = installed.settings
        source.update(broker_url=settings.broker.broker_url or settings.ledger.redis_url)


def _gate_tasks(sender: Any, **_: Any) -> None:
    """Called with the tasks an app has; again in a worker, which may have found more."""
    installed = installed_in(sender)
    if installed is None:
        return
    if _route not in maybe_list(sender.conf.task_routes or []):
        sender.conf.task_routes = [_route, *maybe_list(sender.conf.task_routes or [])]
        if "amqp" in vars(sender):  # it keeps what it has read
            sender.amqp.flush_routes()
            vars(sender.amqp).pop("router", None)
    backend = ledger_backend_of(sender)
    for task in list(sender.tasks.values()):
        if declaration_of(task) is not None or (
            installed.gating is Gating.ALL and not task.name.startswith(_CELERYS_OWN)
        ):
            gate_task(task, backend)


def _then_gate(app: Any, register_task: Callable[..., Any]) -> Callable[..., Any]:
    """Classes of tasks are registered one by one, after Celery has told of all the others."""

    def register(task: Any, **options: Any) -> Any:
        registered = register_task(task, **options)
        _gate_tasks(app)
        return registered

    return register


def _route(
    name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any
) -> dict[str, str] | None:
    """Send a task declared with a queue to that queue."""
    declared = declaration_of(task)
    return {"queue": declared.queue} if declared and declared.queue else None


def _fetch_one_at_a_time(instance: Any, conf: Any, options: Any, **_: Any) -> None:
    """A busy worker should not hold messages whose runs own locks, if only those are its work."""
    if installed_in(instance.app) is None:
        return
    _gate_tasks(instance.app)
    if is_for_gated_tasks_only(instance.app, options.get("queues")):
        conf.update(worker_prefetch_multiplier=1, worker_disable_prefetch=True)


def _vital(handler: Callable[..., None]) -> Callable[..., None]:
    """Have the process end if this handler fails.

    Celery would log the error and go on, with a worker that drops what it takes, or a child that
    executes without a lease.
    """

    @wraps(handler)
    def call(**named: Any) -> None:
        try:
            handler(**named)
        except Exception as error:
            log.exception("start_failed", step=handler.__name__.lstrip("_"))
            raise SystemExit(1) from error

    return call


@_vital
def _start_main(sender: Any, **_: Any) -> None:
    installed = installed_in(sender.app)
    if installed is not None:
        _gate_tasks(sender.app)
        attach_main(sender.app, MainProcess.start(sender, installed.settings))


@_vital
def _main_ready(sender: Any, **_: Any) -> None:
    main = main_of(sender.app)
    if main is not None:
        main.ready(sender.controller)


def _stop_main(sender: Any, **_: Any) -> None:
    main = main_of(sender.app)
    if main is not None:
        main.stop()


def _end_child(**_: Any) -> None:
    tracing.stop()


@_vital
def _start_child(**_: Any) -> None:
    app: Any = current_app
    main = main_of(app)
    if main is not None:
        start_child(app, main)
