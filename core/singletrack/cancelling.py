"""Keeps a cancellation that a library loses.

redis-py writes under `asyncio.wait_for`, and up to Python 3.11 that forgets a cancellation which
comes in the same turn of the loop as the end of what it waits for. A task is cancelled once only:
a loop that has missed it would go on, and whoever waits for its end would wait for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept() -> Iterator[None]:
    """What is cancelled within this block leaves it cancelled, whatever the block makes of that.

    Raises:
        CancelledError: this task was cancelled meanwhile; the block may have had its effect.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0

    def is_cancelled() -> bool:
        return task is not None and task.cancelling() > before

    try:
        yield
    except Exception as error:
        if is_cancelled():
            raise asyncio.CancelledError from error
        raise
    if is_cancelled():
        raise asyncio.CancelledError
