"""A shutdown signal that arrives while main hands a message to a child waits for the end of that.

Celery stops its pool inside the handler of a cold shutdown (SIGQUIT, or SIGINT twice). If that
interrupts the writing of a message, the child waits for the rest of it and the pool for the child,
for ever. So the signal comes again a moment later, when the message has been written.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import structlog
from celery.apps import worker as celerys_worker

log = structlog.get_logger()

celerys_own: Any = celerys_worker  # celery-types knows none of its handlers

Handler = Callable[[int, FrameType | None], Any]

_AGAIN_SECONDS = 0.02
_PATIENCE = 100
"""How often a signal comes again before it is handled all the same: a child may never read."""

_WRITING = {"_write_job", "_write_ack"}
"""The generators of Celery's pool that write to a child."""


def put_off_while_writing(worker: Any) -> None:
    """Guard the cold shutdowns of this worker, also those that Celery prepares later.

    Args:
        worker: Celery's controller, which has installed its handlers.
    """
    install = celerys_own.install_worker_term_hard_handler

    def install_guarded(controller: Any, sig: str = "SIGQUIT", **options: Any) -> None:
        install(controller, sig=sig, **options)
        _guard(controller, signal.Signals[sig])

    celerys_own.install_worker_term_hard_handler = install_guarded
    _guard(worker, signal.SIGQUIT)
    if celerys_own.REMAP_SIGTERM == "SIGQUIT":
        _guard(worker, signal.SIGTERM)


def _guard(worker: Any, number: signal.Signals) -> None:
    handle = signal.getsignal(number)
    if callable(handle):
        signal.signal(number, Guarded(handle, lambda: _writers(worker)))


def _writers(worker: Any) -> set[Any]:
    pool = getattr(getattr(worker, "pool", None), "_pool", None)
    return getattr(pool, "_active_writers", set())


class Guarded:
    """A handler that is called when no message is half written, or after two seconds."""

    def __init__(self, handle: Handler, writers: Callable[[], set[Any]]) -> None:
        self._handle = handle
        self._writers = writers
        self._left = _PATIENCE

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Called by Python between two instructions of the main thread."""
        if self._left and (self._writers() or any(name in _WRITING for name in _names(frame))):
            self._left -= 1
            again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        if not self._left:
            log.warning("shutdown_amid_a_message", signal=signal.Signals(number).name)
        self._left = _PATIENCE
        self._handle(number, frame)


def _names(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_name
        frame = frame.f_back
