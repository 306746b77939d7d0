"""How often one caller may ask, so that a loop gone wild does not take the door from all others.

Counted in this process alone: of N replicas, each grants as much.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


def per_minute(requests: int) -> Callable[[str], int]:
    """So many in any minute; what it answers is a `parts.Wait`."""
    limit = RateLimitItemPerMinute(requests)
    limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def wait(caller: str) -> int:
        if limiter.hit(limit, caller):
            return 0
        window = limiter.get_window_stats(limit, caller)
        return max(1, math.ceil(window.reset_time - time.time()))

    return wait
