"""`singletrack-worker`: the packaged app under Celery's command line; arguments are Celery's."""

from __future__ import annotations

import logging
import os
import sys

from singletrack import logs
from singletrack.errors import ConfigurationError

_DEFAULTS = ["--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]

#: Celery's own lines about each task; ours say the same with the run's id and lock.
_TWICE = ("celery.worker.strategy", "celery.app.trace")


def main() -> None:
    """Start a worker: `singletrack-worker --concurrency 2`."""
    logs.configure("worker", json_lines=os.environ.get("SINGLETRACK_LOG_FORMAT") == "json")
    from singletrack_worker import start_checks

    try:
        start_checks.refuse(start_checks.find_wrong_pool_option(sys.argv[1:]))
    except ConfigurationError as error:
        sys.stderr.write(f"singletrack-worker: {error}\n")
        raise SystemExit(1) from None
    from singletrack_worker.app import app

    for name in _TWICE:
        logging.getLogger(name).setLevel(logging.WARNING)
    app.worker_main(["worker", *_DEFAULTS, *sys.argv[1:]])


if __name__ == "__main__":
    main()
