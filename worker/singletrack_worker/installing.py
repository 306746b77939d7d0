"""`install(app)`: turns a Celery app into one whose declared tasks pass the gate.

Importing and installing does no input or output: settings of the app are set and signals connected.
The real work starts when Celery starts a worker.
"""

from __future__ import annotations

from typing import Any

from celery import Celery, current_app, signals
from kombu.utils.functional import maybe_list

from singletrack.errors import ConfigurationError
from singletrack.settings import Settings
from singletrack.tasks import declaration_of
from singletrack_worker.attached import attach_main, attach_settings, main_of, settings_of
from singletrack_worker.children import start_child
from singletrack_worker.main_process import MainProcess
from singletrack_worker.result_backend import backend_url

_REQUEST = "singletrack_worker.request:GatedRequest"


def install(app: Celery, settings: Settings | None = None) -> Celery:
    """Make the tasks declared with `singletrack.task` run one at a time per lock.

    Sets what the promise needs in the app's configuration (early acknowledgement, one message per
    slot, JSON, results read from the ledger) and hooks into the worker's start.

    Args:
        app: any Celery app; its other tasks run exactly as before.
        settings: read from the environment when not given.
    """
    settings = settings or Settings()
    app.conf.update(configuration(settings))
    app.conf.task_routes = [_route, *maybe_list(app.conf.task_routes or [])]
    attach_settings(app, settings)
    app.on_after_finalize.connect(_prepare_tasks, weak=False)
    signals.worker_init.connect(_start_main, weak=False)
    signals.worker_ready.connect(_main_ready, weak=False)
    signals.worker_shutdown.connect(_stop_main, weak=False)
    signals.worker_process_init.connect(_start_child, weak=False)
    return app


def configuration(settings: Settings) -> dict[str, Any]:
    """The Celery settings the promise rests on; why each: docs/explanation/celery-settings.md."""
    patience = settings.ledger.ledger_timeout_seconds
    return {
        "broker_url": settings.broker.broker_url or settings.ledger.redis_url,
        "result_backend": backend_url(settings.ledger),
        "task_default_queue": settings.broker.default_queue,
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "task_ignore_result": False,
        "task_track_started": False,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "socket_timeout": max(5.0, patience),
            "socket_connect_timeout": 3.0,
            "socket_keepalive": True,
            "health_check_interval": 5,
            "retry_on_timeout": False,
        },
    }


def _route(
    name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any
) -> dict[str, str] | None:
    """Send a task declared with a queue to that queue."""
    declared = declaration_of(task)
    return {"queue": declared.queue} if declared and declared.queue else None


def _prepare_tasks(sender: Celery, **_: Any) -> None:
    for task in sender.tasks.values():
        if declaration_of(task) is not None:
            _gate(task)


def _gate(task: Any) -> None:
    """Route one task's requests through the gate; its time limits become our deadlines."""
    task.Request = _REQUEST
    task.acks_late = False
    task.time_limit = task.soft_time_limit = None
    task.retry = _refuse_retry


def _refuse_retry(*_args: Any, exc: BaseException | None = None, **_kwargs: Any) -> Any:
    """Celery's `retry` publishes a message behind the ledger's back."""
    raise ConfigurationError(
        "self.retry() is not supported in a Singletrack task yet: it would publish a second run"
    ) from exc


def _start_main(sender: Any, **_: Any) -> None:
    settings = settings_of(sender.app)
    if settings is not None:
        attach_main(sender.app, MainProcess.start(sender, settings))


def _main_ready(sender: Any, **_: Any) -> None:
    main = main_of(sender.app)
    if main is not None:
        main.ready(sender.controller)


def _stop_main(sender: Any, **_: Any) -> None:
    main = main_of(sender.app)
    if main is not None:
        main.stop()


def _start_child(**_: Any) -> None:
    app: Any = current_app
    main = main_of(app)
    if main is not None:
        start_child(app, main)
