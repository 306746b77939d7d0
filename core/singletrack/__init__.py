"""Singletrack: background tasks that run one at a time per lock, and prove it.

What task authors import lives here: `task` declares a Celery task that passes the gate, `context`
is what the running task may ask and tell. Everything else is imported from its own module.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singletrack.tasks import context, task

__all__ = ["context", "task"]


def __getattr__(name: str) -> Any:
    """Load `task` and `context` on first use: the API and the agent never need Celery for them."""
    if name in __all__:
        from singletrack import tasks

        return getattr(tasks, name)
    raise AttributeError(f"module 'singletrack' has no attribute {name!r}")
