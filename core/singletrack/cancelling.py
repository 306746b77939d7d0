"""Ends a loop whose cancellation the ledger's client has taken for a failure of its own."""

from __future__ import annotations

import asyncio


def heed() -> None:
    """Called after whatever may have been such a failure: a task is cancelled once only.

    Raises:
        CancelledError: this task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling() > 0:
        raise asyncio.CancelledError
