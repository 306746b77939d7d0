"""`python -m singletrack_operator`: keep TaskRuns and records in agreement until SIGTERM."""

from __future__ import annotations

import sys

from singletrack import termination


def main() -> int:
    """Operate. What takes long to import comes after the first line."""
    termination.heed_early()
    from singletrack_operator.main import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
