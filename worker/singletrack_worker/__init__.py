"""The worker: turns any Celery app into one whose declared tasks run one at a time per lock.

`install(app)` is all a project calls. Inside: `gate` claims in the worker's main process, `execute`
runs in the pool's children, `agent` is the small process that renews the leases and ends processes.
"""

from singletrack_worker.install import install

__all__ = ["install"]
