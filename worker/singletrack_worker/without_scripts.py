"""Celery's worker as a Redis user that may not run scripts, where kombu would run some.

kombu puts back what was not acknowledged behind a mutex that redis-py releases by a script, and
keeps alive by scripts the queues of Celery's remote control, which expire. The first is done
without; the second is done without by a user who may not, and so is remote control.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from kombu.transport import redis

from singletrack.adapters.redis_ledger.scripts import may_run_scripts
from singletrack_worker.start_checks import redis_broker_of

log = structlog.get_logger()


def do_without_scripts(app: Any) -> None:
    """Called in a worker's main process before Celery makes its consumer."""
    redis.Mutex = mutex
    url = redis_broker_of(app)
    if url and app.conf.worker_enable_remote_control and not may_run_scripts(url):
        app.conf.worker_enable_remote_control = False
        log.info("remote_control_off", reason="the broker's user may not run scripts")


@contextmanager
def mutex(client: Any, name: str, expire: int) -> Iterator[None]:
    """The mutex of kombu: hold it for the block, `expire` seconds at most.

    Raises:
        MutexHeld: somebody else holds it.
    """
    ours = secrets.token_hex(8).encode()
    if not client.set(name, ours, nx=True, ex=expire):
        raise redis.MutexHeld

    def give_back(pipe: Any) -> None:
        if pipe.get(name) == ours:
            pipe.multi()
            pipe.delete(name)

    try:
        yield
    finally:
        client.transaction(give_back, name)
