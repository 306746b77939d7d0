"""The lease agent: a small process beside each worker that renews leases and ends processes.

It is started by the worker's main process before the pool, by exec, and shares nothing with Celery:
when main, a child or the ledger hangs, the agent still kills in time. It promises three things:

- user code runs only in a child whose lease it renews, and not beyond the lease's deadline;
- a child's death is noticed at once, and reported only when all its descendants are dead;
- when main dies, nothing main has started stays behind.

`table` and `bindings` decide, purely; `loop` acts. Main and the pool's children use `client`,
`spawning` and `guarding`; everything else belongs to the agent's own process, which is
`python -m singletrack_worker.agent`.
"""
