"""The lease agent's own entry point, with a ledger in a folder instead of Redis."""

from __future__ import annotations

import sys

from integration.worker.agent.file_ledger import FileLedger

from singletrack_worker.agent import __main__ as entry

entry.RedisLedger = FileLedger  # type: ignore[assignment,misc]

if __name__ == "__main__":
    sys.exit(entry.main())
