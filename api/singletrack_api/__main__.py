"""`singletrack-api`: serve the REST door on a loopback address until SIGTERM or SIGINT."""

from __future__ import annotations

import sys

from singletrack import termination


def main() -> int:
    """Serve. What takes long to import comes after the first line."""
    termination.heed_early()
    from singletrack_api.main import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
