"""The packaged worker app, `celery -A singletrack_worker.app worker`: `install` on a bare app.

The task modules come from `SINGLETRACK_TASKS`, separated by commas; without it, the demo tasks.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from singletrack.settings import Settings
from singletrack_worker.installing import install
from singletrack_worker.own_logging import LOGGING
from singletrack_worker.result_backend import backend_url


def create_app() -> Celery:
    """A Celery app with the modules of `SINGLETRACK_TASKS`, installed."""
    modules = os.environ.get("SINGLETRACK_TASKS", "singletrack_worker.demo_tasks")
    settings = Settings()
    names = [name.strip() for name in modules.split(",")]
    app = Celery("singletrack", include=names, log=LOGGING)
    app.conf.update(configuration(settings))
    return install(app, settings=settings)


def configuration(settings: Settings) -> dict[str, Any]:
    """What the packaged worker sets; why each: docs/explanation/celery-settings.md."""
    patience = settings.ledger.ledger_timeout_seconds
    return {
        "result_backend": backend_url(settings.ledger),
        "task_default_queue": settings.broker.default_queue,
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_hijack_root_logger": False,
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


app = create_app()
