"""The threads that a task has left in its process.

The kernel lists a thread for a moment after `join()` has returned, so one that Python knows nothing
of any more is looked at again before it counts.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

_PAUSES = (0.001, 0.005, 0.02, 0.05)


def running() -> frozenset[int]:
    """The ids of this process's threads, also of those that Python does not know of."""
    return frozenset(map(int, os.listdir("/proc/self/task")))  # noqa: PTH208 - names are enough


def are_left(before: AbstractSet[int], pauses: Iterable[float] = _PAUSES) -> bool:
    """Whether there are other threads than there were before, and they do not end at once.

    Args:
        before: what `running` has said.
        pauses: how many seconds to wait before each further look at threads unknown to Python.
    """
    for pause in pauses:
        found = running() - before
        if not found or not found.isdisjoint(thread.native_id for thread in threading.enumerate()):
            return bool(found)
        time.sleep(pause)
    return not running() <= before
