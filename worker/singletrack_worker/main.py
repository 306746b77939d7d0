"""The packaged app under Celery's command line; arguments are Celery's."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from singletrack import logs
from singletrack.errors import ConfigurationError
from singletrack.settings import LogFormat, LogSettings

_DEFAULTS = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


def run() -> None:
    """Start a worker: `singletrack-worker --concurrency 2`."""
    log = _log_settings()
    logs.configure("worker", log.log_format, log.log_level)
    from singletrack_worker import start_checks

    try:
        start_checks.refuse(start_checks.find_wrong_pool_option(sys.argv[1:]))
    except ConfigurationError as error:
        sys.stderr.write(f"singletrack-worker: {error}\n")
        raise SystemExit(1) from None
    from singletrack_worker.app import app

    # Celery's banner is for people, and no line of a log.
    quiet = ["--quiet"] if log.log_format is LogFormat.JSON else []
    app.worker_main([*quiet, "worker", "--loglevel", log.log_level, *_DEFAULTS, *sys.argv[1:]])


def _log_settings() -> LogSettings:
    try:
        return LogSettings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = f"SINGLETRACK_{wrong['loc'][0]}".upper()
        sys.stderr.write(f"singletrack-worker: {name}: {wrong['msg']}\n")
        raise SystemExit(1) from None
