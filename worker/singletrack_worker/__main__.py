"""`singletrack-worker`: the packaged app under Celery's command line; arguments are Celery's."""

from __future__ import annotations

from singletrack import termination


def main() -> None:
    """Work. What takes long to import comes after the first line."""
    termination.heed_early()
    from singletrack_worker.main import run

    run()


if __name__ == "__main__":
    main()
