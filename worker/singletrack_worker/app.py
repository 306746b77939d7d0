"""The packaged worker app, `celery -A singletrack_worker.app worker`: `install` on a bare app.

The task modules come from `SINGLETRACK_TASKS`, separated by commas; without it, the demo tasks.
"""

from __future__ import annotations

import os

from celery import Celery

from singletrack_worker.installing import install


def create_app() -> Celery:
    """A Celery app with the modules of `SINGLETRACK_TASKS`, installed."""
    modules = os.environ.get("SINGLETRACK_TASKS", "singletrack_worker.demo_tasks")
    app = Celery("singletrack", include=[name.strip() for name in modules.split(",")])
    return install(app)


app = create_app()
