"""The worker: turns any Celery app into one whose declared tasks run one at a time per lock.

`install(app)` is all a project calls. Inside: `gate` claims in the worker's main process, `execute`
runs in the pool's children, `agent` is the small process that renews the leases and ends processes.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singletrack_worker.installing import install

__all__ = ["install"]


def __getattr__(name: str) -> Any:
    """Load `install` on first use: the lease agent lives in this package and needs no Celery."""
    if name in __all__:
        from singletrack_worker.installing import install

        return install
    raise AttributeError(f"module 'singletrack_worker' has no attribute {name!r}")
