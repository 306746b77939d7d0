"""Singletrack: background tasks that run one at a time per lock, and prove it.

What task authors import lives here: `task` declares a Celery task that passes the gate, `context`
is what the running task may ask and tell, `Retry` says when a run is tried again. Everything else
is imported from its own module.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singletrack.retries import Retry
    from singletrack.tasks import context, task

__all__ = ["Retry", "context", "task"]


def __getattr__(name: str) -> Any:
    """Load each on first use: the API and the agent never need Celery for them."""
    if name in __all__:
        from singletrack import tasks

        return getattr(tasks, name)
    raise AttributeError(f"module 'singletrack' has no attribute {name!r}")
