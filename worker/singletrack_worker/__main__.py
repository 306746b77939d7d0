"""`singletrack-worker`: the packaged app under Celery's command line; arguments are Celery's."""

from __future__ import annotations

import os
import sys

from singletrack import logs

_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


def main() -> None:
    """Start a worker: `singletrack-worker --concurrency 2`."""
    logs.configure("worker", json_lines=os.environ.get("SINGLETRACK_LOG_FORMAT") == "json")
    from singletrack_worker.app import app

    app.worker_main(["worker", *_QUIET, *sys.argv[1:]])


if __name__ == "__main__":
    main()
